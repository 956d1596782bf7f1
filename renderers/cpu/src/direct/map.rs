//! One step of each formula, and of its derivative, on vectors.
//!
//! The rule: every path through the renderer takes these very steps, so that a pixel has one value.

use super::lot::STRIDE;
use crate::simd::Lanes;

/// A complex number in each lane.
pub(super) type Pair<V> = [V; 2];

/// A formula, without its constant.
pub(super) trait Map: Copy + Send + Sync {
    /// Whether the derivative is a complex number; otherwise it is a matrix.
    const IS_ANALYTIC: bool;

    /// `f(z) + c`, as step `n` of an orbit: its rounding depends on the place in a stride.
    fn step<V: Lanes>(n: u32, z: Pair<V>, c: Pair<V>) -> Pair<V>;

    /// The derivative of `f` at `z` applied to a difference, plus `add`.
    fn tangent<V: Lanes>(z: Pair<V>, difference: Pair<V>, add: Pair<V>) -> Pair<V>;
}

/// `x^2 - y^2 + c`, by the place in a stride in one of two forms. Where additions have units of their own,
/// as on AMD's processors, the first form waits for those and the second for the multiply-adds; in turns,
/// both kinds work. Either is as exact as the other.
#[inline(always)]
fn real<V: Lanes>(n: u32, [x, y]: Pair<V>, c: V) -> V {
    match n % STRIDE % 2 {
        0 => x.add(y).mul_add(x.sub(y), c),
        _ => x.mul_add(x, y.neg_mul_add(y, c)),
    }
}

/// `z^2 + c`, for the Mandelbrot set and Julia sets.
#[derive(Clone, Copy)]
pub(super) struct Square;

impl Map for Square {
    const IS_ANALYTIC: bool = true;

    #[inline(always)]
    fn step<V: Lanes>(n: u32, [x, y]: Pair<V>, [cx, cy]: Pair<V>) -> Pair<V> {
        [real(n, [x, y], cx), x.add(x).mul_add(y, cy)]
    }

    #[inline(always)]
    fn tangent<V: Lanes>([x, y]: Pair<V>, [dx, dy]: Pair<V>, [ax, ay]: Pair<V>) -> Pair<V> {
        let (x, y) = (x.add(x), y.add(y));
        [x.mul_add(dx, y.neg_mul_add(dy, ax)), x.mul_add(dy, y.mul_add(dx, ay))]
    }
}

/// `(|x| + i|y|)^2 + c`.
#[derive(Clone, Copy)]
pub(super) struct Ship;

impl Map for Ship {
    const IS_ANALYTIC: bool = false;

    #[inline(always)]
    fn step<V: Lanes>(n: u32, [x, y]: Pair<V>, [cx, cy]: Pair<V>) -> Pair<V> {
        [real(n, [x, y], cx), x.add(x).abs().mul_add(y.abs(), cy)]
    }

    #[inline(always)]
    fn tangent<V: Lanes>([x, y]: Pair<V>, [dx, dy]: Pair<V>, [ax, ay]: Pair<V>) -> Pair<V> {
        let (two_x, two_y) = (x.add(x), y.add(y));
        let same = two_x.mul_add(dy, two_y.mul_add(dx, ay));
        let turned = two_x.neg_mul_add(dy, two_y.neg_mul_add(dx, ay));
        let product = x.mul(y);
        // Where the product is not positive, its absolute value falls as it rises.
        let turned = V::select(product.abs().greater(product), turned, same);
        [two_x.mul_add(dx, two_y.neg_mul_add(dy, ax)), turned]
    }
}

/// `conj(z)^2 + c`.
#[derive(Clone, Copy)]
pub(super) struct Conjugate;

impl Map for Conjugate {
    const IS_ANALYTIC: bool = false;

    #[inline(always)]
    fn step<V: Lanes>(n: u32, [x, y]: Pair<V>, [cx, cy]: Pair<V>) -> Pair<V> {
        [real(n, [x, y], cx), x.add(x).neg_mul_add(y, cy)]
    }

    #[inline(always)]
    fn tangent<V: Lanes>([x, y]: Pair<V>, [dx, dy]: Pair<V>, [ax, ay]: Pair<V>) -> Pair<V> {
        let (x, y) = (x.add(x), y.add(y));
        [x.mul_add(dx, y.neg_mul_add(dy, ax)), x.neg_mul_add(dy, y.neg_mul_add(dx, ay))]
    }
}
