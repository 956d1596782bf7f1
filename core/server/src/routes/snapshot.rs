//! `GET /snapshot`: the newest events, or those after a sequence; texts are copied, never encoded again.

use shimmer_ring::Reader;

use super::page::Ask;
use crate::http::{Answer, Problem, Query, Refused};

const DEFAULT_LIMIT: u64 = 50;
const START: &[u8] = b"{\"events\":[";
/// Room for one event while the answer is put together; an estimate only.
const EVENT_BYTES: usize = 320;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    limit: u64,
    since_seq: Option<u64>,
}

/// The answer as it grows, a copy of the events' own texts.
struct Events<'a> {
    reader: &'a Reader,
    body: Vec<u8>,
    count: usize,
    limit: usize,
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
    let mut events = Events::new(&reader, wanted.limit as usize);
    let next_seq = match Filter::resolve(&reader, &ask.query) {
        Some(filter) => select(&mut events, &wanted, &filter, first, published),
        // No kept event can pass, so all of them count as examined.
        None => published,
    };
    Ok(Answer::json(events.finish(next_seq, first)))
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

    fn is_empty(&self) -> bool {
        self.kind.is_none() && self.subject.is_none() && self.source.is_none()
    }

    /// Whether `seq` is wanted and there: what was overwritten meanwhile is gone from the window, too.
    fn passes(&self, reader: &Reader, seq: u64) -> bool {
        reader.meta(seq).is_some_and(|meta| {
            self.kind.is_none_or(|id| id == meta.kind)
                && self.subject.is_none_or(|id| id == meta.subject)
                && self.source.is_none_or(|id| id == meta.source)
        })
    }
}

impl<'a> Events<'a> {
    fn new(reader: &'a Reader, limit: usize) -> Self {
        let mut body = Vec::with_capacity(limit * EVENT_BYTES + 96);
        body.extend_from_slice(START);
        Self { reader, body, count: 0, limit }
    }

    fn is_full(&self) -> bool {
        self.count == self.limit
    }

    /// Appends the event, if it is there.
    fn push(&mut self, seq: u64) {
        let mark = self.body.len();
        if self.count > 0 {
            self.body.push(b',');
        }
        if self.reader.text_into(seq, &mut self.body) {
            self.count += 1;
        } else {
            self.body.truncate(mark);
        }
    }

    fn clear(&mut self) {
        self.body.truncate(START.len());
        self.count = 0;
    }

    fn finish(mut self, next_seq: u64, first: u64) -> Vec<u8> {
        let count = self.count;
        let tail =
            format!("],\"count\":{count},\"next_seq\":{next_seq},\"dropped_before\":{first}}}");
        self.body.extend_from_slice(tail.as_bytes());
        self.body
    }
}

/// Collects the answer's events, oldest first; the last sequence examined.
fn select(
    events: &mut Events<'_>,
    wanted: &Wanted,
    filter: &Filter,
    first: u64,
    published: u64,
) -> u64 {
    let reader = events.reader;
    let Some(since) = wanted.since_seq else {
        newest(events, filter, first, published);
        return published;
    };
    // A caller that is ahead of the ring, as after a loss of data, is taken back to what exists.
    let mut examined = since.min(published);
    for seq in first.max(since.saturating_add(1))..=published {
        if events.is_full() {
            break;
        }
        examined = seq;
        if filter.is_empty() || filter.passes(reader, seq) {
            events.push(seq);
        }
    }
    examined
}

/// Collects the newest events.
fn newest(events: &mut Events<'_>, filter: &Filter, first: u64, published: u64) {
    let reader = events.reader;
    if filter.is_empty() {
        let from = published.saturating_add(1).saturating_sub(events.limit as u64).max(first);
        (from..=published).for_each(|seq| events.push(seq));
        if events.is_full() || from == first {
            return;
        }
        // One of them is lost, and an older one takes its place.
        events.clear();
    }
    let passes = |seq: &u64| filter.passes(reader, *seq);
    let mut seqs: Vec<u64> = (first..=published).rev().filter(passes).take(events.limit).collect();
    seqs.reverse();
    seqs.into_iter().for_each(|seq| events.push(seq));
}
