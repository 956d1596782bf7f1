//! Leaps: many steps of a difference from a reference orbit taken as one linear step.
//!
//! The rule: while a difference `d` is small beside the orbit, its square is not seen in the result,
//! so a step is `d' = A d + B c`, and so is any row of steps; each leap carries the radius within which
//! that holds. Where one complex number is all there is to a derivative, a leap keeps the square as
//! well, `d' = A d + B c + Q d^2`, which reaches as far with half the digits lost. (Bilinear approximation, Zhuoran 2021; merging of steps after C. Heiland-Allen,
//! "Deep zoom theory and practice (again)".)

use crate::reference::Orbit;
use crate::{ComplexExp, Control, FloatExp, Formula, RenderError};

/// A difference below this part of the orbit's derivative leaves no trace of its square.
const TOLERANCE_LOG2: i64 = -40;
/// A difference below this part leaves none of its cube, and none of its square's product with the
/// difference of the constants, while that is smaller by [`FAR_FLOOR_LOG2`].
const FAR_TOLERANCE_LOG2: i64 = -22;
/// How much smaller the constants' part of a difference has to be for leaps that know squares.
const FAR_FLOOR_LOG2: i64 = 18;
/// The level of the shortest leaps; those of fewer steps save nothing.
pub const FIRST_LEVEL: u32 = 2;

/// Leaps that are made between two looks at whether the call should end: less than a millisecond.
const PIECE: usize = 1_024;

/// A linear map of the plane.
pub trait Linear: Copy + Send + Sync + std::fmt::Debug {
    /// The map that does nothing.
    const IDENTITY: Self;
    /// The map that takes everything to zero.
    const ZERO: Self;
    /// The factor of the square in one step, where leaps keep squares; else zero.
    const SQUARE: Self;
    /// The derivative of a formula at a point.
    fn derivative(formula: &Formula, z: [FloatExp; 2]) -> Self;
    /// `self` after `inner`.
    #[must_use]
    fn after(self, inner: Self) -> Self;
    /// The sum of two maps.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// The map applied to a number.
    fn apply(self, to: ComplexExp) -> ComplexExp;
    /// The largest factor by which it stretches, or somewhat more.
    fn norm(self) -> FloatExp;
}

impl Linear for ComplexExp {
    const IDENTITY: Self = Self::ONE;
    const ZERO: Self = Self::ZERO;
    const SQUARE: Self = Self::ONE;

    fn derivative(_: &Formula, [re, im]: [FloatExp; 2]) -> Self {
        ComplexExp::from_parts(re, im).scaled(1)
    }

    fn after(self, inner: Self) -> Self {
        self * inner
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn apply(self, to: ComplexExp) -> ComplexExp {
        self * to
    }

    fn norm(self) -> FloatExp {
        self.abs()
    }
}

/// A real matrix by columns, for formulas that are no functions of one complex variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixExp {
    columns: [ComplexExp; 2],
}

impl Linear for MatrixExp {
    const IDENTITY: Self =
        Self { columns: [ComplexExp::ONE, ComplexExp { x: 0.0, y: 1.0, exponent: 0 }] };
    const ZERO: Self = Self { columns: [ComplexExp::ZERO; 2] };
    const SQUARE: Self = Self::ZERO;

    fn derivative(formula: &Formula, [re, im]: [FloatExp; 2]) -> Self {
        let right = ComplexExp::from_parts(re, im).scaled(1);
        let up = ComplexExp { x: -right.y, y: right.x, ..right };
        let is_flipped = match formula {
            Formula::Mandelbrot | Formula::Julia { .. } => false,
            Formula::BurningShip => re.mantissa() * im.mantissa() < 0.0,
            Formula::Tricorn => true,
        };
        let flip = |v: ComplexExp| if is_flipped { ComplexExp { y: -v.y, ..v } } else { v };
        Self { columns: [flip(right), flip(up)] }
    }

    fn after(self, inner: Self) -> Self {
        Self { columns: inner.columns.map(|column| self.apply(column)) }
    }

    fn plus(self, other: Self) -> Self {
        let [a, b] = self.columns;
        let [c, d] = other.columns;
        Self { columns: [a + c, b + d] }
    }

    fn apply(self, to: ComplexExp) -> ComplexExp {
        let [right, up] = self.columns;
        right.times(to.re()) + up.times(to.im())
    }

    fn norm(self) -> FloatExp {
        // Frobenius: at most 1.42 times the spectral norm, and no square roots of differences.
        let [a, b] = self.columns;
        (a.norm_sqr() + b.norm_sqr()).sqrt()
    }
}

