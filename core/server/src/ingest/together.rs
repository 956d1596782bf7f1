//! Posts of single events that came together are stored in one step.
//!
//! The rule: each is answered as if it had come alone. From the first on that takes a closer look, none is stored
//! here.

use std::cell::RefCell;

use shimmer_event::Batch;

use super::Admitted;
use super::media::{Media, One};
use super::store::{Stored, emptied, entry, foreign_source, publish, receipt, settle};
use crate::app::App;
use crate::http::{Refused, RequestId};
use crate::plugins::limits;

thread_local! {
    /// Small, and used by the few threads of the runtime.
    static BUFFERS: RefCell<(Batch, Stored)> = RefCell::default();
}

/// One of the posts.
pub(crate) struct Post<'a> {
    pub(crate) id: RequestId,
    pub(crate) body: &'a [u8],
}

/// Stores the first of `posts`, as many as are in the shape that clients mostly post, and hands `answer` what each
/// client is told, in order; gives their number. `told` is working memory.
pub(crate) fn post_together(
    app: &App,
    admitted: &Admitted,
    posts: &[Post<'_>],
    told: &mut Vec<u8>,
    mut answer: impl FnMut(&Post<'_>, Result<&[u8], Refused>),
) -> usize {
    // Each would be charged by itself.
    let is_limited = admitted.config.limits.events_per_second > 0;
    if is_limited || admitted.media != Media::One(One::Json) {
        return 0;
    }
    let limits = limits(&admitted.config);
    BUFFERS.with_borrow_mut(|(batch, stored)| {
        batch.start(&receipt(app, admitted));
        let usual = posts.iter().take_while(|post| batch.add(post.body, &limits)).count();
        let events = || batch.events().map(|(_, event)| event);
        if usual == 0 || events().any(|event| foreign_source(admitted, &event).is_some()) {
            return 0;
        }
        let mut entries = emptied(std::mem::take(&mut stored.entries));
        entries.extend(events().map(|event| entry(&event)));
        let published = publish(app, &entries, &mut stored.outcomes);
        stored.entries = emptied(entries);
        if published.is_err() {
            return 0;
        }
        for ((post, event), outcome) in posts.iter().zip(events()).zip(&stored.outcomes) {
            told.clear();
            let settled = settle(app, &post.id, admitted, &event, Some(outcome), told);
            if let Err(refused) = &settled {
                app.metrics.ingest.refused(refused.status());
            }
            answer(post, settled.map(|()| &told[..]));
        }
        usual
    })
}
