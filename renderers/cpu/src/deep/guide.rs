//! What every pixel of a deep view is followed beside: the orbit in doubles and the leaps over it.
//!
//! The rule: built once for a view and read by all its threads; nothing here depends on a pixel.

use super::map::{Derivative, Map};
use shimmer_fractal::{
    ComplexExp, Control, FIRST_LEVEL, FloatExp, Leap, Leaps, Linear, Orbit, Precision, Reference,
    RenderError, View, exp2i, in_pieces,
};

/// The exponent of the smallest difference that is followed in doubles in a view whose constants are
/// too small for them: its square is still a double.
pub(super) const NARROW_EXPONENT: i64 = -450;

/// A leap in doubles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrow<S> {
    /// What happens to the difference.
    pub(super) a: S,
    /// What happens to the difference of the constants.
    pub(super) b: S,
    /// What happens to the square of the difference.
    pub(super) q: S,
    /// The largest part of a difference for which it may be used, however small the rest.
    radius: f64,
    /// The largest part of a difference, and the smallest of the larger ones, for which it may be used
    /// with its square.
    far: [f64; 2],
}

impl<S> Narrow<S> {
    /// Whether it may be used for differences whose larger parts are as `is_below` and `is_above` say
    /// about bounds.
    #[inline(always)]
    pub(super) fn holds(
        &self,
        is_below: impl Fn(f64) -> bool,
        is_above: impl Fn(f64) -> bool,
    ) -> bool {
        is_below(self.radius) || is_below(self.far[0]) && is_above(self.far[1])
    }
}

/// One orbit and its leaps.
pub(super) struct Track<M: Map> {
    orbit: Orbit,
    pub(super) leaps: Leaps<M::Linear>,
    /// The same leaps in doubles, level by level.
    narrow: Vec<Vec<Narrow<<M::Linear as Derivative>::Small>>>,
}

impl<M: Map> Track<M> {
    fn new(
        orbit: Orbit,
        view: &View,
        reach: FloatExp,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let leaps = Leaps::<M::Linear>::over(&orbit, view.formula(), reach, control)?;
        let is_scaled = view.precision() == Precision::Scaled;
        let narrow = |leap: &Leap<M::Linear>| narrow::<M>(leap, is_scaled, reach);
        let levels = leaps.levels().iter();
        let narrow = levels.map(|level| in_pieces(level.iter().map(narrow), control));
        let narrow = narrow.collect::<Result<_, _>>()?;
        Ok(Self { orbit, leaps, narrow })
    }

    #[inline(always)]
    pub(super) fn orbit(&self) -> &Orbit {
        &self.orbit
    }

    /// The longest leap from a point that `holds` and takes at most `most` steps, and how many it takes.
    #[inline(always)]
    pub(super) fn longest(
        &self,
        from: usize,
        most: u32,
        holds: impl Fn(&Narrow<<M::Linear as Derivative>::Small>) -> bool,
    ) -> Option<(&Narrow<<M::Linear as Derivative>::Small>, u32)> {
        let index = from.wrapping_sub(1);
        let mut best = None;
        let mut steps = 1 << FIRST_LEVEL;
        // Zero, wrapped around, is aligned to nothing.
        for (level, leaps) in (FIRST_LEVEL..).zip(&self.narrow) {
            if index & (steps as usize - 1) != 0 || steps > most {
                break;
            }
            match leaps.get(index >> level) {
                Some(leap) if holds(leap) => best = Some((leap, steps)),
                _ => break,
            }
            steps *= 2;
        }
        best
    }

    fn bytes(&self) -> usize {
        let narrow: usize = self.narrow.iter().map(|level| size_of_val(&**level)).sum();
        self.orbit.bytes() + self.leaps.bytes() + narrow
    }
}

