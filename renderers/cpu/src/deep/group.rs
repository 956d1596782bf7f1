//! Sixteen neighbouring pixels of a deep view in step with each other.
//!
//! The rule: as long as neighbours agree about where on the reference orbit they are, they share every
//! load and every decision; whoever disagrees goes on alone. What a pixel's value is depends on its
//! group and on nothing else, whatever the width of the vectors.

use shimmer_fractal::{BAILOUT_SQR, ComplexExp, FloatExp, RADIUS_SQR, exp2i};

use super::guide::{Guide, NARROW_EXPONENT, Narrow, Track};
use super::map::Square;
use super::pixel::{Value, Walk};
use crate::simd::Lanes;

/// Pixels of a group: [`COLUMNS`] by [`ROWS`].
pub(super) const PIXELS: usize = 16;
/// Columns of a group's pixels.
pub(super) const COLUMNS: u32 = 4;
/// Rows of a group's pixels.
pub(super) const ROWS: u32 = 4;
/// The most vectors that a group takes.
const WIDE: usize = 4;
/// A group with no more pixels than this is not worth its vectors.
const FEW: u32 = 2;
/// A difference may be taken over early, while the number is up to this many times larger: that loses
/// five digits of 53, and leaps give up more than thirty.
const EARLY: f64 = 32.0;
/// Differences that are smaller than the largest by this power of two do not share its exponent.
const SPREAD_LOG2: i64 = 400;
/// The power of two of the bailout's radius.
const BAILOUT_LOG2: i64 = 8;
/// Differences with an exponent of their own are brought back when their mantissas pass this.
const LARGE_MANTISSA_LOG2: i64 = 64;

/// One number for each pixel.
type Row<V> = [V; WIDE];

/// A number's two parts for each pixel.
type Pair<V> = [Row<V>; 2];

/// What all groups of a view share.
pub(super) struct Terms<'a> {
    pub(super) guide: &'a Guide<Square>,
    pub(super) max_iter: u32,
    pub(super) spacing: FloatExp,
    /// The view's middle as seen from the reference, in units of the spacing.
    pub(super) offset: [f64; 2],
}

/// Sixteen pixels on their way. A pixel that has ended goes on as the double of another, so that no
/// decision has to leave it out.
struct Group<'a, V: Lanes> {
    proof: V::Proof,
    terms: &'a Terms<'a>,
    track: &'a Track<Square>,
    at: usize,
    n: u32,
    /// Differences in units of `2^exponent`, and their derivatives by the pixel's place.
    d: Pair<V>,
    j: Pair<V>,
    exponent: i64,
    /// Constants in units of the spacing's power of two, and their derivative.
    c: Pair<V>,
    c_j: f64,
    c_exponent: i64,
    /// Pixels that have not ended, a bit each.
    live: u32,
}

/// Renders the pixels of a group that lie `places` away from the view's middle, in units of the
/// spacing; `live` says which of them are wanted.
#[inline(always)]
pub(super) fn render<V: Lanes, const SLOPE: bool>(
    proof: V::Proof,
    terms: &Terms<'_>,
    places: [[f64; PIXELS]; 2],
    live: u32,
    mut tell: impl FnMut(usize, Value),
) {
    let mut group = Group::<V>::begin(proof, terms, places);
    group.live = live;
    group.bury();
    group.settle_exponent(&mut tell);
    while group.live.count_ones() > FEW {
        if group.exponent == 0 {
            group.narrow_step::<SLOPE>(&mut tell);
        } else {
            group.wide_step::<SLOPE>(&mut tell);
        }
    }
    group.leave(group.live, &mut tell);
}

impl<'a, V: Lanes> Group<'a, V> {
    const USED: usize = PIXELS / V::LANES;

    #[inline(always)]
    fn splat(&self, value: f64) -> V {
        V::splat(self.proof, value)
    }

    #[inline(always)]
    fn row(proof: V::Proof, from: &[f64; PIXELS]) -> Row<V> {
        std::array::from_fn(|v| V::load(proof, &from[v % Self::USED * V::LANES..]))
    }

