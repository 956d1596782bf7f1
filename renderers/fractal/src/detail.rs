//! How much of the set beauty lets us see.
//!
//! The rule: one pure, monotone function; more beauty never shows less.

use dashu_int::IBig;

use crate::{Decimal, default_max_iter};

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
/// the least), in a view of this zoom.
///
/// The level is `beauty / 1.5`. Of the iterations that would show everything, those that the whole
/// set needs go from their square root to all of them, geometrically, since each doubling adds about
/// as much to see as the one before; what depth needs beyond is not touched, as nothing would be
/// left of a deep view. The density of colours goes from a half to one and a half.
#[must_use]
pub fn detail(beauty: Option<f64>, zoom: &Decimal) -> Detail {
    let beauty = beauty.filter(|beauty| !beauty.is_nan()).unwrap_or(0.0);
    let level = (beauty / FULL_BEAUTY).clamp(0.0, 1.0);
    let whole = default_max_iter(&Decimal::from(1));
    let shown = f64::from(whole).powf(0.5 + 0.5 * level).round() as u32;
    let max_iter = default_max_iter(zoom) - whole + shown;
    Detail { level, max_iter, density: (0.5 + level) as f32 }
}

/// The constant of the Julia set that a beauty average draws: a point just outside the main cardioid
/// of the Mandelbrot set, `1.04 (e^it / 2 - e^2it / 4)`, where sets are about to fall apart and are
/// richest. `t` goes with beauty from a sixth of the way around to its far end; beauty is taken as by
/// [`detail`], and the constant is rounded to four places.
#[must_use]
pub fn julia_constant(beauty: Option<f64>) -> [Decimal; 2] {
    let level = detail(beauty, &Decimal::from(1)).level;
    let angle = std::f64::consts::PI * (1.0 + 2.0 * level) / 3.0;
    let place = |wave: fn(f64) -> f64| {
        let value = 1.04 * (wave(angle) / 2.0 - wave(2.0 * angle) / 4.0);
        Decimal::new(IBig::from((value * 1e4).round() as i32), -4)
    };
    [place(f64::cos), place(f64::sin)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(beauty: Option<f64>) -> Detail {
        detail(beauty, &Decimal::from(1))
    }

    #[test]
    fn from_the_least_to_everything() {
        let least = Detail { level: 0.0, max_iter: 32, density: 0.5 };
        for beauty in [None, Some(0.0), Some(f64::NAN), Some(-3.0)] {
            assert_eq!(whole(beauty), least);
        }
        assert_eq!(whole(Some(1.5)), Detail { level: 1.0, max_iter: 1_000, density: 1.5 });
        assert_eq!(whole(Some(9.0)), whole(Some(1.5)));
    }

    #[test]
    fn depth_keeps_what_it_needs() {
        let deep = Decimal::power_of_two(1_000);
        assert_eq!(detail(Some(1.5), &deep).max_iter, default_max_iter(&deep));
        assert_eq!(detail(None, &deep).max_iter, default_max_iter(&deep) - 1_000 + 32);
    }

    #[test]
    fn julia_constants_go_along_the_cardioid_from_outside() {
        for step in 0..=150 {
            let [re, im] = julia_constant(Some(f64::from(step) / 100.0)).map(|part| part.to_f64());
            // Inside, |1 - sqrt(1 - 4c)| is below 1.
            let (x, y) = (1.0 - 4.0 * re, -4.0 * im);
            let root = x.hypot(y).sqrt();
            let half = y.atan2(x) / 2.0;
            let size = (1.0 - root * half.cos()).hypot(root * half.sin());
            assert!((1.0..1.1).contains(&size), "{re} {im}: {size}");
        }
        assert_eq!(julia_constant(Some(1.5)).map(|part| part.to_string()), ["-0.78", "0"]);
        assert_eq!(julia_constant(None), julia_constant(Some(0.0)));
    }

    proptest! {
        #[test]
        fn more_beauty_shows_more(a in 0.0..1.5_f64, b in 0.0..1.5_f64) {
            let (less, more) = (a.min(b), a.max(b));
            let (less_detail, more_detail) = (whole(Some(less)), whole(Some(more)));
            prop_assert!(less_detail.max_iter <= more_detail.max_iter);
            prop_assert!(less_detail.density <= more_detail.density);
            if more - less > 0.1 {
                prop_assert!(less_detail.max_iter < more_detail.max_iter);
            }
        }
    }
}
