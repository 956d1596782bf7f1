//! Vectors of doubles, one face for every instruction set.
//!
//! The rule: each operation rounds once, as IEEE 754 says, so a kernel written against [`Lanes`]
//! gives the same bits on every instruction set. `unsafe` stands in this folder and nowhere else.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics")]
mod avx512;
mod portable;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isa {
    /// 512-bit vectors with masks.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// What the compiler makes of plain code.
    Portable,
}

impl Isa {
    /// All that this machine has, the fastest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx512::Proof::detect().map(|_| Self::Avx512));
            all.extend(avx2::Proof::detect().map(|_| Self::Avx2));
        }
        all.push(Self::Portable);
        all
    }

    /// The fastest of this machine.
    #[must_use]
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Its name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

/// The most lanes that any vector has.
pub(crate) const MAX_LANES: usize = 8;

/// A vector. Values exist only where a [`Lanes::Proof`] exists: on a machine that has the
/// instructions.
pub(crate) trait Lanes: Copy {
    /// A truth value for each lane.
    type Mask: Copy;
    /// Exists only where the instructions do.
    type Proof: Copy;
    /// Lanes of a vector.
    const LANES: usize;

    /// Runs a kernel on these vectors as a function of its own.
    fn call<K: Kernel>(proof: Self::Proof, kernel: K) -> K::Output;
    fn splat(proof: Self::Proof, value: f64) -> Self;
    /// The first [`Lanes::LANES`] of a slice.
    fn load(proof: Self::Proof, from: &[f64]) -> Self;
    /// Into the first [`Lanes::LANES`] of a slice.
    fn store(self, to: &mut [f64]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// The larger of two numbers, neither of them NaN.
    fn max(self, other: Self) -> Self;
    /// `self * factor + term`, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `term - self * factor`, rounded once.
    fn neg_mul_add(self, factor: Self, term: Self) -> Self;
    fn greater(self, other: Self) -> Self::Mask;
    fn equal(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Lanes in which either number is 2 or more by absolute value, or not a number: the top bit of
    /// its exponent is set.
    fn reaches_two(self, other: Self) -> Self::Mask;
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Lanes of `a` that are not in `b`.
    fn and_not(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Lane `i` as bit `i`.
    fn bits(mask: Self::Mask) -> u32;
}

/// Code that runs on vectors of some width.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Compiled once for each instruction set; implementations are `#[inline(always)]`, all the way
    /// down to the operations, so that the whole kernel is compiled for it.
    fn run<V: Lanes>(self, proof: V::Proof) -> Self::Output;
}

/// Runs a kernel on an instruction set, or on plain code where the machine lacks it.
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(proof) = (isa == Isa::Avx512).then(avx512::Proof::detect).flatten() {
            return proof.run(kernel);
        }
        if let Some(proof) = (isa == Isa::Avx2).then(avx2::Proof::detect).flatten() {
            return proof.run(kernel);
        }
    }
    kernel.run::<portable::Array>(())
}

#[cfg(test)]
mod tests;
