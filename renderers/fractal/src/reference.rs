//! Reference orbits: the one point of a view that is iterated in full precision.
//!
//! The rule: an orbit is kept in doubles, which is enough to follow differences from it (K. I. Martin,
//! "Superfractalthing maths"), with the few points that doubles cannot hold kept beside it.

use dashu_int::IBig;

use crate::exact::step;
use crate::fixed::{FixedComplex, exceeds};
use crate::nucleus::{PeriodWatch, nucleus};
use crate::{ComplexExp, Control, FloatExp, Formula, RenderError, View, Viewport};

/// Points with a part whose exponent is below this are kept with exponents of their own.
const TINY_EXPONENT: i64 = -450;
/// Steps that finding a nucleus takes, as a multiple of its period.
const NUCLEUS_COST: u32 = 8;
/// Steps between two looks at the cancel flag.
const CHECK_STEPS: usize = 256;

/// The points `Z_0, Z_1, ...` of one orbit.
#[derive(Clone, Debug, PartialEq)]
pub struct Orbit {
    points: Vec<[f64; 2]>,
    tiny: Vec<(u32, [FloatExp; 2])>,
}

impl Orbit {
    /// Keeps a point, and says whether it lies outside radius 2.
    fn push(&mut self, z: &FixedComplex, bits: usize) -> bool {
        let parts = [&z.re, &z.im].map(|part| FloatExp::from_fixed(part, bits));
        let is_tiny = |part: &FloatExp| *part != FloatExp::ZERO && part.exponent() < TINY_EXPONENT;
        if parts.iter().any(is_tiny) {
            self.tiny.push((self.points.len() as u32, parts));
        }
        self.points.push(parts.map(FloatExp::to_f64));
        parts.iter().any(|part| part.exponent() >= 1)
    }

    /// The points in doubles; at least three.
    #[must_use]
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The index of the last point; there a difference has to be taken over to another orbit.
    #[must_use]
    pub fn end(&self) -> usize {
        self.points.len() - 1
    }

    /// A point with exponents of its own, one for each part.
    #[must_use]
    pub fn parts(&self, index: usize) -> [FloatExp; 2] {
        let point = self.points[index];
        if point.iter().any(|part| part.abs() < crate::exp2i(TINY_EXPONENT)) {
            let found = self.tiny.binary_search_by_key(&(index as u32), |(at, _)| *at);
            if let Ok(at) = found {
                return self.tiny[at].1;
            }
        }
        point.map(FloatExp::from)
    }

    /// A point with an exponent of its own.
    #[must_use]
    pub fn wide(&self, index: usize) -> ComplexExp {
        let [re, im] = self.parts(index);
        ComplexExp::from_parts(re, im)
    }

    /// Bytes that it occupies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.points) + size_of_val(&*self.tiny)
    }
}

/// An orbit in the making.
struct Follower<'a> {
    formula: &'a Formula,
    c: FixedComplex,
    bits: usize,
    /// The point after the last that was kept.
    z: FixedComplex,
    orbit: Orbit,
    has_escaped: bool,
}

impl<'a> Follower<'a> {
    fn new(formula: &'a Formula, z: FixedComplex, c: FixedComplex, bits: usize) -> Self {
        let orbit = Orbit { points: Vec::new(), tiny: Vec::new() };
        Self { formula, c, bits, z, orbit, has_escaped: false }
    }

    /// Goes on until the orbit has `points` points or has left the bailout radius.
    fn grow(&mut self, points: usize, control: &Control<'_>) -> Result<(), RenderError> {
        while self.orbit.points.len() < points && !self.has_escaped {
            if self.orbit.points.len().is_multiple_of(CHECK_STEPS) {
                control.check()?;
            }
            if self.orbit.push(&self.z, self.bits) && self.orbit.points.len() > 2 {
                let norm_sqr = IBig::from(self.z.re.sqr()) + IBig::from(self.z.im.sqr());
                self.has_escaped = exceeds(&norm_sqr, self.bits, 16);
            }
            self.z = step(self.formula, &self.z, &self.c, self.bits);
        }
        Ok(())
    }

    fn finish(mut self, max_iter: u32, control: &Control<'_>) -> Result<Orbit, RenderError> {
        // Three points at least, so that pixels may begin at the second.
        self.grow(max_iter.max(2) as usize + 1, control)?;
        Ok(self.orbit)
    }
}

/// The orbits that a view's pixels are followed beside.
///
/// Every pixel begins on `first`. Where a difference has grown as large as the number itself it is
/// taken over to the beginning of `critical`, the orbit of the critical point zero (rebasing, Zhuoran
/// 2021). For all formulas but Julia sets the two are the same orbit.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    first: Option<Orbit>,
    critical: Orbit,
    centre: FixedComplex,
    bits: usize,
}

