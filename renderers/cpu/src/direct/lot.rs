//! Orbits followed together until each has escaped, vector by vector.
//!
//! The rule: an orbit's end is looked for after every fifth step from its beginning and nowhere else,
//! so that what comes out depends on the orbit alone and not on its neighbours. The smooth count is the
//! same wherever past the bailout it is taken.

use std::marker::PhantomData;

use super::map::Map;
use crate::simd::{Kernel, Lanes, MAX_LANES};
use shimmer_fractal::{BAILOUT_SQR, INTERIOR, RADIUS_SQR, smooth_real};

/// Steps between two looks. From within the bailout an orbit reaches at most `256^32` in as many, the
/// square of which is still a double.
pub(super) const STRIDE: u32 = 5;
/// Vectors in flight, so that one's latency hides behind the others' work.
const GROUP: usize = 6;
/// The most orbits of a lot: many times what is in flight, few enough to stay in the nearest cache.
pub(super) const ROOM: usize = 768;

/// Code for each vector in flight, with a constant index, so that vectors stay in registers.
macro_rules! each_vector {
    (|$v:ident| $body:block) => {
        each_vector!(@ $v $body 0 1 2 3 4 5)
    };
    (@ $v:ident $body:block $($index:literal)*) => {
        $({
            let $v: usize = $index;
            $body
        })*
    };
}

/// One number for each orbit of a lot.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row<T>([T; ROOM]);

/// An orbit: where it is, after how many steps, and for which pixel.
#[derive(Clone, Copy)]
pub(super) struct Orbit {
    pub(super) pixel: u32,
    /// A multiple of [`STRIDE`].
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

/// Up to [`ROOM`] orbits.
pub(super) struct Lot {
    z: [Row<f64>; 2],
    c: [Row<f64>; 2],
    n: Row<u32>,
    pixel: Row<u32>,
    len: usize,
    /// Of those that have been followed: steps to the escape, or one of the marks below; `|z|^2`
    /// there; the smooth count, or the mark of the interior.
    taken: Row<f64>,
    norm_sqr: Row<f64>,
    mu: Row<f32>,
}

/// Steps of an orbit that has not ended.
const OPEN: f64 = -1.0;
/// Steps of an orbit that does not escape.
const INSIDE: f64 = -2.0;

impl Lot {
    pub(super) fn new() -> Self {
        let (row, ints) = (Row([0.0; ROOM]), Row([0; ROOM]));
        Self {
            z: [row; 2],
            c: [row; 2],
            n: ints,
            pixel: ints,
            len: 0,
            taken: row,
            norm_sqr: row,
            mu: Row([0.0; ROOM]),
        }
    }

    /// Adds an orbit; true when the lot is full.
    #[inline(always)]
    pub(super) fn push(&mut self, orbit: Orbit) -> bool {
        let at = self.len % ROOM;
        for part in 0..2 {
            self.z[part].0[at] = orbit.z[part];
            self.c[part].0[at] = orbit.c[part];
        }
        self.n.0[at] = orbit.n;
        self.pixel.0[at] = orbit.pixel;
        self.len = at + 1;
        self.len == ROOM
    }

    /// Adds the beginnings of the orbits of as many points of a row as there is room for, and says how
    /// many that are.
    #[inline(always)]
    pub(super) fn push_row(
        &mut self,
        first_pixel: u32,
        (columns, im): (&[f64], f64),
        constant: Option<[f64; 2]>,
    ) -> usize {
        let room = self.len..ROOM.min(self.len + columns.len());
        let columns = &columns[..room.len()];
        let (points, rest) = if constant.is_some() {
            (&mut self.z, &mut self.c)
        } else {
            (&mut self.c, &mut self.z)
        };
        points[0].0[room.clone()].copy_from_slice(columns);
        points[1].0[room.clone()].fill(im);
        for (row, value) in rest.iter_mut().zip(constant.unwrap_or([0.0; 2])) {
            row.0[room.clone()].fill(value);
        }
        self.n.0[room.clone()].fill(0);
        for (pixel, to) in (first_pixel..).zip(&mut self.pixel.0[room.clone()]) {
            *to = pixel;
        }
        self.len = room.end;
        room.len()
    }

    /// Whether there is no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.len == ROOM
    }

