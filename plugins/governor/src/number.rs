//! Numbers of JSON on their way into whole units and back.
//!
//! The rule: a double is taken apart into its integers and never calculated with; two machines that read one text hold
//! the same units.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::limits::NUMBER_LIMIT;

/// A finite number as it stood in a JSON text.
///
/// It is read from the text itself: `serde_json` reads 17 digits to the last bit only with a feature that other crates
/// happen to switch on, and without it a signature over the number would not verify. Not negative zero, which would be
/// printed otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(D::Error::custom("this is no number"));
        }
        let value: f64 = text.parse().map_err(D::Error::custom)?;
        let plain = value.is_finite() && !(value == 0.0 && value.is_sign_negative());
        if plain { Ok(Self(value)) } else { Err(D::Error::custom("this number has no double")) }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

/// Whole numbers without a point, whichever way they are printed.
pub(crate) fn write_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value >= 0.0 && value < NUMBER_LIMIT as f64 && value.fract() == 0.0 {
        return serializer.serialize_u64(value as u64);
    }
    serializer.serialize_f64(value)
}

/// The mantissa and the power of two of a finite number that is not negative.
pub(crate) fn parts(value: f64) -> Option<(u64, i32)> {
    if !value.is_finite() || value.is_sign_negative() {
        return None;
    }
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    Some(match exponent {
        0 => (fraction, -1_074),
        _ => (fraction | 1 << 52, exponent - 1_075),
    })
}

/// The whole number of `1 / units` nearest to `value`, halves upwards; `None` for what is negative or no number, and
/// beyond 128 bits.
pub(crate) fn rounded(value: f64, units: u64) -> Option<u128> {
    let (mantissa, exponent) = parts(value)?;
    let scaled = u128::from(mantissa) * u128::from(units);
    match exponent {
        0.. => {
            let shift = exponent.unsigned_abs();
            (shift < scaled.leading_zeros()).then(|| scaled << shift)
        }
        _ => {
            let half = exponent.unsigned_abs() - 1;
            Some(scaled.checked_shr(half).unwrap_or(0).div_ceil(2))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_rounded_to_the_nearest_unit() {
        for (value, units, expected) in [
            (0.1, 1_000_000_000_000, Some(100_000_000_000)),
            (1.0 / 3.0, 1_000_000_000_000, Some(333_333_333_333)),
            (2.0 / 3.0, 1_000_000_000_000, Some(666_666_666_667)),
            (0.5, 1, Some(1)),
            (0.499_999_999_999_999_94, 1, Some(0)),
            (f64::from_bits(1), 1_000_000_000_000, Some(0)),
            (9_007_199_254_740_993.0, 1, Some(9_007_199_254_740_992)),
            (1e300, 1, None),
            (-1.0, 1, None),
            (-0.0, 1, None),
            (f64::NAN, 1, None),
            (f64::INFINITY, 1, None),
        ] {
            assert_eq!(rounded(value, units), expected, "{value}");
        }
    }

    #[test]
    fn seventeen_digits_are_read_to_the_last_bit() {
        let mut bits = 0x3ff6_a09e_667f_3bcd_u64;
        for _ in 0..1_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from_bits(0x3ff0_0000_0000_0000 | bits >> 12);
            let text = serde_json_canonicalizer::to_string(&value).expect("a number");
            let read: Number = serde_json::from_str(&text).expect("a number");
            assert_eq!(read, Number(value), "{text}");
        }
        for bad in ["\"1\"", "null", "[1]", "true", "-0", "-0.0", "1e999", "01"] {
            assert!(serde_json::from_str::<Number>(bad).is_err(), "{bad}");
        }
    }
}
