//! Distance estimates of orbits whose length is known.
//!
//! The rule: a second run over the outside alone; sorted by length, neighbours in a vector end
//! together, so nothing has to be looked for on the way.

use shimmer_fractal::distance;

use super::lot::Orbit;
use super::map::{Map, Pair};
use crate::simd::{Lanes, MAX_LANES};

/// Vectors in flight.
const GROUP: usize = 2;
const ROOM: usize = GROUP * MAX_LANES;
/// Orbits collected before they are sorted and run.
const BATCH: usize = 16_384;

/// Orbits that wait for their second run: steps to the escape in the upper half of a number, the pixel
/// in the lower, so that they are sorted as numbers.
pub(super) struct Slopes {
    waiting: Vec<u64>,
}

/// Columns of derivatives for each lane; an analytic formula needs the first alone.
type Columns<V> = [[[V; GROUP]; 2]; 2];

impl Slopes {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    /// Adds a pixel that escapes at step `n`; true when a batch is full.
    #[inline(always)]
    pub(super) fn push(&mut self, n: u32, pixel: u32) -> bool {
        self.waiting.push(u64::from(n) << 32 | u64::from(pixel));
        self.waiting.len() >= BATCH
    }

    /// Runs all that wait. `begin` makes the beginning of a pixel's orbit; derivatives are by the
    /// pixel's place in units of `spacing`.
    #[inline(always)]
    pub(super) fn run<V: Lanes, M: Map>(
        &mut self,
        proof: V::Proof,
        spacing: f64,
        is_julia: bool,
        begin: impl Fn(u32) -> Orbit,
        mut tell: impl FnMut(u32, f32),
    ) {
        self.waiting.sort_unstable();
        for chunk in self.waiting.chunks(GROUP * V::LANES) {
            let orbits =
                chunk.iter().map(|both| Orbit { n: (both >> 32) as u32, ..begin(*both as u32) });
            let values = follow::<V, M>(proof, is_julia, orbits);
            for (both, [norm_sqr, slope]) in chunk.iter().zip(values) {
                tell(*both as u32, distance(norm_sqr, slope * spacing));
            }
        }
        self.waiting.clear();
    }
}

/// `|z|^2` and the length of the gradient of `|z|` for up to [`ROOM`] orbits, after `n` steps each.
#[inline(always)]
fn follow<V: Lanes, M: Map>(
    proof: V::Proof,
    is_julia: bool,
    orbits: impl Iterator<Item = Orbit>,
) -> [[f64; 2]; ROOM] {
    let zero = 0.0;
    let mut rows = [[zero; ROOM]; 5];
    let (mut first, mut last) = (u32::MAX, 0);
    for (at, orbit) in orbits.enumerate() {
        let n = f64::from(orbit.n);
        let numbers = [orbit.z[0], orbit.z[1], orbit.c[0], orbit.c[1], n];
        (0..5).for_each(|row| rows[row][at] = numbers[row]);
        (first, last) = (first.min(orbit.n), last.max(orbit.n));
    }
    let vectors = |row: usize| -> [V; GROUP] {
        std::array::from_fn(|v| V::load(proof, &rows[row][v * V::LANES..]))
    };
    let (mut z, c, ends) = ([vectors(0), vectors(1)], [vectors(2), vectors(3)], vectors(4));
    let [none, one] = [0.0, 1.0].map(|value| V::splat(proof, value));
    let unit: Columns<V> = [[[one; GROUP], [none; GROUP]], [[none; GROUP], [one; GROUP]]];
    let nothing = [[[none; GROUP]; 2]; 2];
    let (mut j, add) = if is_julia { (unit, nothing) } else { (nothing, unit) };
    let columns = if M::IS_ANALYTIC { 1 } else { 2 };
    for step in 0..last {
        let now = V::splat(proof, f64::from(step));
        for v in 0..GROUP {
            let at = |pair: &[[V; GROUP]; 2]| [pair[0][v], pair[1][v]];
            let keep = |next: Pair<V>, old: Pair<V>| match step < first {
                true => next,
                false => {
                    let goes_on = ends[v].greater(now);
                    [V::select(goes_on, next[0], old[0]), V::select(goes_on, next[1], old[1])]
                }
            };
            let here = at(&z);
            for column in 0..columns {
                let old = at(&j[column]);
                let next = keep(M::tangent(here, old, at(&add[column])), old);
                (j[column][0][v], j[column][1][v]) = (next[0], next[1]);
            }
            let next = keep(M::step(step, here, at(&c)), here);
            (z[0][v], z[1][v]) = (next[0], next[1]);
        }
    }
    gradients::<V, M>(&z, &j)
}

/// `|z|^2` and the length of the gradient of `|z|` in each lane.
#[inline(always)]
fn gradients<V: Lanes, M: Map>(z: &[[V; GROUP]; 2], j: &Columns<V>) -> [[f64; 2]; ROOM] {
    let lanes = |row: &[V; GROUP]| {
        let mut lanes = [0.0; ROOM];
        (0..GROUP).for_each(|v| row[v].store(&mut lanes[v * V::LANES..]));
        lanes
    };
    let [x, y, ax, ay, bx, by] = [&z[0], &z[1], &j[0][0], &j[0][1], &j[1][0], &j[1][1]].map(lanes);
    std::array::from_fn(|at| {
        let norm_sqr = x[at] * x[at] + y[at] * y[at];
        let (bx, by) = if M::IS_ANALYTIC { (-ay[at], ax[at]) } else { (bx[at], by[at]) };
        // Of a point of length 1: squares of the derivative along the point itself leave the doubles.
        let size = norm_sqr.sqrt();
        let (x, y) = (x[at] / size, y[at] / size);
        let (right, up) = (x * ax[at] + y * ay[at], x * bx + y * by);
        [norm_sqr, (right * right + up * up).sqrt()]
    })
}
