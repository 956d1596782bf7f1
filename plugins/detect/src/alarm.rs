//! When evidence becomes an alarm, and when it does not.
//!
//! The rule: an alarm is followed by a rest in which the same trouble is not told again, and every
//! alarm raises the bar for the next ones, so that a noisy series earns a deaf ear.
//!
//! Rest and fatigue are a budget of false discoveries spent in time order, as in alpha-investing
//! (Foster and Stine, 2008): each alarm has to be paid for by evidence that exceeds what was
//! enough before.

use crate::peaks::RESTING;
use crate::tape::kept;

/// Rows of the series before the ensemble may raise an alarm.
const WARM_UP_ROWS: u32 = 150;
/// A series is young for about this many rows.
const YOUNG_ROWS: f64 = 350.0;
/// Rows after an alarm without another.
const REST_ROWS: u32 = 120;
/// Each alarm raises the bar by this share.
const FATIGUE: f64 = 0.2;
/// Rows after which an alarm is forgotten.
const FATIGUE_ROWS: f64 = 8000.0;

/// The gate between evidence and alarms.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    threshold: f64,
    rows: u32,
    rest: u32,
    alarms: f64,
}

impl Gate {
    pub(crate) fn new(threshold: f64) -> Self {
        Self { threshold, rows: 0, rest: 0, alarms: 0.0 }
    }

    /// `doubt` is how many times more evidence than usual this series asks for.
    ///
    /// Evidence over the bar, so that above 1 is an alarm; a little less while nothing may be
    /// said. What [`Gate::alarmed`] is told of counts: the caller may have reasons to keep quiet.
    pub(crate) fn push(&mut self, evidence: f64, doubt: f64) -> f64 {
        self.alarms *= 1.0 - 1.0 / FATIGUE_ROWS;
        self.rows = self.rows.saturating_add(1);
        // Of a young series little is known, least of all that it is unusual.
        let youth = (YOUNG_ROWS / f64::from(self.rows)).powi(2);
        let doubt = doubt + (doubt - 1.0) * youth;
        let odds = evidence / (self.threshold * (1.0 + FATIGUE * self.alarms) * doubt);
        let resting = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        if resting || self.rows <= WARM_UP_ROWS { odds.min(RESTING) } else { odds }
    }

    /// An alarm was raised on this evidence.
    pub(crate) fn alarmed(&mut self) {
        self.alarms += 1.0;
        self.rest = REST_ROWS;
    }

    /// Another alarm covers the next rows.
    pub(crate) fn hush(&mut self) {
        self.rest = REST_ROWS;
    }
}

kept!(Gate: rows, rest, alarms);
