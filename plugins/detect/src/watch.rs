//! Watches for the faults that have a name.
//!
//! The rule: each watch has one statistic and one bar of its own, so that each keeps a false-alarm
//! rate of its own, and none has to be tuned against another.

use crate::average::Average;
use crate::forecast::Assessment;
use crate::peaks::Peaks;
use crate::tails::Tails;
use crate::tape::{Keep, Tape, kept};
use crate::verdict::Method;

/// A spike is at least this many standard deviations from every good forecast.
const SPIKE: f64 = 3.8;
/// Deviations between the usual peak and the bar, for spikes and for what lasts.
const SPIKE_DEVIATIONS: f64 = 2.0;
const SLOW_DEVIATIONS: f64 = 4.5;
/// Rows after a spike in which its echoes say nothing.
const SPIKE_REST: u32 = 12;
/// Rows whose mean error tells a level shift.
const LEVEL_ROWS: usize = 12;
/// A shift is at least this many standard deviations of such a mean.
const LEVEL: f64 = 9.0;
/// Rows whose mean absolute error tells a change of spread.
const SPREAD_ROWS: usize = 64;
/// How many times larger, or smaller, it has to be at least.
const SPREAD: f64 = 1.7;
/// The same for the errors of a season that is gone.
const SEASON: f64 = 1.8;
/// Ratios beyond this are all alike.
const MAX_RATIO: f64 = 100.0;
/// Rows after an alarm of the slow watches.
const REST: u32 = 120;
/// Errors count for at most this many standard deviations.
const MAX_ERROR: f64 = 6.0;
/// Steps in which they are kept.
const STEP: f64 = MAX_ERROR / i16::MAX as f64;
/// Memory of the usual absolute error.
const USUAL_ROWS: f64 = 800.0;
/// A flat line has at least this many equal rows, and this many times the longest run before.
const FLAT_ROWS: f64 = 24.0;
const FLAT_TIMES: f64 = 4.0;
/// What the longest run keeps with each row.
const FLAT_FADE: f64 = 0.9998;
/// A run teaches at most this share of the bar: a flat line must not hide the next one.
const FLAT_LESSON: f64 = 0.34;
/// Runs before any can be too long, and the mean repeats in them of a series that moves.
const FLAT_RUNS: f64 = 50.0;
const FLAT_REPEATS: f64 = 1.0;
/// Runs that are remembered.
const FLAT_MEMORY: f64 = 1000.0;
/// Rows before a watch may speak.
const WARM_UP_ROWS: u32 = 100;

