//! When a plugin that died runs again, and from where: pure decisions, no clocks and no processes.
//!
//! A plugin that makes progress is restarted at once, however often it dies. Deaths at one place lead to the search for
//! the event that kills, or, where no event is to blame, to the breaker.

use std::collections::VecDeque;
use std::time::Duration;

/// Deaths without the cursor moving after which the plugin stays down.
pub(crate) const BREAKER_CRASHES: u32 = 5;
/// Deaths without the cursor moving after which it stays down even though events were found to be to blame: a replay,
/// which moves no cursor, may hold some, but no end of them.
const SEARCH_CRASHES: u32 = 64;
/// Deaths inside `process` at one cursor after which events come one by one, and, one by one, after which the event
/// is left out.
const SUSPECT_CRASHES: u32 = 2;
/// Quarantined events remembered for a replay; older ones lie before any state that is still used.
pub(crate) const MAX_QUARANTINED: usize = 1_024;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// How a plugin died.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    /// Last event that it had processed for good, as the host knows it: what moves is progress.
    pub(crate) cursor: u64,
    /// Last event before those that it says it was processing, which in a replay lie before the cursor.
    pub(crate) place: u64,
    /// Whether it died of the event after `place`: inside `process`, and not by a signal from outside.
    pub(crate) in_process: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start again after this time.
    Restart(Duration),
    /// Start again at once; the event with this sequence is left out from now on.
    Quarantine(u64),
    /// Stay down.
    Breaker,
}

/// The memory that decisions need.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    last_cursor: Option<u64>,
    crashes_in_place: u32,
    /// With those that led to an event.
    searched: u32,
    suspect: Option<(u64, u32)>,
    single_until: u64,
    quarantined: VecDeque<u64>,
}

impl Policy {
    /// A death. `batch` is the most events that the dying call can have held.
    pub(crate) fn crashed(&mut self, crash: Crash, batch: u64) -> Verdict {
        if self.last_cursor != Some(crash.cursor) {
            self.last_cursor = Some(crash.cursor);
            self.crashes_in_place = 0;
            self.searched = 0;
        }
        self.crashes_in_place += 1;
        self.searched += 1;
        if crash.in_process
            && self.searched < SEARCH_CRASHES
            && let Some(verdict) = self.suspected(crash.place, batch)
        {
            return verdict;
        }
        if self.crashes_in_place >= BREAKER_CRASHES || self.searched >= SEARCH_CRASHES {
            return Verdict::Breaker;
        }
        let doublings = self.crashes_in_place.saturating_sub(2);
        let wait = FIRST_BACKOFF * 2u32.pow(doublings);
        Verdict::Restart(if self.crashes_in_place == 1 {
            Duration::ZERO
        } else {
            wait.min(MAX_BACKOFF)
        })
    }

    fn suspected(&mut self, place: u64, batch: u64) -> Option<Verdict> {
        let count = match self.suspect {
            Some((at, count)) if at == place => count + 1,
            _ => 1,
        };
        self.suspect = Some((place, count));
        if count < SUSPECT_CRASHES {
            return None;
        }
        self.suspect = None;
        // Neither the search nor what it finds says that the plugin as a whole is broken.
        self.crashes_in_place = 0;
        if place >= self.single_until {
            self.single_until = place + batch;
            return Some(Verdict::Restart(Duration::ZERO));
        }
        let event = place + 1;
        if self.quarantined.len() == MAX_QUARANTINED {
            self.quarantined.pop_front();
        }
        self.quarantined.push_back(event);
        Some(Verdict::Quarantine(event))
    }

    /// Forgets the deaths: somebody asked for a fresh start.
    pub(crate) fn reset(&mut self) {
        *self = Self { quarantined: std::mem::take(&mut self.quarantined), ..Self::default() };
    }

    /// Up to here events are delivered one by one.
    pub(crate) fn single_until(&self) -> u64 {
        self.single_until
    }

