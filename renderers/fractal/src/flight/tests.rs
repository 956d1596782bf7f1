//! Flights as a viewer sees them.
//!
//! The rule: what is checked is where points stand on the screen, in pixels, at every depth.

use std::ops::Range;

use super::*;
use crate::{Control, Exact, Formula, Picture, Relief, Style, View};

const FRAMES: u32 = 121;

fn stop(re: &str, im: &str, zoom: &str) -> Viewport {
    Viewport::parse([re, im], zoom, [64, 48]).unwrap()
}

fn frames(stops: &[Viewport], frames: u32) -> Vec<Viewport> {
    some(stops, frames, 0..frames)
}

fn some(stops: &[Viewport], frames: u32, indices: Range<u32>) -> Vec<Viewport> {
    let flight = Flight::new(stops.to_vec()).unwrap();
    indices.map(|index| flight.frame(index, frames)).collect()
}

/// Where a stop's centre stands in a view, in pixels from the middle.
fn place(of: &Viewport, on: &Viewport) -> [f64; 2] {
    let bits = of.bits().max(on.bits());
    let (point, middle) = (fixed(of, bits), fixed(on, bits));
    let apart = FixedComplex { re: point.re - middle.re, im: point.im - middle.im };
    apart.to_complex_exp(bits).times(on.spacing().recip()).to_f64()
}

fn distance(of: &Viewport, on: &Viewport) -> f64 {
    let [x, y] = place(of, on);
    x.hypot(y)
}

/// `-1.9` and digits that only a deep view can tell from others.
fn deep(zoom_log10: usize) -> Viewport {
    let digits: String = "1407".chars().cycle().take(zoom_log10 + 10).collect();
    stop(&format!("-1.9{digits}"), "0.01", &format!("1e{zoom_log10}"))
}

#[test]
fn every_stop_is_met_exactly() {
    let stops = [stop("-0.5", "0", "1"), deep(30), stop("-1.9", "0.01", "2"), deep(500)];
    let frames = frames(&stops, 12_001);
    assert_eq!((&frames[0], frames.last().unwrap()), (&stops[0], &stops[3]));
    // Stops between are met as nearly as frames lie.
    for stop in &stops[1..3] {
        let near = |frame: &&Viewport| (log2_zoom(frame) - log2_zoom(stop)).abs() < 0.2;
        assert!(frames.iter().filter(near).any(|frame| distance(stop, frame) < 0.1));
    }
}

#[test]
fn the_zoom_grows_by_the_same_factor_from_frame_to_frame() {
    for stops in [
        vec![stop("-0.5", "0", "1"), deep(500)],
        vec![deep(500), stop("-0.5", "0", "1")],
        vec![stop("-0.5", "0", "1"), stop("-0.6", "0", "1e5"), stop("-0.6", "0", "1e9")],
    ] {
        let frames = frames(&stops, FRAMES);
        let steps: Vec<_> =
            frames.windows(2).map(|pair| log2_zoom(&pair[1]) - log2_zoom(&pair[0])).collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        assert!(steps.iter().all(|step| (step - mean).abs() < 0.02 * mean.abs()), "{steps:?}");
    }
}

#[test]
fn the_goal_glides_to_the_middle_and_stays_there() {
    for log10 in [4, 30, 500, 5_000] {
        let goal = deep(log10);
        // Twenty frames are a factor of ten.
        let count = (20 * log10 as u32 + 1).min(MAX_FRAMES);
        let way = [stop("-0.5", "0", "1"), goal.clone()];
        let mut frames = some(&way, count, 0..count.min(200));
        frames.extend(some(&way, count, count - 10..count));
        let distances: Vec<_> = frames.iter().map(|frame| distance(&goal, frame)).collect();
        assert!(distances.is_sorted_by(|a, b| a >= b || *a < 1e-6), "{log10}: {distances:?}");
        assert!(distances[0] > 16.0, "{}", distances[0]);
        assert!(distances[60..].iter().all(|pixels| *pixels < 0.2), "{log10}: {}", distances[60]);
        // Neither begins nor ends with a jerk.
        let jumps: Vec<_> = distances.windows(2).map(|pair| pair[0] - pair[1]).collect();
        let largest = jumps.iter().copied().fold(0.0, f64::max);
        assert!(jumps[0] < largest / 2.0, "{jumps:?}");
    }
}