/// All watches of a series.
#[derive(Clone, Debug)]
pub(crate) struct Watches {
    rows: u32,
    spike: Peaks,
    tails: Tails,
    level: Peaks,
    more: Peaks,
    less: Peaks,
    season: Peaks,
    errors: Ring,
    sizes: Ring,
    season_sizes: Ring,
    usual: Average,
    season_usual: Average,
    flat: Flat,
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self {
            rows: 0,
            spike: Peaks::new(SPIKE, SPIKE_DEVIATIONS, SPIKE_REST),
            tails: Tails::new(),
            level: Peaks::new(LEVEL, SLOW_DEVIATIONS, REST),
            more: Peaks::new(SPREAD, SLOW_DEVIATIONS, REST),
            less: Peaks::new(SPREAD, SLOW_DEVIATIONS, REST),
            season: Peaks::new(SEASON, SLOW_DEVIATIONS, REST),
            errors: Ring::new(LEVEL_ROWS),
            sizes: Ring::new(SPREAD_ROWS),
            season_sizes: Ring::new(SPREAD_ROWS),
            usual: Average::of_rows(USUAL_ROWS),
            season_usual: Average::of_rows(USUAL_ROWS),
            flat: Flat::default(),
        }
    }

    /// Tells every watch that has something to say, with its statistic over its bar.
    pub(crate) fn push(&mut self, x: f64, row: &Assessment, mut tell: impl FnMut(Method, f64)) {
        self.rows = self.rows.saturating_add(1);
        let warm = self.rows > WARM_UP_ROWS;
        tell(Method::FlatLine, self.flat.push(x));
        if !row.strangeness.is_finite() {
            return;
        }
        if !warm {
            self.spike.learn(row.strangeness);
            self.tails.push(row.error.abs(), false);
            // Its first mean is one of all its rows: that of one error would pass for a shift.
            self.errors.push(row.slow_error.clamp(-MAX_ERROR, MAX_ERROR));
            return;
        }
        let troubled = self.spike.is_troubled();
        let odds = self.spike.push_above(row.strangeness, self.tails.bar());
        tell(Method::Spike, odds);
        self.tails.push(row.error.abs(), troubled || odds > 1.0);
        if row.still {
            return;
        }
        let mean = self.errors.push(row.slow_error.clamp(-MAX_ERROR, MAX_ERROR));
        tell(Method::LevelShift, self.level.push(mean.abs() * (LEVEL_ROWS as f64).sqrt()));
        if row.smooth {
            return;
        }
        let size = row.error.abs().min(MAX_ERROR);
        let ratio_of_sizes = ratio(self.sizes.push(size), self.usual.push(size));
        tell(Method::MoreSpread, self.more.push(ratio_of_sizes));
        tell(Method::LessSpread, self.less.push(ratio_of_sizes.recip()));
        if let Some(error) = row.season_error {
            let size = error.abs().min(MAX_ERROR);
            let ratio = ratio(self.season_sizes.push(size), self.season_usual.push(size));
            tell(Method::SeasonBreak, self.season.push(ratio));
        }
    }

    /// How many times heavier the errors' tail is than that of normal ones.
    pub(crate) fn heaviness(&self) -> f64 {
        self.tails.heaviness()
    }

    /// The spike watch's bar, in standard deviations.
    pub(crate) fn reach(&self) -> f64 {
        self.spike.bar().max(self.tails.bar())
    }

    /// An alarm was raised: the slow watches would only tell the same again.
    pub(crate) fn hush(&mut self) {
        for watch in [&mut self.level, &mut self.more, &mut self.less, &mut self.season] {
            watch.hush(REST);
        }
    }
}

fn ratio(recent: f64, usual: f64) -> f64 {
    if usual > 0.0 { (recent / usual).clamp(1.0 / MAX_RATIO, MAX_RATIO) } else { 1.0 }
}

/// The mean of the newest errors, each in small steps of [`MAX_ERROR`].
#[derive(Clone, Debug)]
struct Ring {
    rows: Vec<i16>,
    next: usize,
    capacity: usize,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        Self { rows: Vec::new(), next: 0, capacity }
    }

    fn push(&mut self, x: f64) -> f64 {
        let steps = (x / STEP).round() as i16;
        if self.rows.len() < self.capacity {
            self.rows.push(steps);
        } else {
            self.rows[self.next] = steps;
            self.next = (self.next + 1) % self.capacity;
        }
        f64::from(self.rows.iter().copied().map(i32::from).sum::<i32>()) * STEP
            / self.rows.len() as f64
    }
}

/// Runs of one value.
#[derive(Clone, Debug, Default)]
struct Flat {
    last: Option<f64>,
    run: f64,
    longest: f64,
    /// Runs so far, and the share of the rows in them that repeat.
    runs: f64,
    repeats: f64,
}

impl Flat {
    /// The run over the shortest that is a flat line, just when it gets there.
    fn push(&mut self, x: f64) -> f64 {
        self.longest *= FLAT_FADE;
        let bar = FLAT_ROWS.max(FLAT_TIMES * self.longest);
        if self.last == Some(x) {
            self.run += 1.0;
            let moves = self.runs >= FLAT_RUNS && self.repeats < FLAT_REPEATS * self.runs;
            return if moves && self.run > bar && self.run <= bar + 1.0 { 1.5 } else { 0.0 };
        }
        let run = self.run.min(bar * FLAT_LESSON);
        self.longest = self.longest.max(run);
        if self.runs >= FLAT_MEMORY {
            self.runs *= 0.5;
            self.repeats *= 0.5;
        }
        self.runs += 1.0;
        self.repeats += run;
        self.last = Some(x);
        self.run = 0.0;
        0.0
    }
}

kept!(
    Watches: rows, spike, tails, level, more, less, season, errors, sizes, season_sizes, usual,
    season_usual, flat
);
kept!(Flat: last, run, longest, runs, repeats);

impl Keep for Ring {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.list(&mut self.rows, 0, self.capacity);
        tape.index(&mut self.next, self.capacity);
    }
}
