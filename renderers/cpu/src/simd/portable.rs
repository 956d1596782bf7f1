//! Vectors as plain arrays, for machines without anything better.
//!
//! The rule: the reference for the others. It is slow where the machine has no fused multiply-add,
//! and still gives the same bits.

use super::{Kernel, Lanes};

const LANES: usize = 4;

/// A vector as an array.
#[derive(Clone, Copy)]
pub(crate) struct Array([f64; LANES]);

impl Lanes for Array {
    type Mask = [bool; LANES];
    type Proof = ();
    const LANES: usize = LANES;

    fn call<K: Kernel>(proof: (), kernel: K) -> K::Output {
        kernel.run::<Self>(proof)
    }

    #[inline(always)]
    fn splat(_: (), value: f64) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(_: (), from: &[f64]) -> Self {
        Self(std::array::from_fn(|i| from[i]))
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        to[..LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(<f64>::abs))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let larger = |a: f64, b: f64| if a > b { a } else { b };
        Self(std::array::from_fn(|i| larger(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], term.0[i])))
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|i| (-self.0[i]).mul_add(factor.0[i], term.0[i])))
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] > other.0[i])
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] == other.0[i])
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    fn reaches_two(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| (self.0[i].to_bits() | other.0[i].to_bits()) & 1 << 62 != 0)
    }

    #[inline(always)]
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        std::array::from_fn(|i| a[i] && b[i])
    }

    #[inline(always)]
    fn and_not(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        std::array::from_fn(|i| a[i] && !b[i])
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        mask.iter().enumerate().fold(0, |bits, (i, set)| bits | u32::from(*set) << i)
    }
}