    #[inline(always)]
    fn begin(proof: V::Proof, terms: &'a Terms<'a>, places: [[f64; PIXELS]; 2]) -> Self {
        let guide = terms.guide;
        let mantissa = terms.spacing.mantissa();
        let zero = [V::splat(proof, 0.0); WIDE];
        let points = [0, 1].map(|part| {
            let mut lanes = [0.0; PIXELS];
            for (lane, place) in lanes.iter_mut().zip(places[part]) {
                *lane = (place + terms.offset[part]) * mantissa;
            }
            Self::row(proof, &lanes)
        });
        let c_exponent = terms.spacing.exponent();
        let mut group = Self {
            proof,
            terms,
            track: guide.first.as_ref().unwrap_or(&guide.critical),
            at: 0,
            n: 0,
            d: points,
            j: [[V::splat(proof, mantissa); WIDE], zero],
            exponent: c_exponent,
            c: points,
            c_j: mantissa,
            c_exponent,
            live: 0,
        };
        if guide.first.is_some() {
            (group.c, group.c_j) = ([zero; 2], 0.0);
        } else {
            let (steps, head) = guide.head;
            (group.at, group.n) = (steps as usize, steps);
            group.d = group.product(head, group.d);
            group.j = group.product(head, group.j);
            group.exponent = head.exponent + c_exponent;
        }
        group
    }

    /// A complex number, without its exponent, times one for each pixel.
    #[inline(always)]
    fn product(&self, factor: ComplexExp, [x, y]: Pair<V>) -> Pair<V> {
        let (fx, fy) = (self.splat(factor.x), self.splat(factor.y));
        let mut result = [x, y];
        for v in 0..Self::USED {
            result[0][v] = y[v].neg_mul_add(fy, x[v].mul(fx));
            result[1][v] = y[v].mul_add(fx, x[v].mul(fy));
        }
        result
    }

    /// Goes over to plain doubles where the differences allow it, else brings the mantissas near 1.
    /// Pixels whose differences would be lost beside the largest go on alone.
    #[inline(always)]
    fn settle_exponent(&mut self, tell: &mut impl FnMut(usize, Value)) {
        let sizes = self.sizes();
        let largest = sizes[..PIXELS].iter().fold(0.0, |a, b| if *b > a { *b } else { a });
        let largest = FloatExp::new(largest, self.exponent);
        let is_scaled = self.terms.guide.is_scaled;
        let is_narrow = !is_scaled || largest.exponent() > NARROW_EXPONENT;
        if is_scaled && largest != FloatExp::ZERO {
            let smallest =
                if is_narrow { NARROW_EXPONENT } else { largest.exponent() - SPREAD_LOG2 };
            let is_lost =
                |pixel: &usize| FloatExp::new(sizes[*pixel], self.exponent).exponent() < smallest;
            let lost = (0..PIXELS).filter(is_lost).fold(0, |lost, pixel| lost | 1 << pixel);
            if lost & self.live != 0 {
                self.leave(lost & self.live, tell);
                self.bury();
            }
        }
        if is_narrow {
            self.scale(self.exponent);
            self.exponent = 0;
        } else if largest != FloatExp::ZERO {
            self.scale(self.exponent - largest.exponent());
            self.exponent = largest.exponent();
        }
    }

    /// Multiplies differences and derivatives by a power of two.
    #[inline(always)]
    fn scale(&mut self, power: i64) {
        // In two steps, since one may leave the doubles where the product does not.
        let (half, rest) = (self.splat(exp2i(power / 2)), self.splat(exp2i(power - power / 2)));
        for row in self.d.iter_mut().chain(&mut self.j) {
            for vector in &mut row[..Self::USED] {
                *vector = vector.mul(half).mul(rest);
            }
        }
    }

