//! How fast the renderer is on this machine, as parts of what a core can do at most.
//!
//! The rule: one thread, CPU time of the fastest of some runs, counts taken from the picture itself.

use rustix::time::{ClockId, clock_gettime};
use shimmer_cpu::{Cpu, CpuOptions, Isa, Shortcuts, fma_rate};
use shimmer_fractal::{Channels, Control, Formula, Raw, Region, Renderer, View, Viewport};

/// Fused multiply-adds of a step; the addition runs beside them.
const FMA_PER_STEP: f64 = 3.0;

struct Case {
    name: &'static str,
    centre: [&'static str; 2],
    zoom: &'static str,
    size: u32,
    max_iter: u64,
}

const SHALLOW: &[Case] = &[
    Case { name: "interior", centre: ["-0.1", "0"], zoom: "20", size: 1024, max_iter: 4_000 },
    Case {
        name: "interior 1e-5",
        centre: ["-0.1", "0"],
        zoom: "200",
        size: 1024,
        max_iter: 50_000,
    },
    Case { name: "full 2048", centre: ["-0.5", "0"], zoom: "1", size: 2048, max_iter: 1_000 },
    Case { name: "full 512", centre: ["-0.5", "0"], zoom: "1", size: 512, max_iter: 1_000 },
    Case { name: "seahorse 30", centre: ["-0.75", "0.1"], zoom: "30", size: 1024, max_iter: 2_000 },
    Case {
        name: "seahorse 200",
        centre: ["-0.745", "0.1"],
        zoom: "200",
        size: 1024,
        max_iter: 2_000,
    },
    Case {
        name: "seahorse 2000",
        centre: ["-0.743643887037151", "0.131825904205330"],
        zoom: "2000",
        size: 1024,
        max_iter: 5_000,
    },
    Case {
        name: "seahorse 1e7",
        centre: ["-0.743643887037151", "0.131825904205330"],
        zoom: "1e7",
        size: 1024,
        max_iter: 10_000,
    },
];

fn view(case: &Case) -> View {
    let viewport = Viewport::parse(case.centre, case.zoom, [case.size; 2]).expect("a good view");
    View::new(viewport, Formula::Mandelbrot, Some(case.max_iter)).expect("a good limit")
}

/// Steps that a picture stands for.
fn steps(raw: &Raw, max_iter: u32) -> f64 {
    let of = |mu: f32| if mu < 0.0 { f64::from(max_iter) } else { f64::from(mu).max(0.0) + 2.0 };
    raw.mu.iter().map(|mu| of(*mu)).sum()
}

/// CPU seconds of the process so far: what others do on the machine does not count.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn timed(cpu: &Cpu, view: &View, channels: Channels, runs: usize) -> (Raw, f64) {
    let all = Region::all(view.viewport());
    let run = || {
        let begin = cpu_seconds();
        let raw = cpu.render(view, all, channels, &Control::default()).expect("no one cancels");
        (raw, cpu_seconds() - begin)
    };
    let mut best = run();
    for _ in 1..runs {
        let next = run();
        if next.1 < best.1 {
            best = next;
        }
    }
    best
}

/// The value of a `key = "value"` line.
fn field<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|line| line.trim_start().starts_with(key)).expect(key);
    line.split_once('=').expect("a value").1.trim().trim_matches('"')
}

/// Renders the view of a file with the lines `real`, `imag`, `zoom` and `iterations`, as several
/// public renderers keep their locations.
fn measure_location(path: &str) {
    let text = std::fs::read_to_string(path).expect("a location file");
    let centre = [field(&text, "real"), field(&text, "imag")];
    let max_iter = field(&text, "iterations").parse().expect("a count");
    let viewport = Viewport::parse(centre, field(&text, "zoom"), [1024, 1024]).expect("a view");
    let view = View::new(viewport, Formula::Mandelbrot, Some(max_iter)).expect("a limit");
    let cpu = Cpu::new(CpuOptions { threads: 1, ..CpuOptions::default() }).expect("threads");
    let (raw, seconds) = timed(&cpu, &view, Channels::Smooth, 1);
    let mean = steps(&raw, view.max_iter()) / raw.mu.len() as f64;
    let inside = raw.mu.iter().filter(|mu| **mu < 0.0).count();
    println!("{path}: {seconds:.2} s, mean count {mean:.0}, inside {inside}");
}

fn main() {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if !paths.is_empty() {
        paths.iter().for_each(|path| measure_location(path));
        return;
    }
    for isa in Isa::available().into_iter().take(2) {
        let rate = fma_rate(isa);
        println!("{}: {:.1} Gfma/s", isa.name(), rate / 1e9);
        let cpu = |shortcuts| {
            let options = CpuOptions { threads: 1, isa, shortcuts, ..CpuOptions::default() };
            Cpu::new(options).expect("threads")
        };
        let (plain, quick) = (cpu(Shortcuts::Off), cpu(Shortcuts::On));
        println!(
            "view                 mean     ms  Gsteps/s  of bound  | shortcuts ms  of bound | +distance ms"
        );
        for case in SHALLOW {
            let view = view(case);
            let bound = rate / FMA_PER_STEP;
            let (raw, plain_s) = timed(&plain, &view, Channels::Smooth, 5);
            let (_, quick_s) = timed(&quick, &view, Channels::Smooth, 5);
            let (_, slope_s) = timed(&quick, &view, Channels::SmoothAndDistance, 3);
            let steps = steps(&raw, view.max_iter());
            println!(
                "{:18} {:6.0} {:6.1} {:9.2} {:8.1}%  | {:12.1} {:8.1}% | {:8.1}",
                case.name,
                steps / raw.mu.len() as f64,
                plain_s * 1e3,
                steps / plain_s / 1e9,
                steps / plain_s / bound * 100.0,
                quick_s * 1e3,
                steps / quick_s / bound * 100.0,
                slope_s * 1e3,
            );
        }
    }
}
