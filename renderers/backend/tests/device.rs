//! The choice on the devices that this machine has.
//!
//! The rule: a program that plays a device is one when asked for, and none when not.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

use shimmer_backend::{Backend, BackendOptions, Backends};
use shimmer_fractal::{Channels, Control, Formula, Picture, Renderer, Style, View, Viewport};

fn view() -> View {
    let viewport = Viewport::parse(["-0.7453", "0.1127"], "1e12", [320, 240]).unwrap();
    View::new(viewport, Formula::Mandelbrot, Some(4_000)).unwrap()
}

fn backends(backend: Backend) -> Backends {
    Backends::new(BackendOptions { backend, threads: 1 }).unwrap()
}

#[test]
fn a_device_that_was_asked_for_draws_whole_pictures() {
    let (control, style) = (Control::default(), Style::default());
    let draw = |backend| {
        let backends = backends(backend);
        let choice = backends.choose(&view(), style.channels(), &control).unwrap();
        let picture = Picture::render(&choice, &view(), &style, 1, &control).unwrap();
        assert_eq!(choice.backend(), backend, "{}", choice.name());
        picture.rgb
    };
    let (cpu, gpu) = (draw(Backend::Cpu), draw(Backend::Gpu));
    let differ = cpu.iter().zip(&gpu).filter(|(a, b)| a.abs_diff(**b) > 8).count();
    assert!(differ * 50 < cpu.len(), "{differ} of {} bytes", cpu.len());
}

#[test]
fn a_program_that_plays_a_device_is_not_measured() {
    let is_hardware = shimmer_gpu::list().iter().any(|adapter| adapter.is_hardware);
    let backends = backends(Backend::Auto);
    let control = Control::default();
    let name = backends.choose(&view(), Channels::Smooth, &control).unwrap().name();
    assert!(is_hardware || name.starts_with("cpu"), "{name}");
}
