//! What every renderer must hold, checked against the exact one.
//!
//! The rule: counts of two backends are compared within 1 on a bounded part of the pixels, never for
//! equality, since one fused rounding more or less moves points near the boundary; a backend is
//! compared with itself bit for bit.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::fixed::FixedComplex;
use crate::{
    Channels, Control, Decimal, Exact, FloatExp, Formula, Raw, Region, RenderError, Renderer, View,
    Viewport, nucleus,
};

/// Side of the views that are compared.
const SIDE: u32 = 48;

/// A whole picture with distances.
///
/// # Panics
///
/// When the renderer fails.
#[must_use]
pub fn whole(renderer: &dyn Renderer, view: &View) -> Raw {
    let all = Region::all(view.viewport());
    renderer
        .render(view, all, Channels::SmoothAndDistance, &Control::default())
        .expect("nobody cancels")
}

/// A view of [`SIDE`] pixels.
fn view(centre: [&str; 2], zoom: &str, formula: Formula, max_iter: u64) -> View {
    let viewport = Viewport::parse(centre, zoom, [SIDE; 2]).expect("a good viewport");
    View::new(viewport, formula, Some(max_iter)).expect("a good limit")
}

fn named(formula: &str) -> Formula {
    Formula::parse(formula, None).expect("a known name")
}

/// Views of every formula that doubles can hold. Their limits are odd, so that a backend that looks at
/// orbits only now and then has to look at the limit as well.
#[must_use]
pub fn shallow_views() -> Vec<View> {
    vec![
        view(["-0.5", "0"], "1", named("mandelbrot"), 401),
        view(["-0.5", "0"], "1", named("mandelbrot"), 7),
        view(["-0.5", "0"], "1", named("mandelbrot"), 1),
        view(["-0.745", "0.1"], "300", named("mandelbrot"), 603),
        view(["-0.7436438870", "0.1318259042"], "1e6", named("mandelbrot"), 1_499),
        view(["0.1", "0.2"], "2", named("julia"), 402),
        view(["0", "0"], "0.001", named("julia"), 33),
        view(["-1.755", "-0.03"], "30", named("burning-ship"), 63),
        view(["-0.3", "0"], "1", named("tricorn"), 199),
        view(["0", "0"], "0.01", named("mandelbrot"), 53),
    ]
}

/// The nucleus of a period that lies nearest to -2, where copies of period `p` are about `150 * 16^-p`
/// wide: cheap deep views with everything that a copy brings.
///
/// # Panics
///
/// Never: there is one for every period from 3 on.
#[must_use]
pub fn needle_nucleus(period: u32, bits: usize) -> Decimal {
    let near = FixedComplex { re: Decimal::from(-2).to_fixed(bits), im: 0.into() };
    let found = nucleus(&near, period, FloatExp::ONE, bits, &Control::default());
    let nucleus = found.expect("nobody cancels").expect("Newton's method reaches it from -2");
    // Digits enough for the bits.
    let places = bits * 3 / 10 + 1;
    let scale = dashu_int::UBig::from(10_u8).pow(places);
    let digits = (nucleus.re * dashu_int::IBig::from(scale)) >> bits;
    Decimal::new(digits, -i32::try_from(places).expect("a few thousand places"))
}

/// The view of the copy of a period near -2, somewhat larger than the copy.
#[must_use]
pub fn needle_view(period: u32, formula: Formula, side: u32) -> View {
    let bits = 4 * period as usize + 96;
    let zoom = Decimal::power_of_two(4 * period - 6);
    let centre = [needle_nucleus(period, bits), Decimal::from(0)];
    let viewport = Viewport::new(centre, zoom, [side; 2]).expect("a good viewport");
    View::new(viewport, formula, Some(u64::from(period) * 40)).expect("a good limit")
}

/// Deep views: copies of the set at spacings of about 1e-30, 1e-100, 1e-300 and 1e-1000, with the
/// number of pixels that an exact comparison can afford.
#[must_use]
pub fn deep_views() -> Vec<(View, u32)> {
    [(25, 200), (84, 100), (249, 100), (830, 10)]
        .map(|(period, samples)| (needle_view(period, Formula::Mandelbrot, SIDE), samples))
        .to_vec()
}

/// Deep views of the other formulas, beside the tips of their needles and in a Julia set's spiral.
#[must_use]
pub fn other_deep_views() -> Vec<(View, u32)> {
    let mut views = Vec::new();
    for (digits, zoom) in [(16, "1e16"), (60, "1e60"), (320, "1e320")] {
        let beside = format!("-1.{}", "9".repeat(digits - 1));
        let small = format!("0.{}1", "0".repeat(digits));
        for formula in ["tricorn", "burning-ship"] {
            views.push((view([&beside, &small], zoom, named(formula), 8_000), 30));
        }
        // A repelling fixed point of z^2 + c: every circle around it meets the whole Julia set.
        let c = [Decimal::from(-2), Decimal::from(0)];
        let julia = Formula::julia(c[0].clone(), c[1].clone()).expect("within the circle");
        views.push((view([&beside, &small], zoom, julia, 8_000), 30));
    }
    views
}

