//! A period of any length, found in the rows themselves.
//!
//! The rule: for every lag the usual difference between a row and the row one lag before is kept;
//! the shortest lag that is nearly the best, and much better than most, is the period, and the
//! forecast is the mean of the phase over the last periods.
//!
//! The differences are the average magnitude difference function of pitch detection (Ross et al.,
//! 1974) with forgetting.

use crate::tape::{Keep, MAX_ROWS, Tape, coarse};

/// Shortest period that is looked for.
const MIN_LAG: usize = 4;
/// Share of the newest row in a lag's usual difference.
const RATE: f32 = 1.0 / YOUNG_ROWS as f32;
const YOUNG_ROWS: usize = 400;
/// Rows between two choices of the period.
const CHOOSE_EVERY: usize = 16;
/// The best lag has to be this much better than the average one.
const CLEARLY: f32 = 0.75;
/// A shorter lag, or the one that was chosen before, is taken when it is within this of the best.
const NEARLY: f32 = 1.08;
/// Periods that a phase remembers.
const MEMORY_PERIODS: f32 = 6.0;
/// A row teaches its phase at most this many usual differences.
const MAX_LESSON: f32 = 4.0;

/// Differences at all lags and the period they speak for.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    max_lag: usize,
    /// Rows, oldest first; the front is cut off when it has doubled.
    history: Vec<f32>,
    /// `usual[max_lag - lag]`: mean absolute difference at that lag.
    usual: Vec<f32>,
    seen: usize,
    origin: f64,
    season: Option<Phases>,
}

/// Means by phase of the period that was found.
#[derive(Clone, Debug, Default)]
struct Phases {
    /// One for each phase; their number is the period.
    means: Vec<f32>,
    next: usize,
    periods: f32,
    difference: f32,
}

impl Echo {
    pub(crate) fn new(max_lag: usize) -> Self {
        Self {
            max_lag,
            history: Vec::with_capacity(2 * max_lag),
            usual: vec![0.0; max_lag],
            seen: 0,
            origin: 0.0,
            season: None,
        }
    }

    /// The next value, if there is a period.
    pub(crate) fn expected(&self) -> Option<f64> {
        let season = self.season.as_ref()?;
        Some(f64::from(season.means[season.next]) + self.origin)
    }

    /// Takes a row; where the period is another one from now on, gives the error to be expected.
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        if self.seen == 0 {
            self.origin = x;
        }
        let x = coarse((x - self.origin) as f32);
        let known = self.history.len().min(self.max_lag);
        let before = &self.history[self.history.len() - known..];
        let pairs = self.usual[self.max_lag - known..].iter_mut().zip(before);
        if self.seen < self.max_lag + YOUNG_ROWS {
            // A lag is seen for the first time when the series is as long: from there on it counts,
            // or long lags would begin with a small difference and look like periods.
            for (at, (usual, then)) in pairs.enumerate() {
                let times = (self.seen + 1 + at - known) as f32;
                *usual = coarse(*usual + RATE.max(times.recip()) * ((x - then).abs() - *usual));
            }
        } else {
            pairs.for_each(|(usual, then)| {
                *usual = coarse(*usual + RATE * ((x - then).abs() - *usual));
            });
        }
        if self.history.len() == 2 * self.max_lag {
            self.history.drain(..self.max_lag);
        }
        self.history.push(x);
        if let Some(season) = &mut self.season {
            season.learn(x);
        }
        self.seen += 1;
        let changed = self.seen.is_multiple_of(CHOOSE_EVERY) && self.choose();
        self.season.as_ref().filter(|_| changed).map(|season| f64::from(season.difference))
    }

    fn choose(&mut self) -> bool {
        // A lag is judged once it was seen for another one and a half of it.
        let longest = (self.seen * 2 / 5).min(self.max_lag);
        if longest < 2 * MIN_LAG {
            return false;
        }
        let lags = &self.usual[self.max_lag - longest..=self.max_lag - MIN_LAG];
        let best = lags.iter().copied().fold(f32::INFINITY, f32::min);
        let mean = lags.iter().sum::<f32>() / lags.len() as f32;
        if best >= CLEARLY * mean {
            return self.season.take().is_some();
        }
        if let Some(season) = &mut self.season {
            let difference = self.usual[self.max_lag - season.means.len()];
            if difference <= NEARLY * best {
                season.difference = difference;
                return false;
            }
        }
        self.season = lags.iter().rposition(|&usual| usual <= NEARLY * best).map(|at| {
            let newest = &self.history[self.history.len() - (longest - at)..];
            Phases { means: newest.to_vec(), next: 0, periods: 1.0, difference: best }
        });
        true
    }
}

impl Phases {
    fn learn(&mut self, x: f32) {
        let most = MAX_LESSON * self.difference;
        let mean = &mut self.means[self.next];
        let step = (x - *mean).clamp(-most, most) / (self.periods + 1.0).min(MEMORY_PERIODS);
        *mean = coarse(*mean + step);
        self.next += 1;
        if self.next == self.means.len() {
            self.next = 0;
            self.periods += 1.0;
        }
    }
}

impl Keep for Echo {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.index(&mut self.seen, MAX_ROWS);
        self.origin.keep(tape);
        // Older rows are not looked at again, longer lags were not seen.
        let known = self.seen.min(self.max_lag);
        if self.history.len() > known {
            self.history.drain(..self.history.len() - known);
        }
        self.history.resize(known, 0.0);
        tape.coarse(&mut self.history);
        tape.coarse(&mut self.usual[self.max_lag - known..]);
        tape.maybe(&mut self.season, Phases::default, |season, tape| {
            let mut period = season.means.len();
            tape.index(&mut period, self.max_lag + 1);
            season.means.resize(period, 0.0);
            tape.coarse(&mut season.means);
            tape.index(&mut season.next, period);
            season.periods.keep(tape);
            season.difference.keep(tape);
        });
    }
}
