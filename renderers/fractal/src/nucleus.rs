//! Centres of the small copies of the Mandelbrot set.
//!
//! The rule: a nucleus is only ever a better place for a reference. One that is not found, or lies
//! elsewhere, costs time and changes no picture.

use crate::exact::step;
use crate::fixed::FixedComplex;
use crate::{ComplexExp, Control, FloatExp, Formula, RenderError};

/// Corrections before the search is given up: some to come near, then one for each 40 bits, since
/// derivatives have 53.
const FIRST_CORRECTIONS: usize = 20;
const BITS_PER_CORRECTION: usize = 40;
/// No orbit comes back from here, nor does a correction that led to one.
const FAR: f64 = 1e6;

/// Watches an orbit for the period of a nucleus within `radius` of its constant: the first step at
/// which the disc around the constant is spread over zero (C. Heiland-Allen, "Deep zoom theory and
/// practice").
pub(crate) struct PeriodWatch {
    radius: FloatExp,
    derivative: ComplexExp,
}

impl PeriodWatch {
    pub(crate) fn new(radius: FloatExp) -> Self {
        Self { radius, derivative: ComplexExp::ZERO }
    }

    /// Takes the next point of the orbit, `z_1` first, and the one before it.
    pub(crate) fn sees(&mut self, before: ComplexExp, z: ComplexExp) -> bool {
        self.derivative = (before * self.derivative).scaled(1) + ComplexExp::ONE;
        z.abs() < self.derivative.abs() * self.radius
    }
}

/// The nucleus of a period near a point, by Newton's method, in units of `2^-bits`; none where the
/// method leaves the circle of `radius` around the point.
///
/// # Errors
///
/// [`RenderError::Cancelled`].
pub fn nucleus(
    near: &FixedComplex,
    period: u32,
    radius: FloatExp,
    bits: usize,
    control: &Control<'_>,
) -> Result<Option<FixedComplex>, RenderError> {
    let mut c = near.clone();
    // Below the last bits there is nothing to correct.
    let enough = FloatExp::new(1.0, 16 - bits as i64);
    for _ in 0..FIRST_CORRECTIONS + bits / BITS_PER_CORRECTION {
        let (mut z, mut derivative) = (FixedComplex::zero(), ComplexExp::ZERO);
        for n in 0..period {
            if n % 256 == 0 {
                control.check()?;
            }
            let before = z.to_complex_exp(bits);
            // An orbit that runs away has twice the digits after each step, until there is no memory.
            if before.abs() > FloatExp::from(FAR) {
                return Ok(None);
            }
            derivative = (before * derivative).scaled(1) + ComplexExp::ONE;
            z = step(&Formula::Mandelbrot, &z, &c, bits);
        }
        if derivative == ComplexExp::ZERO {
            return Ok(None);
        }
        let correction = z.to_complex_exp(bits) * derivative.recip();
        c.re -= correction.re().to_fixed(bits);
        c.im -= correction.im().to_fixed(bits);
        let moved = FixedComplex { re: &c.re - &near.re, im: &c.im - &near.im };
        if moved.to_complex_exp(bits).abs() > radius {
            return Ok(None);
        }
        if correction.abs() < enough {
            return Ok(Some(c));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, fixed};

    fn found(re: &str, im: &str, period: u32, bits: usize) -> Option<[f64; 2]> {
        let part = |text| Decimal::parse(text).unwrap().to_fixed(bits);
        let near = FixedComplex { re: part(re), im: part(im) };
        let radius = FloatExp::from(0.1);
        let nucleus = nucleus(&near, period, radius, bits, &Control::default()).unwrap()?;
        Some([fixed::to_f64(&nucleus.re, bits), fixed::to_f64(&nucleus.im, bits)])
    }

    #[test]
    fn known_nuclei() {
        assert_eq!(found("-0.98", "0.01", 2, 300), Some([-1.0, 0.0]));
        let airplane = found("-1.75", "0.001", 3, 300).unwrap();
        assert!((airplane[0] + 1.754_877_666_246_692_8).abs() < 1e-15 && airplane[1].abs() < 1e-60);
        let rabbit = found("-0.12", "0.74", 3, 300).unwrap();
        assert!((rabbit[0] + 0.122_561_166_876_653_62).abs() < 1e-15, "{rabbit:?}");
        assert!((rabbit[1] - 0.744_861_766_619_744_2).abs() < 1e-15, "{rabbit:?}");
        assert_eq!(found("0.5", "0.9", 3, 300), None, "none so near");
        // All its digits, twice as many after each step, would fill any memory.
        assert_eq!(found("0.5", "0.9", 200, 300), None, "runs away");
    }

    #[test]
    fn the_period_is_seen() {
        let bits = 200;
        let c = FixedComplex {
            re: Decimal::parse("-1.7548").unwrap().to_fixed(bits),
            im: Decimal::parse("0.0001").unwrap().to_fixed(bits),
        };
        let mut watch = PeriodWatch::new(FloatExp::from(1e-3));
        let mut z = FixedComplex::zero();
        let period = (1..20).find(|_| {
            let before = z.to_complex_exp(bits);
            z = step(&Formula::Mandelbrot, &z, &c, bits);
            watch.sees(before, z.to_complex_exp(bits))
        });
        assert_eq!(period, Some(3));
    }
}
