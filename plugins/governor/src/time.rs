//! Points and spans of time, as they stand in the state and in JSON.
//!
//! The rule: nothing here reads a clock; every time was handed in. A point is RFC 3339 in UTC, to the nanosecond; a
//! span is a number of seconds, to the microsecond.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MAX_SPAN_S;
use crate::number::{Number, rounded, write_number};

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_US: i64 = 1_000;
const US_PER_S: u64 = 1_000_000;

/// A point in time: Unix nanoseconds, of the years 1970 to 2199. RFC 3339 in UTC as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The first.
    pub const MIN: Self = Self(0);
    /// The last, 2199-12-31T23:59:59.999999999Z. Spans can be added to it many times before 64 bits overflow.
    pub const MAX: Self = Self(7_258_118_400 * NS_PER_S - 1);
    /// After everything; what is due then is never due.
    pub(crate) const NEVER: Self = Self(i64::MAX);

    /// From Unix nanoseconds, if it lies in `MIN..=MAX`.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Option<Self> {
        if ns < Self::MIN.0 || ns > Self::MAX.0 { None } else { Some(Self(ns)) }
    }

    /// From Unix seconds, if it lies in `MIN..=MAX`.
    #[must_use]
    pub const fn from_s(s: i64) -> Option<Self> {
        Self::from_ns(s.saturating_mul(NS_PER_S))
    }

    /// Unix nanoseconds.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// `span` later; the sum saturates.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The first point that is later.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many whole `step`s have passed since `earlier`.
    pub(crate) const fn steps_since(self, earlier: Self, step: Span) -> u64 {
        let ns = self.0.saturating_sub(earlier.0);
        if ns <= 0 || step.0 <= 0 { 0 } else { (ns / step.0).unsigned_abs() }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(self.0));
        stamp.map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stamp: jiff::Timestamp =
            text.parse().map_err(|_| format!("`{text}` is no RFC 3339 time"))?;
        let ns = i64::try_from(stamp.as_nanosecond()).ok().and_then(Self::from_ns);
        ns.ok_or_else(|| format!("`{text}` is outside 1970..2200"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    /// Any RFC 3339 time. Sums of the log may lie beyond [`Time::MAX`], so this takes what 64 bits hold.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let stamp: jiff::Timestamp =
            text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no RFC 3339 time")))?;
        let ns = i64::try_from(stamp.as_nanosecond()).ok().filter(|ns| *ns >= 0);
        ns.map(Self).ok_or_else(|| D::Error::custom(format!("`{text}` is out of range")))
    }
}

/// A span of time, zero to ten years, in whole microseconds. In JSON a number of seconds; 15 digits hold each span
/// exactly, so a number that was read is printed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest.
    pub const MAX: Self = Self(MAX_SPAN_S * NS_PER_S);

    /// From seconds, rounded to the microsecond; `None` for less than zero, more than ten years, and no number.
    #[must_use]
    pub fn from_s_f64(s: f64) -> Option<Self> {
        let us = rounded(s, US_PER_S)?;
        let ns = i64::try_from(us).ok()?.checked_mul(NS_PER_US)?;
        (ns <= Self::MAX.0).then_some(Self(ns))
    }

    /// From seconds; at most ten years.
    #[must_use]
    pub const fn from_s(s: u32) -> Self {
        let ns = s as i64 * NS_PER_S;
        if ns > Self::MAX.0 { Self::MAX } else { Self(ns) }
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Seconds, as printed.
    #[must_use]
    pub fn as_s_f64(self) -> f64 {
        // Both are exact, so the quotient is the double nearest to the decimal.
        (self.0 / NS_PER_US) as f64 / US_PER_S as f64
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.as_s_f64(), serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(s) = Number::deserialize(deserializer)?;
        Self::from_s_f64(s)
            .ok_or_else(|| D::Error::custom("a duration is 0 to ten years, in seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let time: Time = "2024-02-29T23:59:59.000000001+02:00".parse().expect("a time");
        assert_eq!(time.to_string(), "2024-02-29T21:59:59.000000001Z");
        assert_eq!(Time::MAX.to_string(), "2199-12-31T23:59:59.999999999Z");
        for bad in ["1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "now", ""] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        assert_eq!(Time::NEVER.after(Span::MAX), Time::NEVER);
    }

    #[test]
    fn spans_are_seconds_to_the_microsecond() {
        for text in ["0", "1", "0.5", "0.000001", "86400", "315575999.999999", "315576000"] {
            let span: Span = serde_json::from_str(text).expect(text);
            let printed = serde_json_canonicalizer::to_string(&span).expect("a number");
            assert_eq!(printed.parse::<f64>(), text.parse::<f64>(), "{text}");
            assert_eq!(serde_json::from_str::<Span>(&printed).expect("again"), span);
        }
        for bad in ["-1", "-0.0000001", "315576001", "1e300", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Span>(bad).is_err(), "{bad}");
        }
        assert_eq!(Span::from_s_f64(f64::NAN), None);
    }

    #[test]
    fn only_whole_steps_count() {
        let (start, step) = (Time(5), Span::from_s(1));
        for (at, steps) in [(0, 0), (5, 0), (NS_PER_S + 4, 0), (NS_PER_S + 5, 1), (3 * NS_PER_S, 2)]
        {
            assert_eq!(Time(at).steps_since(start, step), steps, "{at}");
        }
    }
}
