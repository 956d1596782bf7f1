//! How much of the ring's reserve one plugin may use.
//!
//! The rule: the reserve is for effects of what a gate has let go. Whoever emits without moving on, or has no gate and
//! holds up nobody, waits in the half that is for what nobody asked for.

use shimmer_ring::Reserve;

use crate::config::Delivery;

/// Effects that an event is good for: as many as a batch can have, shared out among its events.
const PER_EVENT: u64 = 4;

/// What a plugin may still emit into the reserve.
pub(super) struct Credit {
    left: u64,
    most: u64,
    /// Up to here events have counted.
    counted: u64,
}

impl Credit {
    /// For a ring with so many slots: a plugin may use half of its reserve at once, with ticks say.
    pub(super) fn new(capacity: u64) -> Self {
        let most = (capacity / 16).max(1);
        Self { left: most, most, counted: 0 }
    }

    /// Where a transaction with so many events belongs that moves the cursor to `to`.
    pub(super) fn reserve(&mut self, delivery: Delivery, to: u64, events: u64) -> Reserve {
        let moved = to.saturating_sub(self.counted);
        self.counted = self.counted.max(to);
        self.left = self.left.saturating_add(moved.saturating_mul(PER_EVENT)).min(self.most);
        match delivery {
            Delivery::Gating if events <= self.left => Reserve::Effects,
            _ => Reserve::Unasked,
        }
    }

    /// So many events were published there.
    pub(super) fn spend(&mut self, events: u64) {
        self.left = self.left.saturating_sub(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_for_a_gate_that_moves_on() {
        let mut credit = Credit::new(65_536);
        let mut emit = |to, events| {
            let reserve = credit.reserve(Delivery::Gating, to, events);
            if reserve == Reserve::Effects {
                credit.spend(events);
            }
            reserve
        };
        // A tick, a second one, and then only as many as there were events.
        assert_eq!(emit(10, 4_000), Reserve::Effects);
        assert_eq!(emit(10, 97), Reserve::Unasked);
        assert_eq!(emit(10, 96), Reserve::Effects);
        assert_eq!(emit(10, 1), Reserve::Unasked);
        assert_eq!(emit(11, 4), Reserve::Effects);
        assert_eq!(emit(11, 4), Reserve::Unasked);
        // A backlog, batch after batch, is never in want.
        for batch in 1..1_000 {
            assert_eq!(emit(11 + batch * 1_024, 4_096), Reserve::Effects);
        }
    }

    #[test]
    fn who_has_no_gate_waits_for_room_that_others_leave() {
        let mut credit = Credit::new(65_536);
        assert_eq!(credit.reserve(Delivery::Lossy, 1_000, 1), Reserve::Unasked);
    }
}
