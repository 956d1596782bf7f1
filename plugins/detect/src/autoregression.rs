//! Linear forecasts that learn as they go.
//!
//! The rule: recursive least squares with forgetting, on values brought to a common scale and
//! errors that are clipped before they teach, so that a fault is not learnt as the normal.
//!
//! Haykin, Adaptive Filter Theory, chapter 10; the clipping is Huber's.

use crate::average::Average;
use crate::tape::{Keep, Tape};

/// Values that a forecast looks back on.
const ORDER: usize = 4;
/// Weight of a row after one more.
const FORGET: f64 = 0.999;
/// Bounds of scaled values and of the covariance: no input makes the filter run away.
const MAX_VALUE: f64 = 20.0;
const MAX_COVARIANCE: f64 = 1e4;
/// Covariance before the first row.
const FIRST_COVARIANCE: f64 = 100.0;
/// Errors beyond this teach no more than this.
const MAX_LESSON: f64 = 3.0;
/// Memory of the scale.
const SCALE_ROWS: f64 = 2000.0;

/// A linear forecast from the newest rows, from other forecasts, and from a constant.
#[derive(Clone, Debug)]
pub(crate) struct Autoregression {
    filter: Filter,
    /// Scaled values, newest first, then the others, then 1.
    input: Vec<f64>,
    mean: Average,
    deviation: Average,
}

impl Autoregression {
    /// One that blends in `others` further forecasts.
    pub(crate) fn new(others: usize) -> Self {
        let side = ORDER + others + 1;
        let mut input = vec![0.0; side];
        input[side - 1] = 1.0;
        Self {
            filter: Filter::new(side),
            input,
            mean: Average::of_rows(SCALE_ROWS),
            deviation: Average::of_rows(SCALE_ROWS),
        }
    }

    /// The next value, given what the others expect.
    pub(crate) fn expected(&mut self, others: impl IntoIterator<Item = Option<f64>>) -> f64 {
        for (at, other) in others.into_iter().enumerate() {
            let scaled = other.map_or(0.0, |x| self.scaled(x));
            self.input[ORDER + at] = scaled;
        }
        let scaled = dot(&self.filter.weights, &self.input).clamp(-MAX_VALUE, MAX_VALUE);
        self.mean.mean() + scaled * self.deviation.mean()
    }

    /// The error of the forecast of `x` in mean absolute deviations of the series; learns `x`.
    pub(crate) fn push(&mut self, x: f64) -> f64 {
        let scaled = self.scaled(x);
        let error = scaled - dot(&self.filter.weights, &self.input);
        self.filter.learn(&self.input, error.clamp(-MAX_LESSON, MAX_LESSON));
        self.input.copy_within(0..ORDER - 1, 1);
        self.input[0] = scaled;
        let mean = self.mean.push(x);
        self.deviation.push((x - mean).abs());
        error.clamp(-MAX_VALUE, MAX_VALUE)
    }

    fn scaled(&self, x: f64) -> f64 {
        let deviation = self.deviation.mean();
        if deviation > 0.0 {
            ((x - self.mean.mean()) / deviation).clamp(-MAX_VALUE, MAX_VALUE)
        } else {
            0.0
        }
    }
}

/// Weights and the inverse correlation of their inputs.
#[derive(Clone, Debug)]
struct Filter {
    weights: Vec<f64>,
    /// Row after row.
    covariance: Vec<f64>,
}

impl Filter {
    fn new(side: usize) -> Self {
        let on_diagonal =
            |at: usize| if at.is_multiple_of(side + 1) { FIRST_COVARIANCE } else { 0.0 };
        Self { weights: vec![0.0; side], covariance: (0..side * side).map(on_diagonal).collect() }
    }

    fn learn(&mut self, input: &[f64], lesson: f64) {
        let side = self.weights.len();
        let mut gain = [0.0; MAX_SIDE];
        let gain = &mut gain[..side];
        for (gain, row) in gain.iter_mut().zip(self.covariance.chunks_exact(side)) {
            *gain = dot(row, input);
        }
        let total = FORGET + dot(gain, input);
        for (weight, gain) in self.weights.iter_mut().zip(&*gain) {
            *weight += gain / total * lesson;
        }
        for (row, left) in self.covariance.chunks_exact_mut(side).zip(&*gain) {
            for (cell, right) in row.iter_mut().zip(&*gain) {
                let value = (*cell - left * right / total) / FORGET;
                *cell = value.clamp(-MAX_COVARIANCE, MAX_COVARIANCE);
            }
        }
    }
}

/// Inputs of a filter, at most.
const MAX_SIDE: usize = 16;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Keep for Autoregression {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.filter.keep(tape);
        // The others are given anew with the next row.
        self.input[..ORDER].keep(tape);
        self.mean.keep(tape);
        self.deviation.keep(tape);
    }
}

impl Keep for Filter {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let side = self.weights.len();
        self.weights.keep(tape);
        // The same on both sides of the diagonal, to the last bit: products have no order.
        for row in 0..side {
            self.covariance[row * side + row..(row + 1) * side].keep(tape);
            for column in row + 1..side {
                self.covariance[column * side + row] = self.covariance[row * side + column];
            }
        }
    }
}
