//! What one thread does with its tiles.
//!
//! The rule: a tile's few probes decide which kernel takes it; both kernels give the same values.

use std::marker::PhantomData;

use super::Job;
use super::lot::{Lot, MAX_LOT, Orbit, Outcome};
use super::map::Map;
use super::slope::Slopes;
use super::stream::{self, Periodicity, Traffic};
use crate::renderer::Shortcuts;
use crate::simd::Lanes;
use shimmer_fractal::{Formula, INTERIOR, Region};

/// Orbits up to this length are cheaper in step with their neighbours than in the stream, where each
/// costs as much again to put in and take out.
const LONGEST_SKIM: u32 = 200;
/// Steps that neighbours of a probe may take longer.
const SKIM_MARGIN: u32 = 8;

/// Renders tiles until none is left.
#[inline(always)]
pub(super) fn run<V: Lanes, M: Map>(proof: V::Proof, job: &Job<'_>) {
    let mut worker = Worker::<V, M> {
        proof,
        job,
        constant: job.constant(),
        columns: Vec::new(),
        waiting: Vec::new(),
        lot: Lot::new(),
        slopes: Slopes::new(),
        map: PhantomData,
    };
    let periodicity = match job.shortcuts {
        Shortcuts::On => Periodicity::Checked,
        Shortcuts::Off => Periodicity::Ignored,
    };
    stream::run::<V, M>(proof, job.max_iter, periodicity, &mut worker);
    worker.settle();
    worker.run_slopes();
}

struct Worker<'a, V: Lanes, M> {
    proof: V::Proof,
    job: &'a Job<'a>,
    /// The constant of a Julia set.
    constant: Option<[f64; 2]>,
    /// Real parts of the columns of the tile at hand.
    columns: Vec<f64>,
    /// Orbits that the stream has not taken yet.
    waiting: Vec<Orbit>,
    /// Orbits that end within a few steps.
    lot: Lot,
    slopes: Slopes,
    map: PhantomData<M>,
}

impl<V: Lanes, M: Map> Worker<'_, V, M> {
    /// Finds the end of every orbit in the lot.
    #[inline(always)]
    fn settle(&mut self) {
        self.settle_within(u32::MAX);
    }

    /// Takes the orbits in the lot at most `budget` steps; those that go on begin again in the stream.
    #[inline(always)]
    fn settle_within(&mut self, budget: u32) {
        let Self { proof, job, lot, waiting, constant, slopes, .. } = self;
        let mut is_full = false;
        lot.settle::<V, M>(*proof, job.max_iter, budget);
        for at in 0..lot.len() {
            match lot.outcome(at) {
                (pixel, Outcome::Escaped { n, mu }) => {
                    job.plane.set_mu(pixel, mu);
                    is_full |= job.plane.has_distance() && slopes.push(n, pixel);
                }
                (pixel, Outcome::Interior) => job.plane.set_mu(pixel, INTERIOR),
                (pixel, Outcome::Open) => waiting.push(first_point(job, *constant, pixel)),
            }
        }
        lot.clear();
        if is_full {
            self.run_slopes();
        }
    }

    /// Computes the distances of the pixels that have escaped.
    #[inline(always)]
    fn run_slopes(&mut self) {
        let Self { proof, job, constant, slopes, .. } = self;
        slopes.run::<V, M>(
            *proof,
            job.lattice.spacing(),
            constant.is_some(),
            |pixel| first_point(job, *constant, pixel),
            |pixel, distance| job.plane.set_distance(pixel, distance),
        );
    }

    /// Prepares a tile: what is known at once is written, what is short is iterated, the rest waits.
    #[inline(always)]
    fn open_tile(&mut self, tile: Region) {
        let lattice = self.job.lattice;
        let re = |x: u32| lattice.re(tile.x + x);
        self.columns.clear();
        self.columns.extend((0..tile.width).map(re));
        let may_be_known = self.job.shortcuts == Shortcuts::On
            && *self.job.formula == Formula::Mandelbrot
            && meets_known_interior(&lattice, tile);
        let skim = self.probe(tile);
        for y in 0..tile.height {
            let im = lattice.im(tile.y + y);
            let first_pixel = self.job.pixel(tile.x, tile.y + y);
            for x in 0..tile.width {
                let pixel = first_pixel + x;
                let orbit = Orbit::first(pixel, [self.columns[x as usize], im], self.constant);
                if may_be_known && is_known_interior(orbit.c[0], orbit.c[1]) {
                    self.job.plane.set_mu(orbit.pixel, INTERIOR);
                } else if skim == 0 {
                    self.waiting.push(orbit);
                } else if self.lot.push::<V>(orbit) {
                    self.settle_within(skim);
                }
            }
        }
        self.settle_within(skim);
    }

    /// Steps within which three of four orbits of the tile end, by a few pixels spread over it; 0 if
    /// that is more than a skim may take.
    #[inline(always)]
    fn probe(&mut self, tile: Region) -> u32 {
        self.settle();
        let room = Lot::room::<V>() as u32;
        let pixels = tile.width * tile.height;
        for probe in 0..room {
            let at = (u64::from(pixels) * u64::from(2 * probe + 1) / u64::from(2 * room)) as u32;
            // Columns in an order that does not follow the rows.
            let (x, y) = (at * 7 % tile.width, at / tile.width);
            let pixel = self.job.pixel(tile.x + x, tile.y + y);
            self.lot.push::<V>(first_point(self.job, self.constant, pixel));
        }
        self.lot.settle::<V, M>(self.proof, self.job.max_iter, LONGEST_SKIM);
        let length = |at: usize| match self.lot.outcome(at).1 {
            Outcome::Escaped { n, .. } => n,
            Outcome::Interior | Outcome::Open => u32::MAX,
        };
        let mut lengths = [0; MAX_LOT];
        let lengths = &mut lengths[..self.lot.len()];
        lengths.iter_mut().enumerate().for_each(|(at, to)| *to = length(at));
        lengths.sort_unstable();
        let longest = lengths[lengths.len() * 3 / 4];
        self.lot.clear();
        if longest == u32::MAX { 0 } else { longest + SKIM_MARGIN }
    }
}

