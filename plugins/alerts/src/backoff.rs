//! How long to leave a receiver alone that does not answer.
//!
//! The rule: pauses double from one second to thirty, and differ, so that nodes that failed together do not come back
//! together. The same state gives the same pauses: chance is a hash of what is known.

use serde::{Deserialize, Serialize};

use crate::time::{Period, Time};

const FIRST_PAUSE: Period = Period::from_s(1);
const LONGEST_PAUSE: Period = Period::from_s(30);

/// How a receiver fares; one that is well has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    failures: u32,
    /// Nothing leaves for it before.
    pub(crate) retry_at: Time,
}

impl Health {
    pub(crate) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Attempts that were out together and failed together are one failure: the pause that the first began goes on.
    pub(crate) fn failed(&mut self, now: Time, seed: u64) {
        if self.is_failing() && now < self.retry_at {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.after(Self::pause(self.failures, seed));
    }

    /// Half to all of the doubled pause.
    pub(crate) fn pause(failures: u32, seed: u64) -> Period {
        let doubled = FIRST_PAUSE.times(1 << failures.saturating_sub(1).min(5)).min(LONGEST_PAUSE);
        let chance = split_mix(seed ^ u64::from(failures).rotate_left(48)) % 51;
        doubled.percent(50 + u32::try_from(chance).expect("below 51"))
    }
}

/// SplitMix64's output function (Steele, Lea and Flood 2014).
fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_together_is_one_failure() {
        let mut health = Health::default();
        (0..4).for_each(|ms| health.failed(Time::from_ns(ms * 1_000_000), 7));
        assert!(health.retry_at <= Time::from_s(1), "the first pause, once");
        let then = health.retry_at;
        health.failed(then, 7);
        assert!(
            health.retry_at >= then.after(FIRST_PAUSE),
            "the second pause, half of two seconds at least"
        );
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_differ() {
        let half = |ms: u32| Period::from_ms(ms / 2);
        for (failures, ms) in
            [(1, 1_000), (2, 2_000), (5, 16_000), (6, 30_000), (7, 30_000), (u32::MAX, 30_000)]
        {
            let all: Vec<_> = (0..200).map(|seed| Health::pause(failures, seed)).collect();
            assert!(all.iter().all(|pause| *pause >= half(ms) && *pause <= Period::from_ms(ms)));
            let distinct: std::collections::BTreeSet<_> = all.iter().collect();
            assert!(distinct.len() > 30, "{failures}: {}", distinct.len());
            assert_eq!(Health::pause(failures, 7), Health::pause(failures, 7));
        }
    }
}
