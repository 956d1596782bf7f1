//! What time it is for the DAO.
//!
//! The rule: time never stands before the last entry, and never stands still: where the system's clock was ahead once
//! and lies far behind the log since, time goes on from the log's end by a clock that nobody sets.

use std::time::{Duration, Instant, SystemTime};

use shimmer_governor::Time;

/// A system's clock that is further behind is not waited for.
const SLACK_NS: i64 = 60_000_000_000;

/// What the clocks of the machine show.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) system: Time,
    pub(crate) steady: Instant,
}

impl Reading {
    pub(crate) fn take() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let system = i64::try_from(since.as_nanos()).ok().and_then(Time::from_ns);
        Self { system: system.unwrap_or(Time::MAX), steady: Instant::now() }
    }
}

/// The clock.
#[derive(Default)]
pub(crate) struct Clock {
    /// The time of the last entry and the steady clock's, when the system's was found far behind.
    behind: Option<(Time, Instant)>,
}

impl Clock {
    /// Finds out whether the system's clock is of use; `end` is the time of the last entry. Answers how far behind it
    /// is, once.
    pub(crate) fn mind(&mut self, read: Reading, end: Time) -> Option<Duration> {
        let behind_ns = self.now(read, end).as_ns() - read.system.as_ns();
        if self.behind.is_some() {
            // Not sooner: time would go back by what passed meanwhile.
            self.behind = self.behind.filter(|_| behind_ns > 0);
            return None;
        }
        self.behind = (behind_ns > SLACK_NS).then_some((end, read.steady));
        self.behind.map(|_| Duration::from_nanos(behind_ns.unsigned_abs()))
    }

    /// The time.
    pub(crate) fn now(&self, read: Reading, end: Time) -> Time {
        let Some((from, since)) = self.behind else { return read.system.max(end) };
        let passed = read.steady.saturating_duration_since(since).as_nanos();
        let now = from.as_ns().saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        Time::from_ns(now).unwrap_or(Time::MAX).max(end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const YEAR_S: i64 = 365 * 86_400;

    fn at(s: i64) -> Time {
        Time::from_s(s).unwrap()
    }

    /// A machine whose system's clock shows `system_s` after it ran for `steady_s`.
    fn read(begin: Instant, system_s: i64, steady_s: u64) -> Reading {
        Reading { system: at(system_s), steady: begin + Duration::from_secs(steady_s) }
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_is_not_waited_for() {
        let (begin, end) = (Instant::now(), at(YEAR_S));
        let mut clock = Clock::default();
        assert_eq!(clock.mind(read(begin, 0, 0), end), Some(Duration::from_secs(31_536_000)));
        for passed in [0, 1, 59, 60, 86_400] {
            let read = read(begin, i64::try_from(passed).unwrap(), passed);
            assert_eq!(clock.mind(read, end), None, "said once");
            assert_eq!(clock.now(read, end), at(YEAR_S + i64::try_from(passed).unwrap()));
        }
        // An entry that was made meanwhile changes nothing.
        assert_eq!(
            clock.now(read(begin, 90_000, 90_000), at(YEAR_S + 80_000)),
            at(YEAR_S + 90_000)
        );
        // A year later the system's clock is where the log ended, and time is a year further.
        let late = read(begin, YEAR_S, YEAR_S.unsigned_abs());
        assert_eq!((clock.mind(late, end), clock.now(late, end)), (None, at(2 * YEAR_S)));
        // It was set right at last.
        let right = read(begin, 2 * YEAR_S + 9, YEAR_S.unsigned_abs() + 5);
        assert_eq!((clock.mind(right, end), clock.now(right, end)), (None, at(2 * YEAR_S + 9)));
        let next = read(begin, 2 * YEAR_S + 20, YEAR_S.unsigned_abs() + 5);
        assert_eq!(clock.now(next, end), at(2 * YEAR_S + 20), "it counts again");
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_is_waited_for() {
        let (begin, end) = (Instant::now(), at(1_000));
        let mut clock = Clock::default();
        let little = read(begin, 940, 30);
        assert_eq!((clock.mind(little, end), clock.now(little, end)), (None, end));
        let after = read(begin, 1_001, 91);
        assert_eq!((clock.mind(after, end), clock.now(after, end)), (None, at(1_001)));
    }
}