    /// The larger part of each difference.
    #[inline(always)]
    fn sizes(&self) -> [f64; PIXELS] {
        let mut lanes = [0.0; PIXELS];
        for v in 0..Self::USED {
            self.d[0][v].abs().max(self.d[1][v].abs()).store(&mut lanes[v * V::LANES..]);
        }
        lanes
    }

    /// Whether every part of every difference is below a bound.
    #[inline(always)]
    fn is_below(&self, bound: f64) -> bool {
        let bound = self.splat(bound);
        (0..Self::USED).all(|v| {
            let size = self.d[0][v].abs().max(self.d[1][v].abs());
            V::bits(bound.greater(size)) == (1 << V::LANES) - 1
        })
    }

    /// Whether the larger part of every difference is above a bound.
    #[inline(always)]
    fn is_above(&self, bound: f64) -> bool {
        let bound = self.splat(bound);
        (0..Self::USED).all(|v| {
            let size = self.d[0][v].abs().max(self.d[1][v].abs());
            V::bits(size.greater(bound)) == (1 << V::LANES) - 1
        })
    }

    /// One leap or step in plain doubles.
    #[inline(always)]
    fn narrow_step<const SLOPE: bool>(&mut self, tell: &mut impl FnMut(usize, Value)) {
        if self.terms.guide.is_scaled && !self.is_above(exp2i(NARROW_EXPONENT)) {
            self.settle_exponent(tell);
            if self.exponent != 0 || self.live.count_ones() <= FEW {
                return;
            }
        }
        let most = self.terms.max_iter.saturating_sub(self.n);
        let scale = exp2i(self.c_exponent);
        let c_j = self.c_j * scale;
        let holds =
            |leap: &Narrow<[f64; 2]>| leap.holds(|r| self.is_below(r), |r| self.is_above(r));
        match self.track.longest(self.at, most, holds) {
            Some((leap, steps)) => {
                let [ax, ay] = leap.a.map(|part| self.splat(part));
                let [bx, by] = leap.b.map(|part| self.splat(part * scale));
                let [qx, qy] = leap.q.map(|part| self.splat(part));
                let [jx, jy] = leap.b.map(|part| self.splat(part * c_j));
                for v in 0..Self::USED {
                    let ([x, y], [cx, cy]) = (self.at_vector(self.d, v), self.at_vector(self.c, v));
                    let bent = [y.neg_mul_add(qy, x.mul(qx)), y.mul_add(qx, x.mul(qy))];
                    let (tx, ty) = (ax.add(bent[0]), ay.add(bent[1]));
                    let re = cy.neg_mul_add(by, cx.mul(bx));
                    let im = cy.mul_add(bx, cx.mul(by));
                    self.d[0][v] = y.neg_mul_add(ty, x.mul_add(tx, re));
                    self.d[1][v] = y.mul_add(tx, x.mul_add(ty, im));
                    if SLOPE {
                        let (tx, ty) = (tx.add(bent[0]), ty.add(bent[1]));
                        let [x, y] = self.at_vector(self.j, v);
                        self.j[0][v] = y.neg_mul_add(ty, x.mul_add(tx, jx));
                        self.j[1][v] = y.mul_add(tx, x.mul_add(ty, jy));
                    }
                }
                self.at += steps as usize;
                self.n += steps;
            }
            None => {
                let [zx, zy] = self.track.orbit().points()[self.at].map(|part| self.splat(part));
                let (scale, c_j) = (self.splat(scale), self.splat(c_j));
                let zero = self.splat(0.0);
                for v in 0..Self::USED {
                    let ([x, y], [cx, cy]) = (self.at_vector(self.d, v), self.at_vector(self.c, v));
                    let (fx, fy) = (zx.add(x), zy.add(y));
                    let (wx, wy) = (zx.add(fx), zy.add(fy));
                    self.d[0][v] = wx.mul_add(x, wy.neg_mul_add(y, cx.mul(scale)));
                    self.d[1][v] = wx.mul_add(y, wy.mul_add(x, cy.mul(scale)));
                    if SLOPE {
                        let [x, y] = self.at_vector(self.j, v);
                        let (fx, fy) = (fx.add(fx), fy.add(fy));
                        self.j[0][v] = fx.mul_add(x, fy.neg_mul_add(y, c_j));
                        self.j[1][v] = fx.mul_add(y, fy.mul_add(x, zero));
                    }
                }
                self.at += 1;
                self.n += 1;
            }
        }
        self.look::<SLOPE>(tell);
    }

