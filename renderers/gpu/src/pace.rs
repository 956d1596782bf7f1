//! How many trips a dispatch takes.
//!
//! The rule: as many as fill a little more time than starting costs and less than anyone notices, so
//! that a cancelled call ends soon and no system takes the device for hung.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a dispatch should take.
const TARGET_S: f64 = 0.02;
/// A dispatch takes at most this many times more or fewer trips than the one before.
const LARGEST_CHANGE: f64 = 4.0;
const FEWEST_TRIPS: u32 = 16;
const FEWEST_PIXELS: u32 = 1 << 12;
const MOST_TRIPS: u32 = 1 << 20;
/// The first dispatches are no longer than this, since most pixels of most pictures escape early and
/// would leave their neighbours computing alone.
const FIRST_TRIPS: u32 = 128;
/// Trips a second of all pixels together, before anything has been measured.
const FIRST_RATE: f64 = 5e7;

/// The speed of a kernel as far as it is known.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Mutex<f64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: Mutex::new(FIRST_RATE) }
    }
}

/// The pace of one band.
#[derive(Debug)]
pub(crate) struct Stride {
    trips: u32,
    taken: u32,
}

impl Pace {
    /// Pixels that can be dispatched in time with the fewest trips: a slow device gets smaller bands.
    pub(crate) fn pixels(&self) -> u32 {
        let rate = *self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        ((rate * TARGET_S) as u32 / FEWEST_TRIPS).max(FEWEST_PIXELS)
    }

    /// Begins a band of some pixels.
    pub(crate) fn begin(&self, pixels: u32) -> Stride {
        let rate = *self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let trips = clamped(rate * TARGET_S / f64::from(pixels));
        Stride { trips: trips.min(FIRST_TRIPS), taken: 0 }
    }

    /// Notes what a dispatch over `alive` pixels took, and chooses the next.
    pub(crate) fn learn(&self, stride: &mut Stride, alive: u32, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let rate = f64::from(stride.trips) * f64::from(alive) / seconds;
        {
            let mut known = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
            *known += (rate - *known) / 8.0;
        }
        stride.taken = stride.taken.saturating_add(stride.trips);
        let change = (TARGET_S / seconds).clamp(1.0 / LARGEST_CHANGE, LARGEST_CHANGE);
        let paced = clamped(f64::from(stride.trips) * change);
        // No pixel that ends in a dispatch has kept its neighbours waiting for longer than it lived.
        stride.trips = paced.min(stride.taken.max(FIRST_TRIPS));
    }
}

impl Stride {
    /// Trips of the next dispatch.
    pub(crate) fn trips(&self) -> u32 {
        self.trips
    }

    /// Trips of all dispatches so far.
    pub(crate) fn taken(&self) -> u32 {
        self.taken
    }
}

fn clamped(trips: f64) -> u32 {
    (trips as u32).clamp(FEWEST_TRIPS, MOST_TRIPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that does `rate` trips a second.
    fn run(rate: f64, pixels: u32, dispatches: usize) -> (Stride, f64) {
        let pace = Pace::default();
        let mut stride = pace.begin(pixels);
        let mut last = 0.0;
        for _ in 0..dispatches {
            last = f64::from(stride.trips()) * f64::from(pixels) / rate;
            pace.learn(&mut stride, pixels, Duration::from_secs_f64(last));
        }
        (stride, last)
    }

    #[test]
    fn dispatches_settle_at_the_target() {
        for rate in [1e7, 1e9, 1e12] {
            let (_, last) = run(rate, 1 << 18, 40);
            let shortest = f64::from(FEWEST_TRIPS) * f64::from(1 << 18) / rate;
            let longest = f64::from(MOST_TRIPS) * f64::from(1 << 18) / rate;
            let expected = TARGET_S.clamp(shortest, longest.max(shortest));
            assert!((0.5..2.0).contains(&(last / expected)), "{rate} {last}");
        }
    }

    #[test]
    fn early_dispatches_are_short() {
        let (stride, _) = run(1e15, 1 << 10, 1);
        assert_eq!((stride.taken(), stride.trips()), (FIRST_TRIPS, FIRST_TRIPS));
        assert_eq!(run(1e15, 1 << 10, 3).0.taken(), 4 * FIRST_TRIPS);
    }
}
