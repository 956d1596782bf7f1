//! Doubles with an exponent of their own, for numbers like `1e-1000`.
//!
//! The rule: a value that is not zero keeps its mantissa in `[1, 2)` (of the larger part, for a
//! complex number), so products never leave the range of doubles.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use dashu_int::{IBig, Sign};

/// Below every exponent that a calculation can reach; the exponent of zero.
const ZERO_EXPONENT: i64 = i64::MIN / 4;

/// `mantissa * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatExp {
    mantissa: f64,
    exponent: i64,
}

/// The double `2^power`; zero below the normal doubles, infinity above.
#[must_use]
#[inline(always)]
pub fn exp2i(power: i64) -> f64 {
    if power < -1022 {
        0.0
    } else if power > 1023 {
        f64::INFINITY
    } else {
        f64::from_bits(((power + 1023) as u64) << 52)
    }
}

/// The exponent of a finite double, `floor(log2 |value|)`; subnormals count as the smallest.
#[must_use]
#[inline(always)]
pub fn exponent_of(value: f64) -> i64 {
    ((value.to_bits() >> 52) & 0x7ff) as i64 - 1023
}

impl FloatExp {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0.0, exponent: ZERO_EXPONENT };
    /// One.
    pub const ONE: Self = Self { mantissa: 1.0, exponent: 0 };

    /// `mantissa * 2^exponent`; `mantissa` is a normal double or zero.
    #[must_use]
    #[inline]
    pub fn new(mantissa: f64, exponent: i64) -> Self {
        if mantissa == 0.0 {
            return Self::ZERO;
        }
        let shift = exponent_of(mantissa);
        // In two steps, since 2^1024 is no double.
        let mantissa = mantissa * exp2i(-shift / 2) * exp2i(-shift - -shift / 2);
        Self { mantissa, exponent: exponent + shift }
    }

    /// `value * 2^-bits`, rounded to 53 bits.
    #[must_use]
    pub fn from_fixed(value: &IBig, bits: usize) -> Self {
        let (top, exponent, sign) = crate::fixed::leading(value);
        let mantissa = top as f64;
        let mantissa = if sign == Sign::Negative { -mantissa } else { mantissa };
        Self::new(mantissa, exponent - bits as i64)
    }

    /// In units of `2^-bits`, rounded down.
    #[must_use]
    pub(crate) fn to_fixed(self, bits: usize) -> IBig {
        let shift = self.exponent + bits as i64 - 52;
        let mantissa = IBig::from((self.mantissa * exp2i(52)) as i64);
        match usize::try_from(shift) {
            Ok(shift) => mantissa << shift,
            Err(_) => mantissa >> shift.unsigned_abs().min(64) as usize,
        }
    }

    /// The nearest double; zero below the normal doubles, infinity above.
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        self.mantissa * exp2i(self.exponent)
    }

    /// `self * 2^power` as a double.
    #[must_use]
    pub fn scaled_to_f64(self, power: i64) -> f64 {
        self.mantissa * exp2i(self.exponent + power)
    }

    /// The mantissa, in `[1, 2)` by absolute value, or zero.
    #[must_use]
    pub fn mantissa(self) -> f64 {
        self.mantissa
    }

    /// The power of two beside the mantissa; meaningless for zero.
    #[must_use]
    pub fn exponent(self) -> i64 {
        self.exponent
    }

    /// Absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        Self { mantissa: self.mantissa.abs(), ..self }
    }

    /// `1 / self`, for anything but zero.
    #[must_use]
    pub fn recip(self) -> Self {
        Self::new(1.0 / self.mantissa, -self.exponent)
    }

    /// `log2 |self|`; minus infinity for zero.
    #[must_use]
    pub fn log2(self) -> f64 {
        if self.mantissa == 0.0 {
            return f64::NEG_INFINITY;
        }
        self.mantissa.abs().log2() + self.exponent as f64
    }

    /// The square root of a value that is not negative.
    #[must_use]
    pub fn sqrt(self) -> Self {
        if self.mantissa == 0.0 {
            return self;
        }
        let odd = self.exponent & 1;
        Self::new((self.mantissa * exp2i(odd)).sqrt(), (self.exponent - odd) / 2)
    }

    /// The larger of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if self < other { other } else { self }
    }

    /// The smaller of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other < self { other } else { self }
    }
}

impl From<f64> for FloatExp {
    fn from(value: f64) -> Self {
        Self::new(value, 0)
    }
}

impl Neg for FloatExp {
    type Output = Self;

    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }
}

impl Mul for FloatExp {
    type Output = Self;

    #[inline]
    fn mul(self, other: Self) -> Self {
        Self::new(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }
}

impl Add for FloatExp {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        let (large, small) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let aligned = small.mantissa * exp2i(small.exponent - large.exponent);
        Self::new(large.mantissa + aligned, large.exponent)
    }
}

impl Sub for FloatExp {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl PartialOrd for FloatExp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (*self - *other).mantissa.partial_cmp(&0.0)
    }
}

/// `(x + iy) * 2^exponent`, both parts under one exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComplexExp {
    /// Real mantissa.
    pub x: f64,
    /// Imaginary mantissa.
    pub y: f64,
    /// The power of two of both.
    pub exponent: i64,
}