#[test]
fn no_frame_shakes() {
    // A point of the goal's picture moves outward by the factor of the zoom and by nothing else.
    let goal = deep(500);
    let way = [stop("-0.5", "0", "1"), goal.clone()];
    let frames = some(&way, 10_001, 9_500..10_001);
    let corner = {
        let bits = goal.bits();
        let [re, im] = goal.point(0, 0, bits);
        let power = bits as u16;
        let centre = [Decimal::dyadic(&re, power), Decimal::dyadic(&im, power)];
        Viewport::new(centre, goal.zoom().clone(), [64, 48]).unwrap()
    };
    for pair in frames.windows(2) {
        let step = log2_zoom(&pair[1]) - log2_zoom(&pair[0]);
        assert!((step - log2_zoom(&goal) / 10_000.0).abs() < 1e-10, "{step}");
        let factor = step.exp2();
        let [before, after] = [0, 1].map(|at| place(&corner, &pair[at]));
        assert!(
            (0..2).all(|i| (before[i] * factor - after[i]).abs() < 1e-6),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn a_point_keeps_its_colour() {
    let size = [5, 5];
    let [from, to] =
        ["1", "1e6"].map(|zoom| Viewport::parse(["0.2501", "0.01"], zoom, size).unwrap());
    let style = Style { relief: Relief::Flat, ..Style::default() };
    let colours: Vec<_> = frames(&[from, to], 40)
        .into_iter()
        .map(|viewport| {
            let view = View::new(viewport, Formula::Mandelbrot, None).unwrap();
            let picture = Picture::render(&Exact, &view, &style, 1, &Control::default()).unwrap();
            // Of the pixel in the middle, while limits on iterations grow around it.
            picture.rgb[12 * 3..13 * 3].to_vec()
        })
        .collect();
    assert!(colours.iter().all(|colour| *colour == colours[0]), "{colours:?}");
}

#[test]
fn a_way_out_is_the_way_in_backwards() {
    let stops = [stop("-0.5", "0", "1"), deep(40)];
    let there = frames(&stops, FRAMES);
    let back = frames(&[stops[1].clone(), stops[0].clone()], FRAMES);
    for (one, other) in there.iter().zip(back.iter().rev()) {
        assert!(distance(one, other) < 1e-6);
        assert!((log2_zoom(one) - log2_zoom(other)).abs() < 1e-9);
    }
}

#[test]
fn a_flight_aside_moves_and_keeps_its_zoom() {
    let frames = frames(&[stop("0", "0", "1e20"), stop("1e-19", "0", "1e20")], 11);
    let places: Vec<_> = frames.iter().map(|frame| place(&frames[0], frame)[0]).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "{places:?}");
    assert!(frames.iter().all(|frame| (log2_zoom(frame) - log2_zoom(&frames[0])).abs() < 1e-12));
    assert!((places[5] - places[10] / 2.0).abs() < 1e-6, "{places:?}");
}

#[test]
fn what_is_no_flight_is_refused() {
    let problem = |stops: &[Viewport]| Flight::new(stops.to_vec()).unwrap_err().to_string();
    let here = stop("0", "0", "1");
    assert!(problem(std::slice::from_ref(&here)).contains("1 stops"));
    assert!(problem(&vec![here.clone(); MAX_STOPS + 1]).contains("1001 stops"));
    assert!(problem(&[here.clone(), here.clone()]).contains("does not move after stop 1"));
    let other_size = Viewport::parse(["0", "0"], "2", [64, 49]).unwrap();
    assert!(problem(&[here.clone(), other_size]).contains("size"));
    let far = [here, stop("1", "0", "1e300"), stop("0", "0", "1e300")];
    assert!(problem(&far).contains("after stop 2: put a stop with less zoom between"));
}
