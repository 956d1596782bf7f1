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
    pub(crate) fn run_f64<K: Kernel<f64>>(self, kernel: K) -> K::Output {
        #[target_feature(
            enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi1,bmi2,popcnt,lzcnt"
        )]
        fn compiled<K: Kernel<f64>>(proof: Proof, kernel: K) -> K::Output {
            kernel.run::<F64x8>(proof)
        }
        // SAFETY: the proof says that the machine has the features; those that it was not asked for
        // are older and part of every machine with AVX-512.
        unsafe { compiled(self, kernel) }
    }

    /// Runs a kernel on vectors of sixteen singles.
    pub(crate) fn run_f32<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        #[target_feature(
            enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi1,bmi2,popcnt,lzcnt"
        )]
        fn compiled<K: Kernel<f32>>(proof: Proof, kernel: K) -> K::Output {
            kernel.run::<F32x16>(proof)
        }
        // SAFETY: as for doubles.
        unsafe { compiled(self, kernel) }
    }
}

macro_rules! avx512_lanes {
    (
        $name:ident, $real:ty, $register:ty, $mask:ty, $lanes:expr, $exponent_top:expr,
        $set1:ident, $load:ident, $store:ident, $add:ident, $mul:ident, $max:ident, $abs:ident, $fmadd:ident,
        $fnmadd:ident, $cmp:ident, $blend:ident, $cast:ident, $set1_int:ident, $test:ident
    ) => {
        #[doc = concat!(stringify!($lanes), " lanes of ", stringify!($real), ".")]
        #[derive(Clone, Copy)]
        pub(crate) struct $name($register);

        impl Lanes for $name {
            type Real = $real;
            type Mask = $mask;
            type Proof = Proof;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(_: Proof, value: $real) -> Self {
                // SAFETY: there is a proof.
                Self(unsafe { $set1(value) })
            }

            #[inline(always)]
            fn load(_: Proof, from: &[$real]) -> Self {
                let from = &from[..$lanes];
                // SAFETY: there is a proof, and the slice has as many lanes.
                Self(unsafe { $load(from.as_ptr()) })
            }

            #[inline(always)]
            fn store(self, to: &mut [$real]) {
                let to = &mut to[..$lanes];
                // SAFETY: there is a vector, and the slice has as many lanes.
                unsafe { $store(to.as_mut_ptr(), self.0) }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            fn abs(self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $abs(self.0) })
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $fmadd(self.0, factor.0, term.0) })
            }

            #[inline(always)]
            fn neg_mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $fnmadd(self.0, factor.0, term.0) })
            }

            #[inline(always)]
            fn greater(self, other: Self) -> $mask {
                // SAFETY: there is a vector.
                unsafe { $cmp::<_CMP_GT_OQ>(self.0, other.0) }
            }

            #[inline(always)]
            fn equal(self, other: Self) -> $mask {
                // SAFETY: there is a vector.
                unsafe { $cmp::<_CMP_EQ_OQ>(self.0, other.0) }
            }

            #[inline(always)]
            fn select(mask: $mask, yes: Self, no: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $blend(mask, no.0, yes.0) })
            }

            #[inline(always)]
            fn reaches_two(self, other: Self) -> $mask {
                // SAFETY: there is a vector.
                unsafe {
                    let either = _mm512_or_si512($cast(self.0), $cast(other.0));
                    $test(either, $set1_int($exponent_top))
                }
            }

            #[inline(always)]
            fn and(a: $mask, b: $mask) -> $mask {
                a & b
            }

            #[inline(always)]
            fn bits(mask: $mask) -> u32 {
                u32::from(mask)
            }
        }
    };
}

avx512_lanes!(
    F64x8,
    f64,
    __m512d,
    __mmask8,
    8,
    1 << 62,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_add_pd,
    _mm512_mul_pd,
    _mm512_max_pd,
    _mm512_abs_pd,
    _mm512_fmadd_pd,
    _mm512_fnmadd_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd,
    _mm512_castpd_si512,
    _mm512_set1_epi64,
    _mm512_test_epi64_mask
);
avx512_lanes!(
    F32x16,
    f32,
    __m512,
    __mmask16,
    16,
    1 << 30,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_mul_ps,
    _mm512_max_ps,
    _mm512_abs_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps,
    _mm512_castps_si512,
    _mm512_set1_epi32,
    _mm512_test_epi32_mask
);
