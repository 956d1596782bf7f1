//! The state of a manager as it is kept: everything that cannot be derived, with a version.
//!
//! The rule: a manager that is restored from its state goes on as if it had never stopped.

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::alerts::Alerts;
use crate::correlate::Correlations;
use crate::groups::Groups;
use crate::limits::Limits;
use crate::manager::{Counters, Manager};
use crate::matcher::Written;
use crate::rules::Rules;
use crate::series::{SeriesState, SeriesTable};
use crate::silence::{Silence, SilenceId, Silences};
use crate::time::Time;
use crate::view::Change;

/// The version that is written.
pub const STATE_VERSION: u32 = 1;

/// The state of a manager, for any format of serde.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    version: u32,
    seed: u64,
    now: Time,
    next_alert: u64,
    alerts: Vec<Alert>,
    series: Vec<(String, SeriesState)>,
    next_silence: u64,
    silences: Vec<Silence<Written>>,
    groups: Groups,
    correlations: Correlations,
    counters: Counters,
}

/// Why a state was not taken: start with a new manager and say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateRefused {
    /// It was written by another version of the program.
    #[error("the state has version {0}, and this program reads {STATE_VERSION}")]
    Version(u32),
    /// It contradicts itself or is beyond the bounds.
    #[error("the state is damaged: {0}")]
    Damaged(&'static str),
}

impl Manager {
    /// What to keep.
    pub fn state(&self) -> State {
        State {
            version: STATE_VERSION,
            seed: self.seed,
            now: self.now,
            next_alert: self.alerts.next_id().0,
            alerts: self.alerts.iter().cloned().collect(),
            series: self.series.to_vec(),
            next_silence: self.silences.next(),
            silences: self.silences.iter().map(Silence::written).collect(),
            groups: self.groups.clone(),
            correlations: self.correlations.clone(),
            counters: self.counters,
        }
    }

    /// Goes on from what was kept, under rules that may be others meanwhile. The changes are those that the other
    /// rules bring about; under the same rules there are none. Silences whose expressions take more than
    /// [`Limits::silence_bytes`] are left out, the newest ones; those are the last part.
    ///
    /// # Errors
    /// See [`StateRefused`].
    pub fn restore(
        rules: Rules,
        limits: Limits,
        state: State,
    ) -> Result<(Self, Vec<Change>, Vec<SilenceId>), StateRefused> {
        check(&state, &limits)?;
        let mut manager = Self::new(rules.clone(), limits, state.seed);
        manager.now = state.now;
        manager.alerts = Alerts::restore(state.alerts, state.next_alert);
        manager.series = SeriesTable::restore(state.series, limits.series);
        let left_out;
        (manager.silences, left_out) =
            Silences::restore(state.silences, state.next_silence, limits.silence_bytes);
        manager.silences.turn(state.now);
        manager.groups = state.groups;
        manager.groups.restart();
        manager.correlations = state.correlations;
        manager.counters = state.counters;
        let mut out = Vec::new();
        manager.derive(&mut out);
        left_out.iter().for_each(|id| manager.silence_turned(*id, &mut out));
        out.extend(manager.reload(state.now, rules));
        Ok((manager, out, left_out))
    }
}

/// A state comes from a file: what it promises is held against the bounds before it is believed.
fn check(state: &State, limits: &Limits) -> Result<(), StateRefused> {
    if state.version != STATE_VERSION {
        return Err(StateRefused::Version(state.version));
    }
    let damaged = |what| Err(StateRefused::Damaged(what));
    let live: Vec<_> = state.alerts.iter().filter(|alert| alert.is_live()).collect();
    let distinct: std::collections::BTreeSet<_> = live.iter().map(|a| a.fingerprint).collect();
    let ids: std::collections::BTreeSet<_> = state.alerts.iter().map(|alert| alert.id).collect();
    if distinct.len() != live.len() || ids.len() != state.alerts.len() {
        return damaged("an alert stands in it twice");
    }
    if state.alerts.iter().any(|alert| alert.labels.fingerprint() != alert.fingerprint) {
        return damaged("an alert has another fingerprint than its labels");
    }
    let numbers =
        |alert: &Alert| alert.evidence.value.is_finite() && alert.evidence.score.is_finite();
    if !state.alerts.iter().all(numbers) {
        return damaged("a number is not finite");
    }
    if live.len() > limits.live + 1
        || state.alerts.len() - live.len() > limits.resolved
        || state.silences.len() > limits.silences
        || state.series.len() > limits.series
    {
        return damaged("it holds more than is kept");
    }
    Ok(())
}
