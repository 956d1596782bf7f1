//! The numbers while many threads write them.
//!
//! The rule: every pixel is written by one thread, once; the bits are the same whoever that was.

use std::sync::atomic::{AtomicU32, Ordering};

use shimmer_fractal::{Channels, Raw, Region};

/// A [`Raw`] in the making.
pub(crate) struct Plane {
    region: Region,
    mu: Vec<AtomicU32>,
    distance: Vec<AtomicU32>,
}

impl Plane {
    pub(crate) fn new(region: Region, channels: Channels) -> Self {
        let zeros = |len: usize| (0..len).map(|_| AtomicU32::new(0)).collect();
        let distances = if channels == Channels::Smooth { 0 } else { region.pixels() };
        Self { region, mu: zeros(region.pixels()), distance: zeros(distances) }
    }

    /// Whether the distance estimate was asked for.
    pub(crate) fn has_distance(&self) -> bool {
        !self.distance.is_empty()
    }

    // Relaxed, here and below: pixels do not depend on each other, and the end of the scope in which
    // the threads run orders their stores before `into_raw`.
    #[inline(always)]
    pub(crate) fn set_mu(&self, pixel: u32, mu: f32) {
        self.mu[pixel as usize].store(mu.to_bits(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn set_distance(&self, pixel: u32, distance: f32) {
        self.distance[pixel as usize].store(distance.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn into_raw(self) -> Raw {
        let floats = |bits: Vec<AtomicU32>| {
            bits.into_iter().map(|bits| f32::from_bits(bits.into_inner())).collect()
        };
        Raw { region: self.region, mu: floats(self.mu), distance: floats(self.distance) }
    }
}
