//! How often rows come.
//!
//! The rule: times come in with the rows, or from whoever asks; there is no clock in here.

use crate::average::Average;
use crate::tape::kept;

/// A gap is at least this many usual intervals.
const GAP_INTERVALS: f64 = 20.0;
/// And this many times the longest pause remembered.
const BEYOND_LONGEST: f64 = 2.5;
/// Share of the intervals that have to be about the usual one.
const REGULAR: f64 = 0.8;
/// Rows before a pace is known.
const MIN_ROWS: f64 = 20.0;
/// Where fewer of the first intervals are about the usual one, that was taken from an odd pause.
const ASTRAY: f64 = 0.5;
/// A pause teaches at most this share of a gap: one gap must not hide the next.
const LESSON: f64 = 0.7;
/// What the longest pause keeps with each row.
const FADE: f64 = 0.999;

/// The usual interval and the longest pauses.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    last_ns: Option<i64>,
    usual_ns: f64,
    regular: Average,
    longest_ns: f64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { last_ns: None, usual_ns: 0.0, regular: Average::of_rows(300.0), longest_ns: 0.0 }
    }

    /// Takes the time of a row and gives the pause before it over the shortest that is a gap.
    pub(crate) fn push(&mut self, time_ns: i64) -> f64 {
        let odds = self.silence(time_ns);
        let Some(last) = self.last_ns.replace(time_ns) else { return 0.0 };
        let pause = time_ns.saturating_sub(last) as f64;
        if pause <= 0.0 {
            // Rows of one moment, and late ones, say nothing of how often rows come.
            return odds;
        }
        let astray = self.regular.seen() < MIN_ROWS && self.regular.mean() < ASTRAY;
        if self.usual_ns <= 0.0 || astray {
            self.usual_ns = pause;
        } else {
            // A running median: steps in proportion to itself, smaller ones once it is known.
            let step = (1.0 / (1.0 + self.regular.seen())).max(0.01);
            let towards = if pause > self.usual_ns { step } else { -step };
            if (pause - self.usual_ns).abs() > step * self.usual_ns {
                self.usual_ns *= 1.0 + towards;
            } else {
                self.usual_ns = pause;
            }
        }
        let near = pause > 0.5 * self.usual_ns && pause < 1.5 * self.usual_ns;
        self.regular.push(f64::from(u8::from(near)));
        let lesson = pause.min(LESSON * (GAP_INTERVALS * self.usual_ns).max(self.longest_ns));
        self.longest_ns = (FADE * self.longest_ns).max(lesson);
        odds
    }

    /// How long nothing came until `now_ns`, over the shortest pause that is a gap; 0 where rows
    /// come irregularly or too few came.
    pub(crate) fn silence(&self, now_ns: i64) -> f64 {
        let Some(last) = self.last_ns else { return 0.0 };
        if self.regular.seen() < MIN_ROWS || self.regular.mean() < REGULAR || self.usual_ns <= 0.0 {
            return 0.0;
        }
        let shortest = (GAP_INTERVALS * self.usual_ns).max(BEYOND_LONGEST * self.longest_ns);
        now_ns.saturating_sub(last).max(0) as f64 / shortest
    }

    /// The usual interval.
    pub(crate) fn usual_ns(&self) -> f64 {
        self.usual_ns
    }
}

kept!(Pace: last_ns, usual_ns, regular, longest_ns);
