//! A timer wheel for heartbeats and closing deadlines. Rule: setting a timer and turning the wheel cost the same
//! for one client as for ten thousand; a timer fires at most one tick late, never early.

use std::time::{Duration, Instant};

/// Resolution of every timer.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Longest time that can be set: one turn of the wheel, less the tick being read.
const SLOTS: u64 = 1024;

/// Timers of one shard, each naming a client by its key.
pub(super) struct Wheel {
    slots: Vec<Vec<u64>>,
    /// Tick up to which the wheel was turned.
    turned: u64,
    started: Instant,
    /// Number of timers set, so that an empty wheel need not be searched.
    set: usize,
}

impl Wheel {
    pub(super) fn new(now: Instant) -> Self {
        Self { slots: vec![Vec::new(); SLOTS as usize], turned: 0, started: now, set: 0 }
    }

    /// Sets a timer for `key`, at least one tick and at most one turn from `now`.
    pub(super) fn set(&mut self, now: Instant, after: Duration, key: u64) {
        let ticks = after.as_millis().div_ceil(TICK.as_millis()) as u64;
        // One more tick, because `now` lies somewhere inside the current one.
        let due = (self.tick_of(now) + ticks.max(1) + 1).min(self.turned + SLOTS - 1);
        self.slots[(due % SLOTS) as usize].push(key);
        self.set += 1;
    }

    /// Moves the keys whose time has come into `fired`, which is cleared first.
    pub(super) fn turn(&mut self, now: Instant, fired: &mut Vec<u64>) {
        fired.clear();
        let to = self.tick_of(now);
        // After a long pause one turn empties every slot; more would find nothing.
        for tick in self.turned + 1..=to.min(self.turned + SLOTS) {
            fired.append(&mut self.slots[(tick % SLOTS) as usize]);
        }
        self.turned = self.turned.max(to);
        self.set -= fired.len();
    }

    /// Time until the next timer fires.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        if self.set == 0 {
            return None;
        }
        let tick = (self.turned + 1..=self.turned + SLOTS)
            .find(|tick| !self.slots[(tick % SLOTS) as usize].is_empty())?;
        let due = self.started + TICK * u32::try_from(tick).unwrap_or(u32::MAX);
        Some(due.saturating_duration_since(now))
    }

    fn tick_of(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.started).as_millis() / TICK.as_millis()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_within_one_tick_and_never_early() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut fired = Vec::new();
        let set_at = start + Duration::from_millis(50);
        wheel.set(set_at, Duration::from_secs(1), 7);
        wheel.turn(start + Duration::from_millis(1049), &mut fired);
        assert!(fired.is_empty());
        let wait = wheel.next(set_at).unwrap();
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(1) + 2 * TICK);
        wheel.turn(set_at + wait, &mut fired);
        assert_eq!(fired, [7]);
        assert_eq!(wheel.next(set_at), None);
    }

    #[test]
    fn a_time_beyond_the_wheel_fires_after_one_turn_and_a_long_pause_fires_all_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut fired = Vec::new();
        wheel.set(start, Duration::from_secs(100_000), 1);
        wheel.set(start, Duration::from_millis(1), 2);
        wheel.turn(start + Duration::from_secs(3600), &mut fired);
        fired.sort_unstable();
        assert_eq!(fired, [1, 2]);
        wheel.turn(start + Duration::from_secs(7200), &mut fired);
        assert!(fired.is_empty());
        wheel.set(start + Duration::from_secs(7200), TICK, 3);
        wheel.turn(start + Duration::from_secs(7201), &mut fired);
        assert_eq!(fired, [3]);
    }
}