impl Reference {
    /// The reference of a view: through a nucleus in it whose period is short beside the iteration
    /// limit, since such an orbit never escapes and is soon complete; else through the middle.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn of(view: &View, control: &Control<'_>) -> Result<Self, RenderError> {
        let bits = view.viewport().bits();
        let centre = middle(view.viewport(), bits);
        if *view.formula() != Formula::Mandelbrot {
            return Self::through(view, centre, bits, control);
        }
        let zero = FixedComplex::zero();
        let mut follower = Follower::new(view.formula(), zero.clone(), centre.clone(), bits);
        let radius = view.viewport().radius();
        let Some(period) = short_period(&mut follower, radius, view.max_iter(), control)? else {
            let critical = follower.finish(view.max_iter(), control)?;
            return Ok(Self { first: None, critical, centre, bits });
        };
        match nucleus(&centre, period, radius, bits, control)? {
            Some(nucleus) => {
                let follower = Follower::new(view.formula(), zero, nucleus.clone(), bits);
                let critical = follower.finish(period, control)?;
                Ok(Self { first: None, critical, centre: nucleus, bits })
            }
            None => {
                let critical = follower.finish(view.max_iter(), control)?;
                Ok(Self { first: None, critical, centre, bits })
            }
        }
    }

    /// The reference of a view through a point given in units of `2^-bits`.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn through(
        view: &View,
        centre: FixedComplex,
        bits: usize,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let (formula, max_iter) = (view.formula(), view.max_iter());
        let zero = FixedComplex::zero();
        let follow = |z: FixedComplex, c: FixedComplex| {
            Follower::new(formula, z, c, bits).finish(max_iter, control)
        };
        let (first, critical) = match formula {
            Formula::Julia { re, im } => {
                let c = FixedComplex { re: re.to_fixed(bits), im: im.to_fixed(bits) };
                (Some(follow(centre.clone(), c.clone())?), follow(zero, c)?)
            }
            _ => (None, follow(zero, centre.clone())?),
        };
        Ok(Self { first, critical, centre, bits })
    }

    /// The orbit that pixels begin on, where that is one of its own, and the orbit of zero, which they
    /// are taken over to.
    #[must_use]
    pub fn into_orbits(self) -> (Option<Orbit>, Orbit) {
        (self.first, self.critical)
    }

    /// The point of a view's middle as seen from the reference.
    #[must_use]
    pub fn offset(&self, viewport: &Viewport) -> ComplexExp {
        let middle = middle(viewport, self.bits);
        let difference =
            FixedComplex { re: middle.re - &self.centre.re, im: middle.im - &self.centre.im };
        difference.to_complex_exp(self.bits)
    }
}

/// The period of a nucleus within `radius`, if it is so short that looking for the nucleus costs less
/// than following the orbit to the limit.
fn short_period(
    follower: &mut Follower<'_>,
    radius: FloatExp,
    max_iter: u32,
    control: &Control<'_>,
) -> Result<Option<u32>, RenderError> {
    let mut watch = PeriodWatch::new(radius);
    for n in 1..=max_iter / NUCLEUS_COST {
        follower.grow(n as usize + 1, control)?;
        if follower.has_escaped {
            return Ok(None);
        }
        let orbit = &follower.orbit;
        if watch.sees(orbit.wide(n as usize - 1), orbit.wide(n as usize)) {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

fn middle(viewport: &Viewport, bits: usize) -> FixedComplex {
    let [re, im] = viewport.centre();
    FixedComplex { re: re.to_fixed(bits), im: im.to_fixed(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(centre: [&str; 2], zoom: &str, formula: &str, max_iter: u64) -> Reference {
        let viewport = Viewport::parse(centre, zoom, [64, 64]).unwrap();
        let formula = Formula::parse(formula, None).unwrap();
        let view = View::new(viewport, formula, Some(max_iter)).unwrap();
        Reference::of(&view, &Control::default()).unwrap()
    }

    #[test]
    fn a_periodic_orbit_comes_back() {
        let nucleus = reference(["-1", "0"], "1e40", "mandelbrot", 9);
        let points = nucleus.critical.points();
        assert_eq!(points, [[0.0, 0.0], [-1.0, 0.0]].repeat(5));
        assert!(nucleus.first.is_none());
    }

    #[test]
    fn a_nucleus_in_the_view_is_preferred() {
        let beside = format!("-1.{}1", "0".repeat(40));
        let near = reference([&beside, "0"], "1e40", "mandelbrot", 1_000);
        assert_eq!(near.critical.points()[..2], [[0.0, 0.0], [-1.0, 0.0]]);
        assert_eq!(near.critical.end(), 2);
        let viewport = Viewport::parse([&beside, "0"], "1e40", [64, 64]).unwrap();
        assert!((near.offset(&viewport).re().to_f64() / -1e-41 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_orbit_ends_past_the_bailout() {
        let outside = reference(["1", "0"], "1e40", "mandelbrot", 1_000);
        let last = outside.critical.points()[5];
        assert_eq!(last, [677.0, 0.0]);
        assert_eq!(outside.critical.end(), 5);
    }

    #[test]
    fn tiny_points_keep_their_exponents() {
        let re = format!("-1.{}1", "0".repeat(399));
        let near = reference([&re, "0"], "1e500", "mandelbrot", 4);
        let orbit = &near.critical;
        assert_eq!(orbit.points()[2], [0.0, 0.0]);
        // (-1 - e)^2 - 1 - e = e + e^2
        let log10 = orbit.wide(2).re().log2() * std::f64::consts::LOG10_2;
        assert!((log10 + 400.0).abs() < 1e-6, "{log10}");
        assert_eq!(orbit.wide(1).to_f64(), [-1.0, 0.0]);
    }

    #[test]
    fn a_julia_set_has_two_orbits() {
        let julia = reference(["0.5", "0.25"], "1e40", "julia", 3);
        assert_eq!(julia.first.unwrap().points()[0], [0.5, 0.25]);
        assert_eq!(julia.critical.points()[..2], [[0.0, 0.0], [-0.8, 0.156]]);
    }
}
