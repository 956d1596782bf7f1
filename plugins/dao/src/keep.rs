//! What is saved: the values of sources, and how far a writer is. Weights need no saving: they follow from the log.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use shimmer_governor::Vote;
use shimmer_sdk::Error;
use shimmer_view::Influence;

/// Of this form and no other.
const VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
struct State {
    sources: Vec<(String, Vec<f64>, u64)>,
    sent: u64,
    /// As they were posted.
    waiting: Vec<String>,
}

/// What comes back besides the values.
pub(crate) struct Kept {
    /// Bytes of the log that were sent.
    pub(crate) sent: u64,
    /// Votes that the log could not take.
    pub(crate) waiting: VecDeque<Vote>,
}

/// The bytes that hold it.
pub(crate) fn write(
    influence: &Influence,
    sent: u64,
    waiting: &VecDeque<Vote>,
) -> Result<Vec<u8>, Error> {
    let owned =
        |(source, values, events): (&str, Vec<f64>, u64)| (source.to_owned(), values, events);
    let state = State {
        sources: influence.windows().map(owned).collect(),
        sent,
        waiting: waiting.iter().map(Vote::to_json).collect(),
    };
    postcard::to_extend(&state, vec![VERSION]).map_err(|why| Error::Failed(why.to_string()))
}

/// Takes the values back into an empty `influence`, whose window may have changed.
pub(crate) fn read(bytes: &[u8], influence: &mut Influence) -> Result<Kept, Error> {
    let other = || Error::Unsupported("values of another version".to_owned());
    let state = bytes.strip_prefix(&[VERSION]).ok_or_else(other)?;
    let state: State = postcard::from_bytes(state).map_err(|_| other())?;
    for (source, values, events) in state.sources {
        influence.restore(&source, &values, events);
    }
    let waiting = state.waiting.iter().filter_map(|vote| Vote::parse(vote.as_bytes()).ok());
    Ok(Kept { sent: state.sent, waiting: waiting.collect() })
}
