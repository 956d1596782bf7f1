//! Decimal numbers as people write them, kept exactly.
//!
//! The rule: nothing is rounded before somebody asks for a binary format, and a text is measured
//! before it is read.

use std::fmt;

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};

use crate::FloatExp;

/// The longest text that is read, in bytes.
pub const MAX_DECIMAL_LEN: usize = 20_000;
/// The largest absolute value of an exponent, as written and after the point has been moved away.
pub const MAX_DECIMAL_EXPONENT: i32 = 20_000;

/// `digits * 10^exponent`, exact.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct Decimal {
    digits: IBig,
    exponent: i32,
}

/// Why a text is no [`Decimal`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `-12.5e3`.
    #[error("is not a decimal number")]
    Malformed,
    /// Longer than [`MAX_DECIMAL_LEN`].
    #[error("has more than {MAX_DECIMAL_LEN} characters")]
    TooLong,
    /// An exponent beyond [`MAX_DECIMAL_EXPONENT`].
    #[error("has an exponent beyond {MAX_DECIMAL_EXPONENT}")]
    ExponentTooLarge,
}

impl Decimal {
    /// `digits * 10^exponent`, with the zeros at the end of `digits` moved into the exponent, so
    /// that equal numbers are equal values.
    ///
    /// # Panics
    ///
    /// When the exponent leaves `i32`, which no caller inside the limits can reach.
    #[must_use]
    pub fn new(digits: IBig, exponent: i32) -> Self {
        if digits.is_zero() {
            return Self { digits, exponent: 0 };
        }
        let (mut digits, mut exponent) = (digits, exponent);
        let ten = UBig::from(10_u8);
        // Chunks first: one digit at a time is quadratic in the length.
        for zeros in [4096_u16, 512, 64, 8, 1] {
            let power = IBig::from(ten.pow(usize::from(zeros)));
            while (&digits % &power).is_zero() {
                digits /= &power;
                exponent = exponent.checked_add(i32::from(zeros)).expect("limits are far inside");
            }
        }
        Self { digits, exponent }
    }

    /// Reads `[+-]digits[.digits][e[+-]digits]`; at least one digit before the exponent.
    ///
    /// # Errors
    ///
    /// See [`DecimalError`]; the length is looked at before anything else.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        if text.len() > MAX_DECIMAL_LEN {
            return Err(DecimalError::TooLong);
        }
        let (unsigned, negative) = match text.as_bytes().first() {
            Some(b'-') => (&text[1..], true),
            Some(b'+') => (&text[1..], false),
            _ => (text, false),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DecimalError::Malformed);
        }
        let fraction_len = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        let digits = UBig::from_str_radix(&digits, 10).map_err(|_| DecimalError::Malformed)?;
        let digits = if negative { -IBig::from(digits) } else { IBig::from(digits) };
        Ok(Self::new(digits, exponent - fraction_len))
    }

    /// The power of two, exact.
    #[must_use]
    pub fn power_of_two(power: u32) -> Self {
        Self::new(IBig::from(1) << power as usize, 0)
    }

    /// `numerator / 2^power`, exact.
    #[must_use]
    pub fn dyadic(numerator: &IBig, power: u16) -> Self {
        let five = IBig::from(UBig::from(5_u8).pow(usize::from(power)));
        Self::new(numerator * five, -i32::from(power))
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn signum(&self) -> i32 {
        use dashu_int::Sign;
        match (self.digits.is_zero(), self.digits.sign()) {
            (true, _) => 0,
            (_, Sign::Negative) => -1,
            (_, Sign::Positive) => 1,
        }
    }

    /// Bytes that its digits take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.digits.bit_len().div_ceil(8)
    }

    /// The digits as an integer and the power of ten they are multiplied by.
    #[must_use]
    pub fn parts(&self) -> (&IBig, i32) {
        (&self.digits, self.exponent)
    }

    /// `floor(self * 2^bits)`.
    #[must_use]
    pub fn to_fixed(&self, bits: usize) -> IBig {
        let power = IBig::from(UBig::from(10_u8).pow(self.exponent.unsigned_abs() as usize));
        if self.exponent >= 0 {
            return (&self.digits * power) << bits;
        }
        crate::fixed::div_floor(&(&self.digits << bits), &power)
    }

    /// The nearest double; beyond their range an infinity or zero.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // The standard library rounds correctly and reads any length.
        format!("{}e{}", self.digits, self.exponent).parse().expect("digits and an exponent")
    }

    /// The nearest value with 53 bits, whatever its exponent.
    #[must_use]
    pub fn to_float_exp(&self) -> FloatExp {
        // 64 bits more than it takes to write the smallest number of that exponent.
        let bits = 64 + (i64::from(self.exponent.min(0)).unsigned_abs() as usize) * 10 / 3 + 64;
        FloatExp::from_fixed(&self.to_fixed(bits), bits)
    }
}

