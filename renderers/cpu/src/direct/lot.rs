//! A handful of orbits followed step by step, to the very step at which each escapes.
//!
//! The rule: the count and the square of the radius at the escape depend on the orbit alone, not on
//! its neighbours in the lot.

use super::map::Map;
use crate::simd::{Lanes, MAX_LANES};
use shimmer_fractal::{BAILOUT_SQR, RADIUS_SQR, smooth_real};

/// Vectors in flight, so that one's latency hides behind the others' work.
const GROUP: usize = 4;
/// The most orbits of a lot.
pub(super) const MAX_LOT: usize = GROUP * MAX_LANES;

/// One number for each orbit of a lot.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row<T>([T; MAX_LOT]);

/// An orbit: where it is, after how many steps, and for which pixel.
#[derive(Clone, Copy)]
pub(super) struct Orbit {
    pub(super) pixel: u32,
    pub(super) n: u32,
    pub(super) z: [f64; 2],
    pub(super) c: [f64; 2],
}

impl Orbit {
    /// The beginning of the orbit of a point, or of a point under the constant of a Julia set.
    #[inline(always)]
    pub(super) fn first(pixel: u32, point: [f64; 2], constant: Option<[f64; 2]>) -> Self {
        match constant {
            Some(c) => Self { pixel, n: 0, z: point, c },
            None => Self { pixel, n: 0, z: [0.0; 2], c: point },
        }
    }
}

/// What became of an orbit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Past the bailout at step `n`, with the smooth count.
    Escaped { n: u32, mu: f32 },
    /// Within the radius at the iteration limit.
    Interior,
    /// Neither within the steps that were granted.
    Open,
}

/// Up to [`Lot::room`] orbits.
pub(super) struct Lot {
    z: [Row<f64>; 2],
    c: [Row<f64>; 2],
    n: Row<u32>,
    pixel: Row<u32>,
    len: usize,
    /// Of those that have been followed: steps to the escape, or one of the marks below; the smooth
    /// count.
    taken: Row<f64>,
    mu: Row<f32>,
}

impl Lot {
    pub(super) fn new() -> Self {
        let row = Row([0.0; MAX_LOT]);
        let ints = Row([0; MAX_LOT]);
        Self {
            z: [row; 2],
            c: [row; 2],
            n: ints,
            pixel: ints,
            len: 0,
            taken: Row([0.0; MAX_LOT]),
            mu: Row([0.0; MAX_LOT]),
        }
    }

    /// How many orbits are worked on at once.
    pub(super) const fn room<V: Lanes>() -> usize {
        GROUP * V::LANES
    }

    /// Adds an orbit; true when the lot is full.
    #[inline(always)]
    pub(super) fn push<V: Lanes>(&mut self, orbit: Orbit) -> bool {
        let at = self.len % MAX_LOT;
        for part in 0..2 {
            self.z[part].0[at] = orbit.z[part];
            self.c[part].0[at] = orbit.c[part];
        }
        self.n.0[at] = orbit.n;
        self.pixel.0[at] = orbit.pixel;
        self.len = at + 1;
        self.len == Self::room::<V>()
    }

    /// Follows all orbits for at most `budget` steps each; [`Lot::outcome`] tells what became of them.
    #[inline(always)]
    pub(super) fn settle<V: Lanes, M: Map>(&mut self, proof: V::Proof, max_iter: u32, budget: u32) {
        let mut steps = Row([0.0; MAX_LOT]);
        let mut norms = Row([0.0; MAX_LOT]);
        self.follow::<V, M>(proof, max_iter, budget, &mut steps, &mut norms);
        // A loop of its own over all lanes, without branches, so that the compiler makes vectors of it:
        // two logarithms one by one would take longer than the orbit.
        for at in 0..Self::room::<V>() {
            let taken = steps.0[at];
            self.mu.0[at] = smooth_real(f64::from(self.n.0[at]) + taken, norms.0[at]);
            self.taken.0[at] = taken;
        }
    }

    /// How many orbits there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all orbits.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// The pixel of an orbit, and what became of it.
    #[inline(always)]
    pub(super) fn outcome(&self, at: usize) -> (u32, Outcome) {
        let taken = self.taken.0[at];
        let outcome = if taken >= 0.0 {
            Outcome::Escaped { n: self.n.0[at] + taken as u32, mu: self.mu.0[at] }
        } else if taken == INTERIOR_STEPS {
            Outcome::Interior
        } else {
            Outcome::Open
        };
        (self.pixel.0[at], outcome)
    }

    /// Fills `steps` with the steps to each escape (negative: none) and `norms` with `|z|^2` there.
    #[inline(always)]
    fn follow<V: Lanes, M: Map>(
        &mut self,
        proof: V::Proof,
        max_iter: u32,
        budget: u32,
        steps: &mut Row<f64>,
        norms: &mut Row<f64>,
    ) {
        let splat = |value: f64| V::splat(proof, value);
        let (bailout, radius) = (splat(BAILOUT_SQR), splat(RADIUS_SQR));
        let (open, interior) = (splat(OPEN_STEPS), splat(INTERIOR_STEPS));
        // Lanes without an orbit escape at once.
        for at in self.len..Self::room::<V>() {
            self.z[0].0[at] = BAILOUT_SQR;
            self.n.0[at] = 0;
        }
        let left = |at: usize| f64::from(max_iter - self.n.0[at]);
        let limits = Row(std::array::from_fn(left));
        let first_limit = (0..self.len).map(|at| max_iter - self.n.0[at]).min().unwrap_or(0);
        let vectors = |row: &Row<f64>| -> [V; GROUP] {
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
