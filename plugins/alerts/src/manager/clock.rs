//! A clock that was ahead and was set since.
//!
//! The rule: what was noted of a time that has not come yet counts as noted now, so that no timer waits longer than its
//! own period.

use super::Manager;
use super::wish::QUIET;
use crate::time::{Period, Time};
use crate::view::Change;

/// A clock that is further behind was set; less is waited for.
const SLACK: Period = Period::from_s(60);

impl Manager {
    /// Says what time it is by the clock itself. Where that is far before what was said earlier, the manager goes on
    /// from there, and answers how far the clock went back. Silences keep the times that people gave them.
    pub fn rewind(&mut self, now: Time) -> Option<(Period, Vec<Change>)> {
        let back = self.now.since(now);
        if back <= SLACK {
            return None;
        }
        self.now = now;
        self.alerts.rewind(now, now.after(QUIET));
        for (_, state) in self.series.iter_mut() {
            state.seen = state.seen.min(now);
            state.retry_at = state.retry_at.min(now);
            state.starts.iter_mut().for_each(|start| *start = (*start).min(now));
        }
        self.groups.rewind(now);
        self.correlations.rewind(now);
        let mut out = Vec::new();
        self.derive(&mut out);
        Some((back, out))
    }
}
