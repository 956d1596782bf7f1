//! Deep views against the exact renderer.
//!
//! The rule: the escape count within 1 on 99 of 100 sampled pixels, at every depth and formula.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

use shimmer_cpu::{Cpu, CpuOptions};
use shimmer_fractal::{Channels, Control, Exact, Formula, Region, Renderer, View, Viewport};

fn view(centre: [&str; 2], zoom: &str, formula: &str, max_iter: u64) -> View {
    let viewport = Viewport::parse(centre, zoom, [64, 48]).unwrap();
    View::new(viewport, Formula::parse(formula, None).unwrap(), Some(max_iter)).unwrap()
}

/// Compares some pixels.
fn check(view: &View) {
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    let all = Region::all(view.viewport());
    let raw = cpu.render(view, all, Channels::SmoothAndDistance, &Control::default()).unwrap();
    let (mut close, mut sampled, mut worst) = (0, 0, 0.0_f32);
    for sample in 0..40_u32 {
        let (x, y) = (sample * 29 % 64, sample * 13 % 48);
        let one = Region { x, y, width: 1, height: 1 };
        let exact =
            Exact.render(view, one, Channels::SmoothAndDistance, &Control::default()).unwrap();
        let index = (y * 64 + x) as usize;
        let difference = (exact.mu[0] - raw.mu[index]).abs();
        worst = worst.max(difference);
        sampled += 1;
        close += u32::from(difference < 1.0);
        let ratio = raw.distance[index] / exact.distance[0];
        assert!(exact.is_interior(0) || difference > 0.1 || (0.9..1.1).contains(&ratio), "{ratio}");
    }
    let different: std::collections::BTreeSet<u32> = raw.mu.iter().map(|mu| *mu as u32).collect();
    println!("{close}/{sampled} worst {worst} counts {}", different.len());
    assert!(close * 100 >= sampled * 99, "{close} of {sampled} {view:?}");
}

#[test]
fn every_formula_at_many_depths() {
    let point = |digits: usize| format!("0.{}3", "0".repeat(digits - 1));
    for zoom in ["1e14", "1e30", "1e100", "1e300", "1e1000"] {
        println!("{zoom}");
        let digits: usize = zoom[2..].parse().unwrap();
        // Near the branch point i, where every circle holds all of the set's counts.
        let re = point(digits);
        check(&view([&re, "1"], zoom, "mandelbrot", 20_000));
    }
}

#[test]
fn other_formulas() {
    for zoom in ["1e14", "1e30", "1e100", "1e300", "1e500"] {
        let digits: usize = zoom[2..].parse().unwrap();
        let beside = format!("-2.{}3", "0".repeat(digits - 1));
        let small = format!("0.{}1", "0".repeat(digits - 1));
        for formula in ["mandelbrot", "tricorn", "burning-ship"] {
            println!("{zoom} {formula}");
            check(&view([&beside, &small], zoom, formula, 20_000));
        }
    }
}
