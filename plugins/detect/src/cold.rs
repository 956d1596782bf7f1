//! The first rows of a series, where no model can be trusted yet.
//!
//! The rule: a row is as strange as it is far from the median of all rows, itself included, in
//! median absolute deviations, but no stranger than its distance beyond every row before allows: of
//! few rows the median deviation is often small by chance, and nothing is known of the tail.
//!
//! How much further than all before a row has to be follows from the tail index, Hill's estimate (A
//! simple general approach to inference about the tail of a distribution, 1975) drawn towards a guess
//! while rows are few.

use crate::tape::{Keep, Tape};

/// Rows that are scored this way.
pub(crate) const COLD_ROWS: usize = 100;
/// Fewer rows say nothing.
const MIN_ROWS: usize = 4;
/// Standard deviation over median absolute deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// Share of the median that is always taken for noise.
const FLOOR: f64 = 0.02;
/// A distance of this many deviations scores one half.
const HALF: f64 = 3.5;
/// Such a distance, over [`HALF`], is at the threshold of a warning.
const WARNING_AT: f64 = 1.5275;
/// The tail index before the first row, and how many rows of the tail it counts for.
const GUESS: f64 = 0.4;
const GUESS_ROWS: f64 = 5.0;
/// One row in so many may be further out than any before by what is asked of it.
const ONE_IN: f64 = 4000.0;

/// The first rows.
#[derive(Clone, Debug, Default)]
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
        let at = self.sorted.partition_point(|&y| y < x);
        self.sorted.insert(at, x);
        let score = self.score(x);
        if self.sorted.len() >= COLD_ROWS {
            self.over = true;
            self.sorted = Vec::new();
        }
        score
    }

    fn score(&self, x: f64) -> ColdScore {
        let median = middle(&self.sorted);
        let mut off: Vec<f64> = self.sorted.iter().map(|y| (y - median).abs()).collect();
        off.sort_unstable_by(f64::total_cmp);
        let floor = FLOOR * median.abs();
        let deviation = (NORMAL * middle(&off)).max(floor);
        let mine = (x - median).abs();
        if off.len() < MIN_ROWS || deviation <= 0.0 {
            return ColdScore { score: 0.0, median, deviation };
        }
        let at = off.partition_point(|&y| y < mine);
        off.remove(at);
        let furthest = off[off.len() - 1].max(floor);
        let allowed = HALF * WARNING_AT * mine / furthest / beyond(&off, floor);
        let z = (mine / deviation).min(allowed);
        ColdScore { score: z * z / (z * z + HALF * HALF), median, deviation }
    }
}

/// How many times the furthest of the distances before a row has to be away from the median.
fn beyond(ascending: &[f64], floor: f64) -> f64 {
    let rows = ascending.len();
    let tail = rows / 4;
    let base = ascending[rows - 1 - tail].max(floor);
    let logs: f64 = if base > 0.0 {
        ascending[rows - tail..].iter().map(|y| (y / base).max(1.0).ln()).sum()
    } else {
        0.0
    };
    let index = (GUESS * GUESS_ROWS + logs) / (GUESS_ROWS + tail as f64);
    (ONE_IN / (rows + 1) as f64).powf(index)
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { 0.5 * (sorted[half - 1] + sorted[half]) }
}

impl Keep for Cold {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.list(&mut self.sorted, 0.0, COLD_ROWS);
        self.over.keep(tape);
    }
}
