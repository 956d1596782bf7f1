//! The views that are measured.
//!
//! The rule: from the cheapest arithmetic to the deepest, each small enough to be drawn in a second or
//! two on one core.

use shimmer_fractal::{Formula, View, Viewport};

/// A view and its name.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in a table.
    pub name: &'static str,
    /// The view.
    pub view: View,
}

/// Name, centre, zoom, pixels of a side, limit on iterations.
const SHALLOW: &[(&str, [&str; 2], &str, u32, u64)] = &[
    ("interior", ["-0.1", "0"], "20", 512, 20_000),
    ("whole set", ["-0.5", "0"], "1", 2048, 1_000),
    ("seahorse valley", ["-0.745", "0.1"], "200", 1024, 2_000),
    ("seahorse", ["-0.743643887037151", "0.131825904205330"], "1e7", 1024, 10_000),
];

/// Copies of the set, each beside the one before: found by following the orbit of a point at the edge of
/// a copy until its disc is spread over zero, and Newton's method from there, beginning with the period
/// 35 beside the seahorse valley. A line has zoom, period, real and imaginary part.
const COPIES: &str = include_str!("copies.txt");
const COPY_NAMES: [&str; 3] = ["copy", "copy in a copy", "copies, deeper"];
const COPY_SIDE: u32 = 512;
/// What surrounds a copy escapes within some of its periods.
const COPY_PERIODS: u64 = 40;

/// All views, the shallowest first, with their sides divided by a number.
///
/// # Panics
///
/// When one of them is outside the limits, which is a bug of this file.
#[must_use]
pub fn cases(divisor: u32) -> Vec<Case> {
    let case = |name, centre, zoom, side: u32, max_iter| {
        let viewport = Viewport::parse(centre, zoom, [side / divisor; 2]).expect("a good viewport");
        let view = View::new(viewport, Formula::Mandelbrot, Some(max_iter)).expect("a good limit");
        Case { name, view }
    };
    let shallow = SHALLOW
        .iter()
        .map(|&(name, centre, zoom, side, max_iter)| case(name, centre, zoom, side, max_iter));
    let copies = COPY_NAMES.iter().zip(COPIES.lines()).map(|(name, line)| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a line has four words");
        let (zoom, period, centre) = (word(), word(), [word(), word()]);
        let period: u64 = period.parse().expect("a whole number");
        case(name, centre, zoom, COPY_SIDE, COPY_PERIODS * period)
    });
    shallow.chain(copies).collect()
}

#[cfg(test)]
mod tests {
    use shimmer_fractal::Precision;

    use super::*;

    #[test]
    fn every_arithmetic_is_measured() {
        let cases = cases(1);
        let with = |precision| cases.iter().filter(|c| c.view.precision() == precision).count();
        let kinds = [Precision::Double, Precision::Perturbed, Precision::Scaled].map(with);
        assert_eq!(kinds, [4, 1, 2]);
    }
}
