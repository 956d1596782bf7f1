//! Many orbits at once, each lane taking the next one as soon as its own is over.
//!
//! The rule: the stream only notices that an orbit is about to end and where it was shortly before;
//! the exact step is found by a [`super::lot::Lot`] from there.

use std::marker::PhantomData;

use super::lot::{Orbit, STRIDE};
use super::map::Map;
use crate::simd::{Kernel, Lanes, MAX_LANES};
use shimmer_fractal::RADIUS_SQR;

/// Vectors in flight: ten hide the latency of a step behind each other, and what of their constants does
/// not fit into 32 registers is read on the way.
const WIDE: usize = 10;
const ROOM: usize = WIDE * MAX_LANES;
/// Blocks of steps between two points that later ones are compared with.
const SNAPSHOT_BLOCKS: u64 = 32;
/// Steps before an orbit's end is looked for: short while orbits are short, so that few steps are
/// wasted after an end, long while they are long, since looking costs as well. Multiples of
/// [`BLOCK_UNIT`].
const LONG_BLOCK: u32 = 32 * BLOCK_UNIT;
/// A whole number of strides, so that orbits stand at one when they leave; two, since it takes an even
/// number of steps until registers have their roles back.
const BLOCK_UNIT: u32 = 2 * STRIDE;
/// The due time of a lane without an orbit.
const NEVER: u64 = u64::MAX;

/// Code for each turn of a unit of steps, one more than steps, with a constant index.
macro_rules! each_turn {
    (|$turn:ident| $body:block) => {
        each_turn!(@ $turn $body 0 1 2 3 4 5 6 7 8 9 10)
    };
    (@ $turn:ident $body:block $($index:literal)*) => {
        $({
            let $turn: u32 = $index;
            $body
        })*
    };
}

const _: () = assert!(BLOCK_UNIT == 10, "each_turn! counts as far");

/// Where orbits come from and go to.
pub(super) trait Traffic {
    /// The next orbit to follow.
    fn next(&mut self) -> Option<Orbit>;
    /// An orbit that escapes within a few steps, as it was before them.
    fn ending(&mut self, orbit: Orbit);
    /// An orbit that does not escape within the limit.
    fn interior(&mut self, pixel: u32);
}

/// Whether the stream may prove that an orbit is periodic before it has run to the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Periodicity {
    Checked,
    Ignored,
}

/// One number for each lane.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bank([f64; ROOM]);

impl Bank {
    #[inline(always)]
    fn load<V: Lanes>(&self, proof: V::Proof) -> [V; WIDE] {
        std::array::from_fn(|v| V::load(proof, &self.0[v * V::LANES..]))
    }

    #[inline(always)]
    fn store<V: Lanes>(&mut self, vectors: &[V; WIDE]) {
        for (v, vector) in vectors.iter().enumerate() {
            vector.store(&mut self.0[v * V::LANES..]);
        }
    }
}

/// All lanes.
struct Stream {
    /// Points at the beginning of the current block.
    before: [Bank; 2],
    /// Points at its end, once something has ended.
    after: [Bank; 2],
    c: [Bank; 2],
    /// Points some blocks ago. An orbit that comes back to the very same number is periodic and
    /// never escapes.
    snapshot: [Bank; 2],
    pixel: [u32; ROOM],
    /// The step of the stream at which the lane's orbit was at `z_0`.
    begin: [u64; ROOM],
    /// Lanes with an orbit, a bit each.
    live: [u32; WIDE],
    now: u64,
    blocks: u64,
    /// No lane of the vector reaches its limit before this step.
    due: [u64; WIDE],
}

/// Lanes in which something happened, a bit each.
#[derive(Clone, Copy)]
struct Events {
    escapes: [u32; WIDE],
    repeats: [u32; WIDE],
    /// Whose points lie beyond the radius.
    far: [u32; WIDE],
}