impl MatrixExp {
    /// In doubles, by rows.
    #[must_use]
    pub fn matrix(self) -> [f64; 4] {
        let [[a, c], [b, d]] = self.columns.map(ComplexExp::to_f64);
        [a, b, c, d]
    }
}

/// A row of steps as one: `d' = a d + b c + q d^2`.
#[derive(Clone, Copy, Debug)]
pub struct Leap<L> {
    /// What happens to the difference.
    pub a: L,
    /// What happens to the difference of the constants.
    pub b: L,
    /// What happens to the square of the difference.
    pub q: L,
    /// The largest `|d|` for which it may be used without its square.
    pub radius: FloatExp,
    /// The largest `|d|` for which it may be used with its square.
    pub far_radius: FloatExp,
    /// The smallest `|d|` for which that holds.
    pub far_floor: FloatExp,
}

/// All leaps over an orbit. Level `l` holds leaps of `2^l` steps that begin at the points
/// `1, 1 + 2^l, 1 + 2 * 2^l, ...`
#[derive(Clone, Debug)]
pub struct Leaps<L> {
    levels: Vec<Vec<Leap<L>>>,
}

impl<L: Linear> Leaps<L> {
    /// The leaps over an orbit for constants that differ from the reference's by at most `reach`.
    ///
    /// # Errors
    ///
    /// [`RenderError::Cancelled`].
    pub fn over(
        orbit: &Orbit,
        formula: &Formula,
        reach: FloatExp,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let length = 1 << FIRST_LEVEL;
        let count = orbit.end().saturating_sub(1) / length;
        let first = |leap| {
            let begin = 1 + leap * length;
            (begin + 1..begin + length)
                .map(|at| single(formula, orbit.parts(at)))
                .fold(single(formula, orbit.parts(begin)), |inner, outer| {
                    merged(inner, outer, reach)
                })
        };
        let mut levels = Vec::new();
        let mut level = in_pieces((0..count).map(first), control)?;
        while level.iter().any(|leap| leap.radius.max(leap.far_radius) > FloatExp::ZERO) {
            let pairs = level.chunks_exact(2).map(|pair| merged(pair[0], pair[1], reach));
            let next = in_pieces(pairs, control)?;
            levels.push(level);
            level = next;
        }
        Ok(Self { levels })
    }

    /// The leaps of each level, from [`FIRST_LEVEL`] on.
    #[must_use]
    pub fn levels(&self) -> &[Vec<Leap<L>>] {
        &self.levels
    }

    /// The longest leap from a point, squares left aside, for a difference of `size` that takes at most
    /// `most` steps, and how many it takes.
    #[must_use]
    pub fn longest(&self, from: usize, size: FloatExp, most: u32) -> Option<(&Leap<L>, u32)> {
        let index = from.checked_sub(1)?;
        let mut best = None;
        for (level, leaps) in (FIRST_LEVEL..).zip(&self.levels) {
            let aligned = index & ((1 << level) - 1) == 0;
            let leap = if aligned { leaps.get(index >> level) } else { None };
            match leap {
                Some(leap) if size < leap.radius && 1 << level <= most => {
                    best = Some((leap, 1 << level));
                }
                _ => break,
            }
        }
        best
    }

    /// Bytes that they occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(|level| size_of_val(&**level)).sum()
    }
}

/// All of `items`, unless the call ends before they are made.
///
/// # Errors
///
/// [`RenderError::Cancelled`].
pub fn in_pieces<T>(
    items: impl ExactSizeIterator<Item = T>,
    control: &Control<'_>,
) -> Result<Vec<T>, RenderError> {
    let mut made = Vec::with_capacity(items.len());
    for (index, item) in items.enumerate() {
        if index % PIECE == 0 {
            control.check()?;
        }
        made.push(item);
    }
    Ok(made)
}

/// One step as a leap.
fn single<L: Linear>(formula: &Formula, z: [FloatExp; 2]) -> Leap<L> {
    let a = L::derivative(formula, z);
    let [re, im] = z;
    let slope = ComplexExp::from_parts(re, im).abs() * FloatExp::from(2.0);
    let mut radius = slope * FloatExp::new(1.0, TOLERANCE_LOG2);
    if *formula == Formula::BurningShip {
        // The fold at the axes must not lie in between.
        radius = radius.min(re.abs()).min(im.abs());
    }
    let (far_radius, far_floor) = (slope * FloatExp::new(1.0, FAR_TOLERANCE_LOG2), FloatExp::ZERO);
    let far_radius = if L::SQUARE.norm() == FloatExp::ZERO { FloatExp::ZERO } else { far_radius };
    Leap { a, b: L::IDENTITY, q: L::SQUARE, radius, far_radius, far_floor }
}

