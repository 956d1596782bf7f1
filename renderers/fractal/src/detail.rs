//! How much of the set beauty lets us see.
//!
//! The rule: one pure, monotone function; more beauty never shows less.

/// The beauty at which everything is shown.
const FULL_BEAUTY: f64 = 1.5;

/// What a beauty average asks of a picture.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Detail {
    /// 0 (least) to 1 (all).
    pub level: f64,
    /// The iteration limit.
    pub max_iter: u32,
    /// The density of [`crate::Style`].
    pub density: f32,
}

/// The detail for a beauty average between 0 and 1.5 (beyond, as at the ends; none or not a number,
/// the least), where `full_iter` iterations would show everything.
///
/// The level is `beauty / 1.5`. Iterations go from the square root of `full_iter` to all of it,
/// geometrically, since each doubling adds about as much to see as the one before. The density of
/// colours goes from a half to one and a half.
#[must_use]
pub fn detail(beauty: Option<f64>, full_iter: u32) -> Detail {
    let beauty = beauty.filter(|beauty| !beauty.is_nan()).unwrap_or(0.0);
    let level = (beauty / FULL_BEAUTY).clamp(0.0, 1.0);
    let max_iter = f64::from(full_iter).powf(0.5 + 0.5 * level).round().max(1.0);
    Detail { level, max_iter: max_iter as u32, density: (0.5 + level) as f32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn from_the_least_to_everything() {
        let least = Detail { level: 0.0, max_iter: 32, density: 0.5 };
        assert_eq!(detail(None, 1_000), least);
        assert_eq!(detail(Some(0.0), 1_000), least);
        assert_eq!(detail(Some(f64::NAN), 1_000), least);
        assert_eq!(detail(Some(-3.0), 1_000), least);
        assert_eq!(detail(Some(1.5), 1_000), Detail { level: 1.0, max_iter: 1_000, density: 1.5 });
        assert_eq!(detail(Some(0.0), 1).max_iter, 1);
    }

    proptest! {
        #[test]
        fn more_beauty_shows_more(a in 0.0..1.5_f64, b in 0.0..1.5_f64, full in 100..100_000_u32) {
            let (less, more) = (a.min(b), a.max(b));
            let (less_detail, more_detail) = (detail(Some(less), full), detail(Some(more), full));
            prop_assert!(less_detail.max_iter <= more_detail.max_iter);
            prop_assert!(less_detail.density <= more_detail.density);
            if more - less > 0.1 {
                prop_assert!(less_detail.max_iter < more_detail.max_iter);
            }
        }
    }
}
