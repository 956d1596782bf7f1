//! Where the envelopes are: what answers others, behind a trait.
//!
//! The rule: a store keeps what it was given until it is told to prune, and then the longest kept goes first.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use crate::envelope::{Id, LogKey, Verified};
use crate::log::LogState;
use crate::ranges::RangeSet;

/// Sequences `low..=high` of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The log.
    pub log: LogKey,
    /// The first.
    pub low: u64,
    /// The last.
    pub high: u64,
}

/// The envelopes that this node offers to others.
pub trait Store {
    /// What can go wrong.
    type Error: std::error::Error;

    /// Keeps envelopes, all or none. One whose place is taken already is passed over.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being kept.
    fn put(&mut self, envelopes: &[Verified]) -> Result<(), Self::Error>;

    /// Appends what it has of `span` to `out`, in the order of sequences, and stops before the sum of
    /// [`crate::Envelope::weight`] passes `bytes`; one is always given, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being read.
    fn read(&self, span: Span, bytes: usize, out: &mut Vec<Verified>) -> Result<(), Self::Error>;

    /// Drops the longest kept until at most `bytes` are left, and says what it dropped.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being dropped.
    fn prune(&mut self, bytes: u64) -> Result<Vec<Span>, Self::Error>;

    /// Envelopes in it.
    fn count(&self) -> u64;

    /// Their weight in bytes.
    fn bytes(&self) -> u64;

    /// What it has of each log, and what it dropped: what [`crate::Node::restore`] takes after a restart.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read.
    fn logs(&self) -> Result<Vec<LogState>, Self::Error>;
}

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    envelopes: BTreeMap<Id, Verified>,
    order: VecDeque<Id>,
    dropped: BTreeMap<LogKey, (Option<[u8; 32]>, RangeSet)>,
    bytes: u64,
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn put(&mut self, envelopes: &[Verified]) -> Result<(), Infallible> {
        for envelope in envelopes {
            if self.envelopes.contains_key(&envelope.id) {
                continue;
            }
            self.bytes += envelope.weight() as u64;
            self.order.push_back(envelope.id);
            self.envelopes.insert(envelope.id, envelope.clone());
        }
        Ok(())
    }

    fn read(&self, span: Span, bytes: usize, out: &mut Vec<Verified>) -> Result<(), Infallible> {
        let Span { log, low, high } = span;
        if low > high {
            return Ok(());
        }
        let mut read = 0;
        for (_, envelope) in self.envelopes.range(Id { log, seq: low }..=Id { log, seq: high }) {
            let weight = envelope.weight();
            if read > 0 && read + weight > bytes {
                break;
            }
            read += weight;
            out.push(envelope.clone());
        }
        Ok(())
    }

    fn prune(&mut self, bytes: u64) -> Result<Vec<Span>, Infallible> {
        let mut gone: BTreeMap<LogKey, RangeSet> = BTreeMap::new();
        while self.bytes > bytes {
            let Some(id) = self.order.pop_front() else { break };
            let Some(envelope) = self.envelopes.remove(&id) else { continue };
            self.bytes -= envelope.weight() as u64;
            gone.entry(id.log).or_default().insert(id.seq, id.seq);
            let pq = envelope.pq_hash();
            let dropped = self.dropped.entry(id.log).or_insert_with(|| (pq, RangeSet::default()));
            dropped.1.insert(id.seq, id.seq);
        }
        let spans = gone.iter().flat_map(|(log, set)| {
            set.ranges().iter().map(|(low, high)| Span { log: *log, low: *low, high: *high })
        });
        Ok(spans.collect())
    }

    fn count(&self) -> u64 {
        self.envelopes.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn logs(&self) -> Result<Vec<LogState>, Infallible> {
        let mut states: BTreeMap<LogKey, LogState> = BTreeMap::new();
        let empty =
            |log, pq| LogState { log, pq, have: RangeSet::default(), skipped: RangeSet::default() };
        for (id, envelope) in &self.envelopes {
            let state = states.entry(id.log).or_insert_with(|| empty(id.log, envelope.pq_hash()));
            state.have.insert(id.seq, id.seq);
        }
        for (log, (pq, dropped)) in &self.dropped {
            states.entry(*log).or_insert_with(|| empty(*log, *pq)).skipped.extend(dropped);
        }
        Ok(states.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Author;
    use crate::keys::Keys;

    #[test]
    fn the_longest_kept_goes_first_and_is_remembered() {
        let mut author = Author::new(Keys::ed25519(&[1; 32]), 1, 1, 1).expect("good numbers");
        let signed: Vec<_> = (0..10).map(|_| author.sign("{}").expect("JSON")).collect();
        let weight = signed[0].weight();
        let mut store = MemoryStore::default();
        let Ok(()) = store.put(&signed[5..]);
        let Ok(()) = store.put(&signed);
        assert_eq!((store.count(), store.bytes()), (10, 10 * weight as u64));
        let log = author.log();
        let mut out = Vec::new();
        let Ok(()) = store.read(Span { log, low: 2, high: 9 }, 3 * weight, &mut out);
        assert_eq!(out, signed[1..4]);
        out.clear();
        let Ok(()) = store.read(Span { log, low: 4, high: 9 }, 0, &mut out);
        assert_eq!(out, signed[3..4], "one is always given");

        let Ok(gone) = store.prune(3 * weight as u64);
        let spans = [Span { log, low: 1, high: 2 }, Span { log, low: 6, high: 10 }];
        assert_eq!(gone, spans);
        let Ok(logs) = store.logs();
        assert_eq!(logs[0].have.ranges(), [(3, 5)]);
        assert_eq!(logs[0].skipped.ranges(), [(1, 2), (6, 10)]);
    }
}
