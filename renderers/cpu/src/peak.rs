//! The yardstick: how many fused multiply-adds a core can do.
//!
//! The rule: nothing but independent multiply-adds in registers, so that figures of kernels can be
//! given as parts of it.

use rustix::time::{ClockId, clock_gettime};

use crate::simd::{self, Isa, Kernel, Lanes};

/// Independent chains: more than latency times width of any core, fewer than registers.
const CHAINS: usize = 12;
/// Long enough that a core does not run faster than it can go on.
const ROUNDS: usize = 10_000_000;
const TRIALS: usize = 7;

/// Fused multiply-adds of doubles a second of one core; the best of some trials.
#[must_use]
pub fn fma_rate(isa: Isa) -> f64 {
    (0..TRIALS)
        .map(|_| {
            let begin = thread_seconds();
            let lanes = simd::dispatch(isa, Chains);
            (lanes * CHAINS * ROUNDS) as f64 / (thread_seconds() - begin)
        })
        .fold(0.0, f64::max)
}

/// CPU time of this thread: what others do on the machine does not count.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

struct Chains;

impl Kernel for Chains {
    /// Lanes of a vector.
    type Output = usize;

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) -> usize {
        let splat = |value: f64| V::splat(proof, value);
        let (factor, term) = (splat(0.999), splat(0.001));
        let mut chains: [V; CHAINS] = std::array::from_fn(|i| splat(i as f64));
        for _ in 0..ROUNDS {
            for chain in &mut chains {
                *chain = chain.mul_add(factor, term);
            }
        }
        for chain in chains {
            let mut lanes = [0.0; simd::MAX_LANES];
            chain.store(&mut lanes);
            std::hint::black_box(lanes);
        }
        V::LANES
    }
}