/// Follows all orbits of `traffic`.
#[inline(always)]
pub(super) fn run<V: Lanes, M: Map>(
    proof: V::Proof,
    max_iter: u32,
    periodicity: Periodicity,
    traffic: &mut impl Traffic,
) {
    let bank = Bank([0.0; ROOM]);
    let mut stream = Stream {
        before: [bank; 2],
        after: [bank; 2],
        c: [bank; 2],
        snapshot: [bank; 2],
        pixel: [0; ROOM],
        begin: [NEVER; ROOM],
        live: [0; WIDE],
        // An orbit may have begun before the stream did.
        now: u64::from(u32::MAX),
        blocks: 0,
        due: [NEVER; WIDE],
    };
    for lane in 0..WIDE * V::LANES {
        stream.refill::<V>(lane, max_iter, traffic);
    }
    let mut block = LONG_BLOCK;
    while stream.live != [0; WIDE] {
        let begin = stream.now;
        let advance = Advance { stream: &mut stream, block, periodicity, map: PhantomData::<M> };
        let (taken, events) = V::call(proof, advance);
        let ended = stream.clear_ended::<V>(proof, taken, max_iter, events, traffic);
        // The mean length of the orbits that end now, by how long it took until one did.
        let lifetime = (stream.now - begin) * (WIDE * V::LANES) as u64 / u64::from(ended.max(1));
        let wanted = (block + (lifetime / 16).min(u64::from(LONG_BLOCK)) as u32) / 2;
        block = wanted.next_multiple_of(BLOCK_UNIT).min(LONG_BLOCK);
    }
}

/// [`Stream::advance`] as a function of its own: compiled by itself, its loop finds more
/// registers.
struct Advance<'a, M> {
    stream: &'a mut Stream,
    block: u32,
    periodicity: Periodicity,
    map: PhantomData<M>,
}

impl<M: Map> Kernel for Advance<'_, M> {
    type Output = (u32, Events);

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) -> (u32, Events) {
        self.stream.advance::<V, M>(proof, self.block, self.periodicity)
    }
}

impl Stream {
    /// Runs blocks of steps until something has happened, and leaves the points in `after`. Says how
    /// many steps the last block took.
    #[inline(always)]
    fn advance<V: Lanes, M: Map>(
        &mut self,
        proof: V::Proof,
        block: u32,
        periodicity: Periodicity,
    ) -> (u32, Events) {
        let (mut x, mut y) = (self.after[0].load::<V>(proof), self.after[1].load::<V>(proof));
        let (cx, cy) = (self.c[0].load::<V>(proof), self.c[1].load::<V>(proof));
        let next_due = self.next_due();
        loop {
            // No farther than to the next limit: the steps behind it would be for nothing.
            let left = (next_due - self.now).min(u64::from(block)) as u32;
            let block = left.next_multiple_of(BLOCK_UNIT);
            self.before[0].store(&x);
            self.before[1].store(&y);
            for _ in 0..block / BLOCK_UNIT {
                each_turn!(|turn| {
                    for v in 0..WIDE {
                        // Every other vector goes a step behind: one's additions beside another's
                        // multiply-adds.
                        let behind = v as u32 % 2;
                        if (behind..BLOCK_UNIT + behind).contains(&turn) {
                            [x[v], y[v]] =
                                M::step::<V>(turn - behind, [x[v], y[v]], [cx[v], cy[v]]);
                        }
                    }
                });
            }
            self.now += u64::from(block);
            self.blocks += 1;
            let escapes: [V::Mask; WIDE] = std::array::from_fn(|v| x[v].reaches_two(y[v]));
            let any = escapes.iter().fold(0, |any, mask| any | V::bits(*mask));
            let mut repeats = [0; WIDE];
            if periodicity == Periodicity::Checked {
                for v in 0..WIDE {
                    let old = |part: usize| V::load(proof, &self.snapshot[part].0[v * V::LANES..]);
                    let both = V::and(x[v].equal(old(0)), y[v].equal(old(1)));
                    repeats[v] = V::bits(both) & self.live[v];
                }
                if self.blocks.is_multiple_of(SNAPSHOT_BLOCKS) {
                    self.snapshot[0].store(&x);
                    self.snapshot[1].store(&y);
                }
            }
            let repeated = repeats.iter().fold(0, |any, bits| any | bits);
            if any | repeated != 0 || self.now >= next_due {
                self.after[0].store(&x);
                self.after[1].store(&y);
                let radius = V::splat(proof, RADIUS_SQR);
                let mut events = Events { escapes: [0; WIDE], repeats, far: [0; WIDE] };
                for v in 0..WIDE {
                    let norm_sqr = y[v].mul_add(y[v], x[v].mul(x[v]));
                    events.escapes[v] = V::bits(escapes[v]);
                    events.far[v] = V::bits(norm_sqr.greater(radius));
                }
                return (block, events);
            }
        }
    }

