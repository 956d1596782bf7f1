//! Values that were never seen, or not for long.
//!
//! The rule: the greatest and the least value sink back to the mean at a fixed rate; a value counts
//! by how far it is beyond them, in mean absolute deviations.

use crate::average::Average;
use crate::tape::kept;

/// Memory of the mean.
const MEAN_ROWS: f64 = 500.0;
/// Memory of the deviation.
const DEVIATION_ROWS: f64 = 2000.0;
const MAX_RATIO: f64 = 1e6;

/// Extremes that fade.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    fade: f64,
    high: f64,
    low: f64,
    mean: Average,
    deviation: Average,
}

impl Record {
    /// Extremes that sink by `fade` of their distance to the mean with each row; 0 for never.
    pub(crate) fn new(fade: f64) -> Self {
        let (mean, deviation) = (Average::of_rows(MEAN_ROWS), Average::of_rows(DEVIATION_ROWS));
        Self { fade, high: f64::MIN, low: f64::MAX, mean, deviation }
    }

    pub(crate) fn push(&mut self, x: f64) -> f64 {
        let (mean, deviation) = (self.mean.mean(), self.deviation.mean());
        let beyond = if deviation > 0.0 {
            ((x - self.high).max(self.low - x).max(0.0) / deviation).min(MAX_RATIO)
        } else {
            0.0
        };
        self.high = if x > self.high { x } else { self.high - self.fade * (self.high - mean) };
        self.low = if x < self.low { x } else { self.low + self.fade * (mean - self.low) };
        let mean = self.mean.push(x);
        self.deviation.push((x - mean).abs());
        beyond
    }
}

kept!(Record: high, low, mean, deviation);
