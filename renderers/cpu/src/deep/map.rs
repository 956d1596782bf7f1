//! One step of a difference from a reference orbit, for each formula.
//!
//! The rule: `f(Z + d) - f(Z)` is never formed by subtracting two large numbers.

use std::ops::{Add, Mul, Neg, Sub};

use shimmer_fractal::{ComplexExp, FloatExp, Linear, MatrixExp};

/// A double, or one with an exponent of its own.
pub(super) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    fn is_negative(self) -> bool;
}

impl Number for f64 {
    #[inline(always)]
    fn is_negative(self) -> bool {
        self < 0.0
    }
}

impl Number for FloatExp {
    fn is_negative(self) -> bool {
        self.mantissa() < 0.0
    }
}

/// The derivative of a step or a leap: a complex number or a matrix.
pub(super) trait Derivative: Linear {
    /// The same in doubles.
    type Small: Small;
    /// Columns of a derivative that have to be followed: one is enough for a complex number.
    const COLUMNS: usize;

    /// In doubles; zero below their range.
    fn small(self) -> Self::Small;
}

impl Derivative for ComplexExp {
    type Small = [f64; 2];
    const COLUMNS: usize = 1;

    fn small(self) -> [f64; 2] {
        self.to_f64()
    }
}

impl Derivative for MatrixExp {
    type Small = [f64; 4];
    const COLUMNS: usize = 2;

    fn small(self) -> [f64; 4] {
        self.matrix()
    }
}

/// A derivative in doubles.
pub(super) trait Small: Copy + Send + Sync {
    /// `a + q d`: a leap's derivative as it is at a difference.
    fn bent(self, q: Self, d: [f64; 2]) -> Self;

    /// Applied to a difference.
    fn apply(self, difference: [f64; 2]) -> [f64; 2];
}

impl Small for [f64; 2] {
    #[inline(always)]
    fn bent(self, q: Self, d: [f64; 2]) -> Self {
        let [x, y] = q.apply(d);
        [self[0] + x, self[1] + y]
    }

    #[inline(always)]
    fn apply(self, [dx, dy]: [f64; 2]) -> [f64; 2] {
        let [ax, ay] = self;
        [ax * dx - ay * dy, ax * dy + ay * dx]
    }
}

impl Small for [f64; 4] {
    // Leaps over folds do not bend.
    #[inline(always)]
    fn bent(self, _: Self, _: [f64; 2]) -> Self {
        self
    }

    #[inline(always)]
    fn apply(self, [dx, dy]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d] = self;
        [a * dx + b * dy, c * dx + d * dy]
    }
}

/// A formula as perturbation sees it.
pub(super) trait Map: Copy + Send + Sync + 'static {
    /// The derivatives of its steps.
    type Linear: Derivative;

    /// `f(Z + d) - f(Z)`.
    fn step<N: Number>(z: [N; 2], d: [N; 2]) -> [N; 2];

    /// The derivative at `z` applied to a difference.
    fn tangent<N: Number>(z: [N; 2], difference: [N; 2]) -> [N; 2];
}

/// `z^2 + c`.
#[derive(Clone, Copy)]
pub(super) struct Square;

impl Map for Square {
    type Linear = ComplexExp;

    #[inline(always)]
    fn step<N: Number>([x, y]: [N; 2], [dx, dy]: [N; 2]) -> [N; 2] {
        let (wx, wy) = (x + x + dx, y + y + dy);
        [wx * dx - wy * dy, wx * dy + wy * dx]
    }

    #[inline(always)]
    fn tangent<N: Number>([x, y]: [N; 2], [dx, dy]: [N; 2]) -> [N; 2] {
        let (wx, wy) = (x + x, y + y);
        [wx * dx - wy * dy, wx * dy + wy * dx]
    }
}

/// `(|x| + i|y|)^2 + c`.
#[derive(Clone, Copy)]
pub(super) struct Ship;

impl Map for Ship {
    type Linear = MatrixExp;

    #[inline(always)]
    fn step<N: Number>([x, y]: [N; 2], [dx, dy]: [N; 2]) -> [N; 2] {
        let (wx, wy) = (x + x + dx, y + y + dy);
        let folded = difference_of_absolutes(x * y, x * dy + dx * y + dx * dy);
        [wx * dx - wy * dy, folded + folded]
    }

    #[inline(always)]
    fn tangent<N: Number>([x, y]: [N; 2], difference: [N; 2]) -> [N; 2] {
        let [dx, dy] = Square::tangent([x, y], difference);
        [dx, if (x * y).is_negative() { -dy } else { dy }]
    }
}

/// `|c + d| - |c|` without the loss of digits, after laser blaster's `diffabs`.
#[inline(always)]
fn difference_of_absolutes<N: Number>(c: N, d: N) -> N {
    match (c.is_negative(), (c + d).is_negative()) {
        (false, false) => d,
        (false, true) => -(c + c + d),
        (true, false) => c + c + d,
        (true, true) => -d,
    }
}

/// `conj(z)^2 + c`.
#[derive(Clone, Copy)]
pub(super) struct Conjugate;

impl Map for Conjugate {
    type Linear = MatrixExp;

    #[inline(always)]
    fn step<N: Number>(z: [N; 2], d: [N; 2]) -> [N; 2] {
        let [x, y] = Square::step(z, d);
        [x, -y]
    }

    #[inline(always)]
    fn tangent<N: Number>(z: [N; 2], difference: [N; 2]) -> [N; 2] {
        let [x, y] = Square::tangent(z, difference);
        [x, -y]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct<M: Map>([x, y]: [f64; 2], name: &str) -> [f64; 2] {
        let product = 2.0 * x * y;
        let product = match name {
            "ship" => product.abs(),
            "conjugate" => -product,
            _ => product,
        };
        [x * x - y * y, product]
    }

    fn check<M: Map>(name: &str) {
        for z in [[0.5, 0.25], [-0.5, 0.25], [0.3, -0.7], [0.001, 1.0], [0.0, 0.0]] {
            for d in [[0.1, -0.2], [-0.002, 0.3], [0.7, 0.9], [-0.9, -0.4]] {
                let sum = direct::<M>([z[0] + d[0], z[1] + d[1]], name);
                let at = direct::<M>(z, name);
                let [x, y] = M::step(z, d);
                assert!((x - (sum[0] - at[0])).abs() < 1e-14, "{name} {z:?} {d:?}");
                assert!((y - (sum[1] - at[1])).abs() < 1e-14, "{name} {z:?} {d:?}");
                let wide = M::step(z.map(FloatExp::from), d.map(FloatExp::from));
                assert!((wide[1].to_f64() - y).abs() < 1e-15, "{name} {z:?} {d:?}");
            }
        }
    }

    #[test]
    fn steps_of_differences_are_differences_of_steps() {
        check::<Square>("square");
        check::<Ship>("ship");
        check::<Conjugate>("conjugate");
    }

    #[test]
    fn tangents_are_steps_of_small_differences() {
        fn check<M: Map>() {
            let (z, d) = ([-0.5, 0.25], [1e-9, -2e-9]);
            let (step, tangent) = (M::step(z, d), M::tangent(z, d));
            assert!((0..2).all(|part| (step[part] - tangent[part]).abs() < 1e-17));
        }
        check::<Square>();
        check::<Ship>();
        check::<Conjugate>();
    }
}
