//! A handful of orbits followed step by step, to the very step at which each escapes.
//!
//! The rule: the count and the square of the radius at the escape depend on the orbit alone, not on
//! its neighbours in the lot.

use super::map::Map;
use crate::simd::{Lanes, MAX_LANES, Real};
use shimmer_fractal::{BAILOUT_SQR, RADIUS_SQR};

/// Vectors in flight, so that one's latency hides behind the others' work.
pub(super) const GROUP: usize = 4;
const ROOM: usize = GROUP * MAX_LANES;

/// One number for each orbit of a lot.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row<T>([T; ROOM]);

/// An orbit: where it is, after how many steps, and for which pixel.
#[derive(Clone, Copy)]
pub(super) struct Orbit<R> {
    pub(super) pixel: u32,
    pub(super) n: u32,
    pub(super) z: [R; 2],
    pub(super) c: [R; 2],
}

impl<R: Real> Orbit<R> {
    /// The beginning of the orbit of a point, or of a point under the constant of a Julia set.
    #[inline(always)]
    pub(super) fn first(pixel: u32, point: [R; 2], constant: Option<[R; 2]>) -> Self {
        match constant {
            Some(c) => Self { pixel, n: 0, z: point, c },
            None => Self { pixel, n: 0, z: [R::default(); 2], c: point },
        }
    }
}

/// What became of an orbit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Past the bailout at step `n`, with `|z|^2`.
    Escaped { n: u32, norm_sqr: f64 },
    /// Within the radius at the iteration limit.
    Interior,
    /// Neither within the steps that were granted.
    Open,
}

/// Up to [`Lot::room`] orbits.
pub(super) struct Lot<R> {
    z: [Row<R>; 2],
    c: [Row<R>; 2],
    n: Row<u32>,
    pixel: Row<u32>,
    len: usize,
}

impl<R: Real> Lot<R> {
    pub(super) fn new() -> Self {
        let row = Row([R::default(); ROOM]);
        let ints = Row([0; ROOM]);
        Self { z: [row; 2], c: [row; 2], n: ints, pixel: ints, len: 0 }
    }

    /// How many orbits are worked on at once.
    pub(super) const fn room<V: Lanes>() -> usize {
        GROUP * V::LANES
    }

    /// Adds an orbit; true when the lot is full.
    #[inline(always)]
    pub(super) fn push<V: Lanes>(&mut self, orbit: Orbit<R>) -> bool {
        let at = self.len % ROOM;
        for part in 0..2 {
            self.z[part].0[at] = orbit.z[part];
            self.c[part].0[at] = orbit.c[part];
        }
        self.n.0[at] = orbit.n;
        self.pixel.0[at] = orbit.pixel;
        self.len = at + 1;
        self.len == Self::room::<V>()
    }

    /// Follows all orbits for at most `budget` steps each and empties the lot.
    #[inline(always)]
    pub(super) fn settle<V: Lanes<Real = R>, M: Map>(
        &mut self,
        proof: V::Proof,
        max_iter: u32,
        budget: u32,
        mut tell: impl FnMut(u32, Outcome),
    ) {
        let mut steps = Row([R::default(); ROOM]);
        let mut norms = Row([R::default(); ROOM]);
        self.follow::<V, M>(proof, max_iter, budget, &mut steps, &mut norms);
        for at in 0..self.len {
            let steps = steps.0[at].to_f64();
            let outcome = if steps >= 0.0 {
                let n = self.n.0[at] + steps as u32;
                Outcome::Escaped { n, norm_sqr: norms.0[at].to_f64() }
            } else if steps == INTERIOR_STEPS {
                Outcome::Interior
            } else {
                Outcome::Open
            };
            tell(self.pixel.0[at], outcome);
        }
        self.len = 0;
    }

    /// Fills `steps` with the steps to each escape (negative: none) and `norms` with `|z|^2` there.
    #[inline(always)]
    fn follow<V: Lanes<Real = R>, M: Map>(
        &mut self,
        proof: V::Proof,
        max_iter: u32,
        budget: u32,
        steps: &mut Row<R>,
        norms: &mut Row<R>,
    ) {
        let splat = |value: f64| V::splat(proof, R::from_f64(value));
        let (bailout, radius) = (splat(BAILOUT_SQR), splat(RADIUS_SQR));
        let (open, interior) = (splat(OPEN_STEPS), splat(INTERIOR_STEPS));
        // Lanes without an orbit escape at once.
        for at in self.len..Self::room::<V>() {
            self.z[0].0[at] = R::from_f64(BAILOUT_SQR);
            self.n.0[at] = 0;
        }
        let left = |at: usize| R::from_f64(f64::from(max_iter - self.n.0[at]));
        let limits = Row(std::array::from_fn(left));
        let first_limit = (0..self.len).map(|at| max_iter - self.n.0[at]).min().unwrap_or(0);
        let vectors = |row: &Row<R>| -> [V; GROUP] {
            std::array::from_fn(|v| V::load(proof, &row.0[v * V::LANES..]))
        };
        let (mut x, mut y) = (vectors(&self.z[0]), vectors(&self.z[1]));
        let (cx, cy, limits) = (vectors(&self.c[0]), vectors(&self.c[1]), vectors(&limits));
        let (mut at_escape, mut norm) = ([open; GROUP], [bailout; GROUP]);
        let mut taken = 0;
        loop {
            let now = splat(f64::from(taken));
            let mut unsettled = 0;
            for v in 0..GROUP {
                let norm_sqr = y[v].mul_add(y[v], x[v].mul(x[v]));
                let is_open = at_escape[v].equal(open);
                let escapes = V::and(norm_sqr.greater(bailout), is_open);
                norm[v] = V::select(escapes, norm_sqr, norm[v]);
                at_escape[v] = V::select(escapes, now, at_escape[v]);
                if taken >= first_limit {
                    let verdict = V::select(norm_sqr.greater(radius), at_escape[v], interior);
                    let is_due = V::and(limits[v].equal(now), at_escape[v].equal(open));
                    at_escape[v] = V::select(is_due, verdict, at_escape[v]);
                }
                unsettled |= V::bits(at_escape[v].equal(open));
            }
            if unsettled == 0 || taken == budget {
                break;
            }
            for v in 0..GROUP {
                [x[v], y[v]] = M::step::<V>([x[v], y[v]], [cx[v], cy[v]]);
            }
            taken += 1;
        }
        for v in 0..GROUP {
            at_escape[v].store(&mut steps.0[v * V::LANES..]);
            norm[v].store(&mut norms.0[v * V::LANES..]);
        }
    }
}

const OPEN_STEPS: f64 = -1.0;
const INTERIOR_STEPS: f64 = -2.0;