/// Counts of sampled pixels are within 1 of the exact ones on 99 of 100, and the distances of those
/// within a tenth.
///
/// # Panics
///
/// When they are not.
pub fn check_against_exact(renderer: &dyn Renderer, view: &View, samples: u32) {
    let raw = whole(renderer, view);
    let (width, height) = (view.viewport().width(), view.viewport().height());
    let (mut far, mut bad_distances) = (Vec::new(), Vec::new());
    for sample in 0..samples {
        // A walk over the whole picture that meets no pixel twice in the first thousands.
        let at = (u64::from(sample) * 1_103 + 17) % u64::from(width * height);
        let (x, y) = (at as u32 % width, at as u32 / width);
        let pixel = Region { x, y, width: 1, height: 1 };
        let exact = Exact
            .render(view, pixel, Channels::SmoothAndDistance, &Control::default())
            .expect("nobody cancels");
        let (mu, distance) = (raw.mu[at as usize], raw.distance[at as usize]);
        if (mu - exact.mu[0]).abs() > 1.0 || raw.is_interior(at as usize) != exact.is_interior(0) {
            far.push((at, mu, exact.mu[0], exact.distance[0]));
        } else if !exact.is_interior(0) && (distance / exact.distance[0] - 1.0).abs() > 0.1 {
            bad_distances.push((at, distance, exact.distance[0]));
        }
    }
    let name = renderer.name();
    let allowed = samples as usize / 100;
    assert!(far.len() <= allowed, "{name}: of {samples} counts {far:?} are off: {view:?}");
    assert!(bad_distances.len() <= 2 * allowed, "{name}: {bad_distances:?} are off: {view:?}");
}

/// Parts of a view are parts of its picture, bit for bit.
///
/// # Panics
///
/// When they are not.
pub fn check_regions(renderer: &dyn Renderer, view: &View) {
    let all = whole(renderer, view);
    let width = view.viewport().width();
    let cuts = [
        Region { x: 0, y: 0, width: 17, height: 13 },
        Region { x: 17, y: 5, width: width - 17, height: 30 },
        Region { x: 31, y: 40, width: 1, height: 1 },
    ];
    for region in cuts {
        let part = renderer
            .render(view, region, Channels::SmoothAndDistance, &Control::default())
            .expect("nobody cancels");
        for at in 0..region.pixels() {
            let (x, y) = (at as u32 % region.width, at as u32 / region.width);
            let whole_at = ((region.y + y) * width + region.x + x) as usize;
            assert_eq!(part.mu[at].to_bits(), all.mu[whole_at].to_bits(), "{x} {y} {view:?}");
            let (a, b) = (part.distance[at], all.distance[whole_at]);
            assert_eq!(a.to_bits(), b.to_bits(), "{x} {y} {view:?}");
        }
    }
}

/// The picture of the whole set is its own mirror image on all but a few pixels.
///
/// # Panics
///
/// When it is not.
pub fn check_symmetry(renderer: &dyn Renderer) {
    let viewport = Viewport::whole([200, 200]).expect("a good viewport");
    let view = View::new(viewport, Formula::Mandelbrot, Some(1_000)).expect("a good limit");
    let raw = whole(renderer, &view);
    let differing = (0..200 * 100)
        .filter(|at| (raw.mu[*at] - raw.mu[(199 - at / 200) * 200 + at % 200]).abs() > 0.01)
        .count();
    assert!(differing < 20, "{differing}");
}

/// The area of the set, 1.5065918849 (T. Förstemann, "Numerical estimation of the area of the
/// Mandelbrot set"), within a part that pixels of this size allow.
///
/// # Panics
///
/// When it is not.
pub fn check_area(renderer: &dyn Renderer, side: u32, max_iter: u64, tolerance: f64) {
    let viewport = Viewport::whole([side; 2]).expect("a good viewport");
    let view = View::new(viewport, Formula::Mandelbrot, Some(max_iter)).expect("a good limit");
    let all = Region::all(view.viewport());
    let raw =
        renderer.render(&view, all, Channels::Smooth, &Control::default()).expect("nobody cancels");
    let area = raw.interior_area(view.viewport().spacing().to_f64());
    assert!((area / 1.506_591_884_9 - 1.0).abs() < tolerance, "{area}");
}

/// A call that is cancelled on its way ends soon, and progress is reported before.
///
/// # Panics
///
/// When it does not.
pub fn check_cancel(renderer: &dyn Renderer, view: &View) {
    let (cancel, reports) = (AtomicBool::new(false), AtomicU32::new(0));
    let progress = |part: f32| {
        assert!((0.0..=1.0).contains(&part), "{part}");
        reports.fetch_add(1, Ordering::Relaxed);
        cancel.store(true, Ordering::Relaxed);
    };
    let control = Control { cancel: Some(&cancel), progress: Some(&progress) };
    let all = Region::all(view.viewport());
    let begin = Instant::now();
    let answer = renderer.render(view, all, Channels::Smooth, &control);
    assert_eq!(answer, Err(RenderError::Cancelled));
    assert!(reports.load(Ordering::Relaxed) > 0);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_renderer_conforms_to_itself() {
        let small = view(["-0.745", "0.1"], "300", Formula::Mandelbrot, 60);
        check_against_exact(&Exact, &small, 10);
        check_regions(&Exact, &small);
        let large = view(["-0.5", "0"], "1", Formula::Mandelbrot, 50_000);
        check_cancel(&Exact, &large);
    }

    #[test]
    fn needles_have_copies_in_their_middle() {
        let view = needle_view(24, Formula::Mandelbrot, 16);
        let raw = whole(&Exact, &view);
        let inside = (0..256).filter(|at| raw.is_interior(*at)).count();
        assert!((10..128).contains(&inside), "{inside}");
    }
}
