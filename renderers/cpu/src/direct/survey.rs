//! What a few pixels of each tile say about it.
//!
//! The rule: probes decide about the order of the tiles and the kernel that takes them, never about a
//! value.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use shimmer_fractal::Region;

use super::Job;
use super::lot::Lot;
use super::map::Map;
use super::worker::first_point;
use crate::simd::{Kernel, Lanes};

/// Pixels of a tile by which it is judged.
const PROBES: u32 = 32;
/// Steps that a probe takes at most. Orbits up to this length are cheaper in step with their neighbours
/// than in the stream, where each costs as much again to put in and take out.
const LONGEST_SKIM: u32 = 400;
/// Steps that neighbours of a probe may take longer.
const SKIM_MARGIN: u32 = 8;

/// A tile and what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub(super) region: Region,
    /// Steps within which nearly all orbits end; 0 if those of a quarter take more than a skim may.
    pub(super) skim: u32,
    /// Steps of all its probes: what it will cost, beside the others.
    cost: u32,
}

/// All tiles of a picture, to be surveyed by several workers.
pub(super) struct Survey<'a> {
    job: &'a Job<'a>,
    regions: Vec<Region>,
    next: AtomicUsize,
    done: Mutex<Vec<Tile>>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(job: &'a Job<'a>, regions: Vec<Region>) -> Self {
        let done = Mutex::new(Vec::with_capacity(regions.len()));
        Self { job, regions, next: AtomicUsize::new(0), done }
    }

    /// The tiles, the most expensive first, so that no thread is left alone with one at the end.
    pub(super) fn into_tiles(self) -> Vec<Tile> {
        let mut tiles = self.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        tiles.sort_unstable_by_key(|tile| (u32::MAX - tile.cost, tile.region.y, tile.region.x));
        tiles
    }
}

/// A surveyor's life as a kernel.
pub(super) struct Surveyor<'a, M> {
    survey: &'a Survey<'a>,
    map: PhantomData<M>,
}

impl<'a, M> Surveyor<'a, M> {
    pub(super) fn new(survey: &'a Survey<'a>) -> Self {
        Self { survey, map: PhantomData }
    }
}

impl<M: Map> Kernel for Surveyor<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, proof: V::Proof) {
        let Survey { job, regions, next, done } = self.survey;
        let mut lot = Box::new(Lot::new());
        let mut tiles = Vec::new();
        while !job.control.is_cancelled() {
            // Relaxed: the counter hands out indices and orders nothing else.
            let Some(region) = regions.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            tiles.push(probe::<V, M>(proof, job, *region, &mut lot));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut tiles);
    }
}

#[inline(always)]
fn probe<V: Lanes, M: Map>(proof: V::Proof, job: &Job<'_>, region: Region, lot: &mut Lot) -> Tile {
    let pixels = region.width * region.height;
    for probe in 0..PROBES {
        let at = pixels * (2 * probe + 1) / (2 * PROBES);
        // Columns in an order that does not follow the rows.
        let (x, y) = (at * 7 % region.width, at / region.width);
        let pixel = job.pixel(region.x + x, region.y + y);
        lot.push(first_point(job, job.constant(), pixel));
    }
    lot.settle::<V, M>(proof, job.max_iter, LONGEST_SKIM);
    let length = |at: usize| lot.steps(at).unwrap_or(u32::MAX);
    let mut lengths: [u32; PROBES as usize] = std::array::from_fn(length);
    lot.clear();
    lengths.sort_unstable();
    let most = lengths[lengths.len() * 3 / 4];
    let skim = if most == u32::MAX { 0 } else { (2 * most + SKIM_MARGIN).min(2 * LONGEST_SKIM) };
    // Those that go on are the longest by far.
    let cost = lengths.iter().map(|steps| (*steps).min(100 * LONGEST_SKIM)).sum();
    Tile { region, skim, cost }
}
