//! The device renderer against the exact one.
//!
//! The rule: on any adapter, a program that plays one included; without any, a failure that says so.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

use std::sync::LazyLock;

use shimmer_fractal::{Decimal, Formula, Renderer, View, Viewport, conformance};
use shimmer_gpu::{Adapters, Doubles, Gpu, GpuOptions};

fn open(doubles: Doubles) -> Gpu {
    let options = GpuOptions { adapters: Adapters::Any, doubles };
    let gpu = Gpu::new(options).unwrap_or_else(|error| panic!("{error}"));
    println!("on {}", gpu.name());
    gpu
}

/// The part of a copy's view that is inside.
const COPY_PART: f64 = 0.26;

static GPU: LazyLock<Gpu> = LazyLock::new(|| open(Doubles::WherePresent));
static SINGLES: LazyLock<Gpu> = LazyLock::new(|| open(Doubles::Never));

#[test]
fn shallow_views_agree() {
    for view in conformance::shallow_views() {
        conformance::check_against_exact(&*GPU, &view, 300);
    }
}

#[test]
fn deep_views_agree() {
    for (view, samples) in conformance::deep_views() {
        conformance::check_against_exact(&*GPU, &view, samples);
    }
}

/// The copies of the set whose nuclei lie nearest to -2, at spacings of 1e-30, 1e-100, 1e-300 and 1e-1000,
/// with the number of pixels that an exact comparison can afford.
fn copies() -> Vec<(View, u32)> {
    let copy = |period: u32| {
        let centre =
            [conformance::needle_nucleus(period, 4 * period as usize + 96), Decimal::from(0)];
        let zoom = Decimal::power_of_two(4 * period - 5);
        let viewport = Viewport::new(centre, zoom, [64, 48]).unwrap();
        View::new(viewport, Formula::Mandelbrot, Some(u64::from(period) * 40)).unwrap()
    };
    [(24, 1_000), (82, 300), (247, 100), (829, 20)]
        .map(|(period, samples)| (copy(period), samples))
        .to_vec()
}

#[test]
fn copies_agree_with_and_without_doubles() {
    for (view, samples) in copies() {
        for gpu in [&*GPU, &*SINGLES] {
            conformance::check_against_exact(gpu, &view, samples);
            let raw = conformance::whole(gpu, &view);
            let inside = (0..raw.mu.len()).filter(|at| raw.is_interior(*at)).count();
            // A third at any depth, since all copies are alike.
            let part = inside as f64 / raw.mu.len() as f64;
            assert!((part - COPY_PART).abs() < 0.005, "{part}");
        }
    }
}

#[test]
fn deep_views_of_other_formulas_agree() {
    for (view, samples) in conformance::other_deep_views() {
        conformance::check_against_exact(&*GPU, &view, samples);
    }
}

#[test]
fn singles_do_where_doubles_are_missing() {
    let views = conformance::deep_views().into_iter().chain(conformance::other_deep_views());
    for (view, samples) in views {
        conformance::check_against_exact(&*SINGLES, &view, samples);
    }
}

#[test]
fn regions_are_parts_of_the_whole() {
    for view in conformance::shallow_views() {
        conformance::check_regions(&*GPU, &view);
    }
    for (view, _) in conformance::deep_views() {
        conformance::check_regions(&*GPU, &view);
    }
}

#[test]
fn calls_can_be_cancelled() {
    let viewport = Viewport::parse(["-0.75", "0.1"], "30", [2_000, 2_000]).unwrap();
    let shallow = View::new(viewport, Formula::Mandelbrot, Some(1_000_000)).unwrap();
    conformance::check_cancel(&*GPU, &shallow);
}

#[test]
fn the_whole_set_is_symmetric_and_has_its_area() {
    conformance::check_symmetry(&*GPU);
    conformance::check_area(&*GPU, 400, 2_000, 0.02);
}
