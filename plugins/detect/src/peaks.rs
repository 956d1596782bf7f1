//! How high a statistic gets when nothing is wrong.
//!
//! The rule: the highest value of every hundred quiet rows teaches the mean and deviation of the
//! logarithm of such peaks; the bar stands some deviations above the mean, and never below the
//! floor that a well-behaved series needs.
//!
//! Block maxima with a Gumbel law on the logarithm are a Frechet law on the statistic itself, so
//! that heavy tails, bursts and correlated noise raise the bar by themselves (Coles, An
//! Introduction to Statistical Modeling of Extreme Values, 2001).

use crate::tape::{Keep, Tape};

/// Odds of a statistic that would be an alarm were it not for the last one.
pub(crate) const RESTING: f64 = 0.95;
/// Rows of a block.
const BLOCK_ROWS: u32 = 100;
/// Blocks that are remembered.
const MEMORY_BLOCKS: f64 = 30.0;
/// Blocks that the guess before the first one counts for.
const GUESS_BLOCKS: f64 = 2.0;
/// The guess: a peak of this share of the floor, with this deviation of its logarithm.
const GUESS: (f64, f64) = (0.6, 0.15);
/// Deviation of the logarithm of the peaks up to which tails are light, and how many deviations
/// more a heavier one needs.
const LIGHT: f64 = 0.15;
const TAIL: f64 = 12.0;
/// Peaks below this share of the floor are all alike: how low they are says nothing of how high
/// they get.
const LEAST: f64 = 0.35;
/// A peak counts for at most this many deviations below the mean.
const MAX_LOWER: f64 = 1.5;
/// The bar grows by this with each alarm beyond the first ones.
const FATIGUE: f64 = 0.5;
/// Alarms that cost nothing.
const FREE_ALARMS: f64 = 3.0;
/// Up to so many alarms, of its own or of others, the block of an alarm teaches nothing.
const FREE_TROUBLES: f64 = 2.5;
/// Rows after which an alarm no longer counts for that.
const TROUBLE_ROWS: f64 = 3000.0;
/// Rows after which an alarm is forgotten.
const FATIGUE_ROWS: f64 = 2000.0;

/// Peaks of one statistic and the bar above them.
#[derive(Clone, Debug)]
pub(crate) struct Peaks {
    floor: f64,
    deviations: f64,
    rows: u32,
    peak: f64,
    /// Whether an alarm was raised in the block, or rested.
    alarmed: bool,
    blocks: f64,
    mean: f64,
    variance: f64,
    /// The bar by the peaks alone: follows from the mean and variance.
    usual: f64,
    alarms: f64,
    troubles: f64,
    rest: u32,
    /// Of the rest, what an alarm of its own asked for.
    own_rest: u32,
    rest_rows: u32,
}

impl Peaks {
    /// The bar stands `deviations` above the usual peak and never below `floor`; an alarm is
    /// followed by `rest_rows` rows without one.
    pub(crate) fn new(floor: f64, deviations: f64, rest_rows: u32) -> Self {
        let mut peaks = Self {
            floor,
            deviations,
            rows: 0,
            peak: 0.0,
            alarmed: false,
            blocks: GUESS_BLOCKS,
            mean: (GUESS.0 * floor).ln(),
            variance: GUESS.1 * GUESS.1,
            alarms: 0.0,
            troubles: 0.0,
            rest: 0,
            own_rest: 0,
            rest_rows,
            usual: 0.0,
        };
        peaks.settle();
        peaks
    }

    /// What the statistic has to exceed.
    pub(crate) fn bar(&self) -> f64 {
        self.usual * (1.0 + FATIGUE * (self.alarms - FREE_ALARMS).max(0.0))
    }

    fn settle(&mut self) {
        let deviation = self.variance.sqrt();
        let deviations = self.deviations + TAIL * (deviation - LIGHT).clamp(0.0, 0.25);
        self.usual = (self.mean + deviations * deviation).exp().max(self.floor);
    }

