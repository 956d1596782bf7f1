//! From the point of escape to the numbers that are kept of it.
//!
//! The rule: only operations that round once, fused multiply-adds written as such, so that every
//! instruction set gives the same bits.

/// `|z|^2` beyond which an orbit has escaped: a radius of 256.
pub const BAILOUT_SQR: f64 = 65_536.0;
/// `|z|^2` within which an orbit may still belong to the set: a radius of 2.
pub const RADIUS_SQR: f64 = 4.0;

/// `n + 1 - log2(log2 |z_n|)` for the first `z_n` past the bailout; it does not depend on where that
/// lies. `norm_sqr` is `|z_n|^2`.
#[must_use]
#[inline(always)]
pub fn smooth(n: u32, norm_sqr: f64) -> f32 {
    smooth_real(f64::from(n), norm_sqr)
}

/// [`smooth`] for counts that vector kernels keep as doubles.
#[must_use]
#[inline(always)]
pub fn smooth_real(n: f64, norm_sqr: f64) -> f32 {
    // log2|z| is half of log2|z|^2, and the half moves out of the outer logarithm as a 1.
    (n + (2.0 - log2(log2(norm_sqr)))) as f32
}

/// The exterior distance estimate `2 |z| ln|z| / |dz|`, in the units of `1 / |dz|`. The set is not
/// farther than this and not nearer than a quarter of it (Koebe's theorem; Milnor, "Dynamics in one
/// complex variable").
#[must_use]
#[inline(always)]
pub fn distance(norm_sqr: f64, derivative_norm: f64) -> f32 {
    (norm_sqr.sqrt() * (log2(norm_sqr) * std::f64::consts::LN_2) / derivative_norm) as f32
}

/// `log2` of a positive normal number to about nine digits.
#[inline(always)]
fn log2(value: f64) -> f64 {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000);
    let t = mantissa - 1.5;
    f64::from(exponent) + LOG2.iter().rev().fold(0.0, |sum: f64, term| sum.mul_add(t, *term))
}

/// `log2(1.5 + t)` for `t` from -0.5 to 0.5 as a polynomial, the constant first: interpolated at the
/// nodes of Chebyshev, off by at most 1.4e-9.
const LOG2: [f64; 11] = [
    0.5849625007211562,
    0.9617967147489417,
    -0.32059891074484925,
    0.1424867411448234,
    -0.0712431828804187,
    0.038033593675733064,
    -0.021131885975792526,
    0.011735228090877394,
    -0.006835863095976512,
    0.005410644437605055,
    -0.0032619267074820283,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_good_to_nine_digits() {
        for step in 0..10_000 {
            let value = 1.001_f64.powi(step) * 0.9;
            assert!((log2(value) - value.log2()).abs() < 3e-9, "{value}");
        }
    }

    #[test]
    fn the_count_does_not_depend_on_the_bailout() {
        // One more squaring moves n by one and the double logarithm by one.
        let (near, far) = (smooth(7, 1e5), smooth(8, 1e10));
        assert!((near - far).abs() < 1e-6, "{near} {far}");
        let expected = 8.0 - (1e5_f64.sqrt().log2()).log2();
        assert!((f64::from(near) - expected).abs() < 1e-6);
    }
}
