//! What becomes of calls when the device is missing, lost or shared.
//!
//! The rule: every one ends as numbers or as an error that names the device, in bounded time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shimmer_fractal::{Formula, Viewport};

use super::*;

fn gpu() -> Gpu {
    let options = GpuOptions { adapters: Adapters::Any, ..GpuOptions::default() };
    let gpu = Gpu::new(options).unwrap_or_else(|error| panic!("{error}"));
    println!("on {}", gpu.name());
    gpu
}

fn view(zoom: &str, side: u32, max_iter: u64) -> View {
    let viewport = Viewport::parse(["-0.745", "0.1"], zoom, [side; 2]).unwrap();
    View::new(viewport, Formula::Mandelbrot, Some(max_iter)).unwrap()
}

fn render(gpu: &Gpu, view: &View, control: &Control<'_>) -> Result<Raw, RenderError> {
    gpu.render(view, Region::all(view.viewport()), Channels::Smooth, control)
}

fn is_unavailable(answer: &Result<Raw, RenderError>) -> bool {
    match answer {
        Err(RenderError::Unavailable(text)) => text.len() > 20,
        _ => false,
    }
}

#[test]
fn a_lost_device_is_an_error_and_stays_one() {
    let gpu = gpu();
    for (zoom, side) in [("1", 600), ("1e20", 100)] {
        assert!(render(&gpu, &view(zoom, 16, 50), &Control::default()).is_ok(), "{zoom} {side}");
    }
    // Many dispatches, and the device goes after the first.
    let long = view("30", 1_000, 1_000_000);
    let progress = |_: f32| gpu.device.destroy();
    let control = Control { progress: Some(&progress), ..Control::default() };
    let answer = render(&gpu, &long, &control);
    assert!(is_unavailable(&answer), "{answer:?}");
    for zoom in ["1", "1e30"] {
        let answer = render(&gpu, &view(zoom, 16, 50), &Control::default());
        assert!(is_unavailable(&answer), "{answer:?}");
    }
}

#[test]
fn a_device_lost_while_others_wait_is_an_error_for_all() {
    let gpu = gpu();
    let long = view("30", 700, 1_000_000);
    let reports = AtomicU32::new(0);
    let progress = |_: f32| {
        if reports.fetch_add(1, Ordering::SeqCst) == 6 {
            gpu.device.destroy();
        }
    };
    let control = Control { progress: Some(&progress), ..Control::default() };
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..5).map(|_| scope.spawn(|| render(&gpu, &long, &control))).collect();
        for call in calls {
            let answer = call.join().expect("no call panics");
            assert!(is_unavailable(&answer), "{answer:?}");
        }
    });
}

#[test]
fn too_large_a_buffer_costs_one_call_only() {
    let gpu = gpu();
    let refused = gpu.device.buffer("too large", 1 << 40, wgpu::BufferUsages::STORAGE);
    assert!(matches!(refused, Err(RenderError::Unavailable(_))));
    // Within the limits of bindings, but not of buffers.
    let refused = gpu.device.buffer("too large", 1 << 40, wgpu::BufferUsages::COPY_DST);
    assert!(matches!(refused, Err(RenderError::Unavailable(_))));
    assert!(render(&gpu, &view("1", 16, 50), &Control::default()).is_ok());
}

#[test]
fn hardware_alone_is_refused_where_there_is_none() {
    let answer = Gpu::new(GpuOptions::default());
    match answer {
        Ok(gpu) => assert!(gpu.adapter().is_hardware),
        Err(RenderError::Unavailable(text)) => {
            assert!(text.contains("graphics processor"), "{text}")
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_cancelled_call_ends_soon() {
    let gpu = gpu();
    let long = view("30", 1_000, 1_000_000);
    let cancel = AtomicBool::new(false);
    let cancelled_at = std::sync::Mutex::new(None);
    let progress = |_: f32| {
        cancelled_at.lock().unwrap().get_or_insert_with(Instant::now);
        cancel.store(true, Ordering::Relaxed);
    };
    let control = Control { cancel: Some(&cancel), progress: Some(&progress) };
    assert_eq!(render(&gpu, &long, &control), Err(RenderError::Cancelled));
    let since = cancelled_at.into_inner().unwrap().expect("progress was reported").elapsed();
    assert!(since < Duration::from_secs(1), "{since:?}");
    assert!(render(&gpu, &view("1", 16, 50), &Control::default()).is_ok());
}

#[test]
fn calls_from_many_threads_give_the_same_bits() {
    let gpu = gpu();
    let views = [view("1", 150, 500), view("300", 100, 500), view("1e20", 60, 500)];
    let alone = views.each_ref().map(|view| render(&gpu, view, &Control::default()).unwrap());
    std::thread::scope(|scope| {
        for start in 0..5 {
            let (gpu, views, alone) = (&gpu, &views, &alone);
            scope.spawn(move || {
                for round in 0..6 {
                    let at = (start + round) % 3;
                    let again = render(gpu, &views[at], &Control::default()).unwrap();
                    assert!(again == alone[at], "{at}");
                }
            });
        }
    });
}

#[test]
fn progress_grows_to_the_end() {
    let gpu = gpu();
    let last = std::sync::Mutex::new(0.0);
    let progress = |part: f32| {
        let mut last = last.lock().unwrap();
        assert!(part >= *last && part <= 1.0, "{part} after {last}");
        *last = part;
    };
    let control = Control { progress: Some(&progress), ..Control::default() };
    render(&gpu, &view("3", 1_000, 300), &control).unwrap();
    assert!((last.into_inner().unwrap() - 1.0).abs() < 1e-6);
}
