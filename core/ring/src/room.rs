//! How much room there is before a gate.
//!
//! Rule: what a gate protects is never overwritten: not the slot, not the text, not the journal
//! record. The gates are looked at only when the last look no longer suffices.

use crate::producer::Reserve;
use std::ops::Range;

/// What a submission would take, at most. Positions are absolute and only grow.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) events: u64,
    pub(crate) text: Range<u64>,
    pub(crate) record: Range<u64>,
}

/// The most that may lie between a gate and the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) slots: u64,
    pub(crate) text: u64,
    pub(crate) log: u64,
}

impl Limits {
    fn unasked(self) -> Self {
        let most = |whole: u64| (whole / 2).max(1);
        Self { slots: most(self.slots), text: most(self.text), log: most(self.log) }
    }

    fn ingest(self) -> Self {
        let most = |whole: u64| (whole - whole / 8).min(whole - 1).max(1);
        Self { slots: most(self.slots), text: most(self.text), log: most(self.log) }
    }
}

/// The gates as last seen.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    whole: Limits,
    ingest: Limits,
    unasked: Limits,
    /// Lowest gate; `None` when nobody holds the writer back.
    pub(crate) gate: Option<u64>,
    /// Where the text of the first event after the gate begins, or an earlier position.
    pub(crate) text: u64,
    /// Where its journal record begins, or an earlier position.
    pub(crate) log: u64,
}

impl Room {
    pub(crate) fn new(slots: u64, text: u64, log: u64) -> Self {
        let whole = Limits { slots, text, log };
        let (ingest, unasked) = (whole.ingest(), whole.unasked());
        Self { whole, ingest, unasked, gate: None, text: 0, log: 0 }
    }

    pub(crate) fn limits(&self, reserve: Reserve) -> Limits {
        match reserve {
            Reserve::Unasked => self.unasked,
            Reserve::Ingest | Reserve::Relayed => self.ingest,
            Reserve::Effects => self.whole,
        }
    }

    /// Position of the first journal record that a gate needs, or of the plan's if none does.
    pub(crate) fn needed_log(&self, plan: &Plan, last: u64) -> u64 {
        if self.gate.is_some_and(|gate| gate < last) { self.log } else { plan.record.start }
    }

    /// Whether the plan leaves everything after the gate alone; `last` is the last written event.
    pub(crate) fn fits(&self, plan: &Plan, reserve: Reserve, last: u64) -> bool {
        let Some(gate) = self.gate else { return true };
        let limits = self.limits(reserve);
        // When nothing lies after the gate, only the submission itself has to fit.
        let none_needed = gate >= last;
        let text = if none_needed { plan.text.start } else { self.text };
        let log = if none_needed { plan.record.start } else { self.log };
        (last + plan.events).saturating_sub(gate) <= limits.slots
            && plan.text.end.saturating_sub(text) <= limits.text
            && plan.record.end.saturating_sub(log) <= limits.log
    }
}

/// Places texts one after the other in the arena; none is split at the arena's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextPlan {
    /// End of the last text, as a position that only grows.
    pub(crate) end: u64,
    /// The end's place in the arena, up to and including the arena's end.
    offset: u64,
    arena: u64,
}

impl TextPlan {
    pub(crate) fn at(end: u64, arena: u64) -> Self {
        Self { end, offset: end % arena, arena }
    }

    /// Where a text of `len` bytes goes: its position and its place in the arena. A larger text
    /// never ends earlier, and so a plan with upper bounds bounds what is written.
    pub(crate) fn place(&mut self, len: u64) -> (u64, u32) {
        let len = len.next_multiple_of(8);
        let left = self.arena - self.offset;
        if len > left {
            self.end += left;
            self.offset = 0;
        }
        let place = (self.end, self.offset as u32);
        self.end += len;
        self.offset += len;
        place
    }
}
