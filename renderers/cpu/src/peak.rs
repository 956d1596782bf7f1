//! The yardstick: how many fused multiply-adds a core can do.
//!
//! The rule: nothing but independent multiply-adds in registers, so that figures of kernels can be
//! given as parts of it.

use std::time::Instant;

use crate::simd::{Isa, Kernel, Lanes, Real, Vectorized};

/// Independent chains: more than latency times width of any core, fewer than registers.
const CHAINS: usize = 12;
const ROUNDS: usize = 200_000;
const TRIALS: usize = 15;

/// Fused multiply-adds a second of one core, in doubles; the best of some trials.
#[must_use]
pub fn fma_rate_f64(isa: Isa) -> f64 {
    rate::<f64>(isa)
}

/// Fused multiply-adds a second of one core, in singles; the best of some trials.
#[must_use]
pub fn fma_rate_f32(isa: Isa) -> f64 {
    rate::<f32>(isa)
}

fn rate<R: Vectorized>(isa: Isa) -> f64 {
    (0..TRIALS)
        .map(|_| {
            let begin = Instant::now();
            let lanes = R::dispatch(isa, Chains);
            (lanes * CHAINS * ROUNDS) as f64 / begin.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

struct Chains;

impl<R: Real> Kernel<R> for Chains {
    /// Lanes of a vector.
    type Output = usize;

    #[inline(always)]
    fn run<V: Lanes<Real = R>>(self, proof: V::Proof) -> usize {
        let splat = |value: f64| V::splat(proof, R::from_f64(value));
        let (factor, term) = (splat(0.999), splat(0.001));
        let mut chains: [V; CHAINS] = std::array::from_fn(|i| splat(i as f64));
        for _ in 0..ROUNDS {
            for chain in &mut chains {
                *chain = chain.mul_add(factor, term);
            }
        }
        for chain in chains {
            let mut lanes = [R::default(); crate::simd::MAX_LANES];
            chain.store(&mut lanes);
            std::hint::black_box(lanes);
        }
        V::LANES
    }
}
