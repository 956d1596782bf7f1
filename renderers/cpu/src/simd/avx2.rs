//! Vectors of 256 bits with fused multiply-add.
//!
//! The rule: a [`Proof`] is made by detection alone, vectors are made from a proof alone, and so
//! every intrinsic below runs on a machine that has it.

use std::arch::x86_64::*;

use super::{Kernel, Lanes};

/// The machine has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Proof(());

impl Proof {
    /// Asks the machine.
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has_all.then_some(Self(()))
    }

    /// Runs a kernel on vectors of four doubles.
    #[inline(never)]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel>(proof: Proof, kernel: K) -> K::Output {
            kernel.run::<F64x4>(proof)
        }
        // SAFETY: the proof says that the machine has the features.
        unsafe { compiled(self, kernel) }
    }
}

/// Four doubles.
#[derive(Clone, Copy)]
pub(crate) struct F64x4(__m256d);

impl Lanes for F64x4 {
    type Mask = __m256d;
    type Proof = Proof;
    const LANES: usize = 4;

    #[inline(always)]
    fn call<K: Kernel>(proof: Proof, kernel: K) -> K::Output {
        proof.run(kernel)
    }

    #[inline(always)]
    fn splat(_: Proof, value: f64) -> Self {
        // SAFETY: there is a proof.
        Self(unsafe { _mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn load(_: Proof, from: &[f64]) -> Self {
        let from = &from[..4];
        // SAFETY: there is a proof, and the slice has as many lanes.
        Self(unsafe { _mm256_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..4];
        // SAFETY: there is a vector, and the slice has as many lanes.
        unsafe { _mm256_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_sub_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_mul_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_max_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_fmadd_pd(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_fnmadd_pd(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> __m256d {
        // SAFETY: there is a vector.
        unsafe { _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn equal(self, other: Self) -> __m256d {
        // SAFETY: there is a vector.
        unsafe { _mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: __m256d, yes: Self, no: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm256_blendv_pd(no.0, yes.0, mask) })
    }

    #[inline(always)]
    fn reaches_two(self, other: Self) -> __m256d {
        // The bit below the sign becomes the sign, which is all that masks are read by.
        // SAFETY: there is a vector.
        unsafe {
            let either = _mm256_castpd_si256(_mm256_or_pd(self.0, other.0));
            _mm256_castsi256_pd(_mm256_slli_epi64::<1>(either))
        }
    }

    #[inline(always)]
    fn and(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: masks come from vectors.
        unsafe { _mm256_and_pd(a, b) }
    }

    #[inline(always)]
    fn and_not(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: masks come from vectors.
        unsafe { _mm256_andnot_pd(b, a) }
    }

    #[inline(always)]
    fn bits(mask: __m256d) -> u32 {
        // SAFETY: masks come from vectors.
        unsafe { _mm256_movemask_pd(mask) as u32 }
    }
}