impl ComplexExp {
    /// Zero.
    pub const ZERO: Self = Self { x: 0.0, y: 0.0, exponent: ZERO_EXPONENT };
    /// One.
    pub const ONE: Self = Self { x: 1.0, y: 0.0, exponent: 0 };

    /// `(x + iy) * 2^exponent`, the larger mantissa brought into `[1, 2)`.
    #[must_use]
    #[inline(always)]
    pub fn new(x: f64, y: f64, exponent: i64) -> Self {
        let largest = if x.abs() > y.abs() { x } else { y };
        if largest == 0.0 {
            return Self::ZERO;
        }
        let shift = exponent_of(largest);
        let (half, rest) = (exp2i(-shift / 2), exp2i(-shift - -shift / 2));
        Self { x: x * half * rest, y: y * half * rest, exponent: exponent + shift }
    }

    /// From two numbers with exponents of their own.
    #[must_use]
    pub fn from_parts(re: FloatExp, im: FloatExp) -> Self {
        let exponent = re.exponent.max(im.exponent);
        Self::new(re.scaled_to_f64(-exponent), im.scaled_to_f64(-exponent), exponent)
    }

    /// The parts as doubles; zero below their range.
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> [f64; 2] {
        let scale = exp2i(self.exponent);
        [self.x * scale, self.y * scale]
    }

    /// The real part.
    #[must_use]
    pub fn re(self) -> FloatExp {
        FloatExp::new(self.x, self.exponent)
    }

    /// The imaginary part.
    #[must_use]
    pub fn im(self) -> FloatExp {
        FloatExp::new(self.y, self.exponent)
    }

    /// `|self|^2`.
    #[must_use]
    #[inline]
    pub fn norm_sqr(self) -> FloatExp {
        FloatExp::new(self.x.mul_add(self.x, self.y * self.y), 2 * self.exponent)
    }

    /// `|self|`.
    #[must_use]
    pub fn abs(self) -> FloatExp {
        FloatExp::new(self.x.hypot(self.y), self.exponent)
    }

    /// `self * 2^power`.
    #[must_use]
    pub fn scaled(self, power: i64) -> Self {
        Self { exponent: self.exponent + power, ..self }
    }

    /// `self * factor`.
    #[must_use]
    pub fn times(self, factor: FloatExp) -> Self {
        Self::new(
            self.x * factor.mantissa,
            self.y * factor.mantissa,
            self.exponent + factor.exponent,
        )
    }

    /// `1 / self`, for anything but zero.
    #[must_use]
    pub fn recip(self) -> Self {
        let norm = self.x * self.x + self.y * self.y;
        Self::new(self.x / norm, -self.y / norm, -self.exponent)
    }
}

impl From<[f64; 2]> for ComplexExp {
    fn from([x, y]: [f64; 2]) -> Self {
        Self::new(x, y, 0)
    }
}

impl Neg for ComplexExp {
    type Output = Self;

    fn neg(self) -> Self {
        Self { x: -self.x, y: -self.y, ..self }
    }
}

impl Add for ComplexExp {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let exponent = self.exponent.max(other.exponent);
        let (a, b) = (exp2i(self.exponent - exponent), exp2i(other.exponent - exponent));
        Self::new(self.x * a + other.x * b, self.y * a + other.y * b, exponent)
    }
}

impl Sub for ComplexExp {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for ComplexExp {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self::new(
            self.x.mul_add(other.x, -(self.y * other.y)),
            self.x.mul_add(other.y, self.y * other.x),
            self.exponent + other.exponent,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(mantissa: f64) -> FloatExp {
        FloatExp::new(mantissa, -5_000)
    }

    #[test]
    fn far_below_the_doubles() {
        let product = tiny(3.0) * tiny(0.5);
        assert_eq!((product.mantissa(), product.exponent()), (1.5, -10_000));
        assert_eq!(product.to_f64(), 0.0);
        assert_eq!((product * FloatExp::new(1.0, 10_000)).to_f64(), 1.5);
        assert_eq!((tiny(1.0) + tiny(1.0)).exponent(), -4_999);
        assert_eq!(tiny(1.0) - tiny(1.0), FloatExp::ZERO);
        assert!(tiny(1.0) < tiny(1.5) && tiny(-1.0) < FloatExp::ZERO);
        assert_eq!((tiny(2.0) * tiny(2.0)).sqrt(), tiny(2.0));
        assert_eq!(tiny(4.0).log2(), -4_998.0);
        assert_eq!((tiny(4.0).recip() * tiny(4.0)).to_f64(), 1.0);
    }

    #[test]
    fn complex_products_and_sums() {
        let a = ComplexExp::new(1.0, 2.0, -4_000);
        let b = ComplexExp::new(3.0, -1.0, 4_000);
        assert_eq!((a * b).to_f64(), [5.0, 5.0]);
        assert_eq!((a * a.recip()).to_f64(), [1.0, 0.0]);
        assert_eq!(a + b, b, "too far apart to matter");
        assert_eq!(a - a, ComplexExp::ZERO);
        assert_eq!((ComplexExp::ZERO + a), a);
        assert_eq!(ComplexExp::from([3.0, 4.0]).abs().to_f64(), 5.0);
        assert_eq!(ComplexExp::from([f64::MAX, 1.0]).to_f64()[0], f64::MAX);
    }
}
