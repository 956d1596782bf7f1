//! Views deeper than doubles: every pixel is a difference from a reference orbit.
//!
//! The rule: a view's reference and leaps are made once and shared by all its tiles.

mod guide;
mod map;
mod pixel;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::ThreadPool;
use shimmer_fractal::{
    Channels, ComplexExp, Control, FloatExp, Formula, Raw, Reference, Region, RenderError, View,
};

use crate::plane::Plane;
use guide::Guide;
use map::{Conjugate, Map, Ship, Square};

/// Renders a region of a view.
pub(crate) fn render(
    view: &View,
    region: Region,
    channels: Channels,
    control: &Control<'_>,
    pool: &ThreadPool,
) -> Result<Raw, RenderError> {
    let reference = Arc::new(Reference::of(view, control)?);
    match view.formula() {
        Formula::Mandelbrot | Formula::Julia { .. } => {
            beside::<Square>(&reference, view, region, channels, control, pool)
        }
        Formula::BurningShip => beside::<Ship>(&reference, view, region, channels, control, pool),
        Formula::Tricorn => beside::<Conjugate>(&reference, view, region, channels, control, pool),
    }
}

fn beside<M: Map>(
    reference: &Arc<Reference>,
    view: &View,
    region: Region,
    channels: Channels,
    control: &Control<'_>,
    pool: &ThreadPool,
) -> Result<Raw, RenderError> {
    let guide = Guide::<M::Linear>::new(reference, view, control)?;
    let plane = Plane::new(region, channels);
    let next_row = AtomicU32::new(0);
    let spacing = view.viewport().spacing();
    let half =
        [view.viewport().width(), view.viewport().height()].map(|side| f64::from(side) / 2.0);
    let work = || {
        loop {
            let row = next_row.fetch_add(1, Ordering::Relaxed);
            if row >= region.height || control.is_cancelled() {
                return;
            }
            control.report(row as f32 / region.height as f32);
            for column in 0..region.width {
                let x = f64::from(region.x + column) + 0.5 - half[0];
                let y = half[1] - 0.5 - f64::from(region.y + row);
                let place = ComplexExp::from([x, y]).times(spacing);
                let value = pixel::pixel::<M>(&guide, view.max_iter(), spacing, place);
                let index = row * region.width + column;
                plane.set_mu(index, value.mu);
                if plane.has_distance() {
                    plane.set_distance(index, value.distance);
                }
            }
        }
    };
    pool.scope(|scope| (0..pool.current_num_threads()).for_each(|_| scope.spawn(|_| work())));
    control.check()?;
    let _ = FloatExp::ZERO;
    Ok(plane.into_raw())
}
