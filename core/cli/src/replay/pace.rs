//! When a recorded moment comes up again.
//!
//! The rule: pure arithmetic on recorded nanoseconds; it looks at no clock.

use std::time::Duration;

use crate::args::Speed;

/// Maps recorded times to waiting times and new timestamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    speed: Speed,
    first_ns: i64,
    last_ns: i64,
}

impl Pace {
    /// For a recording from `first_ns` to `last_ns`.
    pub(super) fn new(speed: Speed, first_ns: i64, last_ns: i64) -> Self {
        Self { speed, first_ns, last_ns }
    }

    /// How long after the start a recorded moment is due. What was recorded before the first
    /// row is due at once.
    pub(super) fn due(&self, time_ns: i64) -> Duration {
        match self.speed {
            Speed::Max => Duration::ZERO,
            Speed::Factor(factor) => scaled(time_ns.saturating_sub(self.first_ns), factor),
        }
    }

    /// The new timestamp of a recorded moment: when it is due; at full speed the recorded
    /// spacing stays and the end of the recording is the start of the replay, so that no event
    /// comes from the future.
    pub(super) fn stamp(&self, start_ns: i64, time_ns: i64) -> i64 {
        match self.speed {
            Speed::Max => start_ns.saturating_sub(self.last_ns.saturating_sub(time_ns)),
            Speed::Factor(_) => {
                let due = i64::try_from(self.due(time_ns).as_nanos()).unwrap_or(i64::MAX);
                start_ns.saturating_add(due)
            }
        }
    }

    /// How long the replay takes.
    pub(super) fn total(&self) -> Duration {
        self.due(self.last_ns)
    }

    /// From one beginning to the next when the recording is repeated: its length and one mean
    /// interval, a second where there is none.
    pub(super) fn lap(&self, rows: u64) -> Duration {
        match (self.total(), u32::try_from(rows.saturating_sub(1))) {
            (total, Ok(gaps)) if gaps > 0 && !total.is_zero() => total + total / gaps,
            (total, _) => total + Duration::from_secs(1),
        }
    }
}

fn scaled(nanos: i64, factor: f64) -> Duration {
    let seconds = nanos.max(0) as f64 / 1e9 / factor;
    // A century is as good as forever, and keeps all sums with clocks in range.
    Duration::from_secs_f64(seconds.min(3.2e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_factor_shortens_waits_and_spacing() {
        let pace = Pace::new(Speed::Factor(10.0), 100 * S, 200 * S);
        assert_eq!(pace.due(100 * S), Duration::ZERO);
        assert_eq!(pace.due(150 * S), Duration::from_secs(5));
        assert_eq!(pace.due(50 * S), Duration::ZERO);
        assert_eq!(pace.stamp(1000 * S, 150 * S), 1005 * S);
        assert_eq!(pace.total(), Duration::from_secs(10));
        assert_eq!(pace.lap(11), Duration::from_secs(11));
        assert_eq!(Pace::new(Speed::Factor(1.0), S, S).lap(1), Duration::from_secs(1));
    }

    #[test]
    fn full_speed_keeps_the_spacing_and_ends_now() {
        let pace = Pace::new(Speed::Max, 100 * S, 200 * S);
        assert_eq!(pace.due(200 * S), Duration::ZERO);
        assert_eq!(pace.stamp(1000 * S, 200 * S), 1000 * S);
        assert_eq!(pace.stamp(1000 * S, 100 * S), 900 * S);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        for speed in [Speed::Max, Speed::Factor(f64::MIN_POSITIVE), Speed::Factor(f64::MAX)] {
            let pace = Pace::new(speed, i64::MIN, i64::MAX);
            for time in [i64::MIN, 0, i64::MAX] {
                let _ = (pace.due(time), pace.stamp(i64::MAX, time), pace.lap(u64::MAX));
            }
        }
    }
}
