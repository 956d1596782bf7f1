//! Which arithmetic a view needs.
//!
//! The rule: the roundings of one step stay a small part of the distance between two pixels. That is
//! not enough for singles: beside the boundary they are off by more than a step on one pixel of sixty
//! at a spacing of 2e-4 (measured at -0.75 + 0.1i), so points are never iterated in them.

use crate::View;

/// Spacing above which doubles do. They could tell points apart down to 1e-15, but the last digits of
/// a point decide about the finest filaments long before that: at -0.7436 + 0.1318i one count of
/// twenty is off at 1e-10, and one of six at 1e-12.
const DOUBLE_SPACING: f64 = 1e-11;
/// Power of two of the spacing above which differences from a reference fit into doubles, squares
/// of differences relative to them included.
const PERTURBED_EXPONENT: i64 = -960;

/// The arithmetic of a view, from the cheapest to the deepest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Precision {
    /// Points in doubles.
    Double,
    /// Differences from a reference orbit, in doubles.
    Perturbed,
    /// Differences from a reference orbit, in doubles with exponents of their own.
    Scaled,
}

impl Precision {
    /// The cheapest that is good enough.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let spacing = view.viewport().spacing();
        if spacing.exponent() < PERTURBED_EXPONENT {
            return Self::Scaled;
        }
        if spacing.to_f64() < DOUBLE_SPACING { Self::Perturbed } else { Self::Double }
    }

    /// Whether points are iterated themselves, without a reference.
    #[must_use]
    pub fn is_direct(self) -> bool {
        self <= Self::Double
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Formula, Viewport};

    #[test]
    fn deeper_views_need_more() {
        let of = |zoom: &str, max_iter| {
            let viewport = Viewport::parse(["-0.5", "0"], zoom, [100, 100]).unwrap();
            View::new(viewport, Formula::Mandelbrot, Some(max_iter)).unwrap().precision()
        };
        assert_eq!(of("1", 1_000), Precision::Double);
        assert_eq!(of("1e9", 1_000), Precision::Double);
        assert_eq!(of("1e10", 1_000), Precision::Perturbed);
        assert_eq!(of("1e285", 1_000), Precision::Perturbed);
        assert_eq!(of("1e300", 1_000), Precision::Scaled);
        assert_eq!(of("1e5000", 1_000), Precision::Scaled);
    }
}
