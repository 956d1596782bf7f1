//! How heavy the tail of the errors is, and how large an error it makes so rare that it is a fault.
//!
//! The rule: nothing is taken for certain of a tail. Seven laws from the normal to Cauchy's are
//! weighed by how well they explain the errors so far, and the bar is where all of them together
//! leave an error as likely as a false alarm may be: of few rows no law can be ruled out, so that the
//! bar begins high and comes down as far as the rows allow.
//!
//! The average over laws is Bayes' (Hoeting et al., Bayesian model averaging, 1999), of the errors
//! above a threshold only, which is all that a tail is about (Davison and Smith, Models for
//! exceedances over high thresholds, 1990).

use std::f64::consts::{FRAC_2_PI, LN_10};
use std::sync::LazyLock;

use crate::calibration::surprise;
use crate::tape::kept;

/// Share of the errors above the threshold.
const ABOVE: f64 = 1.0 / 3.0;
/// Errors over the threshold are counted between these; the last count has no end.
const EDGES: [f64; BINS] = [1.0, 1.3, 1.65, 2.05, 2.5, 3.0, 3.6, 4.3];
const BINS: usize = 8;
/// Errors above the threshold that are remembered: two thousand rows.
const MEMORY: f64 = 2000.0 * ABOVE;
/// Share of the errors above it that may lie anywhere, whatever the law: few outliers are no law.
const OUTLIERS: f64 = 0.06;
/// Share of the rows that may be false alarms.
const ALARMS: f64 = 1e-4;
/// Rows of a block: the bar is worked out anew, and a block with an alarm can be left out.
const BLOCK_ROWS: u32 = 50;
/// The bar is looked for below this many thresholds.
const MAX_BAR: f64 = 1e3;
/// Where the bar of a normal law is, in thresholds.
const NORMAL_BAR: f64 = 4.02;
/// Relative step of the running threshold, in the long run.
const STEP: f64 = 0.004;

/// The laws, lightest first, with what they weigh before the first error.
const LAWS: [(Law, f64); 7] = [
    (Law::Normal, 0.6),
    (Law::Exponential, 0.08),
    (Law::Student(9), 0.08),
    (Law::Student(5), 0.08),
    (Law::Student(3), 0.08),
    (Law::Student(2), 0.04),
    (Law::Student(1), 0.04),
];

#[derive(Clone, Copy, Debug)]
enum Law {
    Normal,
    Exponential,
    /// Degrees of freedom: 2, or odd.
    Student(u32),
}

impl Law {
    /// Probability of a size above `x`, in units of its own.
    fn survival(self, x: f64) -> f64 {
        match self {
            Self::Normal => (-surprise(x) * LN_10).exp(),
            Self::Exponential => (-x).exp(),
            Self::Student(2) => 1.0 - x / (2.0 + x * x).sqrt(),
            // Abramowitz and Stegun, 26.7.3.
            Self::Student(degrees) => {
                let degrees = f64::from(degrees);
                let angle = (x / degrees.sqrt()).atan();
                let (sine, cosine) = angle.sin_cos();
                let (mut sum, mut term, mut k) = (0.0, cosine, 1.0);
                while k < degrees {
                    sum += term;
                    term *= cosine * cosine * (k + 1.0) / (k + 2.0);
                    k += 2.0;
                }
                1.0 - FRAC_2_PI * (angle + sine * sum)
            }
        }
    }

