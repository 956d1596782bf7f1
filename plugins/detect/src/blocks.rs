//! Rows gathered into blocks.
//!
//! The rule: a block of `k` rows gives its mean and its extreme, the value furthest from where the
//! means of the blocks before it stood.

use crate::tape::kept;

/// How fast the expected mean follows the blocks.
const FOLLOW: f64 = 0.5;

/// Blocks of `rows` rows.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    rows: u32,
    filled: u32,
    sum: f64,
    extreme: f64,
    expected: Option<f64>,
}

/// What a finished block says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    /// Mean of its rows.
    pub(crate) mean: f64,
    /// Its value that was furthest from the expected mean.
    pub(crate) extreme: f64,
}

impl Blocks {
    pub(crate) fn new(rows: u32) -> Self {
        Self { rows, filled: 0, sum: 0.0, extreme: 0.0, expected: None }
    }

    /// Takes a row; the block that it finishes, if it does.
    pub(crate) fn push(&mut self, x: f64) -> Option<Block> {
        let expected = *self.expected.get_or_insert(x);
        if self.filled == 0 || (x - expected).abs() > (self.extreme - expected).abs() {
            self.extreme = x;
        }
        self.sum += x;
        self.filled += 1;
        if self.filled < self.rows {
            return None;
        }
        let mean = self.sum / f64::from(self.rows);
        self.expected = Some(expected + FOLLOW * (mean - expected));
        self.filled = 0;
        self.sum = 0.0;
        Some(Block { mean, extreme: self.extreme })
    }
}

kept!(Blocks: filled, sum, extreme, expected);
