//! Vectors of 512 bits.
//!
//! The rule: a [`Proof`] is made by detection alone, vectors are made from a proof alone, and so
//! every intrinsic below runs on a machine that has it.

use std::arch::x86_64::*;

use super::{Kernel, Lanes};

/// The machine has AVX-512 F, DQ, BW and VL.
#[derive(Clone, Copy)]
pub(crate) struct Proof(());

impl Proof {
    /// Asks the machine.
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        has_all.then_some(Self(()))
    }

    /// Runs a kernel on vectors of eight doubles.
    #[inline(never)]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(
            enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi1,bmi2,popcnt,lzcnt"
        )]
        fn compiled<K: Kernel>(proof: Proof, kernel: K) -> K::Output {
            let mut line = Line(0);
            std::hint::black_box(&mut line.0);
            kernel.run::<F64x8>(proof)
        }
        // SAFETY: the proof says that the machine has the features; those that it was not asked for
        // are older and part of every machine with AVX-512.
        unsafe { compiled(self, kernel) }
    }
}

/// In a frame, this makes the frame begin with a cache line. Otherwise vectors that the compiler keeps
/// there lie across two lines each, which takes a fortieth of the speed.
#[repr(align(64))]
struct Line(u8);

/// Eight doubles.
#[derive(Clone, Copy)]
pub(crate) struct F64x8(__m512d);

impl Lanes for F64x8 {
    type Mask = __mmask8;
    type Proof = Proof;
    const LANES: usize = 8;

    #[inline(always)]
    fn call<K: Kernel>(proof: Proof, kernel: K) -> K::Output {
        proof.run(kernel)
    }

    #[inline(always)]
    fn splat(_: Proof, value: f64) -> Self {
        // SAFETY: there is a proof.
        Self(unsafe { _mm512_set1_pd(value) })
    }

    #[inline(always)]
    fn load(_: Proof, from: &[f64]) -> Self {
        let from = &from[..8];
        // SAFETY: there is a proof, and the slice has as many lanes.
        Self(unsafe { _mm512_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..8];
        // SAFETY: there is a vector, and the slice has as many lanes.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_sub_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_mul_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_abs_pd(self.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_max_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_fmadd_pd(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_fnmadd_pd(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> __mmask8 {
        // SAFETY: there is a vector.
        unsafe { _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn equal(self, other: Self) -> __mmask8 {
        // SAFETY: there is a vector.
        unsafe { _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: __mmask8, yes: Self, no: Self) -> Self {
        // SAFETY: there is a vector.
        Self(unsafe { _mm512_mask_blend_pd(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn reaches_two(self, other: Self) -> __mmask8 {
        // SAFETY: there is a vector.
        unsafe {
            let either = _mm512_or_si512(_mm512_castpd_si512(self.0), _mm512_castpd_si512(other.0));
            _mm512_test_epi64_mask(either, _mm512_set1_epi64(1 << 62))
        }
    }

    #[inline(always)]
    fn and(a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }

    #[inline(always)]
    fn and_not(a: __mmask8, b: __mmask8) -> __mmask8 {
        !b & a
    }

    #[inline(always)]
    fn bits(mask: __mmask8) -> u32 {
        u32::from(mask)
    }
}