    /// Hands on what has ended, fills the lanes anew, and says how many there were.
    #[inline(always)]
    fn clear_ended<V: Lanes>(
        &mut self,
        _: V::Proof,
        block: u32,
        max_iter: u32,
        events: Events,
        traffic: &mut impl Traffic,
    ) -> u32 {
        let mut ended = 0;
        for v in 0..WIDE {
            let mut bits = events.escapes[v] | events.repeats[v];
            ended += bits.count_ones();
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let lane = v * V::LANES + bit as usize;
                if events.escapes[v] >> bit & 1 == 1 {
                    traffic.ending(self.orbit_before(lane, block));
                } else {
                    traffic.interior(self.pixel[lane]);
                }
                self.refill::<V>(lane, max_iter, traffic);
            }
            if self.now >= self.due[v] {
                ended += self.clear_due::<V>(v, block, max_iter, events.far[v], traffic);
            }
        }
        ended
    }

    /// Hands on the orbits of a vector that have reached the limit.
    #[inline(always)]
    fn clear_due<V: Lanes>(
        &mut self,
        v: usize,
        block: u32,
        max_iter: u32,
        far: u32,
        traffic: &mut impl Traffic,
    ) -> u32 {
        let mut ended = 0;
        for lane in v * V::LANES..(v + 1) * V::LANES {
            if self.now < self.begin[lane].saturating_add(u64::from(max_iter)) {
                continue;
            }
            // Past the limit and still within the radius: so it was at the limit, since what leaves
            // the radius does not come back.
            match far >> (lane % V::LANES) & 1 {
                0 => traffic.interior(self.pixel[lane]),
                _ => traffic.ending(self.orbit_before(lane, block)),
            }
            self.refill::<V>(lane, max_iter, traffic);
            ended += 1;
        }
        let begins = self.begin[v * V::LANES..(v + 1) * V::LANES].iter();
        self.due[v] =
            begins.map(|begin| begin.saturating_add(u64::from(max_iter))).min().unwrap_or(NEVER);
        ended
    }

    fn next_due(&self) -> u64 {
        self.due.iter().copied().min().unwrap_or(NEVER)
    }

    /// A lane's orbit at the beginning of the block that has just ended.
    #[inline(always)]
    fn orbit_before(&self, lane: usize, block: u32) -> Orbit {
        let part = |bank: &[Bank; 2]| [bank[0].0[lane], bank[1].0[lane]];
        let n = (self.now - u64::from(block) - self.begin[lane]) as u32;
        Orbit { pixel: self.pixel[lane], n, z: part(&self.before), c: part(&self.c) }
    }

    /// Puts the next orbit into a lane, or lets it rest.
    #[inline(always)]
    fn refill<V: Lanes>(&mut self, lane: usize, max_iter: u32, traffic: &mut impl Traffic) {
        let next = traffic.next();
        let zero = 0.0;
        // A lane at rest stays at zero, which never ends.
        let orbit = next.unwrap_or(Orbit { pixel: 0, n: 0, z: [zero; 2], c: [zero; 2] });
        for part in 0..2 {
            self.after[part].0[lane] = orbit.z[part];
            self.c[part].0[lane] = orbit.c[part];
            // Not a number: equal to nothing.
            self.snapshot[part].0[lane] = f64::NAN;
        }
        self.pixel[lane] = orbit.pixel;
        let (v, bit) = (lane / V::LANES, 1 << (lane % V::LANES));
        if next.is_some() {
            self.begin[lane] = self.now - u64::from(orbit.n);
            self.live[v] |= bit;
            self.due[v] = self.due[v].min(self.begin[lane] + u64::from(max_iter));
        } else {
            self.begin[lane] = NEVER;
            self.live[v] &= !bit;
        }
    }
}
