//! What is known of each origin's sequences, without the envelopes themselves.
//!
//! The rule: a sequence is offered to others only when it is stored, asked for only when it is unknown, and every table
//! here is bounded. At a bound the first come stay: a flood of new keys pushes out nobody, it is refused and counted.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::envelope::{Id, LogKey, Verified};
use crate::keys::Origin;
use crate::ranges::RangeSet;

/// Logs that are kept, of all origins.
pub const MAX_LOGS: usize = 8192;
/// Epochs that are kept of one origin; the newest stay.
pub const MAX_EPOCHS: usize = 8;
/// Ranges that a log may consist of. An envelope that would make one more is refused: it comes again by anti-entropy
/// when the gaps before it are filled.
pub const MAX_RANGES: usize = 256;

/// What is kept of a log across a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Whose, and when it began.
    pub log: LogKey,
    /// SHA-256 of the ML-DSA key that its envelopes are signed with too.
    pub pq: Option<[u8; 32]>,
    /// Stored.
    pub have: RangeSet,
    /// Seen and not kept: pruned, or refused by the host for good.
    pub skipped: RangeSet,
}

/// Why an envelope is not taken into its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Its sequence is known.
    Known,
    /// A bound is reached.
    Full,
    /// The origin signs with two keys, and this is not signed so.
    Downgrade,
}

#[derive(Debug)]
pub(crate) struct Log {
    pq: Option<[u8; 32]>,
    /// Stored.
    have: RangeSet,
    /// Stored for long enough that the fast path is done with it.
    offered: RangeSet,
    skipped: RangeSet,
    /// Handed out, and not yet stored.
    pending: RangeSet,
    changed: u64,
}

impl Log {
    pub(crate) fn knows(&self, seq: u64) -> bool {
        self.have.contains(seq) || self.pending.contains(seq) || self.skipped.contains(seq)
    }

    pub(crate) fn have(&self) -> &RangeSet {
        &self.have
    }

    fn ranges(&self) -> usize {
        [&self.have, &self.pending, &self.skipped].iter().map(|set| set.ranges().len()).sum()
    }

    fn has_room(&self, seq: u64) -> bool {
        self.ranges() < MAX_RANGES
            || [&self.have, &self.pending, &self.skipped].iter().any(|set| set.touches(seq))
    }
}

#[derive(Debug, Default)]
struct Writer {
    /// Of the ML-DSA key, once seen: later envelopes must have it.
    pq: Option<[u8; 32]>,
    /// Its epochs below this are forgotten and stay so.
    floor: u64,
    epochs: usize,
}

/// Which of a log's sequences are shown to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All that are stored, for one who has just come.
    All,
    /// Those that the fast path must have brought already.
    Settled,
}

#[derive(Debug, Default)]
pub(crate) struct Logs {
    logs: BTreeMap<LogKey, Log>,
    writers: BTreeMap<Origin, Writer>,
    /// By the number of their last change.
    changes: BTreeMap<u64, LogKey>,
    change: u64,
    /// Known here, and to be fetched all the same.
    doubted: Option<Id>,
    /// Logs that others took the place of, until somebody asks.
    forgotten: Vec<LogKey>,
}

impl Logs {
    pub(crate) fn get(&self, log: &LogKey) -> Option<&Log> {
        self.logs.get(log)
    }

    pub(crate) fn len(&self) -> usize {
        self.logs.len()
    }

    pub(crate) fn change(&self) -> u64 {
        self.change
    }

    pub(crate) fn knows(&self, id: &Id) -> bool {
        self.logs.get(&id.log).is_some_and(|log| log.knows(id.seq))
    }

