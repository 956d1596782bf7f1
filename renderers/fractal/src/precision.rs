//! Which arithmetic a view needs.
//!
//! The rule: the roundings of one step stay a small part of the distance between two pixels.

use crate::View;

/// Spacing above which singles do: a rounding of theirs moves a point by a thousandth of it.
const SINGLE_SPACING: f64 = 1e-4;
/// Roundings add up along an orbit; beyond this limit singles would show it.
const SINGLE_MAX_ITER: u32 = 5_000;
/// Spacing above which doubles do.
const DOUBLE_SPACING: f64 = 1e-13;
/// Power of two of the spacing above which differences from a reference fit into doubles, squares
/// of differences relative to them included.
const PERTURBED_EXPONENT: i64 = -960;

/// The arithmetic of a view, from the cheapest to the deepest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Precision {
    /// Points in singles.
    Single,
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
        match spacing.to_f64() {
            spacing if spacing < DOUBLE_SPACING => Self::Perturbed,
            spacing if spacing > SINGLE_SPACING && view.max_iter() <= SINGLE_MAX_ITER => {
                Self::Single
            }
            _ => Self::Double,
        }
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
        assert_eq!(of("1", 1_000), Precision::Single);
        assert_eq!(of("1", 100_000), Precision::Double);
        assert_eq!(of("1e6", 1_000), Precision::Double);
        assert_eq!(of("1e11", 1_000), Precision::Double);
        assert_eq!(of("1e12", 1_000), Precision::Perturbed);
        assert_eq!(of("1e285", 1_000), Precision::Perturbed);
        assert_eq!(of("1e300", 1_000), Precision::Scaled);
        assert_eq!(of("1e5000", 1_000), Precision::Scaled);
    }
}