/// Two leaps in a row as one.
fn merged<L: Linear>(inner: Leap<L>, outer: Leap<L>, reach: FloatExp) -> Leap<L> {
    let pushed = inner.b.norm() * reach;
    let stretch = inner.a.norm();
    // What the outer leap asks of the difference, asked of the difference before the inner one.
    let through = |bound: FloatExp| {
        let is_reached = bound > FloatExp::ZERO && stretch > FloatExp::ZERO;
        if is_reached { bound * stretch.recip() } else { FloatExp::ZERO }
    };
    let floor = (pushed * FloatExp::new(1.0, FAR_FLOOR_LOG2)).max(outer.far_floor);
    Leap {
        a: outer.a.after(inner.a),
        b: outer.a.after(inner.b).plus(outer.b),
        q: outer.a.after(inner.q).plus(outer.q.after(inner.a).after(inner.a)),
        radius: inner.radius.min(through(outer.radius - pushed)),
        far_radius: inner.far_radius.min(through(outer.far_radius - pushed)),
        // Twice, since what was pushed may point the other way.
        far_floor: inner.far_floor.max(through(floor * FloatExp::from(2.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reference, View, Viewport};

    fn reference(formula: &str, centre: [&str; 2]) -> (Reference, Formula) {
        let viewport = Viewport::parse(centre, "1e40", [64, 64]).unwrap();
        let formula = Formula::parse(formula, None).unwrap();
        let view = View::new(viewport, formula.clone(), Some(600)).unwrap();
        (Reference::of(&view, &Control::default()).unwrap(), formula)
    }

    /// A leap's result against the steps it stands for.
    fn check<L: Linear>(formula: &str, centre: [&str; 2]) {
        let (reference, formula) = reference(formula, centre);
        let orbit = &reference.into_orbits().1;
        let reach = FloatExp::new(1.0, -130);
        let leaps = Leaps::<L>::over(orbit, &formula, reach, &Control::default()).unwrap();
        let c = ComplexExp::new(0.3, -0.4, -130);
        let d = ComplexExp::new(-0.5, 0.6, -129);
        let (leap, steps) =
            leaps.longest(1, d.abs(), u32::MAX).expect("a leap from the first point");
        assert!(steps >= 16, "{steps}");
        let mut stepped = d;
        for at in 1..=steps as usize {
            let tangent = L::derivative(&formula, orbit.parts(at));
            stepped = tangent.apply(stepped) + c;
        }
        let error = (leap.a.apply(d) + leap.b.apply(c) - stepped).abs() * stepped.abs().recip();
        assert!(error.to_f64() < 1e-12, "{error:?}");
        assert!(leaps.longest(1, d.abs(), steps - 1).expect("a shorter one").1 < steps);
        assert!(leaps.longest(0, d.abs(), u32::MAX).is_none());
    }

    #[test]
    fn a_leap_is_its_steps() {
        check::<ComplexExp>("mandelbrot", ["-1.75", "0.0001"]);
        check::<MatrixExp>("mandelbrot", ["-1.75", "0.0001"]);
        check::<MatrixExp>("tricorn", ["-1.75", "0.0001"]);
        check::<MatrixExp>("burning-ship", ["-1.75", "-0.01"]);
    }

    #[test]
    fn a_shorter_leap_holds_for_larger_differences() {
        let (reference, formula) = reference("mandelbrot", ["-1.75", "0.0001"]);
        let reach = FloatExp::new(1.0, -130);
        let (orbit, control) = (reference.into_orbits().1, Control::default());
        let leaps = Leaps::<ComplexExp>::over(&orbit, &formula, reach, &control).unwrap();
        let radii = leaps.levels().iter().map(|level| level[0].radius);
        assert!(radii.collect::<Vec<_>>().is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn leaps_are_not_made_for_a_call_that_has_ended() {
        let (reference, formula) = reference("mandelbrot", ["-1.75", "0.0001"]);
        let cancel = std::sync::atomic::AtomicBool::new(true);
        let control = Control { cancel: Some(&cancel), progress: None };
        let (orbit, reach) = (reference.into_orbits().1, FloatExp::new(1.0, -130));
        let ended = Leaps::<ComplexExp>::over(&orbit, &formula, reach, &control);
        assert_eq!(ended.unwrap_err(), RenderError::Cancelled);
    }
}
