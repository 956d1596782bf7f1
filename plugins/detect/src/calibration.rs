//! From a statistic in units of its own to evidence that can be added up.
//!
//! The rule: evidence is 0 where a statistic is as usual and about 1 where it is as unusual as the
//! most unusual half per cent of the rows of an ordinary series; what is usual is learnt from the
//! series itself, as it comes.

use crate::average::Average;
use crate::tape::{Keep, Tape};

/// Rows that a calibration remembers.
const MEMORY_ROWS: f64 = 2000.0;
/// Rows before a likelihood says anything.
const LIKELIHOOD_AFTER: f64 = 50.0;
/// No member speaks louder than this.
const MAX_EVIDENCE: f64 = 8.0;
/// Share of the rows below the running quantile.
const QUANTILE: f64 = 0.98;
/// Relative step of the running quantile, in the long run.
const QUANTILE_STEP: f64 = 0.02;

/// How a statistic becomes evidence.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    usual: Usual,
    smooth: Average,
    /// The evidence that counts as 1.
    unit: f64,
}

#[derive(Clone, Debug)]
enum Usual {
    /// -log10 of the probability of so large a smoothed value under a normal distribution with
    /// the running mean and variance (the anomaly likelihood of Ahmad et al., 2017).
    Likelihood { mean: Average, variance: Average },
    /// What is above half the running quantile.
    Excess(Quantile),
}

impl Calibration {
    /// Likelihood of the statistic smoothed over about `rows` rows.
    pub(crate) fn likelihood(rows: f64, unit: f64) -> Self {
        let usual = Usual::Likelihood {
            mean: Average::of_rows(MEMORY_ROWS),
            variance: Average::of_rows(MEMORY_ROWS),
        };
        Self { usual, smooth: Average::of_rows(rows), unit }
    }

    /// Excess over the half quantile, smoothed over about `rows` rows.
    pub(crate) fn excess(rows: f64, unit: f64) -> Self {
        Self { usual: Usual::Excess(Quantile::default()), smooth: Average::of_rows(rows), unit }
    }

    /// Evidence in `0..=MAX_EVIDENCE`; NaN where the statistic or what was learnt is not finite.
    pub(crate) fn push(&mut self, statistic: f64) -> f64 {
        let evidence = match &mut self.usual {
            Usual::Likelihood { mean, variance } => {
                let smooth = self.smooth.push(statistic);
                let deviation = variance.mean().sqrt().max(1e-6 * mean.mean().abs()).max(1e-12);
                let likelihood = if mean.seen() > LIKELIHOOD_AFTER {
                    surprise((smooth - mean.mean()) / deviation)
                } else {
                    0.0
                };
                let off = statistic - mean.mean();
                mean.push(statistic);
                mean.round();
                variance.push(off * off);
                variance.round();
                likelihood
            }
            Usual::Excess(quantile) => {
                let bar = 0.5 * quantile.push(statistic);
                let over = statistic - bar;
                self.smooth.push(if over < 0.0 { 0.0 } else { over })
            }
        };
        self.smooth.round();
        // `min` alone would turn a NaN into the loudest evidence of all.
        if !evidence.is_finite() || !self.smooth.mean().is_finite() {
            return f64::NAN;
        }
        (evidence / self.unit).min(MAX_EVIDENCE)
    }
}

/// -log10 of the probability that a standard normal variable exceeds `z`, zero below the mean.
/// Abramowitz and Stegun, 26.2.17, in logarithms so that no far tail becomes 0.
pub(crate) fn surprise(z: f64) -> f64 {
    if z <= 0.0 {
        return 0.0;
    }
    let z = if z > 60.0 { 60.0 } else { z };
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let log = -0.5 * z * z - 0.918_938_533 + poly.ln();
    (-log / std::f64::consts::LN_10 - std::f64::consts::LOG10_2).max(0.0)
}

/// A running quantile: a step up where a value is above it, a smaller one down where it is not,
/// in proportion to itself (Robbins and Monro, 1951, on a logarithmic scale).
#[derive(Clone, Copy, Debug, Default)]
struct Quantile {
    seen: f64,
    value: f64,
}

impl Quantile {
    /// The quantile of the rows before, then takes `x`.
    fn push(&mut self, x: f64) -> f64 {
        let before = self.value;
        self.seen += 1.0;
        if self.value <= 0.0 {
            self.value = f64::from(x as f32);
            return before;
        }
        let young = 1.0 + 0.02 * self.seen;
        let step = if young * QUANTILE_STEP < 1.0 { young.recip() } else { QUANTILE_STEP };
        let factor =
            if x > self.value { 1.0 + step * QUANTILE } else { 1.0 - step * (1.0 - QUANTILE) };
        self.value = f64::from((self.value * factor) as f32);
        before
    }
}

impl Keep for Calibration {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.usual.keep(tape);
        self.smooth.keep_rounded(tape);
    }
}

impl Keep for Usual {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        match self {
            Self::Likelihood { mean, variance } => {
                mean.keep_rounded(tape);
                variance.keep_rounded(tape);
            }
            Self::Excess(quantile) => {
                tape.whole(&mut quantile.seen);
                tape.rounded(&mut quantile.value);
            }
        }
    }
}