    /// How many orbits there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all orbits.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Follows all orbits for `budget` steps each, or a few more; the lot says what became of
    /// them.
    #[inline(always)]
    pub(super) fn settle<V: Lanes, M: Map>(&mut self, proof: V::Proof, max_iter: u32, budget: u32) {
        // Lanes without an orbit escape at the first look. All of their numbers are set: with what an orbit left
        // there they could become infinity less infinity, which is never past the bailout.
        let used = self.len.next_multiple_of(V::LANES);
        for at in self.len..used {
            [self.z[0].0[at], self.z[1].0[at]] = [BAILOUT_SQR, 0.0];
            [self.c[0].0[at], self.c[1].0[at]] = [0.0; 2];
            self.n.0[at] = 0;
        }
        let budget = budget.checked_next_multiple_of(STRIDE).unwrap_or(u32::MAX);
        V::call(proof, Follow { lot: self, max_iter, budget, map: PhantomData::<M> });
        // A loop of its own without branches, so that the compiler makes vectors of it: two logarithms
        // one by one would take longer than the orbit.
        let counts = self.n.0[..used].iter().zip(&self.taken.0[..used]);
        for ((mu, (n, taken)), norm_sqr) in
            self.mu.0[..used].iter_mut().zip(counts).zip(&self.norm_sqr.0[..used])
        {
            let outside = smooth_real(f64::from(*n) + taken, *norm_sqr);
            *mu = if *taken == INSIDE { INTERIOR } else { outside };
        }
    }

    /// The pixel of an orbit that has ended, and its smooth count, or the mark of the interior.
    #[inline(always)]
    pub(super) fn end(&self, at: usize) -> (u32, f32) {
        (self.pixel.0[at], self.mu.0[at])
    }

    /// Whether an orbit has neither escaped nor come to the limit.
    #[inline(always)]
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.taken.0[at] == OPEN
    }

    /// Steps to the escape of an orbit that has ended outside.
    #[inline(always)]
    pub(super) fn steps(&self, at: usize) -> Option<u32> {
        let taken = self.taken.0[at];
        (taken >= 0.0).then(|| self.n.0[at] + taken as u32)
    }

    /// The vector that begins at an orbit.
    #[inline(always)]
    fn vector<V: Lanes>(&self, proof: V::Proof, at: usize) -> Vector<V> {
        let load = |row: &Row<f64>| V::load(proof, &row.0[at..]);
        let (x, y) = (load(&self.z[0]), load(&self.z[1]));
        let (cx, cy) = (load(&self.c[0]), load(&self.c[1]));
        Vector { x, y, cx, cy, at, ..Vector::at_rest(proof) }
    }

    /// Takes what has become of a vector.
    #[inline(always)]
    fn take<V: Lanes>(&mut self, vector: &Vector<V>) {
        let at = vector.at;
        vector.x.store(&mut self.z[0].0[at..]);
        vector.y.store(&mut self.z[1].0[at..]);
        vector.taken.store(&mut self.taken.0[at..]);
        vector.norm_sqr.store(&mut self.norm_sqr.0[at..]);
    }

    /// An orbit that is still open after `budget` steps, as it is now.
    #[inline(always)]
    pub(super) fn rest(&self, at: usize, budget: u32) -> Orbit {
        let part = |row: &[Row<f64>; 2]| [row[0].0[at], row[1].0[at]];
        let n = self.n.0[at] + budget.next_multiple_of(STRIDE);
        Orbit { pixel: self.pixel.0[at], n, z: part(&self.z), c: part(&self.c) }
    }
}

/// A vector of a lot that is being followed.
#[derive(Clone, Copy)]
struct Vector<V: Lanes> {
    x: V,
    y: V,
    cx: V,
    cy: V,
    /// Orbits that have not ended.
    open: V::Mask,
    /// Steps to the escape, or the marks of a lot; `|z|^2` there.
    taken: V,
    norm_sqr: V,
    /// Where in the lot it belongs.
    at: usize,
    /// The strides of the flight when it joined, and those after which it is to leave, before one of
    /// its orbits may come to its limit.
    begin: u32,
    stop: u32,
    /// Whether it is to leave after the next stride.
    is_over: bool,
}

impl<V: Lanes> Vector<V> {
    /// Zero stays zero: this never ends.
    #[inline(always)]
    fn at_rest(proof: V::Proof) -> Self {
        let zero = V::splat(proof, 0.0);
        let (taken, norm_sqr) = (V::splat(proof, OPEN), V::splat(proof, BAILOUT_SQR));
        let (x, y, cx, cy) = (zero, zero, zero, zero);
        let open = taken.equal(taken);
        let (at, begin, stop) = (0, 0, NEVER);
        Self { x, y, cx, cy, open, taken, norm_sqr, at, begin, stop, is_over: false }
    }

    #[inline(always)]
    fn step<M: Map>(&mut self, n: u32) {
        [self.x, self.y] = M::step::<V>(n, [self.x, self.y], [self.cx, self.cy]);
    }

    /// `|z|^2`.
    #[inline(always)]
    fn norm_sqr(&self) -> V {
        self.y.mul_add(self.y, self.x.mul(self.x))
    }

    /// Notes which orbits have escaped within the last steps.
    #[inline(always)]
    fn look(&mut self, proof: V::Proof, steps: V) {
        let norm_sqr = self.norm_sqr();
        let escapes = V::and(norm_sqr.greater(V::splat(proof, BAILOUT_SQR)), self.open);
        self.norm_sqr = V::select(escapes, norm_sqr, self.norm_sqr);
        self.taken = V::select(escapes, steps, self.taken);
        self.open = V::and_not(self.open, escapes);
    }
}