    #[inline(always)]
    fn at_vector(&self, pair: Pair<V>, v: usize) -> [V; 2] {
        [pair[0][v], pair[1][v]]
    }

    /// Looks for escapes, for the limit, and for numbers smaller than their differences.
    #[inline(always)]
    fn look<const SLOPE: bool>(&mut self, tell: &mut impl FnMut(usize, Value)) {
        let [zx, zy] = self.track.orbit().points()[self.at].map(|part| self.splat(part));
        let (bailout, early) = (self.splat(BAILOUT_SQR), self.splat(EARLY));
        let (mut escapes, mut smaller, mut ready) = (0, 0, 0);
        let mut full = self.d;
        let mut norms = self.d[0];
        for v in 0..Self::USED {
            let [x, y] = self.at_vector(self.d, v);
            let (fx, fy) = (zx.add(x), zy.add(y));
            (full[0][v], full[1][v]) = (fx, fy);
            norms[v] = fy.mul_add(fy, fx.mul(fx));
            let (size, whole) = (x.abs().max(y.abs()), fx.abs().max(fy.abs()));
            escapes |= V::bits(norms[v].greater(bailout)) << (v * V::LANES);
            smaller |= V::bits(size.greater(whole)) << (v * V::LANES);
            ready |= V::bits(size.mul(early).greater(whole)) << (v * V::LANES);
        }
        let is_end = self.at == self.track.orbit().end();
        if escapes | smaller == 0 && self.n < self.terms.max_iter && !is_end {
            return;
        }
        let mut lanes = [[0.0; PIXELS]; 5];
        for (lanes, row) in lanes.iter_mut().zip([full[0], full[1], norms, self.j[0], self.j[1]]) {
            for v in 0..Self::USED {
                row[v].store(&mut lanes[v * V::LANES..]);
            }
        }
        let live = self.live;
        for pixel in (0..PIXELS).filter(|pixel| live >> pixel & 1 == 1) {
            let [x, y, norm_sqr, jx, jy] = lanes.map(|row| row[pixel]);
            if escapes >> pixel & 1 == 1 {
                let j = if SLOPE { [[jx, jy], [-jy, jx]] } else { [[1.0; 2]; 2] };
                tell(pixel, Value::escaped(self.n, [x, y], norm_sqr, j));
            } else if self.n >= self.terms.max_iter && norm_sqr <= RADIUS_SQR {
                tell(pixel, Value::INSIDE);
            } else {
                continue;
            }
            self.live &= !(1 << pixel);
        }
        let votes = smaller & self.live;
        if is_end || votes == self.live || votes != 0 && self.live & !ready == 0 {
            self.d = full;
            self.at = 0;
            self.track = &self.terms.guide.critical;
        } else if votes != 0 {
            self.part(votes, full, tell);
        }
        if escapes | votes != 0 {
            self.bury();
        }
    }

    /// The minority goes on alone: those that take their differences over, or those that do not.
    fn part(&mut self, votes: u32, full: Pair<V>, tell: &mut impl FnMut(usize, Value)) {
        let others = self.live & !votes;
        let leaving = if votes.count_ones() <= others.count_ones() { votes } else { others };
        let stays = (self.d, self.at, self.track);
        let moves = (full, 0, &self.terms.guide.critical);
        let (left, right) = if leaving == votes { (moves, stays) } else { (stays, moves) };
        (self.d, self.at, self.track) = left;
        self.leave(leaving, tell);
        (self.d, self.at, self.track) = right;
    }

