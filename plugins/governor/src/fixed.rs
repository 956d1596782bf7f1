//! Shares of one (weights, quorums, alpha) and stakes.
//!
//! The rule: whole units inside; the number that was read is the number that is printed.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::NUMBER_LIMIT;
use crate::number::{Number, rounded, write_number};

/// A number of 0 to 1 in units of 1e-12. A double with more digits is rounded to the nearest unit; 12 digits fit into
/// a double, so a unit is printed as the decimal that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u64);

impl Ratio {
    /// Units in one.
    pub const UNITS: u64 = 1_000_000_000_000;
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(Self::UNITS);

    /// From units of 1e-12, at most [`Ratio::UNITS`].
    #[must_use]
    pub const fn from_units(units: u64) -> Option<Self> {
        if units > Self::UNITS { None } else { Some(Self(units)) }
    }

    /// The nearest unit; `None` outside 0 to 1.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if value > 1.0 {
            return None;
        }
        rounded(value, Self::UNITS)
            .and_then(|units| u64::try_from(units).ok())
            .and_then(Self::from_units)
    }

    /// Units of 1e-12.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// The nearest double, which is what is printed.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        // Both are exact, so the quotient is the double nearest to the decimal.
        self.0 as f64 / Self::UNITS as f64
    }

    /// `step` nearer to `goal`, or there.
    #[must_use]
    pub(crate) fn towards(self, goal: Self, step: Self) -> Self {
        if self < goal {
            Self((self.0 + step.0).min(goal.0))
        } else {
            Self(self.0.saturating_sub(step.0).max(goal.0))
        }
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.as_f64(), serializer)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(value) = Number::deserialize(deserializer)?;
        Self::from_f64(value).ok_or_else(|| D::Error::custom("this is a number from 0 to 1"))
    }
}

/// What a member has at stake: a whole number below 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Stake(u64);

impl Stake {
    /// `None` from 2^53 on.
    #[must_use]
    pub const fn new(stake: u64) -> Option<Self> {
        if stake < NUMBER_LIMIT { Some(Self(stake)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Stake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stake = u64::deserialize(deserializer)?;
        Self::new(stake).ok_or_else(|| D::Error::custom("a stake is a whole number below 2^53"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(ratio: Ratio) -> String {
        serde_json_canonicalizer::to_string(&ratio).expect("a number")
    }

    #[test]
    fn what_is_read_is_printed() {
        for text in ["0", "1", "0.1", "0.3", "0.7", "0.123456789012", "1e-12", "0.999999999999"] {
            let ratio: Ratio = serde_json::from_str(text).expect(text);
            assert_eq!(printed(ratio), text);
        }
        for units in (0..=Ratio::UNITS).step_by(999_999_937).chain(0..2_000) {
            let ratio = Ratio(units);
            assert_eq!(Ratio::from_f64(ratio.as_f64()), Some(ratio));
            assert_eq!(serde_json::from_str::<Ratio>(&printed(ratio)).expect("again"), ratio);
        }
        for bad in ["-0.1", "1.0000000001", "\"0.5\"", "null", "1e400"] {
            assert!(serde_json::from_str::<Ratio>(bad).is_err(), "{bad}");
        }
        assert_eq!(Ratio::from_f64(1.0 + f64::EPSILON), None);
    }

    #[test]
    fn steps_end_at_the_goal() {
        let (low, high, step) = (Ratio(10), Ratio(35), Ratio(10));
        assert_eq!(low.towards(high, step), Ratio(20));
        assert_eq!(Ratio(30).towards(high, step), high);
        assert_eq!(high.towards(low, step), Ratio(25));
        assert_eq!(Ratio(5).towards(Ratio::ZERO, step), Ratio::ZERO);
        assert_eq!(high.towards(high, step), high);
    }

    #[test]
    fn stakes_are_whole_and_below_two_to_the_53() {
        let read = |text: &str| serde_json::from_str::<Stake>(text).ok().map(Stake::get);
        assert_eq!(read("9007199254740991"), Some(NUMBER_LIMIT - 1));
        for bad in ["9007199254740992", "-1", "1.5", "1.0", "1e3", "\"1\"", "null"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
