//! The first rows of a series, where no model can be trusted yet.
//!
//! The rule: a row is as strange as it is far from the median of all rows, itself included, in
//! median absolute deviations, but no stranger than its distance beyond the range of the rows
//! before allows: of few rows the median deviation is often small by chance.

use serde::{Deserialize, Serialize};

/// Rows that are scored this way.
pub(crate) const COLD_ROWS: usize = 50;
/// Fewer rows say nothing.
const MIN_ROWS: usize = 4;
/// Standard deviation over median absolute deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// Share of the median that is always taken for noise.
const FLOOR: f64 = 0.02;
/// A distance of this many deviations scores one half.
const HALF: f64 = 3.5;

/// With the square root of this many rows before it, one range beyond the range is one deviation.
/// Normal rows exceed what that allows about once in a thousand, however few they are.
const RANGE_ROWS: f64 = 14.0;

/// The first rows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Cold {
    /// In ascending order.
    sorted: Vec<f64>,
    over: bool,
}

/// A row against the rows so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColdScore {
    /// 0 to 1.
    pub(crate) score: f64,
    /// Median of the rows.
    pub(crate) median: f64,
    /// Their deviation.
    pub(crate) deviation: f64,
}

impl Cold {
    /// Whether there are enough rows for better methods.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Scores the row among those before it.
    pub(crate) fn push(&mut self, x: f64) -> ColdScore {
        let range = self.sorted.first().copied().zip(self.sorted.last().copied());
        let at = self.sorted.partition_point(|&y| y < x);
        self.sorted.insert(at, x);
        let score = self.score(x, range);
        if self.sorted.len() >= COLD_ROWS {
            self.over = true;
            self.sorted = Vec::new();
        }
        score
    }

    fn score(&self, x: f64, range: Option<(f64, f64)>) -> ColdScore {
        let median = middle(&self.sorted);
        let mut off: Vec<f64> = self.sorted.iter().map(|y| (y - median).abs()).collect();
        off.sort_unstable_by(f64::total_cmp);
        let deviation = (NORMAL * middle(&off)).max(FLOOR * median.abs());
        let count = self.sorted.len();
        let Some((low, high)) = range.filter(|_| count >= MIN_ROWS && deviation > 0.0) else {
            return ColdScore { score: 0.0, median, deviation };
        };
        let far = (x - median).abs() / deviation;
        // How many ranges beyond the range a row has to be falls with the number of rows.
        let beyond = (x - high).max(low - x).max(0.0);
        let width = (high - low).max(FLOOR * median.abs());
        let before = (count - 1) as f64;
        let trusted = beyond / width * before * before / RANGE_ROWS;
        let z = far.min(1.5 + trusted);
        ColdScore { score: z * z / (z * z + HALF * HALF), median, deviation }
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { 0.5 * (sorted[half - 1] + sorted[half]) }
}
