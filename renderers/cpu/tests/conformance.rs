//! The suite that every renderer passes, and what the processor's promises besides.
//!
//! The rule: within a bounded part of the pixels against the exact renderer; bit for bit between
//! instruction sets and threads; within a bounded part again between references.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

use shimmer_cpu::{Cpu, CpuOptions, Isa, Shortcuts};
use shimmer_fractal::{Formula, View, Viewport, conformance};

fn cpu() -> Cpu {
    Cpu::new(CpuOptions::default()).unwrap()
}

#[test]
fn shallow_views_are_right() {
    for view in conformance::shallow_views() {
        conformance::check_against_exact(&cpu(), &view, 300);
    }
}

/// What one orbit leaves behind must not reach those that come after it.
#[test]
fn small_pictures_of_few_steps_end_and_are_right() {
    for (name, re, im) in [("mandelbrot", "-0.5", "0.1"), ("burning-ship", "-0.5", "0.1")] {
        for (size, max_iter) in [([45, 31], 1), ([45, 31], 2), ([45, 31], 3), ([64, 77], 4)] {
            let viewport = Viewport::parse([re, im], "1", size).unwrap();
            let formula = Formula::parse(name, None).unwrap();
            let view = View::new(viewport, formula, Some(max_iter)).unwrap();
            conformance::check_against_exact(&cpu(), &view, 300);
        }
    }
}

#[test]
fn deep_views_are_right() {
    for (view, samples) in conformance::deep_views() {
        conformance::check_against_exact(&cpu(), &view, samples);
    }
}

#[test]
fn deep_views_of_other_formulas_are_right() {
    for (view, samples) in conformance::other_deep_views() {
        conformance::check_against_exact(&cpu(), &view, samples);
    }
}

#[test]
fn regions_are_parts_of_the_picture() {
    let deep = conformance::deep_views().into_iter().chain(conformance::other_deep_views());
    for view in deep.map(|(view, _)| view).chain(conformance::shallow_views()) {
        conformance::check_regions(&cpu(), &view);
    }
}

#[test]
fn every_kernel_and_thread_count_gives_the_same_bits() {
    let deep = conformance::deep_views().into_iter().chain(conformance::other_deep_views());
    for view in deep.map(|(view, _)| view).chain(conformance::shallow_views()) {
        let best = conformance::whole(&cpu(), &view);
        for isa in Isa::available() {
            for threads in [1, 3] {
                let options = CpuOptions { isa, threads, ..CpuOptions::default() };
                let raw = conformance::whole(&Cpu::new(options).unwrap(), &view);
                assert!(raw == best, "{isa:?} {threads} {view:?}");
            }
        }
    }
}

#[test]
fn shortcuts_change_next_to_nothing() {
    let off = CpuOptions { shortcuts: Shortcuts::Off, ..CpuOptions::default() };
    let off = Cpu::new(off).unwrap();
    for view in conformance::shallow_views() {
        let (on, off) = (conformance::whole(&cpu(), &view), conformance::whole(&off, &view));
        // The closed forms are right where roundings are not.
        let differing = on.mu.iter().zip(&off.mu).filter(|(a, b)| a != b).count();
        assert!(differing * 1_000 <= on.mu.len(), "{differing} {view:?}");
    }
}

#[test]
fn a_neighbours_reference_gives_the_same_picture() {
    // The same points twice: once as the view's middle part, once as the corner of a larger view,
    // whose reference lies elsewhere.
    for (view, _) in conformance::deep_views() {
        let centre = view.viewport().centre().map(Clone::clone);
        let wide = [view.viewport().width() + 40, view.viewport().height()];
        let viewport = Viewport::new(centre, view.viewport().zoom().clone(), wide).unwrap();
        let wide =
            View::new(viewport, Formula::Mandelbrot, Some(u64::from(view.max_iter()))).unwrap();
        let (narrow, wide) = (conformance::whole(&cpu(), &view), conformance::whole(&cpu(), &wide));
        let differing = (0..48 * 48)
            .filter(|at| (narrow.mu[*at] - wide.mu[at / 48 * 88 + at % 48 + 20]).abs() > 0.01)
            .count();
        assert!(differing * 100 <= narrow.mu.len(), "{differing} {view:?}");
    }
}

#[test]
fn the_whole_set_is_right() {
    conformance::check_symmetry(&cpu());
    conformance::check_area(&cpu(), 1_024, 4_000, 0.003);
}

#[test]
fn calls_can_be_cancelled() {
    let (deep, _) = conformance::deep_views().pop().unwrap();
    conformance::check_cancel(&cpu(), &deep);
    let viewport = Viewport::parse(["-0.75", "0.1"], "30", [4_000, 4_000]).unwrap();
    let shallow = View::new(viewport, Formula::Mandelbrot, Some(1_000_000)).unwrap();
    conformance::check_cancel(&cpu(), &shallow);
}