    /// Events that are left out.
    pub(crate) fn quarantined(&self) -> Vec<u64> {
        self.quarantined.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(cursor: u64, in_process: bool) -> Crash {
        Crash { cursor, place: cursor, in_process }
    }

    #[test]
    fn progress_restarts_at_once_for_ever() {
        let mut policy = Policy::default();
        for cursor in 0..1_000 {
            let verdict = policy.crashed(crash(cursor, cursor % 2 == 0), 4_096);
            assert_eq!(verdict, Verdict::Restart(Duration::ZERO));
        }
    }

    #[test]
    fn the_fifth_death_in_place_trips_the_breaker() {
        let mut policy = Policy::default();
        let waits: Vec<_> = (0..5).map(|_| policy.crashed(crash(7, false), 4_096)).collect();
        assert_eq!(waits[0], Verdict::Restart(Duration::ZERO));
        assert!(matches!(waits[1], Verdict::Restart(wait) if wait == FIRST_BACKOFF));
        assert!(matches!(waits[3], Verdict::Restart(wait) if wait == FIRST_BACKOFF * 4));
        assert_eq!(waits[4], Verdict::Breaker);
        policy.reset();
        assert_eq!(policy.crashed(crash(7, false), 4_096), Verdict::Restart(Duration::ZERO));
    }

    #[test]
    fn an_event_that_kills_is_found_and_left_out() {
        let mut policy = Policy::default();
        // Twice in a batch after 100, then one by one up to the event 110 that kills.
        assert_eq!(policy.crashed(crash(100, true), 64), Verdict::Restart(Duration::ZERO));
        assert_eq!(policy.crashed(crash(100, true), 64), Verdict::Restart(Duration::ZERO));
        assert_eq!(policy.single_until(), 164);
        assert_eq!(policy.crashed(crash(109, true), 64), Verdict::Restart(Duration::ZERO));
        assert_eq!(policy.crashed(crash(109, true), 64), Verdict::Quarantine(110));
        assert_eq!(policy.quarantined(), [110]);
    }

    #[test]
    fn the_first_event_of_a_batch_and_events_in_a_row_are_found_without_the_breaker() {
        let mut policy = Policy::default();
        let mut cursor = 100;
        let mut found = Vec::new();
        for _ in 0..40 {
            match policy.crashed(crash(cursor, true), 64) {
                Verdict::Quarantine(event) => {
                    found.push(event);
                    cursor = event;
                }
                Verdict::Restart(_) => {}
                Verdict::Breaker => panic!("events are to blame"),
            }
        }
        assert_eq!(found[..3], [101, 102, 103]);
    }

    #[test]
    fn whatever_place_it_names_the_breaker_comes_where_nothing_moves() {
        let mut policy = Policy::default();
        let mut crash = |place| policy.crashed(Crash { cursor: 7, place, in_process: true }, 64);
        for place in 100..104 {
            assert!(matches!(crash(place), Verdict::Restart(_)), "{place}");
        }
        assert_eq!(crash(104), Verdict::Breaker);
        // Nor is there an end of events to blame.
        let mut policy = Policy::default();
        let mut crash = |place| policy.crashed(Crash { cursor: 7, place, in_process: true }, 64);
        let verdicts: Vec<_> = (200..).map(|n| crash(n / 2)).take(64).collect();
        assert_eq!(verdicts.iter().position(|it| *it == Verdict::Breaker), Some(63));
    }

    #[test]
    fn an_event_that_kills_in_a_replay_is_found() {
        let mut policy = Policy::default();
        let mut crash = |place| policy.crashed(Crash { cursor: 500, place, in_process: true }, 64);
        for place in [100, 100, 109] {
            assert_eq!(crash(place), Verdict::Restart(Duration::ZERO));
        }
        assert_eq!(crash(109), Verdict::Quarantine(110));
    }

    #[test]
    fn kills_from_outside_blame_no_event() {
        let mut policy = Policy::default();
        for _ in 0..4 {
            assert!(matches!(policy.crashed(crash(5, false), 64), Verdict::Restart(_)));
        }
        assert_eq!((policy.single_until(), policy.quarantined().len()), (0, 0));
    }

    #[test]
    fn the_list_of_quarantined_events_is_bounded() {
        let mut policy = Policy::default();
        let mut cursor = 0;
        while policy.quarantined().last() != Some(&(MAX_QUARANTINED as u64 + 10)) {
            if let Verdict::Quarantine(event) = policy.crashed(crash(cursor, true), 64) {
                cursor = event;
            }
        }
        assert_eq!(policy.quarantined().len(), MAX_QUARANTINED);
    }
}
