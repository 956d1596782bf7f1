//! One pixel of a deep view, from its difference at the beginning to its escape.
//!
//! The rule: the difference is taken over to the critical orbit whenever it is as large as the number
//! itself, so it never loses digits to it (rebasing, Zhuoran 2021).

use shimmer_fractal::{
    BAILOUT_SQR, ComplexExp, FloatExp, INTERIOR, Linear, RADIUS_SQR, distance, smooth,
};

use super::guide::{Guide, NARROW_EXPONENT, Narrow, Track, narrow_floor};
use super::map::{Derivative, Map, Small};

/// A pixel's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) mu: f32,
    pub(super) distance: f32,
}

impl Value {
    pub(super) const INSIDE: Self = Self { mu: INTERIOR, distance: 0.0 };

    /// Of a point past the bailout, with the derivative by the pixel's place.
    #[inline(always)]
    pub(super) fn escaped(n: u32, z: [f64; 2], norm_sqr: f64, j: [[f64; 2]; 2]) -> Self {
        let along = |column: [f64; 2]| z[0] * column[0] + z[1] * column[1];
        let (right, up) = (along(j[0]), along(j[1]));
        let slope = ((right * right + up * up) / norm_sqr).sqrt();
        Self { mu: smooth(n, norm_sqr), distance: distance(norm_sqr, slope) }
    }
}

/// How a stretch in one format ended.
enum Stretch {
    Done(Value),
    /// The difference has left the range of the format.
    Changed,
}

/// A pixel on its way.
pub(super) struct Walk<'a, M: Map> {
    guide: &'a Guide<M>,
    track: &'a Track<M>,
    /// Index of the orbit's point that the difference belongs to.
    at: usize,
    n: u32,
    max_iter: u32,
    /// The difference, and the derivative by the pixel's place in units of the spacing, by columns.
    d: ComplexExp,
    j: [ComplexExp; 2],
    /// The constant's difference and derivative; zero for Julia sets.
    c: ComplexExp,
    c_j: [ComplexExp; 2],
}

/// The derivative of the pixel's place by itself.
pub(super) fn unit(spacing: FloatExp) -> [ComplexExp; 2] {
    let unit = [ComplexExp::ONE, ComplexExp { x: 0.0, y: 1.0, exponent: 0 }];
    unit.map(|column| column.times(spacing))
}

impl<'a, M: Map> Walk<'a, M> {
    /// A pixel at the beginning, `place` away from the view's middle.
    pub(super) fn begin(
        guide: &'a Guide<M>,
        max_iter: u32,
        spacing: FloatExp,
        place: ComplexExp,
    ) -> Self {
        let point = guide.offset + place;
        let unit = unit(spacing);
        let zero = ComplexExp::ZERO;
        match &guide.first {
            Some(track) => Self {
                guide,
                track,
                at: 0,
                n: 0,
                max_iter,
                d: point,
                j: unit,
                c: zero,
                c_j: [zero; 2],
            },
            None => Self {
                guide,
                track: &guide.critical,
                at: guide.head.0 as usize,
                n: guide.head.0,
                max_iter,
                d: guide.head.1.apply(point),
                j: unit.map(|column| guide.head.1.apply(column)),
                c: point,
                c_j: unit,
            },
        }
    }

    /// Follows it to its end.
    pub(super) fn finish(mut self) -> Value {
        loop {
            let stretch = if self.is_narrow() { self.narrow() } else { self.wide() };
            if let Stretch::Done(value) = stretch {
                return value;
            }
        }
    }

    /// Whether the difference fits into doubles. A part that vanishes beside the other still decides
    /// about folds, so formulas that have them need both.
    fn is_narrow(&self) -> bool {
        let fits = |part: FloatExp| part == FloatExp::ZERO || part.exponent() > NARROW_EXPONENT;
        let both = || fits(self.d.re()) && fits(self.d.im());
        !self.guide.is_scaled
            || self.d.exponent > NARROW_EXPONENT && (M::Linear::COLUMNS == 1 || both())
    }

    /// The derivative as two columns; the second of a complex number follows from the first.
    fn columns<T: Copy>(j: [[T; 2]; 2], minus: impl Fn(T) -> T) -> [[T; 2]; 2] {
        if M::Linear::COLUMNS == 1 { [j[0], [minus(j[0][1]), j[0][0]]] } else { j }
    }

