//! Points and spans of time, as they stand in rules, state and JSON.
//!
//! The rule: nothing here reads a clock; every time was handed in.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NS_PER_MS: i64 = 1_000_000;
const NS_PER_S: i64 = 1_000_000_000;
/// Units of a [`Period`] in falling order, as Prometheus writes them.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400 * NS_PER_S),
    ("w", 7 * 86_400 * NS_PER_S),
    ("d", 86_400 * NS_PER_S),
    ("h", 3_600 * NS_PER_S),
    ("m", 60 * NS_PER_S),
    ("s", NS_PER_S),
    ("ms", NS_PER_MS),
];
const LONGEST: Period = Period(10 * 365 * 86_400 * NS_PER_S);

/// A point in time: Unix nanoseconds. RFC 3339 in UTC in text formats, the number in binary ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// Before everything.
    pub const MIN: Self = Self(i64::MIN);
    /// After everything; a deadline that never comes.
    pub const NEVER: Self = Self(i64::MAX);

    /// From Unix nanoseconds.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// From Unix seconds.
    pub const fn from_s(s: i64) -> Self {
        Self(s.saturating_mul(NS_PER_S))
    }

    /// Unix nanoseconds.
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// `period` later; the sum saturates.
    #[must_use]
    pub const fn after(self, period: Period) -> Self {
        Self(self.0.saturating_add(period.0))
    }

    /// `period` earlier; the difference saturates.
    #[must_use]
    pub const fn before(self, period: Period) -> Self {
        Self(self.0.saturating_sub(period.0))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub const fn since(self, earlier: Self) -> Period {
        let ns = self.0.saturating_sub(earlier.0);
        Period(if ns < 0 { 0 } else { ns })
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
        let ns = i64::try_from(stamp.as_nanosecond());
        ns.map(Self).map_err(|_| format!("`{text}` is outside 1677..2262"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => serializer.serialize_i64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A span of time in nanoseconds, never negative; `90s`, `1h30m`, `250ms` in rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(i64);

impl Period {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The shortest time that there is.
    pub(crate) const NANOSECOND: Self = Self(1);
    /// Longer than anything.
    pub(crate) const FOREVER: Self = Self(i64::MAX);

    /// From milliseconds.
    pub const fn from_ms(ms: u32) -> Self {
        Self(ms as i64 * NS_PER_MS)
    }

    /// From seconds.
    pub const fn from_s(s: u32) -> Self {
        Self(s as i64 * NS_PER_S)
    }

    /// Nanoseconds.
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Seconds with their fraction.
    pub fn as_s_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for people and ratios")]
        let ns = self.0 as f64;
        ns / 1e9
    }

    /// `times` as long; the product saturates.
    #[must_use]
    pub const fn times(self, times: u32) -> Self {
        Self(self.0.saturating_mul(times as i64))
    }

    /// This share of it, `percent` of 0..=1,000.
    #[must_use]
    pub const fn percent(self, percent: u32) -> Self {
        Self((self.0 / 100).saturating_mul(percent as i64))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < NS_PER_MS {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, ns) in UNITS {
            if rest >= ns {
                write!(f, "{}{unit}", rest / ns)?;
                rest %= ns;
            }
        }
        Ok(())
    }
}

impl FromStr for Period {
    type Err = String;

    /// Numbers and units in falling order, each unit once; a lone `0` needs none.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no duration; write numbers and units, as in \"30s\" or \"1h30m\"")
        };
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let (mut rest, mut sum, mut largest) = (text, 0_i64, UNITS.len());
        let mut first_unit = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
            let unit = &rest[digits..digits + letters];
            let at = UNITS[first_unit..].iter().position(|(name, _)| *name == unit);
            largest = first_unit + at.ok_or_else(wrong)?;
            let part = number.checked_mul(UNITS[largest].1);
            sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(wrong)?;
            first_unit = largest + 1;
            rest = &rest[digits + letters..];
        }
        if largest == UNITS.len() {
            return Err(wrong());
        }
        let period = Self(sum);
        if period > LONGEST {
            return Err(format!("`{text}` is too long; the longest duration is 10y"));
        }
        Ok(period)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration as text, as in \"30s\" or \"1h30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written_as_prometheus_writes_them() {
        for (text, ms) in
            [("0", 0), ("0s", 0), ("30s", 30_000), ("1h30m", 5_400_000), ("1m250ms", 60_250)]
        {
            let period: Period = text.parse().expect(text);
            assert_eq!(period, Period::from_ms(ms), "{text}");
            assert_eq!(period.to_string().parse(), Ok(period), "{text}");
        }
        for bad in ["", "5", "m", "5x", "1s1m", "1s1s", "-1s", "1.5h", "5 m", "99999999999999999y"]
        {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert!("11y".parse::<Period>().is_err());
    }

    #[test]
    fn times_are_text_for_people_and_numbers_for_machines() {
        let time: Time = "2024-02-29T23:59:59.000000001+02:00".parse().expect("a time");
        let json = serde_json::to_string(&time).expect("serialises");
        assert_eq!(json, "\"2024-02-29T21:59:59.000000001Z\"");
        assert_eq!(serde_json::from_str::<Time>(&json).expect("parses"), time);
        let bytes = postcard::to_stdvec(&time).expect("serialises");
        assert_eq!(postcard::from_bytes::<Time>(&bytes).expect("parses"), time);
        assert!("9999-01-01T00:00:00Z".parse::<Time>().is_err(), "beyond nanoseconds in 64 bits");
        assert_eq!(Time::NEVER.after(Period::from_s(1)), Time::NEVER);
        assert_eq!(Time::from_s(1).since(Time::from_s(2)), Period::ZERO);
    }
}
