//! The renderer that is right by construction, one point after the other in fixed point.
//!
//! The rule: nothing clever. What every other renderer is compared with has no shortcuts to be wrong.

use dashu_int::{IBig, Sign};

use crate::fixed::{FixedComplex, exceeds, to_f64};
use crate::{
    Channels, ComplexExp, Control, FloatExp, Formula, INTERIOR, Raw, Region, RenderError, Renderer,
    View, distance, smooth,
};

/// Iterates every point in fixed point with bits to spare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact;

impl Renderer for Exact {
    fn name(&self) -> String {
        "exact".to_owned()
    }

    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError> {
        assert!(region.is_within(view.viewport()), "the region lies inside the view");
        let mut raw = Raw { region, mu: Vec::new(), distance: Vec::new() };
        for y in region.y..region.y + region.height {
            for x in region.x..region.x + region.width {
                control.check()?;
                let (mu, distance) = pixel(view, x, y);
                raw.mu.push(mu);
                if channels == Channels::SmoothAndDistance {
                    raw.distance.push(distance);
                }
            }
            control.report((y + 1 - region.y) as f32 / region.height as f32);
        }
        Ok(raw)
    }
}

/// Smooth count and distance estimate of one pixel.
fn pixel(view: &View, x: u32, y: u32) -> (f32, f32) {
    let bits = view.viewport().bits() + 64;
    let [re, im] = view.viewport().point(x, y, bits);
    let point = FixedComplex { re, im };
    let (mut z, c) = match view.formula() {
        Formula::Julia { re, im } => {
            (point, FixedComplex { re: re.to_fixed(bits), im: im.to_fixed(bits) })
        }
        _ => (FixedComplex::zero(), point),
    };
    // The Jacobian of z in units of pixels, as columns.
    let spacing = ComplexExp::new(1.0, 0.0, 0).times(view.viewport().spacing());
    let is_julia = matches!(view.formula(), Formula::Julia { .. });
    let start = [spacing, spacing * ComplexExp::new(0.0, 1.0, 0)];
    let mut jacobian = if is_julia { start } else { [ComplexExp::ZERO; 2] };
    let mut is_past_radius = false;
    for n in 0_u32.. {
        let (re_sqr, im_sqr) = (z.re.sqr(), z.im.sqr());
        let norm_sqr = IBig::from(&re_sqr + &im_sqr);
        if exceeds(&norm_sqr, bits, 16) {
            let norm_sqr = to_f64(&norm_sqr, 2 * bits);
            let slope = gradient(&z, &jacobian, bits);
            return (smooth(n, norm_sqr), distance(norm_sqr, slope));
        }
        is_past_radius |= n <= view.max_iter() && exceeds(&norm_sqr, bits, 2);
        if n >= view.max_iter() && !is_past_radius {
            return (INTERIOR, 0.0);
        }
        jacobian = jacobian.map(|column| tangent(view.formula(), &z, bits, column));
        if !is_julia {
            jacobian = [jacobian[0] + start[0], jacobian[1] + start[1]];
        }
        z = step(view.formula(), &z, &c, bits);
    }
    unreachable!("an orbit past the radius escapes")
}

/// One step of the formula.
pub(crate) fn step(
    formula: &Formula,
    z: &FixedComplex,
    c: &FixedComplex,
    bits: usize,
) -> FixedComplex {
    let difference = IBig::from(z.re.sqr()) - IBig::from(z.im.sqr());
    let product = &z.re * &z.im;
    let product = match formula {
        Formula::Mandelbrot | Formula::Julia { .. } => product,
        Formula::BurningShip => IBig::from_parts(Sign::Positive, product.into_parts().1),
        Formula::Tricorn => -product,
    };
    FixedComplex { re: (difference >> bits) + &c.re, im: (product >> (bits - 1)) + &c.im }
}

/// The derivative of the formula at `z` applied to a small difference.
fn tangent(formula: &Formula, z: &FixedComplex, bits: usize, difference: ComplexExp) -> ComplexExp {
    let product = (z.to_complex_exp(bits) * difference).scaled(1);
    match formula {
        Formula::Mandelbrot | Formula::Julia { .. } => product,
        Formula::BurningShip if z.re.sign() == z.im.sign() => product,
        Formula::BurningShip | Formula::Tricorn => ComplexExp { y: -product.y, ..product },
    }
}

/// The length of the gradient of `|z|` over the pixels.
fn gradient(z: &FixedComplex, jacobian: &[ComplexExp; 2], bits: usize) -> f64 {
    let z = z.to_complex_exp(bits);
    let along = |column: ComplexExp| {
        FloatExp::new(z.x * column.x + z.y * column.y, z.exponent + column.exponent)
    };
    let [right, up] = jacobian.map(along);
    let length = (right * right + up * up).sqrt() * z.abs().recip();
    length.to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Viewport};

    fn render(view: &View) -> Raw {
        let all = Region::all(view.viewport());
        Exact.render(view, all, Channels::SmoothAndDistance, &Control::default()).unwrap()
    }

    fn single(re: &str, im: &str, formula: Formula, max_iter: u64) -> Raw {
        let viewport = Viewport::parse([re, im], "1e6", [1, 1]).unwrap();
        render(&View::new(viewport, formula, Some(max_iter)).unwrap())
    }

    #[test]
    fn an_orbit_by_hand() {
        // 4, 20, 404: past 256 at the third step.
        let raw = single("4", "0", Formula::Mandelbrot, 10);
        assert!((f64::from(raw.mu[0]) - (4.0 - 404_f64.log2().log2())).abs() < 1e-6);
        // The derivatives are 1, 9, 361; a pixel is 4e-6 wide.
        let expected = 2.0 * 404.0 * 404_f64.ln() / (361.0 * 4e-6);
        assert!((f64::from(raw.distance[0]) / expected - 1.0).abs() < 1e-6);
    }

    #[test]
    fn centres_of_components_stay() {
        for re in ["0", "-1", "-1.7548776662466927", "-2"] {
            assert!(single(re, "0", Formula::Mandelbrot, 300).is_interior(0), "{re}");
        }
        let c = [Decimal::from(-1), Decimal::from(0)];
        let julia = Formula::parse("julia", Some(c)).unwrap();
        assert!(single("0.1", "0.1", julia, 300).is_interior(0));
        assert!(single("-1.75", "0", Formula::BurningShip, 300).is_interior(0));
        assert!(single("-1", "0.1", Formula::Tricorn, 300).is_interior(0));
    }

    #[test]
    fn past_the_radius_by_the_limit_is_outside() {
        // 2.1 is past 2 at once, though not past the bailout by then.
        assert!(!single("2.1", "0", Formula::Mandelbrot, 1).is_interior(0));
        // |z_2| of 1 is 2, |z_3| is 5.
        assert!(single("1", "0", Formula::Mandelbrot, 2).is_interior(0));
        assert!(!single("1", "0", Formula::Mandelbrot, 3).is_interior(0));
    }

    #[test]
    fn conjugates_agree() {
        let viewport = Viewport::parse(["-0.5", "0"], "1", [24, 24]).unwrap();
        for formula in ["mandelbrot", "tricorn"] {
            let formula = Formula::parse(formula, None).unwrap();
            let raw = render(&View::new(viewport.clone(), formula, Some(60)).unwrap());
            for (top, bottom) in (0..12).map(|y| (y * 24, (23 - y) * 24)) {
                assert_eq!(raw.mu[top..top + 24], raw.mu[bottom..bottom + 24]);
            }
        }
    }
}
