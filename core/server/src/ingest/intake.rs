//! How much of posted bodies the node holds at once, received or still being received.
//!
//! More requests than the node can work off would otherwise pile up as bodies in memory, each waiting
//! longer than the one before. The rule: a body has room before it is read, or is refused; so memory
//! and the wait for a thread are bounded by the same number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::{Problem, Refused};

/// Bodies up to this need no room: there are no more of them than connections, and they are done with
/// at once.
pub(crate) const FREE_BYTES: usize = 32 << 10;
/// By how much a body of unknown length gets room.
const STEP_BYTES: usize = 256 << 10;

/// The bytes held by all bodies.
#[derive(Debug, Default)]
pub(crate) struct Intake(Arc<AtomicUsize>);

/// The room of one body, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    all: Arc<AtomicUsize>,
    most: usize,
    held: usize,
}

impl Intake {
    /// Room for a body, none yet; all together get `most`.
    pub(crate) fn room(&self, most: usize) -> Room {
        Room { all: self.0.clone(), most, held: 0 }
    }
}

impl Room {
    /// Makes sure of room for `bytes` in all, or 503. A body that is alone always has room.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes <= FREE_BYTES.max(self.held) {
            return Ok(());
        }
        let more = bytes - self.held;
        let (held, most) = (self.held, self.most);
        let added = |all: usize| {
            let sum = all.saturating_add(more);
            (sum <= most || all == held).then_some(sum)
        };
        // Relaxed: a count that orders nothing.
        match self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added) {
            Ok(_) => {
                self.held = bytes;
                Ok(())
            }
            Err(_) => Err(Problem::busy(
                "more is being posted than the node works off; see limits.waiting_bytes",
            )),
        }
    }

    /// The same for a body whose length nobody stated: of `limit` bytes at most, `bytes` have come.
    pub(super) fn grow(&mut self, bytes: usize, limit: usize) -> Result<(), Refused> {
        self.hold(if bytes <= FREE_BYTES {
            bytes
        } else {
            limit.min(bytes.next_multiple_of(STEP_BYTES))
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: usize = FREE_BYTES * 2;

    #[test]
    fn bodies_have_room_up_to_the_bound_and_give_it_back() {
        let intake = Intake::default();
        let most = BODY * 2;
        let (mut a, mut b, mut c) = (intake.room(most), intake.room(most), intake.room(most));
        a.hold(BODY).unwrap();
        b.hold(BODY).unwrap();
        let refused = c.hold(BODY).unwrap_err().into_answer();
        assert_eq!(
            (refused.status.as_u16(), &refused.headers["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        c.hold(FREE_BYTES).unwrap();
        a.hold(BODY).unwrap();
        assert_eq!(intake.0.load(Ordering::Relaxed), most, "what is held is not taken twice");
        drop(a);
        c.hold(BODY).unwrap();
        drop((b, c));
        assert_eq!(intake.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_body_larger_than_the_bound_passes_alone() {
        let intake = Intake::default();
        let (mut large, mut other) = (intake.room(1), intake.room(1));
        large.grow(BODY, BODY * 9).unwrap();
        large.grow(BODY * 9, BODY * 9).unwrap();
        assert_eq!(intake.0.load(Ordering::Relaxed), BODY * 9, "never more than the limit");
        assert!(other.hold(BODY).is_err());
        drop(large);
        other.hold(BODY).unwrap();
    }
}