    /// Follows the difference in doubles.
    fn narrow(&mut self) -> Stretch {
        let floor = narrow_floor(self.guide.is_scaled);
        let mut d = self.d.to_f64();
        let mut j = self.j.map(ComplexExp::to_f64);
        let c = self.c.to_f64();
        let c_j = self.c_j.map(ComplexExp::to_f64);
        let plus = |v: [f64; 2], w: [f64; 2]| [v[0] + w[0], v[1] + w[1]];
        let mut points = self.track.orbit().points();
        loop {
            let size = d[0].abs().max(d[1].abs());
            let is_lost = |part: f64| part != 0.0 && part.abs() < floor;
            if size < floor || M::Linear::COLUMNS == 2 && d.into_iter().any(is_lost) {
                self.d = ComplexExp::from(d);
                self.j = j.map(ComplexExp::from);
                return Stretch::Changed;
            }
            let most = self.max_iter.saturating_sub(self.n);
            let holds = |leap: &Narrow<<M::Linear as Derivative>::Small>| {
                leap.holds(|r| size < r, |r| size > r)
            };
            let leap = self.track.longest(self.at, most, holds);
            let mut taken = 1;
            if let Some((leap, steps)) = leap {
                taken = steps;
                let tangent = leap.a.bent(leap.q, [2.0 * d[0], 2.0 * d[1]]);
                for column in 0..M::Linear::COLUMNS {
                    j[column] = plus(tangent.apply(j[column]), leap.b.apply(c_j[column]));
                }
                d = plus(leap.a.bent(leap.q, d).apply(d), leap.b.apply(c));
            } else {
                let z = points[self.at];
                let full = plus(z, d);
                for column in 0..M::Linear::COLUMNS {
                    j[column] = plus(M::tangent(full, j[column]), c_j[column]);
                }
                d = plus(M::step(z, d), c);
            }
            self.at += taken as usize;
            self.n += taken;
            let z = plus(points[self.at], d);
            let norm_sqr = z[0] * z[0] + z[1] * z[1];
            if norm_sqr > BAILOUT_SQR {
                let j = Self::columns(j, |part| -part);
                return Stretch::Done(Value::escaped(self.n, z, norm_sqr, j));
            }
            if self.n >= self.max_iter && norm_sqr <= RADIUS_SQR {
                return Stretch::Done(Value::INSIDE);
            }
            let size = d[0].abs().max(d[1].abs());
            if z[0].abs().max(z[1].abs()) < size || self.at + 1 == points.len() {
                d = z;
                self.at = 0;
                self.track = &self.guide.critical;
                points = self.track.orbit().points();
            }
        }
    }

    /// Follows the difference with an exponent of its own.
    fn wide(&mut self) -> Stretch {
        loop {
            if self.is_narrow() {
                return Stretch::Changed;
            }
            let most = self.max_iter.saturating_sub(self.n);
            let leap = self.track.leaps.longest(self.at, self.d.abs(), most);
            let mut taken = 1;
            if let Some((leap, steps)) = leap {
                taken = steps;
                self.d = leap.a.apply(self.d) + leap.b.apply(self.c);
                for (j, c_j) in self.j.iter_mut().zip(self.c_j) {
                    *j = leap.a.apply(*j) + leap.b.apply(c_j);
                }
            } else {
                let z = self.track.orbit().parts(self.at);
                let parts = |v: ComplexExp| [v.re(), v.im()];
                let whole = |[re, im]: [FloatExp; 2]| ComplexExp::from_parts(re, im);
                let full = [z[0] + self.d.re(), z[1] + self.d.im()];
                for (j, c_j) in self.j.iter_mut().zip(self.c_j) {
                    *j = whole(M::tangent(full, parts(*j))) + c_j;
                }
                self.d = whole(M::step(z, parts(self.d))) + self.c;
            }
            self.at += taken as usize;
            self.n += taken;
            let z = self.track.orbit().wide(self.at) + self.d;
            let [x, y] = z.to_f64();
            let norm_sqr = x * x + y * y;
            if norm_sqr > BAILOUT_SQR {
                let j = self.j.map(ComplexExp::to_f64);
                return Stretch::Done(Value::escaped(self.n, [x, y], norm_sqr, j));
            }
            if self.n >= self.max_iter && norm_sqr <= RADIUS_SQR {
                return Stretch::Done(Value::INSIDE);
            }
            if z.exponent < self.d.exponent || self.at == self.track.orbit().end() {
                self.d = z;
                self.at = 0;
                self.track = &self.guide.critical;
            }
        }
    }

    /// A pixel taken over in the middle of its way.
    pub(super) fn resume(
        guide: &'a Guide<M>,
        track: &'a Track<M>,
        (at, n, max_iter): (usize, u32, u32),
        [d, j, c, c_j]: [ComplexExp; 4],
    ) -> Self {
        let turned = |v: ComplexExp| ComplexExp { x: -v.y, y: v.x, ..v };
        let (j, c_j) = ([j, turned(j)], [c_j, turned(c_j)]);
        Self { guide, track, at, n, max_iter, d, j, c, c_j }
    }
}
