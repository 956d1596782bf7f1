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
    pub(crate) fn run_f64<K: Kernel<f64>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel<f64>>(proof: Proof, kernel: K) -> K::Output {
            kernel.run::<F64x4>(proof)
        }
        // SAFETY: the proof says that the machine has the features.
        unsafe { compiled(self, kernel) }
    }

    /// Runs a kernel on vectors of eight singles.
    pub(crate) fn run_f32<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel<f32>>(proof: Proof, kernel: K) -> K::Output {
            kernel.run::<F32x8>(proof)
        }
        // SAFETY: the proof says that the machine has the features.
        unsafe { compiled(self, kernel) }
    }
}

macro_rules! avx2_lanes {
    (
        $name:ident, $real:ty, $register:ty, $lanes:expr, $set1:ident, $load:ident, $store:ident,
        $add:ident, $mul:ident, $max:ident, $fmadd:ident, $fnmadd:ident, $cmp:ident, $blend:ident, $or:ident,
        $and:ident, $andnot:ident, $movemask:ident, $shift_top:expr
    ) => {
        #[doc = concat!(stringify!($lanes), " lanes of ", stringify!($real), ".")]
        #[derive(Clone, Copy)]
        pub(crate) struct $name($register);

        impl Lanes for $name {
            type Real = $real;
            type Mask = $register;
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
                Self(unsafe { $andnot($set1(-0.0), self.0) })
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
            fn greater(self, other: Self) -> $register {
                // SAFETY: there is a vector.
                unsafe { $cmp::<_CMP_GT_OQ>(self.0, other.0) }
            }

            #[inline(always)]
            fn equal(self, other: Self) -> $register {
                // SAFETY: there is a vector.
                unsafe { $cmp::<_CMP_EQ_OQ>(self.0, other.0) }
            }

            #[inline(always)]
            fn select(mask: $register, yes: Self, no: Self) -> Self {
                // SAFETY: there is a vector.
                Self(unsafe { $blend(no.0, yes.0, mask) })
            }

            #[inline(always)]
            fn reaches_two(self, other: Self) -> $register {
                // The bit below the sign becomes the sign, which is all that masks are read by.
                // SAFETY: there is a vector.
                unsafe { $shift_top($or(self.0, other.0)) }
            }

            #[inline(always)]
            fn and(a: $register, b: $register) -> $register {
                // SAFETY: masks come from vectors.
                unsafe { $and(a, b) }
            }

            #[inline(always)]
            fn bits(mask: $register) -> u32 {
                // SAFETY: masks come from vectors.
                unsafe { $movemask(mask) as u32 }
            }
        }
    };
}

avx2_lanes!(
    F64x4,
    f64,
    __m256d,
    4,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_add_pd,
    _mm256_mul_pd,
    _mm256_max_pd,
    _mm256_fmadd_pd,
    _mm256_fnmadd_pd,
    _mm256_cmp_pd,
    _mm256_blendv_pd,
    _mm256_or_pd,
    _mm256_and_pd,
    _mm256_andnot_pd,
    _mm256_movemask_pd,
    |v| _mm256_castsi256_pd(_mm256_slli_epi64::<1>(_mm256_castpd_si256(v)))
);
avx2_lanes!(
    F32x8,
    f32,
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_max_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_cmp_ps,
    _mm256_blendv_ps,
    _mm256_or_ps,
    _mm256_and_ps,
    _mm256_andnot_ps,
    _mm256_movemask_ps,
    |v| _mm256_castsi256_ps(_mm256_slli_epi32::<1>(_mm256_castps_si256(v)))
);
