//! What must hold whatever lies in the place of the journal: a property for a fuzz target and for tests.
//!
//! Rule: opening ends with a ring that works. What damage left of a journal is what was written, to the byte, and a
//! loss is told; a file that is no journal is kept under another name, as it was.
//!
//! An input is one byte of [`Case`] and then edits of [`EDIT`] bytes on a journal in one of several states, for
//! random bytes alone would never pass the first check. With the checks made right afterwards an input reaches what
//! stands behind them; what is then read may be anything, and must not bring down the start.

mod edit;
mod sample;

use std::ops::RangeInclusive;
use std::path::Path;

use tempfile::TempDir;

use crate::journal::forge;
use crate::{
    ConsumerSpec, CopyBuf, FLAG_LOST, Gate, Outcome, Recovery, Reserve, Ring, RingConfig, Start,
    Storage, Submission, SyncMode, WakeTarget,
};
use edit::EDIT;
use sample::Sample;

const CONFIG: RingConfig =
    RingConfig { capacity: 16, text_bytes: 8192, names: 64, dedup_window: 64, start_seq: 1 };
/// Sizes that make the file be written anew.
const OTHER: RingConfig = RingConfig { capacity: 4, dedup_window: 16, ..CONFIG };
const LOG_BYTES: u64 = 4096;
const KEY: &str = "plugin";
/// Events that take more room than the log has.
const MORE: u64 = 20;
/// How many events the states of the journal have had: none, a few, and more than log and ring hold.
const EVENTS: [u64; 4] = [0, 5, 41, 44];

/// What the first byte of an input says.
struct Case {
    state: usize,
    /// Checks are made right after the edits.
    is_forged: bool,
    /// The ring has other sizes than the journal.
    is_resized: bool,
    /// The rest of the input is the file itself.
    is_raw: bool,
}

/// Journals in their states, and a folder to open others in.
#[derive(Debug)]
pub struct Bench {
    states: Vec<Vec<u8>>,
    /// What is kept in each.
    kept: Vec<RangeInclusive<u64>>,
    folder: TempDir,
}

impl Default for Bench {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let (mut states, mut kept) = (Vec::new(), Vec::new());
        let mut last = 0;
        for events in EVENTS {
            let (ring, _) = open(folder.path(), &CONFIG);
            let plugin = ring.register(&spec()).expect("a consumer");
            while last < events {
                let together = 1 + last % 3;
                publish(&ring, last + 1..=(last + together).min(events));
                last = ring.published();
                plugin.advance(last - 1).expect("forward");
            }
            drop((plugin, ring));
            let file = std::fs::read(folder.path().join("ring.journal"));
            states.push(file.expect("the journal"));
            // The log of this ring is shorter than its slots ask for.
            let (ring, _) = open(folder.path(), &CONFIG);
            kept.push(ring.oldest()..=last);
        }
        Self { states, kept, folder }
    }
}

impl Bench {
    /// Panics unless all properties hold for these bytes.
    pub fn holds(&self, data: &[u8]) {
        let Some((first, edits)) = data.split_first() else { return };
        let case = Case {
            state: usize::from(first & 3),
            is_forged: first & 4 != 0,
            is_resized: first & 8 != 0,
            is_raw: first & 16 != 0,
        };
        let file = if case.is_raw { edits.to_vec() } else { self.edited(&case, edits) };
        self.put(&file);
        let config = if case.is_resized { &OTHER } else { &CONFIG };
        let (ring, recovery) = open(self.folder.path(), config);
        let is_trusted = !case.is_forged && !case.is_raw;
        let found = self.look(&ring, &recovery, &file, is_trusted);
        if is_trusted && !case.is_resized && edits.len() < 2 * EDIT {
            self.loss_is_told(&case, &found, &recovery);
        }
        // It goes on as any other.
        let consumer = ring.register(&spec()).expect("a consumer");
        assert!(consumer.cursor() <= recovery.last);
        drop(consumer);
        let outcome = publish(&ring, recovery.last + 1..=recovery.last + 1);
        assert!(!is_trusted || outcome == [Outcome::Stored(recovery.last + 1)], "{outcome:?}");
        if case.is_forged {
            // Once around the log, whatever was said of its positions.
            (0..MORE)
                .for_each(|_| drop(publish(&ring, ring.published() + 1..=ring.published() + 1)));
        }
        let last = ring.published();
        drop(ring);
        let (ring, recovery) = open(self.folder.path(), config);
        assert_eq!((recovery.last, &recovery.set_aside), (last, &None));
        let again = self.look(&ring, &recovery, &file, is_trusted);
        if is_trusted {
            let still = found.iter().filter(|seq| ring.oldest() <= **seq).chain([&last]);
            assert!(still.eq(&again), "{found:?} and {last}, then {again:?}");
        }
    }

