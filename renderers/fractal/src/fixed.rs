//! Fixed-point arithmetic on big integers: what reference orbits and the exact renderer iterate in.
//!
//! The rule: a number is an integer in units of `2^-bits`, the bits travel beside it, and every
//! product is rounded down by one shift.

use dashu_int::{IBig, Sign};

use crate::{ComplexExp, FloatExp};

/// A complex number in units of `2^-bits`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FixedComplex {
    /// Real part.
    pub re: IBig,
    /// Imaginary part.
    pub im: IBig,
}

impl FixedComplex {
    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self { re: IBig::from(0), im: IBig::from(0) }
    }

    /// The value with 53 bits a part.
    #[must_use]
    pub fn to_f64(&self, bits: usize) -> [f64; 2] {
        [to_f64(&self.re, bits), to_f64(&self.im, bits)]
    }

    /// The value with 53 bits a part, and no smallest exponent.
    #[must_use]
    pub fn to_complex_exp(&self, bits: usize) -> ComplexExp {
        let re = FloatExp::from_fixed(&self.re, bits);
        let im = FloatExp::from_fixed(&self.im, bits);
        ComplexExp::from_parts(re, im)
    }
}

/// `floor(numerator / denominator)` for a positive denominator.
#[must_use]
pub(crate) fn div_floor(numerator: &IBig, denominator: &IBig) -> IBig {
    let quotient = numerator / denominator;
    let exact = &quotient * denominator == *numerator;
    if exact || numerator.sign() == Sign::Positive { quotient } else { quotient - IBig::from(1) }
}

/// The top 64 bits of the absolute value, their power of two, and the sign.
pub(crate) fn leading(value: &IBig) -> (u64, i64, Sign) {
    let (sign, words) = value.as_sign_words();
    // Reached for every point of an orbit, so it looks at two words and allocates nothing.
    const WORD: usize = dashu_int::Word::BITS as usize;
    const { assert!(WORD == 64, "the words of big integers are 64 bits wide") };
    let Some((&top, rest)) = words.split_last() else { return (0, 0, Sign::Positive) };
    let zeros = top.leading_zeros();
    let below = rest.last().copied().unwrap_or(0);
    let mantissa = if zeros == 0 { top } else { top << zeros | below >> (WORD as u32 - zeros) };
    let exponent = (rest.len() * WORD) as i64 - i64::from(zeros);
    (mantissa, exponent, sign)
}

/// `value * 2^-bits`, rounded to 53 bits; zero below the range of doubles.
#[must_use]
pub fn to_f64(value: &IBig, bits: usize) -> f64 {
    FloatExp::from_fixed(value, bits).to_f64()
}

/// `|z|^2 > 2^power_of_two`, for squares in units of `2^(-2 bits)`.
#[must_use]
pub(crate) fn exceeds(square: &IBig, bits: usize, power: usize) -> bool {
    let (mantissa, exponent, _) = leading(square);
    let top = exponent + 63 - 2 * bits as i64;
    if top != power as i64 {
        return mantissa != 0 && top > power as i64;
    }
    *square > IBig::from(1) << (2 * bits + power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_rounds_down() {
        for (a, b, floor) in [(7, 2, 3), (-7, 2, -4), (-6, 2, -3), (0, 5, 0)] {
            assert_eq!(div_floor(&IBig::from(a), &IBig::from(b)), IBig::from(floor));
        }
    }

    #[test]
    fn doubles_come_from_the_top() {
        let bits = 2_000;
        assert_eq!(to_f64(&(IBig::from(-5) << (bits - 1)), bits), -2.5);
        assert_eq!(to_f64(&(IBig::from(3) << (bits - 900)), bits), 3.0 * 2_f64.powi(-900));
        assert_eq!(to_f64(&IBig::from(1), bits), 0.0);
        assert_eq!(to_f64(&IBig::from(0), bits), 0.0);
    }

    #[test]
    fn a_bound_is_not_past_itself() {
        let bits = 70;
        let four = IBig::from(1) << (2 * bits + 2);
        assert!(!exceeds(&four, bits, 2));
        assert!(exceeds(&(&four + IBig::from(1)), bits, 2));
        assert!(!exceeds(&(four - IBig::from(1)), bits, 2));
        assert!(!exceeds(&IBig::from(0), bits, 2));
        assert!(exceeds(&(IBig::from(1) << (2 * bits + 20)), bits, 16));
    }
}