    /// Some pixels go on alone.
    fn leave(&mut self, leaving: u32, tell: &mut impl FnMut(usize, Value)) {
        for pixel in (0..PIXELS).filter(|pixel| leaving >> pixel & 1 == 1) {
            tell(pixel, self.alone(pixel).finish());
        }
        self.live &= !leaving;
    }

    /// Makes every pixel that has ended the double of one that has not.
    #[inline(always)]
    fn bury(&mut self) {
        if self.live == 0 {
            return;
        }
        let double = self.live.trailing_zeros() as usize;
        for row in self.d.iter_mut().chain(&mut self.j).chain(&mut self.c) {
            let mut lanes = [0.0; PIXELS];
            for v in 0..Self::USED {
                row[v].store(&mut lanes[v * V::LANES..]);
            }
            for pixel in (0..PIXELS).filter(|pixel| self.live >> pixel & 1 == 0) {
                lanes[pixel] = lanes[double];
            }
            *row = Self::row(self.proof, &lanes);
        }
    }

    /// One of the pixels by itself.
    fn alone(&self, pixel: usize) -> Walk<'a, Square> {
        let lane = |row: &Row<V>| {
            let mut lanes = [0.0; PIXELS];
            row[pixel / V::LANES].store(&mut lanes);
            lanes[pixel % V::LANES]
        };
        let number = |pair: &Pair<V>, exponent: i64| {
            ComplexExp::new(lane(&pair[0]), lane(&pair[1]), exponent)
        };
        let d = number(&self.d, self.exponent);
        let j = number(&self.j, self.exponent);
        let c = number(&self.c, self.c_exponent);
        let c_j = ComplexExp::new(self.c_j, 0.0, self.c_exponent);
        let counts = (self.at, self.n, self.terms.max_iter);
        Walk::resume(self.terms.guide, self.track, counts, [d, j, c, c_j])
    }

    /// One leap or step of differences that are too small for doubles.
    #[inline(always)]
    fn wide_step<const SLOPE: bool>(&mut self, tell: &mut impl FnMut(usize, Value)) {
        let most = self.terms.max_iter.saturating_sub(self.n);
        let largest = self.sizes().iter().fold(0.0, |a, b| if *b > a { *b } else { a });
        let largest = FloatExp::new(largest, self.exponent);
        // The larger part is at least 0.7 of the absolute value.
        let size = largest * FloatExp::from(std::f64::consts::SQRT_2);
        match self.track.leaps.longest(self.at, size, most) {
            Some((leap, steps)) => {
                self.wide_leap::<SLOPE>(leap.a, leap.b);
                self.at += steps as usize;
                self.n += steps;
            }
            None => {
                self.wide_plain::<SLOPE>();
                self.at += 1;
                self.n += 1;
            }
        }
        let orbit = self.track.orbit();
        let z = orbit.wide(self.at);
        let is_near = z.exponent < self.exponent + LARGE_MANTISSA_LOG2 + 8;
        // The reference may have reached the bailout; a difference this small adds nothing to it.
        let is_turn = self.n >= self.terms.max_iter || z.exponent >= BAILOUT_LOG2;
        if is_turn || self.at == orbit.end() && !is_near {
            // What is decided now is decided about numbers in the range of doubles.
            self.scale(self.exponent);
            self.exponent = 0;
            self.look::<SLOPE>(tell);
            return;
        }
        if is_near {
            self.wide_look(z, tell);
        }
        if self.exponent != 0 {
            self.settle_exponent(tell);
        }
    }

    /// `d' = a d + b c`, all under the larger exponent.
    #[inline(always)]
    fn wide_leap<const SLOPE: bool>(&mut self, a: ComplexExp, b: ComplexExp) {
        let (from_d, from_c) = (a.exponent + self.exponent, b.exponent + self.c_exponent);
        let exponent = from_d.max(from_c);
        let (a_scale, b_scale) = (exp2i(from_d - exponent), exp2i(from_c - exponent));
        let [ax, ay] = [a.x, a.y].map(|part| self.splat(part * a_scale));
        let [bx, by] = [b.x * b_scale, b.y * b_scale];
        let (jx, jy) = (self.splat(bx * self.c_j), self.splat(by * self.c_j));
        let [bx, by] = [bx, by].map(|part| self.splat(part));
        for v in 0..Self::USED {
            let ([x, y], [cx, cy]) = (self.at_vector(self.d, v), self.at_vector(self.c, v));
            let re = cy.neg_mul_add(by, cx.mul(bx));
            let im = cy.mul_add(bx, cx.mul(by));
            self.d[0][v] = y.neg_mul_add(ay, x.mul_add(ax, re));
            self.d[1][v] = y.mul_add(ax, x.mul_add(ay, im));
            if SLOPE {
                let [x, y] = self.at_vector(self.j, v);
                self.j[0][v] = y.neg_mul_add(ay, x.mul_add(ax, jx));
                self.j[1][v] = y.mul_add(ax, x.mul_add(ay, jy));
            }
        }
        self.exponent = exponent;
    }

    /// `d' = 2 Z d + d^2 + c`, all under the largest exponent.
    #[inline(always)]
    fn wide_plain<const SLOPE: bool>(&mut self) {
        let z = self.track.orbit().wide(self.at);
        let from = [z.exponent + 1 + self.exponent, 2 * self.exponent, self.c_exponent];
        let exponent = from[0].max(from[1]).max(from[2]);
        let [by_z, by_d, by_c] = from.map(|power| exp2i(power - exponent));
        let (zx, zy) = (self.splat(z.x * by_z), self.splat(z.y * by_z));
        let (by_d, c_j) = (self.splat(by_d), self.splat(self.c_j * by_c));
        let (by_c, zero) = (self.splat(by_c), self.splat(0.0));
        for v in 0..Self::USED {
            let ([x, y], [cx, cy]) = (self.at_vector(self.d, v), self.at_vector(self.c, v));
            let (wx, wy) = (x.mul_add(by_d, zx), y.mul_add(by_d, zy));
            self.d[0][v] = wx.mul_add(x, wy.neg_mul_add(y, cx.mul(by_c)));
            self.d[1][v] = wx.mul_add(y, wy.mul_add(x, cy.mul(by_c)));
            if SLOPE {
                let (wx, wy) = (x.mul_add(by_d, wx), y.mul_add(by_d, wy));
                let [x, y] = self.at_vector(self.j, v);
                self.j[0][v] = wx.mul_add(x, wy.neg_mul_add(y, c_j));
                self.j[1][v] = wx.mul_add(y, wy.mul_add(x, zero));
            }
        }
        self.exponent = exponent;
    }

    /// Looks for numbers smaller than their differences, in units of these.
    #[inline(always)]
    fn wide_look(&mut self, z: ComplexExp, tell: &mut impl FnMut(usize, Value)) {
        let unit = exp2i(z.exponent - self.exponent);
        let (zx, zy) = (self.splat(z.x * unit), self.splat(z.y * unit));
        let early = self.splat(EARLY);
        let shifted = |z: V, d: Row<V>| d.map(|d| z.add(d));
        let full = [shifted(zx, self.d[0]), shifted(zy, self.d[1])];
        let (mut smaller, mut ready) = (0, 0);
        for v in 0..Self::USED {
            let [x, y] = self.at_vector(self.d, v);
            let [fx, fy] = self.at_vector(full, v);
            let (size, whole) = (x.abs().max(y.abs()), fx.abs().max(fy.abs()));
            smaller |= V::bits(size.greater(whole)) << (v * V::LANES);
            ready |= V::bits(size.mul(early).greater(whole)) << (v * V::LANES);
        }
        let votes = smaller & self.live;
        let is_end = self.at == self.track.orbit().end();
        if is_end || votes != 0 && self.live & !ready == 0 {
            self.d = full;
            self.at = 0;
            self.track = &self.terms.guide.critical;
        } else if votes != 0 {
            self.part(votes, full, tell);
            self.bury();
        }
    }
}