    /// What `log` may be, by its epoch and key: nothing is changed.
    fn admits(&self, log: LogKey, pq: Option<[u8; 32]>) -> Result<(), NotTaken> {
        let writer = self.writers.get(&log.origin);
        if writer.is_some_and(|writer| writer.pq.is_some() && writer.pq != pq) {
            return Err(NotTaken::Downgrade);
        }
        match self.logs.get(&log) {
            // An epoch is of one kind.
            Some(known) if known.pq != pq => Err(NotTaken::Downgrade),
            Some(_) => Ok(()),
            None if writer.is_some_and(|writer| log.epoch < writer.floor) => Err(NotTaken::Full),
            None if self.logs.len() >= MAX_LOGS => Err(NotTaken::Full),
            None if writer.is_some_and(|writer| writer.epochs >= MAX_EPOCHS) => {
                // A newer epoch takes the place of the oldest; an older one has none.
                let older = self.oldest(log.origin).is_some_and(|oldest| log.epoch < oldest.epoch);
                if older { Err(NotTaken::Full) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Whether ranges of this log are worth asking for.
    pub(crate) fn wants(&self, log: LogKey, hybrid: bool) -> bool {
        let writer = self.writers.get(&log.origin).and_then(|writer| writer.pq);
        let known = self.logs.get(&log).map(|known| known.pq);
        let pq = if hybrid { writer.or(known.flatten()) } else { None };
        // A hybrid whose key was never seen is taken at its word until it comes.
        let unseen = hybrid && pq.is_none() && known.is_none();
        unseen && self.logs.len() < MAX_LOGS || self.admits(log, pq).is_ok()
    }

    /// Takes an envelope on its way into the store.
    pub(crate) fn begin(&mut self, envelope: &Verified) -> Result<(), NotTaken> {
        let Id { log: key, seq } = envelope.id;
        if self.knows(&envelope.id) && self.admits(key, envelope.pq_hash()).is_ok() {
            return Err(NotTaken::Known);
        }
        self.admits(key, envelope.pq_hash())?;
        let log = self.open(key, envelope.pq_hash());
        if !log.has_room(seq) {
            return Err(NotTaken::Full);
        }
        log.pending.insert(seq, seq);
        Ok(())
    }

    fn open(&mut self, key: LogKey, pq: Option<[u8; 32]>) -> &mut Log {
        if !self.logs.contains_key(&key) {
            let writer = self.writers.entry(key.origin).or_default();
            writer.pq = writer.pq.or(pq);
            writer.epochs += 1;
            if writer.epochs > MAX_EPOCHS {
                self.forget_oldest(key.origin);
            }
        }
        self.logs.entry(key).or_insert_with(|| Log {
            pq,
            have: RangeSet::default(),
            offered: RangeSet::default(),
            skipped: RangeSet::default(),
            pending: RangeSet::default(),
            changed: 0,
        })
    }

    fn oldest(&self, origin: Origin) -> Option<LogKey> {
        let (from, to) = (LogKey { origin, epoch: 0 }, LogKey { origin, epoch: u64::MAX });
        self.logs.range(from..=to).next().map(|(key, _)| *key)
    }

    /// Its envelopes stay in the store until they are pruned, and are offered no longer.
    fn forget_oldest(&mut self, origin: Origin) {
        let Some(oldest) = self.oldest(origin) else { return };
        if let Some(log) = self.logs.remove(&oldest) {
            self.changes.remove(&log.changed);
        }
        if let Some(writer) = self.writers.get_mut(&origin) {
            writer.epochs -= 1;
            writer.floor = oldest.epoch + 1;
        }
        self.forgotten.push(oldest);
    }

    pub(crate) fn take_forgotten(&mut self) -> Vec<LogKey> {
        std::mem::take(&mut self.forgotten)
    }

    fn touch(&mut self, key: LogKey) {
        self.change += 1;
        let change = self.change;
        if let Some(log) = self.logs.get_mut(&key) {
            self.changes.remove(&log.changed);
            log.changed = change;
            self.changes.insert(change, key);
        }
    }

    /// It is in the store. Whether its log is still known.
    pub(crate) fn stored(&mut self, id: Id, shown: Shown) -> bool {
        let Some(log) = self.logs.get_mut(&id.log) else {
            // It was forgotten while this was on its way, so that the store has it again.
            self.forgotten.push(id.log);
            return false;
        };
        log.pending.remove(id.seq, id.seq);
        log.have.insert(id.seq, id.seq);
        if shown == Shown::All {
            log.offered.insert(id.seq, id.seq);
        }
        self.touch(id.log);
        true
    }

    /// The fast path had its time.
    pub(crate) fn settle(&mut self, id: Id) {
        let Some(log) = self.logs.get_mut(&id.log) else { return };
        if log.have.contains(id.seq) && !log.offered.contains(id.seq) {
            log.offered.insert(id.seq, id.seq);
            self.touch(id.log);
        }
    }

    /// It could not be stored; it is unknown again.
    pub(crate) fn abort(&mut self, id: Id) {
        if let Some(log) = self.logs.get_mut(&id.log) {
            log.pending.remove(id.seq, id.seq);
        }
    }

    /// These are seen and not kept, and will not be asked for again.
    pub(crate) fn skip(&mut self, key: LogKey, low: u64, high: u64) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.have.remove(low, high);
        log.offered.remove(low, high);
        log.pending.remove(low, high);
        log.skipped.insert(low, high);
        self.touch(key);
    }

    /// Takes up a log as it was before a restart.
    pub(crate) fn restore(&mut self, state: LogState) -> Result<(), NotTaken> {
        self.admits(state.log, state.pq)?;
        let key = state.log;
        let log = self.open(key, state.pq);
        log.have.extend(&state.have);
        log.offered.extend(&state.have);
        log.skipped.extend(&state.skipped);
        self.touch(key);
        Ok(())
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = LogState> {
        self.logs.iter().map(|(key, log)| LogState {
            log: *key,
            pq: log.pq,
            have: log.have.clone(),
            skipped: log.skipped.clone(),
        })
    }

    /// What of `offer` is unknown here.
    pub(crate) fn lacking(&self, key: &LogKey, offer: &RangeSet) -> RangeSet {
        let mut lacking = offer.clone();
        if let Some(log) = self.logs.get(key) {
            [&log.have, &log.skipped, &log.pending].iter().for_each(|set| lacking.subtract(set));
        }
        if let Some(Id { seq, .. }) =
            self.doubted.filter(|id| id.log == *key && offer.contains(id.seq))
        {
            lacking.insert(seq, seq);
        }
        lacking
    }

    pub(crate) fn doubt(&mut self, id: Id) {
        self.doubted = Some(id);
    }

    pub(crate) fn doubts(&self) -> bool {
        self.doubted.is_some()
    }

    /// Somebody's envelope for this place was seen.
    pub(crate) fn compared(&mut self, id: &Id) {
        self.doubted.take_if(|doubted| doubted == id);
    }

    /// Logs that changed after `since`, the longest unchanged first, each with the number of its change.
    pub(crate) fn changed_since(
        &self,
        since: u64,
        shown: Shown,
    ) -> impl Iterator<Item = (u64, LogKey, bool, &RangeSet)> {
        let changed = self.changes.range(since.saturating_add(1)..);
        changed.filter_map(move |(change, key)| {
            let log = self.logs.get(key)?;
            let ranges = if shown == Shown::All { &log.have } else { &log.offered };
            Some((*change, *key, log.pq.is_some(), ranges))
        })
    }

    /// A hash of all that is known: where it is equal, neither side has what the other lacks.
    pub(crate) fn hash(&self) -> [u8; 16] {
        let mut hasher = Sha256::new();
        for (key, log) in &self.logs {
            let mut known = log.have.clone();
            known.extend(&log.skipped);
            if known.is_empty() {
                continue;
            }
            hasher.update(key.origin.as_bytes());
            hasher.update(key.epoch.to_be_bytes());
            hasher.update((known.ranges().len() as u64).to_be_bytes());
            for (low, high) in known.ranges() {
                hasher.update(low.to_be_bytes());
                hasher.update(high.to_be_bytes());
            }
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize()[..16]);
        hash
    }
}
