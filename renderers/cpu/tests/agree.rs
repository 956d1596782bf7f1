//! Instruction sets, threads and the exact renderer against each other.
//!
//! The rule: bit for bit between instruction sets and threads, within a bounded part of the pixels
//! against the exact renderer.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

use shimmer_cpu::{Cpu, CpuOptions, Isa, Shortcuts};
use shimmer_fractal::{Channels, Control, Decimal, Formula, Raw, Region, Renderer, View, Viewport};

fn render(options: CpuOptions, view: &View, channels: Channels) -> Raw {
    let cpu = Cpu::new(options).unwrap();
    cpu.render(view, Region::all(view.viewport()), channels, &Control::default()).unwrap()
}

fn shallow_views() -> Vec<View> {
    let view = |centre, zoom, size, formula: &str, max_iter| {
        let viewport = Viewport::parse(centre, zoom, size).unwrap();
        View::new(viewport, Formula::parse(formula, None).unwrap(), Some(max_iter)).unwrap()
    };
    vec![
        view(["-0.5", "0"], "1", [150, 131], "mandelbrot", 300),
        view(["-0.5", "0"], "1.5", [65, 130], "mandelbrot", 6_000),
        view(["-0.745", "0.1"], "200", [96, 96], "mandelbrot", 900),
        view(["-0.7436", "0.1318"], "1e8", [64, 40], "mandelbrot", 2_000),
        view(["0", "0"], "1", [100, 70], "julia", 500),
        view(["-1.75", "-0.03"], "40", [90, 90], "burning-ship", 200),
        view(["0", "0"], "1", [64, 64], "tricorn", 200),
        view(["0", "0"], "0.01", [64, 64], "mandelbrot", 50),
        view(["-0.5", "0"], "1", [3, 2], "mandelbrot", 1),
    ]
}

#[test]
fn every_kernel_gives_the_same_bits() {
    for view in shallow_views() {
        let best = render(CpuOptions::default(), &view, Channels::Smooth);
        for isa in Isa::available() {
            for threads in [1, 3] {
                let options = CpuOptions { isa, threads, ..CpuOptions::default() };
                let raw = render(options, &view, Channels::Smooth);
                assert!(raw == best, "{isa:?} {threads} {view:?}");
            }
        }
    }
}

#[test]
fn shortcuts_change_nothing() {
    for view in shallow_views() {
        let off = CpuOptions { shortcuts: Shortcuts::Off, ..CpuOptions::default() };
        let on = render(CpuOptions::default(), &view, Channels::Smooth);
        let all = render(off, &view, Channels::Smooth);
        let differing = on.mu.iter().zip(&all.mu).filter(|(a, b)| a != b).count();
        // The closed forms are right where roundings are not.
        assert!(differing * 5_000 <= on.mu.len(), "{differing} {view:?}");
    }
    let _ = Decimal::from(0);
}
