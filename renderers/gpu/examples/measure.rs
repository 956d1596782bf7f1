//! How fast the renderer is on this machine's devices.
//!
//! The rule: wall time of the fastest of some runs after one that compiles and follows the reference;
//! steps are counted from the picture, those that a leap or a shortcut spares included.

use std::time::Instant;

use shimmer_fractal::{Channels, Control, Formula, Raw, Region, Renderer, View, Viewport};
use shimmer_gpu::{Adapters, Doubles, Gpu, GpuOptions, list};

const RUNS: usize = 3;

struct Case {
    name: &'static str,
    centre: [&'static str; 2],
    zoom: &'static str,
    formula: &'static str,
    max_iter: u64,
}

const fn case(
    name: &'static str,
    centre: [&'static str; 2],
    zoom: &'static str,
    formula: &'static str,
    max_iter: u64,
) -> Case {
    Case { name, centre, zoom, formula, max_iter }
}

const SEAHORSE: [&str; 2] =
    ["-0.743643887037158704752191506114774", "0.131825904205311970493132056385139"];
const NEAR_I: [&str; 2] = ["0.000000000000000000000000000003", "1"];

const CASES: &[Case] = &[
    case("whole set", ["-0.5", "0"], "1", "mandelbrot", 1_000),
    case("interior", ["-0.1", "0"], "20", "mandelbrot", 4_000),
    case("seahorses", ["-0.745", "0.1"], "200", "mandelbrot", 2_000),
    case("seahorse", SEAHORSE, "1e7", "mandelbrot", 10_000),
    case("seahorse", SEAHORSE, "1e10", "mandelbrot", 10_000),
    case("seahorse", SEAHORSE, "1e14", "mandelbrot", 20_000),
    case("near i", NEAR_I, "1e30", "mandelbrot", 20_000),
    case("julia", ["0", "0"], "1", "julia", 1_000),
    case("ship", ["-1.755", "-0.03"], "30", "burning-ship", 1_000),
    case("ship", ["-1.755", "-0.03"], "1e5", "burning-ship", 1_000),
    case("tricorn", ["-0.3", "0"], "1", "tricorn", 1_000),
];

fn view(case: &Case, side: u32) -> View {
    let viewport = Viewport::parse(case.centre, case.zoom, [side; 2]).expect("a good viewport");
    let formula = Formula::parse(case.formula, None).expect("a known name");
    View::new(viewport, formula, Some(case.max_iter)).expect("a good limit")
}

/// Steps that a picture stands for.
fn steps(raw: &Raw, max_iter: u32) -> f64 {
    let of = |mu: f32| if mu < 0.0 { f64::from(max_iter) } else { f64::from(mu).max(0.0) + 2.0 };
    raw.mu.iter().map(|mu| of(*mu)).sum()
}

fn timed(gpu: &Gpu, view: &View, channels: Channels) -> (Raw, f64) {
    let all = Region::all(view.viewport());
    let begin = Instant::now();
    let raw = gpu.render(view, all, channels, &Control::default()).expect("no one cancels");
    (raw, begin.elapsed().as_secs_f64() * 1e3)
}

fn fastest(gpu: &Gpu, view: &View, channels: Channels) -> f64 {
    (0..RUNS).map(|_| timed(gpu, view, channels).1).fold(f64::INFINITY, f64::min)
}

fn main() {
    let side = std::env::args().nth(1).map_or(512, |side| side.parse().expect("a side in pixels"));
    list().iter().for_each(|adapter| println!("found: {adapter}"));
    for doubles in [Doubles::Never, Doubles::WherePresent] {
        let gpu = Gpu::new(GpuOptions { adapters: Adapters::Any, doubles }).expect("a device");
        println!("{}, doubles: {doubles:?}, {side} x {side} pixels", gpu.name());
        println!("view         zoom    mean  first ms       ms   Msteps/s  +distance ms");
        for case in CASES {
            let view = view(case, side);
            let (raw, first) = timed(&gpu, &view, Channels::Smooth);
            let best = fastest(&gpu, &view, Channels::Smooth);
            let slopes = fastest(&gpu, &view, Channels::SmoothAndDistance);
            let steps = steps(&raw, view.max_iter());
            println!(
                "{:12} {:6} {:6.0} {:9.1} {:8.1} {:10.0} {:13.1}",
                case.name,
                case.zoom,
                steps / raw.mu.len() as f64,
                first,
                best,
                steps / best / 1e3,
                slopes
            );
        }
    }
}
