//! Reference orbits: the one point of a view that is iterated in full precision.
//!
//! The rule: an orbit is kept in doubles, which is enough to follow differences from it (K. I. Martin,
//! "Superfractalthing maths"), with the few points that doubles cannot hold kept beside it.

use dashu_int::IBig;

use crate::exact::step;
use crate::fixed::{FixedComplex, exceeds};
use crate::{ComplexExp, Control, FloatExp, Formula, RenderError, View, Viewport};

/// Points with a part whose exponent is below this are kept with exponents of their own.
const TINY_EXPONENT: i64 = -450;
/// Steps between two looks at the cancel flag.
const CHECK_STEPS: u32 = 256;

/// The points `Z_0, Z_1, ...` of one orbit.
#[derive(Clone, Debug, PartialEq)]
pub struct Orbit {
    points: Vec<[f64; 2]>,
    tiny: Vec<(u32, [FloatExp; 2])>,
}

impl Orbit {
    /// Iterates `z_0` for `max_iter` steps or until it has left the bailout radius.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn follow(
        formula: &Formula,
        z_0: &FixedComplex,
        c: &FixedComplex,
        bits: usize,
        max_iter: u32,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let mut orbit = Self { points: Vec::new(), tiny: Vec::new() };
        let mut z = z_0.clone();
        for n in 0..=max_iter {
            if n % CHECK_STEPS == 0 {
                control.check()?;
            }
            let is_far = orbit.push(&z, bits);
            if is_far && exceeds(&(IBig::from(z.re.sqr()) + IBig::from(z.im.sqr())), bits, 16) {
                break;
            }
            z = step(formula, &z, c, bits);
        }
        Ok(orbit)
    }

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

    /// The points in doubles; at least two.
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
    formula: Formula,
    max_iter: u32,
}

impl Reference {
    /// The reference through the middle of a view.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn of(view: &View, control: &Control<'_>) -> Result<Self, RenderError> {
        let bits = view.viewport().bits();
        let centre = middle(view.viewport(), bits);
        Self::through(view, centre, bits, control)
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
        let (formula, max_iter) = (view.formula().clone(), view.max_iter());
        let zero = FixedComplex::zero();
        let (first, critical) = match &formula {
            Formula::Julia { re, im } => {
                let c = FixedComplex { re: re.to_fixed(bits), im: im.to_fixed(bits) };
                let first = Orbit::follow(&formula, &centre, &c, bits, max_iter, control)?;
                (Some(first), Orbit::follow(&formula, &zero, &c, bits, max_iter, control)?)
            }
            _ => (None, Orbit::follow(&formula, &zero, &centre, bits, max_iter, control)?),
        };
        Ok(Self { first, critical, centre, bits, formula, max_iter })
    }

    /// The orbit that pixels begin on.
    #[must_use]
    pub fn first(&self) -> &Orbit {
        self.first.as_ref().unwrap_or(&self.critical)
    }

    /// The orbit of zero, which pixels are taken over to.
    #[must_use]
    pub fn critical(&self) -> &Orbit {
        &self.critical
    }

    /// Whether pixels begin on an orbit of their own.
    #[must_use]
    pub fn has_two_orbits(&self) -> bool {
        self.first.is_some()
    }

    /// The point of a view's middle as seen from the reference.
    #[must_use]
    pub fn offset(&self, viewport: &Viewport) -> ComplexExp {
        let middle = middle(viewport, self.bits);
        let difference =
            FixedComplex { re: middle.re - &self.centre.re, im: middle.im - &self.centre.im };
        difference.to_complex_exp(self.bits)
    }

    /// Whether a view can be followed beside it: the same formula, as many steps, digits enough, and
    /// no farther away than some views.
    #[must_use]
    pub fn serves(&self, view: &View) -> bool {
        self.formula == *view.formula()
            && self.max_iter >= view.max_iter()
            && self.bits >= view.viewport().bits()
            && self.offset(view.viewport()).abs() <= view.viewport().radius() * FloatExp::from(64.0)
    }

    /// Bytes that it occupies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.critical.bytes() + self.first.as_ref().map_or(0, Orbit::bytes)
    }
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
        let points = nucleus.critical().points();
        assert_eq!(points, [[0.0, 0.0], [-1.0, 0.0]].repeat(5));
        assert!(!nucleus.has_two_orbits());
    }

    #[test]
    fn an_orbit_ends_past_the_bailout() {
        let outside = reference(["1", "0"], "1e40", "mandelbrot", 1_000);
        let last = outside.critical().points()[outside.critical().end()];
        assert_eq!(last, [677.0, 0.0]);
        assert_eq!(outside.critical().end(), 5);
    }

    #[test]
    fn tiny_points_keep_their_exponents() {
        let re = format!("-1.{}1", "0".repeat(399));
        let near = reference([&re, "0"], "1e500", "mandelbrot", 4);
        let orbit = near.critical();
        assert_eq!(orbit.points()[2], [0.0, 0.0]);
        // (-1 - e)^2 - 1 - e = e + e^2
        let log10 = orbit.wide(2).re().log2() * std::f64::consts::LOG10_2;
        assert!((log10 + 400.0).abs() < 1e-6, "{log10}");
        assert_eq!(orbit.wide(1).to_f64(), [-1.0, 0.0]);
    }

    #[test]
    fn a_julia_set_has_two_orbits() {
        let julia = reference(["0.5", "0.25"], "1e40", "julia", 3);
        assert_eq!(julia.first().points()[0], [0.5, 0.25]);
        assert_eq!(julia.critical().points()[..2], [[0.0, 0.0], [-0.8, 0.156]]);
    }

    #[test]
    fn neighbours_are_served_and_strangers_are_not() {
        let viewport = |re: &str, zoom: &str| Viewport::parse([re, "0"], zoom, [64, 64]).unwrap();
        let view = |re: &str, zoom: &str, max_iter| {
            View::new(viewport(re, zoom), Formula::Mandelbrot, Some(max_iter)).unwrap()
        };
        let reference = Reference::of(&view("-1", "1e40", 100), &Control::default()).unwrap();
        assert!(reference.serves(&view("-1", "1e40", 100)));
        let beside = format!("-1.{}3", "0".repeat(39));
        assert!(reference.serves(&view(&beside, "1e40", 50)));
        assert!(!reference.serves(&view(&beside, "1e45", 50)), "too few digits");
        assert!(!reference.serves(&view("-1.000001", "1e40", 50)), "too far");
        assert!(!reference.serves(&view("-1", "1e40", 101)), "too short");
    }
}