/// The stride at which a vector at rest would be looked after.
const NEVER: u32 = u32::MAX;

/// Following a vector whose orbits come to their limits, step by step, until all of them have ended.
/// Rare, and so a function of its own.
struct Finish<'a, M> {
    lot: &'a mut Lot,
    at: usize,
    /// Steps so far.
    now: u32,
    max_iter: u32,
    map: PhantomData<M>,
}

impl<M: Map> Kernel for Finish<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) {
        let Self { lot, at, mut now, max_iter, .. } = self;
        let splat = |value: f64| V::splat(proof, value);
        let load = |row: &Row<f64>| V::load(proof, &row.0[at..]);
        let mut vector = lot.vector::<V>(proof, at);
        (vector.taken, vector.norm_sqr) = (load(&lot.taken), load(&lot.norm_sqr));
        let mut limits = [0.0; MAX_LANES];
        for (limit, n) in limits.iter_mut().zip(&lot.n.0[at..at + V::LANES]) {
            *limit = f64::from(max_iter - n);
        }
        let limits = V::load(proof, &limits);
        vector.open = vector.taken.equal(splat(OPEN));
        while V::bits(vector.open) != 0 {
            for step in 0..=STRIDE {
                if step > 0 {
                    vector.step::<M>(step - 1);
                }
                let is_due = V::and(limits.equal(splat(f64::from(now + step))), vector.open);
                // Past the radius it will escape, but within it at the limit it belongs to the set.
                let is_far = vector.norm_sqr().greater(splat(RADIUS_SQR));
                let is_inside = V::and_not(is_due, is_far);
                vector.taken = V::select(is_inside, splat(INSIDE), vector.taken);
                vector.open = V::and_not(vector.open, is_inside);
            }
            now += STRIDE;
            vector.look(proof, splat(f64::from(now)));
        }
        lot.take(&vector);
    }
}

/// Following a lot. A function of its own, since it is called from several places and is large.
struct Follow<'a, M> {
    lot: &'a mut Lot,
    max_iter: u32,
    budget: u32,
    map: PhantomData<M>,
}

impl<M: Map> Kernel for Follow<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(mut self, proof: V::Proof) {
        let (mut next, mut busy, mut strides) = (0, 0, 0);
        let mut vectors = [Vector::<V>::at_rest(proof); GROUP];
        for vector in &mut vectors {
            busy += u32::from(self.board(proof, vector, &mut next, strides));
        }
        let stride = V::splat(proof, f64::from(STRIDE));
        let mut clock = V::splat(proof, 0.0);
        while busy > 0 {
            for step in 0..STRIDE {
                for vector in &mut vectors {
                    vector.step::<M>(step);
                }
            }
            strides += 1;
            clock = clock.add(stride);
            each_vector!(|v| {
                let vector = &mut vectors[v];
                vector.look(proof, clock);
                // A stride late: by now the processor knows the answer and does not have to guess and
                // throw away the steps that it has begun since.
                let is_over = vector.is_over;
                vector.is_over = V::bits(vector.open) == 0 || strides == vector.stop;
                if is_over {
                    let begin = V::splat(proof, -f64::from(vector.begin * STRIDE));
                    let is_open = vector.open;
                    vector.taken = V::select(is_open, vector.taken, vector.taken.add(begin));
                    self.lot.take(vector);
                    let steps = (strides - vector.begin) * STRIDE;
                    if V::bits(is_open) != 0 && steps < self.budget {
                        self.finish::<V>(proof, vector.at, steps);
                    }
                    busy -= u32::from(!self.board(proof, vector, &mut next, strides));
                }
            });
        }
    }
}

impl<M: Map> Follow<'_, M> {
    /// Puts the next vector into a place; false, and one at rest, when there is none.
    #[inline(always)]
    fn board<V: Lanes>(
        &mut self,
        proof: V::Proof,
        vector: &mut Vector<V>,
        next: &mut usize,
        strides: u32,
    ) -> bool {
        while *next < self.lot.len {
            let at = *next;
            *next += V::LANES;
            *vector = self.lot.vector(proof, at);
            let last = self.lot.n.0[at..at + V::LANES].iter().copied().fold(0, u32::max);
            let granted = ((self.max_iter - last) / STRIDE).min(self.budget / STRIDE);
            if granted > 1 {
                (vector.begin, vector.stop) = (strides, strides + granted - 1);
                return true;
            }
            self.lot.take(vector);
            self.finish::<V>(proof, at, 0);
        }
        *vector = Vector::at_rest(proof);
        false
    }

    #[inline(always)]
    fn finish<V: Lanes>(&mut self, proof: V::Proof, at: usize, now: u32) {
        let (lot, max_iter, map) = (&mut *self.lot, self.max_iter, self.map);
        V::call(proof, Finish { lot, at, now, max_iter, map });
    }
}