fn parse_exponent(text: &str) -> Result<i32, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    let bounds = -MAX_DECIMAL_EXPONENT..=MAX_DECIMAL_EXPONENT;
    let exponent = text.parse().ok().filter(|exponent| bounds.contains(exponent));
    exponent.ok_or(DecimalError::ExponentTooLarge)
}

impl fmt::Display for Decimal {
    /// Writes what [`Decimal::parse`] reads back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.to_string();
        let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |d| ("-", d));
        match self.exponent {
            0 => write!(f, "{sign}{digits}"),
            exponent @ -9999..0 => {
                let places = exponent.unsigned_abs() as usize;
                let padded = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
            exponent => write!(f, "{sign}{digits}e{exponent}"),
        }
    }
}

impl From<i32> for Decimal {
    fn from(value: i32) -> Self {
        Self::new(IBig::from(value), 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn what_is_written_is_kept() {
        for (text, same) in [
            ("-0.5", "-5e-1"),
            ("1.5e320", "15e319"),
            ("+.25", "0.250"),
            ("3.", "3"),
            ("-0", "0.000e7"),
            ("1200", "12E2"),
        ] {
            assert_eq!(decimal(text), decimal(same), "{text}");
        }
        assert_eq!(decimal("-0.0625").to_string(), "-0.0625");
        assert_eq!(decimal("1.5e320").to_string(), "15e319");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "abc", "NaN", "inf", "-", ".", "1e", "1e+", "1_000", " 1", "0x10", "1e1.5"]
        {
            assert_eq!(Decimal::parse(text), Err(DecimalError::Malformed), "{text:?}");
        }
        for text in ["1e20001", "1e-20001", "1e2147483647", "1e-2147483648", "1e99999999999"] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::ExponentTooLarge), "{text}");
        }
        let long = "1".repeat(MAX_DECIMAL_LEN);
        assert!(Decimal::parse(&long).is_ok());
        assert_eq!(Decimal::parse(&format!("{long}1")), Err(DecimalError::TooLong));
    }

    #[test]
    fn fixed_point_rounds_down() {
        assert_eq!(decimal("0.75").to_fixed(2), IBig::from(3));
        assert_eq!(decimal("-0.1").to_fixed(4), IBig::from(-2));
        assert_eq!(decimal("12e1").to_fixed(1), IBig::from(240));
        assert_eq!(Decimal::dyadic(&IBig::from(-3), 2), decimal("-0.75"));
        assert_eq!(Decimal::power_of_two(10), decimal("1024"));
    }

    proptest! {
        #[test]
        fn display_is_read_back(text in "[+-]?[0-9]{1,40}(\\.[0-9]{0,40})?(e[+-]?[0-9]{1,3})?") {
            let value = decimal(&text);
            prop_assert_eq!(decimal(&value.to_string()), value);
        }

        #[test]
        fn doubles_agree_with_the_standard_library(
            text in "[+-]?[0-9]{1,20}(\\.[0-9]{0,20})?(e[+-]?[0-9]{1,2})?"
        ) {
            let value = decimal(&text);
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(value.to_f64(), expected);
            let wide = value.to_float_exp().to_f64();
            prop_assert!((wide - expected).abs() <= expected.abs() * f64::EPSILON);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,30}") {
            let _ = Decimal::parse(&text);
        }
    }
}