/// A leap in doubles, with radius zero where doubles cannot hold it. Where constants are too small for
/// doubles, only leaps in which they do not matter are kept.
fn narrow<M: Map>(
    leap: &Leap<M::Linear>,
    is_scaled: bool,
    reach: FloatExp,
) -> Narrow<<M::Linear as Derivative>::Small> {
    // Parts are compared instead of absolute values; the larger part is at least 0.7 of those.
    let part = |bound: FloatExp| (bound * FloatExp::from(std::f64::consts::FRAC_1_SQRT_2)).to_f64();
    let is_double = |norm: FloatExp| norm < FloatExp::new(1.0, 1000);
    let (a, mut b, q) = (leap.a.small(), leap.b.small(), leap.q.small());
    let mut usable = is_double(leap.a.norm());
    if is_scaled {
        let smallest = leap.a.norm() * FloatExp::new(1.0, NARROW_EXPONENT - 60);
        usable &= leap.b.norm() * reach < smallest;
        b = M::Linear::ZERO.small();
    } else {
        usable &= is_double(leap.b.norm());
    }
    let radius = if usable { part(leap.radius) } else { 0.0 };
    let has_far = usable && is_double(leap.q.norm());
    let far = if has_far { part(leap.far_radius) } else { 0.0 };
    Narrow { a, b, q, radius, far: [far, leap.far_floor.to_f64()] }
}

/// Everything that pixels of a view share.
pub(super) struct Guide<M: Map> {
    pub(super) first: Option<Track<M>>,
    pub(super) critical: Track<M>,
    /// The view's middle as seen from the reference.
    pub(super) offset: ComplexExp,
    /// The steps that all pixels take together at the beginning: how many, and `d = head * c` after
    /// them.
    pub(super) head: (u32, M::Linear),
    pub(super) is_scaled: bool,
}

impl<M: Map> Guide<M> {
    /// Prepares a view.
    pub(super) fn new(view: &View, control: &Control<'_>) -> Result<Self, RenderError> {
        Self::beside(Reference::of(view, control)?, view, control)
    }

    /// Prepares a view beside a reference in or near it.
    pub(super) fn beside(
        reference: Reference,
        view: &View,
        control: &Control<'_>,
    ) -> Result<Self, RenderError> {
        let offset = reference.offset(view.viewport());
        let reach = offset.abs() + view.viewport().radius();
        let (first, critical) = reference.into_orbits();
        // The constants of a Julia set do not differ.
        let spread = if first.is_some() { FloatExp::ZERO } else { reach };
        let track = |orbit| Track::new(orbit, view, spread, control);
        let first = first.map(track).transpose()?;
        let critical = track(critical)?;
        let head =
            if first.is_some() { (0, M::Linear::ZERO) } else { head(&critical, view, reach) };
        let is_scaled = view.precision() == Precision::Scaled;
        Ok(Self { first, critical, offset, head, is_scaled })
    }

    /// Bytes that it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.critical.bytes() + self.first.as_ref().map_or(0, Track::bytes)
    }
}

/// The longest row of leaps from the beginning that is good for every constant within `reach`.
fn head<M: Map>(track: &Track<M>, view: &View, reach: FloatExp) -> (u32, M::Linear) {
    // An orbit of one step leaves nothing to take together.
    if view.max_iter() < 2 {
        return (0, M::Linear::ZERO);
    }
    // From zero to the first point: d = c.
    let (mut steps, mut head) = (1_u32, M::Linear::IDENTITY);
    // Not to the end, where a difference has to be taken over before it goes on.
    let most = view.max_iter().min((track.orbit().end() as u32).saturating_sub(1));
    while let Some((leap, taken)) =
        track.leaps.longest(steps as usize, head.norm() * reach, most.saturating_sub(steps))
    {
        head = leap.a.after(head).plus(leap.b);
        steps += taken;
    }
    (steps, head)
}

/// The smallest part of a difference that is followed in doubles.
pub(super) fn narrow_floor(is_scaled: bool) -> f64 {
    if is_scaled { exp2i(NARROW_EXPONENT) } else { 0.0 }
}
