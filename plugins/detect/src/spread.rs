//! Whether a series moves more, or less, than it used to.
//!
//! The rule: the mean step from row to row over a short time against the same over a long one, as
//! the size of the logarithm of their ratio; no step counts for more than a few usual ones.

use crate::average::Average;
use crate::tape::kept;

/// Memory of the usual step.
const USUAL_ROWS: f64 = 1000.0;
/// A step counts for at most this many usual ones.
const MAX_STEPS: f64 = 8.0;

/// Recent against usual size of the steps.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    before: Option<f64>,
    recent: Average,
    usual: Average,
}

impl Spread {
    /// Recent is about `rows` rows.
    pub(crate) fn new(rows: f64) -> Self {
        Self { before: None, recent: Average::of_rows(rows), usual: Average::of_rows(USUAL_ROWS) }
    }

    pub(crate) fn push(&mut self, x: f64) -> f64 {
        let Some(before) = self.before.replace(x) else { return 0.0 };
        let step = (x - before).abs();
        let usual = self.usual.mean();
        let step = if usual > 0.0 { step.min(MAX_STEPS * usual) } else { step };
        let (recent, usual) = (self.recent.push(step), self.usual.push(step));
        if usual > 0.0 { (recent / usual).max(1e-3).ln().abs() } else { 0.0 }
    }
}

kept!(Spread: before, recent, usual);
