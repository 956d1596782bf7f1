//! The same operations on every instruction set.
//!
//! The rule: bit for bit what plain code gives.

use super::*;

/// Every operation on a few numbers, as bits.
struct Sampler;

const A: [f64; 16] = [
    1.0,
    -2.0,
    0.1,
    1.999,
    2.0,
    -0.0,
    3.5,
    1e30,
    f64::INFINITY,
    f64::NAN,
    -1e-30,
    7.0,
    0.3,
    -1.5,
    4.0,
    1.25,
];

impl Kernel for Sampler {
    type Output = Vec<u64>;

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) -> Vec<u64> {
        let mut seen = Vec::new();
        // Whatever the width, eight lanes are looked at.
        for chunk in (0..A.len()).step_by(V::LANES) {
            let (a, b) = (V::load(proof, &A[chunk..]), V::splat(proof, 0.7));
            let smaller = b.greater(a);
            let masks = [smaller, a.equal(a), a.reaches_two(b), V::and(smaller, a.equal(a))];
            for lane in 0..V::LANES {
                seen.extend(masks.map(|mask| u64::from(V::bits(mask) >> lane & 1)));
                let results = [
                    a.add(b),
                    a.sub(b),
                    a.mul(b),
                    a.abs(),
                    a.abs().max(b),
                    a.mul_add(b, a),
                    a.neg_mul_add(a, b),
                    V::select(smaller, a, b),
                ];
                for result in results {
                    let mut lanes = [0.0; MAX_LANES];
                    result.store(&mut lanes);
                    let number: f64 = lanes[lane];
                    seen.push(if number.is_nan() { 0 } else { number.to_bits() });
                }
            }
        }
        seen
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let plain = dispatch(Isa::Portable, Sampler);
    for isa in Isa::available() {
        assert_eq!(dispatch(isa, Sampler), plain, "{isa:?}");
    }
}
