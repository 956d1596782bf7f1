//! How unlike everything before it the newest stretch of a series is.
//!
//! The rule: for every lag the squared distance between the newest rows and the rows one lag
//! before them is kept up to date, and the answer is among the smallest of these.
//!
//! A stretch whose nearest neighbour is far is a discord (Keogh, Lin and Fu, HOT SAX, 2005); this
//! is the left matrix profile of one stretch, in the lag domain, where a new row costs one addition
//! and one subtraction a lag.

use crate::tape::{Keep, Tape, kept};

/// Lags are looked at in groups of this many, one for each lane of a vector register.
const LANES: usize = 16;
/// How many of the smallest distances can be told apart.
const RANKS: usize = 5;
/// Lags whose sum is computed afresh with each row: additions and subtractions leave rounding
/// errors behind, and these must not outlive a few hundred rows.
const REFRESHED: usize = 4;
/// Share of the newest row in the mean absolute deviation.
const SPREAD_RATE: f64 = 1.0 / 2000.0;

/// Distances of the newest stretches of several lengths to the stretches before them.
#[derive(Clone, Debug)]
pub(crate) struct Discord {
    max_lag: usize,
    longest: usize,
    /// Rows, oldest first; the front is cut off when it has doubled.
    history: Vec<f32>,
    stretches: Vec<Stretch>,
    origin: f64,
    spread: Spread,
    rank: usize,
}

#[derive(Clone, Debug)]
struct Stretch {
    rows: usize,
    /// `sums[max_lag - lag]`: squared distance at that lag, infinite where none is known.
    sums: Vec<f32>,
    refresh: usize,
}

/// Mean absolute deviation from the mean, of all and then of the newest rows.
#[derive(Clone, Debug, Default)]
struct Spread {
    seen: f64,
    mean: f64,
    deviation: f64,
}

impl Spread {
    fn push(&mut self, x: f64) {
        self.seen += 1.0;
        let rate = (1.0 / self.seen).max(SPREAD_RATE);
        self.mean += rate * (x - self.mean);
        self.deviation += rate * ((x - self.mean).abs() - self.deviation);
    }
}

impl Discord {
    /// Stretches of `rows` rows against everything up to `max_lag` rows ago; the `rank`-th
    /// smallest distance counts.
    pub(crate) fn new(rows: &[usize], max_lag: usize, rank: usize) -> Self {
        assert!((1..=RANKS).contains(&rank), "a rank is 1..=RANKS");
        let max_lag = max_lag.next_multiple_of(LANES);
        let stretches = rows
            .iter()
            .map(|&rows| Stretch { rows, sums: vec![f32::INFINITY; max_lag], refresh: 0 })
            .collect();
        Self {
            max_lag,
            longest: rows.iter().copied().max().unwrap_or(1),
            history: Vec::new(),
            stretches,
            origin: 0.0,
            spread: Spread::default(),
            rank,
        }
    }

    /// Rows that are looked at again.
    fn keep_rows(&self) -> usize {
        self.max_lag + self.longest + 1
    }

    /// Takes a row; gives for each length the root mean square distance over the mean absolute
    /// deviation, once anything can be compared.
    pub(crate) fn push(&mut self, x: f64, mut tell: impl FnMut(usize, f64)) {
        if self.history.is_empty() {
            self.origin = x;
        }
        self.spread.push(x);
        // Distances need no more than the neighbourhood of the series: its origin is taken away
        // so that a large offset costs no digits.
        self.history.push((x - self.origin) as f32);
        let keep = self.keep_rows();
        if self.history.len() > 2 * keep {
            self.history.drain(..self.history.len() - keep);
        }
        let scale = self.spread.deviation.max(f64::MIN_POSITIVE);
        for (at, stretch) in self.stretches.iter_mut().enumerate() {
            stretch.follow(&self.history, self.max_lag);
            let sum = stretch.smallest(self.rank);
            if sum != f32::INFINITY {
                let distance = (f64::from(sum) / stretch.rows as f64).sqrt();
                tell(at, (distance / scale).min(1e6));
            }
        }
    }
}

impl Stretch {
    fn follow(&mut self, history: &[f32], max_lag: usize) {
        let newest = history.len() - 1;
        let m = self.rows;
        // The longest lag whose sum was complete before this row.
        let known = (newest.saturating_sub(m)).min(max_lag);
        if known >= m {
            let entering = history[newest];
            let leaving = history[newest - m];
            let sums = &mut self.sums[max_lag - known..=max_lag - m];
            let come = &history[newest - known..=newest - m];
            let gone = &history[newest - m - known..=newest - m - m];
            for ((sum, &come), &gone) in sums.iter_mut().zip(come).zip(gone) {
                let (come, gone) = (entering - come, leaving - gone);
                *sum = (*sum + (come * come - gone * gone)).max(0.0);
            }
        }
        let first = newest + 1 - m.min(newest + 1);
        if first >= m && first <= max_lag {
            self.sums[max_lag - first] = distance(history, m, first);
        }
        let reach = first.min(max_lag);
        if reach >= m {
            for _ in 0..REFRESHED {
                self.refresh =
                    if self.refresh + 1 > reach || self.refresh < m { m } else { self.refresh + 1 };
                self.sums[max_lag - self.refresh] = distance(history, m, self.refresh);
            }
        }
    }

    /// The `rank`-th smallest sum.
    fn smallest(&self, rank: usize) -> f32 {
        let mut lowest = [[f32::INFINITY; LANES]; RANKS];
        for group in self.sums.as_chunks::<LANES>().0 {
            let mut rest = *group;
            for level in lowest.iter_mut().take(rank) {
                for lane in 0..LANES {
                    let (a, b) = (level[lane], rest[lane]);
                    level[lane] = if b < a { b } else { a };
                    rest[lane] = if b < a { a } else { b };
                }
            }
        }
        let mut all = [f32::INFINITY; LANES * RANKS];
        for (to, from) in all.iter_mut().zip(lowest[..rank].as_flattened()) {
            *to = *from;
        }
        *all.select_nth_unstable_by(rank - 1, f32::total_cmp).1
    }
}

/// Squared distance between the newest `rows` rows and those `lag` before.
fn distance(history: &[f32], rows: usize, lag: usize) -> f32 {
    let newest = &history[history.len() - rows..];
    let before = &history[history.len() - rows - lag..][..rows];
    newest.iter().zip(before).map(|(a, b)| (a - b) * (a - b)).sum()
}

impl Keep for Discord {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        let keep = self.keep_rows();
        if self.history.len() > keep {
            self.history.drain(..self.history.len() - keep);
        }
        tape.list(&mut self.history, 0.0, keep);
        self.origin.keep(tape);
        self.spread.keep(tape);
        for stretch in &mut self.stretches {
            stretch.sums.keep(tape);
            tape.index(&mut stretch.refresh, self.max_lag + 1);
        }
    }
}

kept!(Spread: seen, mean, deviation);