    /// Learns a row's statistic before anything may be said of it.
    pub(crate) fn learn(&mut self, statistic: f64) {
        self.peak = self.peak.max(statistic);
        self.rows += 1;
        if self.rows == BLOCK_ROWS {
            self.learn_block();
        }
    }

    /// Takes a row's statistic and gives it over the bar, so that above 1 is an alarm; a
    /// little less while an alarm still rests.
    pub(crate) fn push(&mut self, statistic: f64) -> f64 {
        self.push_above(statistic, 0.0)
    }

    /// The same with a bar of at least `least`.
    pub(crate) fn push_above(&mut self, statistic: f64, least: f64) -> f64 {
        let bar = self.bar().max(least);
        let odds = statistic / bar;
        self.peak = self.peak.max(statistic.min(bar));
        self.rows += 1;
        if self.rows == BLOCK_ROWS {
            self.learn_block();
        }
        self.alarms *= 1.0 - 1.0 / FATIGUE_ROWS;
        self.troubles *= 1.0 - 1.0 / TROUBLE_ROWS;
        if self.own_rest > 0 {
            self.own_rest -= 1;
            self.alarmed = true;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return odds.min(RESTING);
        }
        if odds > 1.0 {
            self.alarms += 1.0;
            self.troubles += 1.0;
            self.alarmed = true;
            self.rest = self.rest_rows;
            self.own_rest = self.rest_rows;
        }
        odds
    }

    /// Whether the newest block holds an alarm that must not be learnt.
    pub(crate) fn is_troubled(&self) -> bool {
        self.alarmed && self.troubles <= FREE_TROUBLES
    }

    /// Says nothing for at least `rows` rows: another alarm covers them.
    pub(crate) fn hush(&mut self, rows: u32) {
        if self.own_rest == 0 {
            self.troubles += 1.0;
        }
        self.rest = self.rest.max(rows);
        self.own_rest = self.own_rest.max(rows);
    }

    /// A block with an alarm teaches nothing, or a fault would hide the next one; where alarms are
    /// many they are the usual thing, and are learnt.
    fn learn_block(&mut self) {
        let skipped = self.is_troubled();
        self.rows = 0;
        self.alarmed = false;
        let peak = std::mem::replace(&mut self.peak, 0.0);
        if skipped {
            return;
        }
        let log = peak.max(LEAST * self.floor).ln();
        self.blocks = (self.blocks + 1.0).min(MEMORY_BLOCKS);
        // A quiet block lowers the mean, and must not look like unrest.
        let least = -MAX_LOWER * self.variance.sqrt();
        let (rate, off) = (1.0 / self.blocks, (log - self.mean).max(least));
        self.mean += rate * off;
        self.variance = (1.0 - rate) * (self.variance + rate * off * off);
        self.settle();
    }
}

impl Keep for Peaks {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.rows.keep(tape);
        self.peak.keep(tape);
        self.alarmed.keep(tape);
        self.blocks.keep(tape);
        self.mean.keep(tape);
        self.variance.keep(tape);
        self.alarms.keep(tape);
        self.troubles.keep(tape);
        self.rest.keep(tape);
        self.own_rest.keep(tape);
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_follows_the_peaks_and_one_fault_does_not_move_it() {
        let mut peaks = Peaks::new(4.0, 3.0, 10);
        for row in 0..12_000 {
            peaks.learn(if row % 100 == 0 { 6.0 } else { 1.0 });
        }
        let bar = peaks.bar();
        assert!((6.0..12.0).contains(&bar), "{bar}");
        assert!(peaks.push(2.0 * bar) > 1.0);
        for _ in 0..200 {
            peaks.push(1.0);
        }
        assert!((peaks.bar() / bar - 1.0).abs() < 0.2, "{} was {bar}", peaks.bar());
    }

    #[test]
    fn an_alarm_is_followed_by_a_rest_and_many_raise_the_bar() {
        let mut peaks = Peaks::new(4.0, 3.0, 10);
        let alarms = (0..400).filter(|_| peaks.push(8.0) > 1.0).count();
        assert!((2..=8).contains(&alarms), "{alarms}");
        assert!(peaks.bar() > 8.0);
    }
}