    /// The size that a share `above` of all exceeds.
    fn quantile(self, above: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if self.survival(middle) > above {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// A law with what is worked out of it once.
struct Known {
    law: Law,
    weight: f64,
    threshold: f64,
    /// Logarithm of the probability of each count.
    bins: [f64; BINS],
}

static KNOWN: LazyLock<[Known; 7]> = LazyLock::new(|| {
    LAWS.map(|(law, weight)| {
        let threshold = law.quantile(ABOVE);
        let above = |edge: f64| law.survival(threshold * edge) / ABOVE;
        let mut bins = [0.0; BINS];
        for (k, bin) in bins.iter_mut().enumerate() {
            let beyond = EDGES.get(k + 1).map_or(0.0, |&edge| above(edge));
            let share = (above(EDGES[k]) - beyond).max(0.0);
            *bin = ((1.0 - OUTLIERS) * share + OUTLIERS / BINS as f64).ln();
        }
        Known { law, weight: weight.ln(), threshold, bins }
    })
});

/// The newest errors' tail.
#[derive(Clone, Debug)]
pub(crate) struct Tails {
    threshold: f64,
    seen: f64,
    counts: [f32; BINS],
    /// Of the block.
    fresh: [u8; BINS],
    rows: u32,
    troubled: bool,
    /// In thresholds.
    bar: f64,
}

impl Tails {
    pub(crate) fn new() -> Self {
        Self {
            threshold: 0.0,
            seen: 0.0,
            counts: [0.0; BINS],
            fresh: [0; BINS],
            rows: 0,
            troubled: false,
            bar: MAX_BAR,
        }
    }

    /// What an error has to exceed.
    pub(crate) fn bar(&self) -> f64 {
        self.bar * self.threshold
    }

    /// How many times further out than the normal law's the bar is.
    pub(crate) fn heaviness(&self) -> f64 {
        (self.bar / NORMAL_BAR).max(1.0)
    }

    /// Learns an error's size; a block with a `troubled` row is left out.
    pub(crate) fn push(&mut self, size: f64, troubled: bool) {
        self.seen += 1.0;
        if self.threshold <= 0.0 {
            self.threshold = size;
            return;
        }
        let ratio = size / self.threshold;
        let step = STEP.max(1.0 / (2.0 + 0.5 * self.seen));
        self.threshold *= if ratio > 1.0 { 1.0 + step * (1.0 - ABOVE) } else { 1.0 - step * ABOVE };
        if ratio > 1.0 {
            let bin = EDGES.iter().rposition(|&edge| ratio > edge).unwrap_or(0);
            self.fresh[bin] += 1;
        }
        self.rows += 1;
        self.troubled |= troubled;
        if self.rows == BLOCK_ROWS {
            self.rows = 0;
            let fresh = std::mem::take(&mut self.fresh);
            if !std::mem::take(&mut self.troubled) {
                self.learn(fresh);
            }
        }
    }

    fn learn(&mut self, fresh: [u8; BINS]) {
        let come: f32 = fresh.iter().map(|&count| f32::from(count)).sum();
        let keep = (1.0 - come / MEMORY as f32).max(0.0);
        for (count, fresh) in self.counts.iter_mut().zip(fresh) {
            *count = *count * keep + f32::from(fresh);
        }
        self.bar = self.solve();
    }

    /// Where all laws together leave as many errors as there may be false alarms.
    fn solve(&self) -> f64 {
        let logs = KNOWN.each_ref().map(|known| {
            let pairs = known.bins.iter().zip(self.counts);
            known.weight + pairs.map(|(log, count)| log * f64::from(count)).sum::<f64>()
        });
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = logs.map(|log| (log - most).exp());
        let total: f64 = weights.iter().sum();
        let rare = |bar: f64| {
            let pairs = KNOWN.iter().zip(weights).filter(|(_, weight)| *weight > 1e-9 * total);
            pairs
                .map(|(known, weight)| weight * known.law.survival(bar * known.threshold))
                .sum::<f64>()
                <= ALARMS * total
        };
        let (mut low, mut high) = (1.0_f64, MAX_BAR);
        for _ in 0..20 {
            let middle = (low * high).sqrt();
            if rare(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }
}

kept!(Tails: threshold, seen, counts, fresh, rows, troubled, bar);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_what_the_tables_say() {
        // Two-sided percentage points.
        for (law, at, share) in [
            (Law::Normal, 1.959_964, 0.05),
            (Law::Student(1), 12.7062, 0.05),
            (Law::Student(2), 4.3027, 0.05),
            (Law::Student(3), 5.8409, 0.01),
            (Law::Student(5), 4.0321, 0.01),
            (Law::Student(9), 2.2622, 0.05),
        ] {
            assert!((law.survival(at) / share - 1.0).abs() < 1e-3, "{law:?}");
            assert!((law.quantile(share) / at - 1.0).abs() < 1e-3, "{law:?}");
        }
    }

    fn bar(rows: usize, mut size: impl FnMut(f64) -> f64) -> f64 {
        let mut tails = Tails::new();
        for row in 0..rows {
            // Evenly spread and out of order: every law by its own quantiles.
            tails.push(size((row as f64 * 0.618_033_988_749_895 + 0.5).fract()), false);
        }
        tails.bar()
    }

    #[test]
    fn the_bar_comes_down_as_far_as_rows_allow() {
        let normal = |above: f64| Law::Normal.quantile(1.0 - above);
        let bars = [100, 200, 400, 2000].map(|rows| bar(rows, normal));
        assert!(bars.is_sorted_by(|a, b| a > b), "{bars:?}");
        assert!(bars[0] > 5.5 && (3.7..4.2).contains(&bars[3]), "{bars:?}");
        assert!(bar(BLOCK_ROWS as usize - 1, normal) > 100.0, "nothing is known yet");
    }

    #[test]
    fn heavy_tails_keep_it_up() {
        let bars =
            [5, 3, 2].map(|degrees| bar(2000, |above| Law::Student(degrees).quantile(1.0 - above)));
        assert!(bars.is_sorted() && bars[0] > 7.0 && bars[1] > 12.0 && bars[2] > 30.0, "{bars:?}");
    }

    #[test]
    fn blocks_in_trouble_teach_nothing() {
        let mut tails = Tails::new();
        // The first row only begins.
        for row in 0..=2000 {
            let share = (f64::from(row) * 0.618_033_988_749_895 + 0.5).fract();
            tails.push(Law::Normal.quantile(share), false);
        }
        let bar = tails.bar;
        for row in 0..BLOCK_ROWS {
            tails.push(9.0, row == 7);
        }
        assert_eq!(tails.bar, bar);
        (0..BLOCK_ROWS).for_each(|_| tails.push(9.0, false));
        assert!(tails.bar > 1.5 * bar, "{} was {bar}", tails.bar);
    }
}
