//! `GET /snapshot`: the newest events, or those after a sequence; texts are copied, never encoded again.

use shimmer_ring::Reader;

use super::page::Ask;
use crate::http::{Answer, Problem, Query, Refused};

const DEFAULT_LIMIT: u64 = 50;
/// Room for one event while the answer is put together; an estimate only.
const EVENT_BYTES: usize = 320;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    limit: u64,
    since_seq: Option<u64>,
}

/// Name ids that an event must have.
#[derive(Debug, Default)]
struct Filter {
    kind: Option<u32>,
    subject: Option<u32>,
    source: Option<u32>,
}

/// Answers.
pub(crate) fn show(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let max_events = ask.app.config().ring.max_events as u64;
    let wanted = Wanted::read(&ask.query, max_events)?;
    let reader = ask.app.ring.reader();
    let published = reader.published();
    let first = reader.oldest().max(published.saturating_add(1).saturating_sub(max_events)).max(1);
    let (seqs, next_seq) = match Filter::resolve(&reader, &ask.query) {
        Some(filter) => select(&reader, &wanted, &filter, first, published),
        // No kept event can pass, so all of them count as examined.
        None => (Vec::new(), published),
    };
    Ok(Answer::json(encode(&reader, &seqs, next_seq, first)))
}

impl Wanted {
    fn read(query: &Query<'_>, max_events: u64) -> Result<Self, Refused> {
        let limit = query.parsed("limit", "a whole number of 1 or more")?.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 {
            return Err(Problem::field("limit", "must be 1 or more"));
        }
        let since_seq = query.parsed("since_seq", "a sequence, a whole number of 0 or more")?;
        Ok(Self { limit: limit.min(max_events), since_seq })
    }
}

impl Filter {
    /// `None` where a wanted name is not in the ring at all. Looked up after `published` was read: what was
    /// published by then has its names in the table.
    fn resolve(reader: &Reader, query: &Query<'_>) -> Option<Self> {
        let id = |name: &str| match query.text(name) {
            None => Some(None),
            Some(text) => reader.name_id(text).map(Some),
        };
        Some(Self { kind: id("kind")?, subject: id("subject")?, source: id("source")? })
    }

    fn passes(&self, kind: u32, subject: u32, source: u32) -> bool {
        self.kind.is_none_or(|id| id == kind)
            && self.subject.is_none_or(|id| id == subject)
            && self.source.is_none_or(|id| id == source)
    }
}

/// The sequences of the answer, oldest first, and the last one examined.
fn select(
    reader: &Reader,
    wanted: &Wanted,
    filter: &Filter,
    first: u64,
    published: u64,
) -> (Vec<u64>, u64) {
    let limit = wanted.limit as usize;
    // What was overwritten meanwhile is gone from the window, too.
    let passes = |seq: &u64| {
        reader.meta(*seq).is_some_and(|meta| filter.passes(meta.kind, meta.subject, meta.source))
    };
    let Some(since) = wanted.since_seq else {
        let mut newest: Vec<u64> = (first..=published).rev().filter(passes).take(limit).collect();
        newest.reverse();
        return (newest, published);
    };
    let mut seqs = Vec::new();
    // A caller that is ahead of the ring, as after a loss of data, is taken back to what exists.
    let mut examined = since.min(published);
    for seq in first.max(since.saturating_add(1))..=published {
        if seqs.len() == limit {
            break;
        }
        examined = seq;
        if passes(&seq) {
            seqs.push(seq);
        }
    }
    (seqs, examined)
}

fn encode(reader: &Reader, seqs: &[u64], next_seq: u64, first: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(seqs.len() * EVENT_BYTES + 96);
    body.extend_from_slice(b"{\"events\":[");
    let mut count = 0usize;
    for seq in seqs {
        let mark = body.len();
        if count > 0 {
            body.push(b',');
        }
        if reader.text_into(*seq, &mut body) {
            count += 1;
        } else {
            body.truncate(mark);
        }
    }
    let tail = format!("],\"count\":{count},\"next_seq\":{next_seq},\"dropped_before\":{first}}}");
    body.extend_from_slice(tail.as_bytes());
    body
}
