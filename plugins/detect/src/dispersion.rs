//! Whether the errors of the forecasts still hold something that the forecasts missed.
//!
//! The rule: of independent errors, whatever their distribution, the means of blocks vary by the
//! variance of the errors over the block's length; how many times more they vary is the index, 1
//! for a series whose forecast leaves nothing to learn.
//!
//! The index is that of Fisher (Statistical Methods for Research Workers, 1925), taken of the
//! errors and of their sizes: the first sees levels that wander, the second noise that does.

use crate::average::Average;
use crate::tape::kept;

/// Rows of a block.
const BLOCK_ROWS: u32 = 32;
/// Memory of the errors' mean size and variance.
const ERROR_ROWS: f64 = 2000.0;
/// Memory of the blocks.
const MEMORY_BLOCKS: f64 = 60.0;
/// An index of 1 counts for this many blocks before the first.
const GUESS_BLOCKS: f64 = 4.0;
/// Errors count for at most this many mean sizes, so that a heavy tail has a variance.
const MAX_SIZES: f64 = 5.0;
/// Rows before blocks are formed: forecasts have to settle.
const SETTLE_ROWS: f64 = 60.0;

/// Indices of dispersion of the errors and of their sizes.
#[derive(Clone, Debug)]
pub(crate) struct Dispersion {
    size: Average,
    clipped: Average,
    square: Average,
    rows: u32,
    sum: f64,
    sum_of_sizes: f64,
    blocks: f64,
    of_errors: f64,
    of_sizes: f64,
}

impl Dispersion {
    pub(crate) fn new() -> Self {
        Self {
            size: Average::of_rows(ERROR_ROWS),
            clipped: Average::of_rows(ERROR_ROWS),
            square: Average::of_rows(ERROR_ROWS),
            rows: 0,
            sum: 0.0,
            sum_of_sizes: 0.0,
            blocks: GUESS_BLOCKS,
            of_errors: 1.0,
            of_sizes: 1.0,
        }
    }

    /// Takes an error and gives the greater index.
    pub(crate) fn push(&mut self, error: f64) -> f64 {
        self.size.push(error.abs());
        let most = MAX_SIZES * self.size.mean();
        let error = error.clamp(-most, most);
        self.clipped.push(error.abs());
        self.square.push(error * error);
        if self.size.seen() > SETTLE_ROWS {
            self.rows += 1;
            self.sum += error;
            self.sum_of_sizes += error.abs();
        }
        if self.rows == BLOCK_ROWS {
            self.learn();
        }
        self.of_errors.max(self.of_sizes)
    }

    fn learn(&mut self) {
        let rows = f64::from(BLOCK_ROWS);
        let mean = self.sum / rows;
        let off = self.sum_of_sizes / rows - self.clipped.mean();
        let variance = self.square.mean();
        let of_sizes = variance - self.clipped.mean() * self.clipped.mean();
        (self.rows, self.sum, self.sum_of_sizes) = (0, 0.0, 0.0);
        if of_sizes <= 0.0 {
            return;
        }
        self.blocks = (self.blocks + 1.0).min(MEMORY_BLOCKS);
        self.of_errors += (rows * mean * mean / variance - self.of_errors) / self.blocks;
        self.of_sizes += (rows * off * off / of_sizes - self.of_sizes) / self.blocks;
    }
}

kept!(Dispersion: size, clipped, square, rows, sum, sum_of_sizes, blocks, of_errors, of_sizes);
