//! One pixel of a deep view, from its difference at the beginning to its escape.
//!
//! The rule: the difference is taken over to the critical orbit whenever it is as large as the number
//! itself, so it never loses digits to it (rebasing, Zhuoran 2021).

use shimmer_fractal::{
    BAILOUT_SQR, ComplexExp, FloatExp, INTERIOR, Linear, RADIUS_SQR, distance, smooth,
};

use super::guide::{Guide, NARROW_EXPONENT, Track, narrow_floor};
use super::map::Map;

/// A pixel's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) mu: f32,
    pub(super) distance: f32,
}

const INSIDE: Value = Value { mu: INTERIOR, distance: 0.0 };

/// How a stretch in one format ended.
enum Stretch {
    Done(Value),
    /// The difference has left the range of the format.
    Changed,
}

/// A pixel on its way.
struct Walk<'a, M: Map> {
    guide: &'a Guide<M::Linear>,
    track: &'a Track<M::Linear>,
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

/// Computes a pixel that lies `place` away from the view's middle.
pub(super) fn pixel<M: Map>(
    guide: &Guide<M::Linear>,
    max_iter: u32,
    spacing: FloatExp,
    place: ComplexExp,
) -> Value {
    let point = guide.offset + place;
    let unit = [ComplexExp::ONE, ComplexExp { x: 0.0, y: 1.0, exponent: 0 }];
    let unit = unit.map(|column| column.times(spacing));
    let mut walk = match &guide.first {
        Some(track) => Walk::<M> {
            guide,
            track,
            at: 0,
            n: 0,
            max_iter,
            d: point,
            j: unit,
            c: ComplexExp::ZERO,
            c_j: [ComplexExp::ZERO; 2],
        },
        None => Walk::<M> {
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
    };
    loop {
        let is_narrow = !guide.is_scaled || walk.d.exponent > NARROW_EXPONENT;
        let stretch = if is_narrow { walk.narrow() } else { walk.wide() };
        if let Stretch::Done(value) = stretch {
            return value;
        }
    }
}

impl<M: Map> Walk<'_, M> {
    /// Follows the difference in doubles.
    fn narrow(&mut self) -> Stretch {
        let floor = narrow_floor(self.guide.is_scaled);
        let mut d = self.d.to_f64();
        let mut j = self.j.map(ComplexExp::to_f64);
        let c = self.c.to_f64();
        let c_j = self.c_j.map(ComplexExp::to_f64);
        let first_level = self.track.leaps.first_level();
        let mut points = self.track.orbit().points();
        loop {
            let size = d[0].abs().max(d[1].abs());
            if size < floor {
                self.d = ComplexExp::from(d);
                self.j = j.map(ComplexExp::from);
                return Stretch::Changed;
            }
            let mut leap = None;
            let mut taken = 1;
            if self.at > 0 {
                let index = self.at - 1;
                for (level, leaps) in (first_level..).zip(&self.track.narrow) {
                    let steps = 1_u32 << level;
                    if index & (steps as usize - 1) != 0 {
                        break;
                    }
                    match leaps.get(index >> level) {
                        Some(next) if size < next.radius && self.n + steps <= self.max_iter => {
                            leap = Some(next);
                            taken = steps;
                        }
                        _ => break,
                    }
                }
            }
            if let Some(leap) = leap {
                let apply = |v: [f64; 2], w: [f64; 2]| {
                    [
                        leap.a[0] * v[0] + leap.a[1] * v[1] + (leap.b[0] * w[0] + leap.b[1] * w[1]),
                        leap.a[2] * v[0] + leap.a[3] * v[1] + (leap.b[2] * w[0] + leap.b[3] * w[1]),
                    ]
                };
                d = apply(d, c);
                j = [apply(j[0], c_j[0]), apply(j[1], c_j[1])];
            } else {
                let z = points[self.at];
                let full = [z[0] + d[0], z[1] + d[1]];
                let plus = |v: [f64; 2], w: [f64; 2]| [v[0] + w[0], v[1] + w[1]];
                j = [plus(M::tangent(full, j[0]), c_j[0]), plus(M::tangent(full, j[1]), c_j[1])];
                d = plus(M::step(z, d), c);
            }
            self.at += taken as usize;
            self.n += taken;
            let z = points[self.at];
            let z = [z[0] + d[0], z[1] + d[1]];
            let norm_sqr = z[0] * z[0] + z[1] * z[1];
            if norm_sqr > BAILOUT_SQR {
                return Stretch::Done(escaped(self.n, z, norm_sqr, j));
            }
            if self.n == self.max_iter && norm_sqr <= RADIUS_SQR {
                return Stretch::Done(INSIDE);
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
            if self.d.exponent > NARROW_EXPONENT {
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
                let z = self.track.orbit().wide(self.at);
                let parts = |v: ComplexExp| [v.re(), v.im()];
                let whole = |[re, im]: [FloatExp; 2]| ComplexExp::from_parts(re, im);
                let full = parts(z + self.d);
                for (j, c_j) in self.j.iter_mut().zip(self.c_j) {
                    *j = whole(M::tangent(full, parts(*j))) + c_j;
                }
                self.d = whole(M::step(parts(z), parts(self.d))) + self.c;
            }
            self.at += taken as usize;
            self.n += taken;
            let z = self.track.orbit().wide(self.at) + self.d;
            // A difference this small beside a point past the bailout, or at the limit.
            let [x, y] = z.to_f64();
            let norm_sqr = x * x + y * y;
            if norm_sqr > BAILOUT_SQR {
                let j = self.j.map(ComplexExp::to_f64);
                return Stretch::Done(escaped(self.n, [x, y], norm_sqr, j));
            }
            if self.n == self.max_iter && norm_sqr <= RADIUS_SQR {
                return Stretch::Done(INSIDE);
            }
            if z.exponent < self.d.exponent || self.at == self.track.orbit().end() {
                self.d = z;
                self.at = 0;
                self.track = &self.guide.critical;
            }
        }
    }
}

fn escaped(n: u32, z: [f64; 2], norm_sqr: f64, j: [[f64; 2]; 2]) -> Value {
    let along = |column: [f64; 2]| z[0] * column[0] + z[1] * column[1];
    let (right, up) = (along(j[0]), along(j[1]));
    let slope = ((right * right + up * up) / norm_sqr).sqrt();
    Value { mu: smooth(n, norm_sqr), distance: distance(norm_sqr, slope) }
}
