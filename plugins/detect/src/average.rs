//! Averages that follow the series.
//!
//! The rule: the first rows count equally, later ones with a fixed rate, so that an average is
//! right from its first row on and forgets at the speed it was made with.

use crate::tape::{Keep, Tape};

/// An exponentially weighted mean that begins as a plain one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Average {
    rate: f64,
    seen: f64,
    mean: f64,
}

impl Average {
    /// The newest row weighs `rate` in the long run; 1/`rate` rows are remembered.
    pub(crate) fn new(rate: f64) -> Self {
        Self { rate, seen: 0.0, mean: 0.0 }
    }

    /// One that remembers about `rows` rows.
    pub(crate) fn of_rows(rows: f64) -> Self {
        Self::new(1.0 / rows)
    }

    /// Forgets all rows; `mean` stands for `rows` of them.
    pub(crate) fn begin(&mut self, mean: f64, rows: f64) {
        (self.mean, self.seen) = (mean, rows);
    }

    /// Takes a row and gives the mean with it.
    pub(crate) fn push(&mut self, x: f64) -> f64 {
        self.seen += 1.0;
        // No division once the first rows are over: there are a hundred averages a row.
        let rate = if self.seen * self.rate < 1.0 { self.seen.recip() } else { self.rate };
        self.mean += rate * (x - self.mean);
        self.mean
    }

    /// Leaves the mean no more digits than an f32 has: enough for the size of a statistic, too few
    /// for a level that may lie far from zero.
    pub(crate) fn round(&mut self) {
        self.mean = f64::from(self.mean as f32);
    }

    /// Of an average that is rounded each time.
    pub(crate) fn keep_rounded(&mut self, tape: &mut Tape<'_>) {
        tape.whole(&mut self.seen);
        tape.rounded(&mut self.mean);
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    pub(crate) fn seen(&self) -> f64 {
        self.seen
    }
}

/// `x` over the running mean of the `x` before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relative(Average);

/// Ratios above this tell nothing more, and squares of them stay finite.
const MAX_RATIO: f64 = 1e6;

impl Relative {
    pub(crate) fn new(rows: f64) -> Self {
        Self(Average::of_rows(rows))
    }

    pub(crate) fn push(&mut self, x: f64) -> f64 {
        let before = self.0.mean();
        self.0.push(x);
        self.0.round();
        let ratio = x / before;
        // Not `min`, which would make a number of what is none.
        match before > 0.0 {
            true if ratio > MAX_RATIO => MAX_RATIO,
            true => ratio,
            false => 0.0 * x,
        }
    }
}

impl Keep for Average {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.whole(&mut self.seen);
        self.mean.keep(tape);
    }
}

impl Keep for Relative {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.0.keep_rounded(tape);
    }
}
