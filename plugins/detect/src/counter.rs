//! Series that only count up.
//!
//! The rule: such a series is judged by what it gains a usual interval; a fall to near nothing is
//! a reset, which is normal and says nothing.

use crate::tape::{Keep, Tape, kept};

/// Rows that are looked at before a series is taken for a counter.
pub(crate) const TRIAL_ROWS: u32 = 48;
/// At least this share of the rows has to gain.
const GAINING: f64 = 0.5;
/// A reset falls below this share of the value before.
const RESET: f64 = 0.5;
/// Resets in the trial, at most.
const TRIAL_RESETS: u32 = 3;
/// Falls that are no resets, before a series stops to be a counter.
const MAX_FALLS: u32 = 3;

/// What kind of series it is.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    kind: Kind,
    last: Option<(i64, f64)>,
    rows: u32,
    gains: u32,
    resets: u32,
    falls: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Trial,
    Gauge,
    Counter,
}

/// What a row is to the models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    /// A value to judge.
    Value(f64),
    /// The same, but nothing learnt before holds any more.
    Anew(f64),
    /// Nothing to judge: a counter began again.
    Reset,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { kind: Kind::Trial, last: None, rows: 0, gains: 0, resets: 0, falls: 0 }
    }

    pub(crate) fn push(&mut self, time_ns: i64, x: f64, usual_ns: f64) -> Reading {
        let Some((then, before)) = self.last.replace((time_ns, x)) else {
            return Reading::Value(x);
        };
        let reset = x < RESET * before && x >= 0.0;
        let fall = x < before && !reset;
        match self.kind {
            Kind::Gauge => Reading::Value(x),
            Kind::Trial => {
                self.rows += 1;
                self.gains += u32::from(x > before);
                self.resets += u32::from(reset);
                self.falls += u32::from(fall);
                if self.falls > 0 || self.resets > TRIAL_RESETS || x < 0.0 {
                    self.kind = Kind::Gauge;
                } else if self.rows == TRIAL_ROWS {
                    let gaining = f64::from(self.gains) >= GAINING * f64::from(self.rows);
                    self.kind = if gaining { Kind::Counter } else { Kind::Gauge };
                    if gaining {
                        return Reading::Anew(rate(
                            x - before,
                            time_ns.saturating_sub(then),
                            usual_ns,
                        ));
                    }
                }
                Reading::Value(x)
            }
            Kind::Counter if fall => {
                self.falls += 1;
                if self.falls <= MAX_FALLS {
                    return Reading::Reset;
                }
                self.kind = Kind::Gauge;
                Reading::Anew(x)
            }
            Kind::Counter if reset => Reading::Reset,
            Kind::Counter => {
                Reading::Value(rate(x - before, time_ns.saturating_sub(then), usual_ns))
            }
        }
    }

    /// What the counter stood at, for the range that is expected of the next row.
    pub(crate) fn base(&self) -> Option<f64> {
        (self.kind == Kind::Counter).then(|| self.last.map(|last| last.1)).flatten()
    }
}

/// The gain of a usual interval.
fn rate(gain: f64, passed_ns: i64, usual_ns: f64) -> f64 {
    if usual_ns > 0.0 && passed_ns > 0 { gain * (usual_ns / passed_ns as f64) } else { gain }
}

kept!(Counter: kind, last, rows, gains, resets, falls);

impl Keep for Kind {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        const KINDS: [Kind; 3] = [Kind::Trial, Kind::Gauge, Kind::Counter];
        let mut kind = *self as usize;
        tape.index(&mut kind, KINDS.len());
        *self = KINDS[kind];
    }
}
