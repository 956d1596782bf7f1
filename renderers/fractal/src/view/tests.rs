//! Viewports: points, limits, refusals.
//!
//! The rule: what is refused is refused by the field's name and at once.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn viewport(re: &str, im: &str, zoom: &str) -> Viewport {
    Viewport::parse([re, im], zoom, [640, 480]).unwrap()
}

#[test]
fn pixels_stand_for_the_middles_of_squares() {
    let whole = Viewport::whole([4, 4]).unwrap();
    let lattice = whole.lattice();
    assert_eq!([0, 1, 2, 3].map(|x| lattice.re(x)), [-2.0, -1.0, 0.0, 1.0]);
    assert_eq!([0, 1, 2, 3].map(|y| lattice.im(y)), [1.5, 0.5, -0.5, -1.5]);
    assert_eq!(whole.point(0, 3, 1), [IBig::from(-4), IBig::from(-3)]);
}

#[test]
fn spacing_and_bits_follow_the_zoom() {
    assert_eq!(viewport("0", "0", "1").spacing().to_f64(), 4.0 / 480.0);
    let deep = viewport("0", "1", "1.5e1000");
    let log10 = deep.spacing().log2() * std::f64::consts::LOG10_2;
    assert!((log10 + 1000.0 + (1.5_f64 * 120.0).log10()).abs() < 1e-9, "{log10}");
    assert!((3_400..3_420).contains(&deep.bits()), "{}", deep.bits());
}

#[test]
fn neighbours_differ_by_the_spacing_at_any_depth() {
    let deep = viewport("-1.75", "0.01", "1e500");
    let bits = deep.bits();
    let [left, right] = [10, 11].map(|x| deep.point(x, 0, bits)[0].clone());
    let step = FloatExp::from_fixed(&(right - left), bits);
    assert!(((step - deep.spacing()).abs() * deep.spacing().recip()).to_f64() < 1e-15);
}

#[test]
fn refusals_name_the_field() {
    let long = "1".repeat(10_000_000);
    let size = [64, 64];
    for (re, im, zoom, size, field) in [
        ("abc", "0", "1", size, "re"),
        (&*long, "0", "1", size, "re"),
        ("0", "NaN", "1", size, "im"),
        ("0", "1001", "1", size, "im"),
        ("0", "0", "abc", size, "zoom"),
        ("0", "0", "0", size, "zoom"),
        ("0", "0", "-1", size, "zoom"),
        ("0", "0", "inf", size, "zoom"),
        ("0", "0", "1e10001", size, "zoom"),
        ("0", "0", "1e-5", size, "zoom"),
        ("0", "0", "1", [0, 64], "width"),
        ("0", "0", "1", [64, 1_000_000_000], "height"),
        ("0", "0", "1", [32_768, 32_768], "width"),
    ] {
        let begin = Instant::now();
        let refused = Viewport::parse([re, im], zoom, size).unwrap_err();
        assert_eq!(refused.field, field, "{refused}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{refused}");
    }
    let whole = Viewport::whole([8, 8]).unwrap();
    for max_iter in [0, 1_000_000_000_000] {
        let refused = View::new(whole.clone(), Formula::Mandelbrot, Some(max_iter)).unwrap_err();
        assert_eq!(refused.field, "max_iter");
    }
}

#[test]
fn limits_can_be_reached() {
    let longest = format!("0.{}", "1".repeat(crate::MAX_DECIMAL_LEN - 2));
    Viewport::parse([&longest, "-1000"], "1e10000", [MAX_SIDE, 2_048]).unwrap();
    Viewport::parse(["0", "0"], "1e-4", [1, 1]).unwrap();
    let whole = Viewport::whole([8, 8]).unwrap();
    View::new(whole, Formula::Tricorn, Some(u64::from(MAX_ITER))).unwrap();
}

#[test]
fn a_deep_view_gets_more_iterations() {
    let limits: Vec<u32> = ["0.1", "1", "1e10", "1e100", "1e1000"]
        .map(|zoom| default_max_iter(&Decimal::parse(zoom).unwrap()))
        .to_vec();
    assert_eq!(limits[..2], [1_000, 1_000]);
    assert!(limits.is_sorted() && limits[4] > 500_000, "{limits:?}");
}

proptest! {
    #[test]
    fn doubles_and_fixed_point_agree(
        re in -2.0..2.0_f64, im in -2.0..2.0_f64, zoom in 0.5..1e9_f64, x in 0..640_u32, y in 0..480_u32
    ) {
        let view = viewport(&re.to_string(), &im.to_string(), &zoom.to_string());
        let [exact_re, exact_im] = view.point(x, y, 200);
        let lattice = view.lattice();
        prop_assert!((lattice.re(x) - crate::fixed::to_f64(&exact_re, 200)).abs() < 1e-15);
        prop_assert!((lattice.im(y) - crate::fixed::to_f64(&exact_im, 200)).abs() < 1e-15);
    }
}
