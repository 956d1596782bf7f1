//! What one thread does with its tiles.
//!
//! The rule: short orbits go through lots, long ones through the stream; both give the same values.

use std::marker::PhantomData;
use std::ops::Range;

use super::Job;
use super::lot::{Lot, Orbit};
use super::map::Map;
use super::slope::Slopes;
use super::stream::{self, Periodicity, Traffic};
use super::survey::Tile;
use crate::renderer::Shortcuts;
use crate::simd::Lanes;
use shimmer_fractal::{BAILOUT_SQR, Formula, INTERIOR, Lattice, Region, smooth};

/// Renders tiles until none is left.
#[inline(always)]
pub(super) fn run<V: Lanes, M: Map>(proof: V::Proof, job: &Job<'_>) {
    let mut worker = Worker::<V, M> {
        proof,
        job,
        constant: job.constant(),
        columns: Vec::new(),
        known: Vec::new(),
        waiting: Vec::new(),
        lot: Box::new(Lot::new()),
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
    /// Which points of the row at hand have a known end.
    known: Vec<bool>,
    /// Orbits that the stream has not taken yet.
    waiting: Vec<Orbit>,
    /// Orbits that end within a few steps.
    lot: Box<Lot>,
    slopes: Slopes,
    map: PhantomData<M>,
}

impl<V: Lanes, M: Map> Worker<'_, V, M> {
    /// Finds the end of every orbit in the lot.
    #[inline(always)]
    fn settle(&mut self) {
        self.settle_within(u32::MAX);
    }

    /// Takes the orbits in the lot at most `budget` steps; those that go on join the stream.
    #[inline(always)]
    fn settle_within(&mut self, budget: u32) {
        let Self { proof, job, lot, waiting, .. } = self;
        lot.settle::<V, M>(*proof, job.max_iter, budget);
        for at in 0..lot.len() {
            if lot.is_open(at) {
                waiting.push(lot.rest(at, budget));
            } else {
                let (pixel, mu) = lot.end(at);
                job.plane.set_mu(pixel, mu);
            }
        }
        if job.plane.has_distance() {
            self.note_slopes();
        }
        self.lot.clear();
    }

    /// Keeps the orbits of the lot that have escaped for their second run.
    #[inline(always)]
    fn note_slopes(&mut self) {
        let mut is_full = false;
        for at in 0..self.lot.len() {
            if let Some(n) = self.lot.steps(at) {
                is_full |= self.slopes.push(n, self.lot.end(at).0);
            }
        }
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
    fn open_tile(&mut self, tile: Tile) {
        let Tile { region: tile, skim, .. } = tile;
        let lattice = self.job.lattice;
        let re = |x: u32| lattice.re(tile.x + x);
        self.columns.clear();
        self.columns.extend((0..tile.width).map(re));
        self.known.clear();
        self.known.resize(self.columns.len(), false);
        let may_be_known = self.may_be_known(tile);
        self.settle();
        for y in 0..tile.height {
            let im = lattice.im(tile.y + y);
            if may_be_known {
                self.find_known(im);
            }
            let (known, first_pixel) =
                (std::mem::take(&mut self.known), self.job.pixel(tile.x, tile.y + y));
            let mut x = 0;
            for run in known.chunk_by(|a, b| a == b) {
                let columns = x..x + run.len();
                x = columns.end;
                match run[0] {
                    true => self.tell_known(first_pixel, columns),
                    false => self.open_run(first_pixel, columns, im, skim),
                }
            }
            self.known = known;
        }
        self.settle_within(skim);
    }

    /// Takes orbits of neighbours in a row into lots, or lets them wait for the stream if a skim is of
    /// no steps.
    #[inline(always)]
    fn open_run(&mut self, first_pixel: u32, columns: Range<usize>, im: f64, skim: u32) {
        let mut x = columns.start;
        while x < columns.end {
            let pixel = first_pixel + x as u32;
            if skim == 0 {
                let point = [self.columns[x], im];
                self.waiting.push(Orbit::first(pixel, point, self.constant));
                x += 1;
            } else {
                let row = &self.columns[x..columns.end];
                x += self.lot.push_row(pixel, (row, im), self.constant);
                if self.lot.is_full() {
                    self.settle_within(skim);
                }
            }
        }
    }

    /// Whether the end of some orbits of a tile may be known without a step.
    #[inline(always)]
    fn may_be_known(&self, tile: Region) -> bool {
        let lattice = &self.job.lattice;
        match self.job.formula {
            Formula::Mandelbrot => {
                self.job.shortcuts == Shortcuts::On && meets_known_interior(lattice, tile)
            }
            Formula::Julia { .. } => reaches_bailout(lattice, tile),
            Formula::BurningShip | Formula::Tricorn => false,
        }
    }

    /// Finds the points of a row whose end is known without a step: interior ones of the Mandelbrot set
    /// and, for Julia sets, those that begin past the bailout.
    #[inline(always)]
    fn find_known(&mut self, im: f64) {
        let row = self.columns.iter().zip(&mut self.known);
        match self.constant {
            None => row.for_each(|(re, known)| *known = is_known_interior(*re, im)),
            Some(_) => row.for_each(|(re, known)| *known = re * re + im * im > BAILOUT_SQR),
        }
    }

    /// Writes what is known without a step.
    #[inline(always)]
    fn tell_known(&mut self, first_pixel: u32, columns: Range<usize>) {
        for pixel in first_pixel + columns.start as u32..first_pixel + columns.end as u32 {
            if self.constant.is_none() {
                self.job.plane.set_mu(pixel, INTERIOR);
                continue;
            }
            let [x, y] = first_point(self.job, self.constant, pixel).z;
            self.job.plane.set_mu(pixel, smooth(0, x * x + y * y));
            if self.job.plane.has_distance() && self.slopes.push(0, pixel) {
                self.run_slopes();
            }
        }
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
        if self.lot.push(orbit) {
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
pub(super) fn first_point(job: &Job<'_>, constant: Option<[f64; 2]>, pixel: u32) -> Orbit {
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

/// Whether a corner of a tile lies past the bailout.
fn reaches_bailout(lattice: &Lattice, tile: Region) -> bool {
    let (right, bottom) = (tile.x + tile.width - 1, tile.y + tile.height - 1);
    let largest = |a: f64, b: f64| (a * a).max(b * b);
    largest(lattice.re(tile.x), lattice.re(right)) + largest(lattice.im(tile.y), lattice.im(bottom))
        > BAILOUT_SQR
}

/// Whether a tile touches the rectangle around the cardioid and the disc.
fn meets_known_interior(lattice: &Lattice, tile: Region) -> bool {
    let (left, right) = (lattice.re(tile.x), lattice.re(tile.x + tile.width - 1));
    let (top, bottom) = (lattice.im(tile.y), lattice.im(tile.y + tile.height - 1));
    right >= -1.25 && left <= 0.375 && top >= -0.65 && bottom <= 0.65
}