impl<V: Lanes, M: Map> Traffic for Worker<'_, V, M> {
    #[inline(always)]
    fn next(&mut self) -> Option<Orbit> {
        while self.waiting.is_empty() {
            let tile = self.job.take_tile()?;
            self.open_tile(tile);
        }
        self.waiting.pop()
    }

    #[inline(always)]
    fn ending(&mut self, orbit: Orbit) {
        if self.lot.push::<V>(orbit) {
            self.settle();
        }
    }

    #[inline(always)]
    fn interior(&mut self, pixel: u32) {
        self.job.plane.set_mu(pixel, INTERIOR);
    }
}

/// The beginning of a pixel's orbit.
#[inline(always)]
fn first_point(job: &Job<'_>, constant: Option<[f64; 2]>, pixel: u32) -> Orbit {
    let (x, y) = (pixel % job.region.width, pixel / job.region.width);
    let re = job.lattice.re(job.region.x + x);
    let im = job.lattice.im(job.region.y + y);
    Orbit::first(pixel, [re, im], constant)
}

/// Whether a point lies in the main cardioid or the disc of period 2 of the Mandelbrot set, by their
/// closed forms.
#[inline(always)]
fn is_known_interior(x: f64, y: f64) -> bool {
    let y_sqr = y * y;
    let (from_cusp, from_minus_one) = (x - 0.25, x + 1.0);
    let q = from_cusp * from_cusp + y_sqr;
    (q * (q + from_cusp) <= 0.25 * y_sqr) | (from_minus_one * from_minus_one + y_sqr <= 0.0625)
}

/// Whether a tile touches the rectangle around the cardioid and the disc.
fn meets_known_interior(lattice: &shimmer_fractal::Lattice, tile: Region) -> bool {
    let (left, right) = (lattice.re(tile.x), lattice.re(tile.x + tile.width - 1));
    let (top, bottom) = (lattice.im(tile.y), lattice.im(tile.y + tile.height - 1));
    right >= -1.25 && left <= 0.375 && top >= -0.65 && bottom <= 0.65
}
