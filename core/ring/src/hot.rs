//! The words through which writer and readers meet.
//!
//! Rule: `reserved` and `text_reserved` move before a byte is overwritten, `published` only after
//! every byte of the event and its journal record is in place.

use crate::sync::{AtomicU64, Ordering, fence};

/// A value on cache lines of its own; 128 bytes because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// What the writer is about to overwrite or has overwritten.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Reserved {
    /// Highest sequence whose slot may have been written.
    seq: AtomicU64,
    /// End of the text that may have been written, as a position that only grows.
    text: AtomicU64,
    /// First sequence whose slot and text are both still there.
    oldest: AtomicU64,
}

/// The hot page of a segment.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Hot {
    published: Line<AtomicU64>,
    reserved: Line<Reserved>,
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    assert!(std::mem::offset_of!(Hot, published) == 0);
    assert!(std::mem::offset_of!(Hot, reserved) == 128);
    assert!(std::mem::size_of::<Hot>() == 256);
};

impl Hot {
    #[cfg(any(loom, shuttle, test))]
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            published: Line(zero()),
            reserved: Line(Reserved { seq: zero(), text: zero(), oldest: AtomicU64::new(1) }),
        }
    }

    /// [writer] Announces that slots up to `seq` and text up to `text` will be overwritten.
    pub(crate) fn reserve(&self, seq: u64, text: u64) {
        if cfg!(mutant = "reserve_late") {
            return;
        }
        self.reserved.0.seq.store(seq, Ordering::Relaxed);
        self.reserved.0.text.store(text, Ordering::Relaxed);
        // Release: pairs with the Acquire fence in `intact`. A reader that saw any later store
        // into a slot also sees these two.
        if !cfg!(mutant = "reserve_fence") {
            fence(Ordering::Release);
        }
    }

    /// [writer] States what was really written, when that was less than announced.
    pub(crate) fn settle(&self, seq: u64, text: u64, oldest: u64) {
        self.reserved.0.seq.store(seq, Ordering::Relaxed);
        self.reserved.0.text.store(text, Ordering::Relaxed);
        self.reserved.0.oldest.store(oldest, Ordering::Relaxed);
    }

    /// [writer] Makes everything up to `seq` readable.
    pub(crate) fn publish(&self, seq: u64) {
        // Release: pairs with the Acquire in `published`.
        let order =
            if cfg!(mutant = "publish_relaxed") { Ordering::Relaxed } else { Ordering::Release };
        self.published.0.store(seq, order);
    }

    /// Last readable sequence, 0 for none.
    pub(crate) fn published(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`.
        self.published.0.load(Ordering::Acquire)
    }

    /// The word itself, for those who wait on it.
    pub(crate) fn published_word(&self) -> &AtomicU64 {
        &self.published.0
    }

    /// First sequence that is certainly still there; a hint, since it may move at once.
    pub(crate) fn oldest(&self) -> u64 {
        self.reserved.0.oldest.load(Ordering::Relaxed)
    }

    /// [reader] After copying: the bounds that decide which of the copied slots are intact.
    pub(crate) fn bounds(&self) -> Bounds {
        // Acquire: pairs with the Release fence in `reserve`. If the copy saw a byte of an
        // overwriting event, the loads below see that event's reservation.
        if !cfg!(mutant = "validate_fence") {
            fence(Ordering::Acquire);
        }
        Bounds {
            seq: self.reserved.0.seq.load(Ordering::Relaxed),
            text: self.reserved.0.text.load(Ordering::Relaxed),
        }
    }
}

/// What may have been overwritten by the time a copy ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    seq: u64,
    text: u64,
}

impl Bounds {
    /// Whether the slot of `seq` held that event during the whole copy.
    pub(crate) fn slot_intact(&self, seq: u64, capacity: u64) -> bool {
        self.seq < seq.saturating_add(capacity)
    }

    #[cfg(not(any(loom, shuttle)))]
    /// Whether the text at `pos` was that event's during the whole copy.
    pub(crate) fn text_intact(&self, pos: u64, arena: u64) -> bool {
        self.text <= pos.saturating_add(arena)
    }
}
