//! Views whose points doubles can tell apart: every pixel iterates its own point.
//!
//! The rule: shortcuts and kernels change when a value is known, never the value.

mod lot;
mod map;
mod slope;
mod stream;
mod survey;
mod worker;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPool;
use shimmer_fractal::{Channels, Control, Formula, Lattice, Raw, Region, RenderError, View};

use crate::plane::Plane;
use crate::renderer::Shortcuts;
use crate::simd::{self, Isa, Kernel, Lanes};
use map::{Conjugate, Map, Ship, Square};
use survey::{Survey, Surveyor, Tile};

/// Side of a tile: small enough to share a picture among threads, large enough for its probe.
const TILE: u32 = 64;

/// Everything that the workers share.
struct Job<'a> {
    lattice: Lattice,
    formula: &'a Formula,
    max_iter: u32,
    shortcuts: Shortcuts,
    plane: &'a Plane,
    region: Region,
    /// Found by a survey, once there is one.
    tiles: Vec<Tile>,
    next_tile: AtomicUsize,
    control: &'a Control<'a>,
}

impl Job<'_> {
    /// The next tile for whichever worker asks first; none once the call is cancelled.
    fn take_tile(&self) -> Option<Tile> {
        if self.control.is_cancelled() {
            return None;
        }
        // Relaxed: the counter hands out indices and orders nothing else.
        let index = self.next_tile.fetch_add(1, Ordering::Relaxed);
        let tile = self.tiles.get(index).copied();
        if tile.is_some() {
            self.control.report(index as f32 / self.tiles.len() as f32);
        }
        tile
    }

    /// The index of a pixel of the view in the plane.
    fn pixel(&self, x: u32, y: u32) -> u32 {
        (y - self.region.y) * self.region.width + (x - self.region.x)
    }

    /// The constant of a Julia set.
    fn constant(&self) -> Option<[f64; 2]> {
        match self.formula {
            Formula::Julia { re, im } => Some([re.to_f64(), im.to_f64()]),
            _ => None,
        }
    }
}

/// Renders a region of a view.
pub(crate) fn render(
    view: &View,
    region: Region,
    channels: Channels,
    control: &Control<'_>,
    (pool, isa, shortcuts): (&ThreadPool, Isa, Shortcuts),
) -> Result<Raw, RenderError> {
    let plane = Plane::new(region, channels);
    let mut job = Job {
        lattice: view.viewport().lattice(),
        formula: view.formula(),
        max_iter: view.max_iter(),
        shortcuts,
        plane: &plane,
        region,
        tiles: Vec::new(),
        next_tile: AtomicUsize::new(0),
        control,
    };
    let regions = tiles(region);
    let workers = pool.current_num_threads().min(regions.len());
    let survey = Survey::new(&job, regions);
    spread(pool, workers, || match view.formula() {
        Formula::Mandelbrot | Formula::Julia { .. } => {
            simd::dispatch(isa, Surveyor::<Square>::new(&survey));
        }
        Formula::BurningShip => simd::dispatch(isa, Surveyor::<Ship>::new(&survey)),
        Formula::Tricorn => simd::dispatch(isa, Surveyor::<Conjugate>::new(&survey)),
    });
    job.tiles = survey.into_tiles();
    spread(pool, workers, || match view.formula() {
        Formula::Mandelbrot | Formula::Julia { .. } => {
            simd::dispatch(isa, Work::<Square>::new(&job));
        }
        Formula::BurningShip => simd::dispatch(isa, Work::<Ship>::new(&job)),
        Formula::Tricorn => simd::dispatch(isa, Work::<Conjugate>::new(&job)),
    });
    control.check()?;
    control.report(1.0);
    Ok(plane.into_raw())
}

/// Runs the same on as many threads as there are workers.
fn spread(pool: &ThreadPool, workers: usize, work: impl Fn() + Sync) {
    match workers {
        1 => work(),
        _ => pool.scope(|scope| (0..workers).for_each(|_| scope.spawn(|_| work()))),
    }
}

/// A worker's life as a kernel.
struct Work<'a, M> {
    job: &'a Job<'a>,
    map: PhantomData<M>,
}

impl<'a, M> Work<'a, M> {
    fn new(job: &'a Job<'a>) -> Self {
        Self { job, map: PhantomData }
    }
}

impl<M: Map> Kernel for Work<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) {
        worker::run::<V, M>(proof, self.job);
    }
}

/// The tiles of a region, row by row.
fn tiles(region: Region) -> Vec<Region> {
    let starts = |from: u32, len: u32| (from..from + len).step_by(TILE as usize);
    let end = [region.x + region.width, region.y + region.height];
    starts(region.y, region.height)
        .flat_map(|y| {
            starts(region.x, region.width).map(move |x| Region {
                x,
                y,
                width: TILE.min(end[0] - x),
                height: TILE.min(end[1] - y),
            })
        })
        .collect()
}
