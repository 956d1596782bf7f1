//! A cursor that holds the writer back.
//!
//! Rule: whoever moves it is done with what it passes; whoever reads it may overwrite that.

use crate::sync::{AtomicU64, Ordering};

/// A cursor that only moves forward.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Cursor(AtomicU64);

impl Cursor {
    pub(crate) fn new(seq: u64) -> Self {
        Self(AtomicU64::new(seq))
    }

    /// Last sequence that is done with.
    pub(crate) fn get(&self) -> u64 {
        // Acquire: pairs with the Release in `advance`; the consumer's reads come before the
        // writer overwrites what it read.
        let order =
            if cfg!(mutant = "gate_relaxed") { Ordering::Relaxed } else { Ordering::Acquire };
        self.0.load(order)
    }

    /// Moves forward to `to`; gives where the cursor is then.
    pub(crate) fn advance(&self, to: u64) -> u64 {
        // Release: pairs with the Acquire in `get`. Acquire: passes on what other movers did.
        self.0.fetch_max(to, Ordering::AcqRel).max(to)
    }

    /// Sets the cursor, also backwards: for a page whose owner is not running.
    pub(crate) fn set(&self, seq: u64) {
        // Release: pairs with the Acquire in `get`.
        self.0.store(seq, Ordering::Release);
    }
}