    fn edited(&self, case: &Case, edits: &[u8]) -> Vec<u8> {
        let mut file = self.states[case.state].clone();
        for at in edits.chunks_exact(EDIT) {
            edit::apply(at, &mut file, &self.states[..=case.state], case.is_forged);
        }
        if case.is_forged {
            forge(&mut file);
        }
        file
    }

    /// Makes `file` the journal in an otherwise empty folder.
    fn put(&self, file: &[u8]) {
        for old in std::fs::read_dir(self.folder.path()).expect("the folder") {
            std::fs::remove_file(old.expect("a file").path()).expect("removed");
        }
        std::fs::write(self.folder.path().join("ring.journal"), file).expect("written");
    }

    /// Looks at everything that is kept and gives the sequences of what is not lost.
    fn look(&self, ring: &Ring, recovery: &Recovery, file: &[u8], is_trusted: bool) -> Vec<u64> {
        assert_eq!(recovery.last, ring.published());
        let files = std::fs::read_dir(self.folder.path()).expect("the folder").count();
        if let Some((aside, why)) = &recovery.set_aside {
            assert!(std::fs::read(aside).expect("set aside") == file, "kept as it was");
            assert!(files == 2 && !why.is_empty() && recovery.last == 0, "{recovery:?}");
        }
        let mut kept = CopyBuf::default();
        ring.reader().copy(ring.oldest() - 1, usize::MAX, usize::MAX, &mut kept);
        assert!(kept.len() as u64 <= ring.capacity());
        assert_eq!(kept.len() as u64, ring.published() + 1 - ring.oldest());
        let mut found = Vec::new();
        for i in 0..kept.len() {
            let seq = kept.first + i as u64;
            if kept.flags[i] & FLAG_LOST != 0 {
                assert!(kept.text_of(i).is_empty());
                continue;
            }
            if is_trusted {
                Sample::new(seq).is_kept_at(&kept, i, &ring.reader());
            }
            found.push(seq);
        }
        found
    }

    /// After one edit, what is gone was told of: every event stands in the log and, as an id, in a table.
    fn loss_is_told(&self, case: &Case, found: &[u64], recovery: &Recovery) {
        let is_whole = self.kept[case.state].clone().all(|seq| found.contains(&seq));
        let told = recovery.lost_events + recovery.cut_bytes;
        assert!(is_whole || told > 0 || recovery.set_aside.is_some(), "{found:?} of {recovery:?}");
    }
}

fn open(folder: &Path, config: &RingConfig) -> (Ring, Recovery) {
    let (dir, sync) = (folder.to_owned(), SyncMode::Never);
    let storage = Storage::Journal { dir, sync, log_bytes: Some(LOG_BYTES) };
    // Not by chance: an edit means the same whenever it is tried.
    Ring::open_with(config, &storage, [1, 2, 3, 4]).expect("a ring, whatever the file")
}

fn spec() -> ConsumerSpec<'static> {
    let (gate, start, wake) = (Gate::Host, Start::Oldest, WakeTarget::Silent);
    ConsumerSpec { key: KEY, durable: true, gate, start, wake }
}

/// Publishes the events with these numbers together.
fn publish(ring: &Ring, numbers: RangeInclusive<u64>) -> Vec<Outcome> {
    let samples: Vec<_> = numbers.map(Sample::new).collect();
    let entries: Vec<_> = samples.iter().map(Sample::entry).collect();
    let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
    let mut outcomes = Vec::new();
    ring.producer().publish(&submission, &mut outcomes).expect("room");
    outcomes
}

#[cfg(test)]
mod tests;
