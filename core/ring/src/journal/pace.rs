//! Which way a record takes into the file: through the mapping, or put together in memory and written at once.
//!
//! A page that went to the disk faults when it is written through the mapping again; a write costs a call, and for
//! each page a little more than what does not fault. So with a disk that is synchronised every second writing is
//! the better way for large records, as long as a page is written once or a few times in between, and the mapping
//! for small ones, and for all when the log goes round often.
//!
//! The rule: only the cost depends on the way, never what a start finds.

use crate::config::SyncMode;
use crate::sync::{AtomicU64, Ordering};
use std::sync::Arc;

/// Largest record that is put together in memory: the memory is kept.
pub(super) const GATHER_BYTES: usize = 1 << 20;
const PAGE: u64 = 4096;
/// What the ways cost, in nanoseconds, on ext4: a page's fault, a call, and a page of a call beyond what it costs
/// to write one that does not fault, which is 200 where nobody else works.
const FAULT_NS: u64 = 1_400;
const CALL_NS: u64 = if cfg!(test) { 0 } else { 800 };
const WRITE_NS: u64 = 500;

/// How often the log goes round from one synchronisation to the next.
#[derive(Debug)]
pub(super) struct Pace {
    mode: SyncMode,
    log_bytes: u64,
    syncs: Arc<AtomicU64>,
    /// Of these, how many are known, and where the log's end was then.
    known: (u64, u64),
    /// How often a page was written between the last two.
    laps: u64,
}

impl Pace {
    pub(super) fn new(mode: SyncMode, log_bytes: u64) -> Self {
        Self { mode, log_bytes, syncs: Arc::default(), known: (0, 0), laps: 1 }
    }

    /// To be counted up whenever the file was written through to the disk.
    pub(super) fn syncs(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.syncs)
    }

    /// Whether a record of `bytes` at `position` is better put together in memory.
    pub(super) fn gathers(&mut self, bytes: u64, position: u64) -> bool {
        let laps = match self.mode {
            // Pages go to the disk after half a minute.
            SyncMode::Never => return false,
            // And here with each record.
            SyncMode::Always => 1,
            SyncMode::Second => self.laps(position),
        };
        bytes <= GATHER_BYTES as u64 && bytes * FAULT_NS / laps > CALL_NS * PAGE + bytes * WRITE_NS
    }

    fn laps(&mut self, position: u64) -> u64 {
        // Relaxed: a figure of the moment, which orders nothing.
        let syncs = self.syncs.load(Ordering::Relaxed);
        if syncs != self.known.0 {
            self.laps = (position.saturating_sub(self.known.1) / self.log_bytes).max(1);
            self.known = (syncs, position);
        }
        self.laps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: u64 = 40 << 20;

    #[test]
    fn a_log_that_goes_round_often_is_written_through_the_mapping() {
        let mut pace = Pace::new(SyncMode::Second, LOG);
        let syncs = pace.syncs();
        assert!(pace.gathers(100_000, 0), "nobody knows yet");
        for (end, gathers) in [(2 * LOG, true), (5 * LOG, false), (6 * LOG, true)] {
            syncs.fetch_add(1, Ordering::Relaxed);
            assert_eq!(pace.gathers(100_000, end), gathers, "{end}");
            assert_eq!(pace.gathers(100_000, end + LOG), gathers, "until the next one");
        }
    }

    #[test]
    fn a_record_beyond_the_bound_or_that_no_sync_follows_goes_through_the_mapping() {
        let most = GATHER_BYTES as u64;
        for mode in [SyncMode::Second, SyncMode::Always] {
            let mut pace = Pace::new(mode, LOG);
            assert_eq!((pace.gathers(most, 0), pace.gathers(most + 1, 0)), (true, false));
        }
        assert!(!Pace::new(SyncMode::Never, LOG).gathers(most, 0));
    }
}
