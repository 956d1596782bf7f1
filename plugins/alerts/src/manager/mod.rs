//! The alert manager: samples, times and wishes go in, changes and notifications come out.
//!
//! The rule: what comes out depends on nothing but what went in, and the state between two calls can be kept and
//! restored at any time without a difference.

mod ask;
mod clock;
mod life;
mod sweep;
mod wish;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertId};
use crate::alerts::Alerts;
use crate::correlate::Correlations;
use crate::groups::{Failure, Groups};
use crate::inhibit::Inhibitor;
use crate::limits::Limits;
use crate::notify::{Maker, Notification};
use crate::rules::{Check, Reading, Rules};
use crate::sample::{Sample, SampleRefused, Series, Severity};
use crate::series::{SeriesTable, labels_of};
use crate::silence::Silences;
use crate::time::{Period, Time};
use crate::view::Change;

pub use wish::WishRefused;

/// The alert manager.
///
/// Times may come in any order: one that is earlier than another before it counts as that one, unless
/// [`Manager::rewind`] says that the clock was set. After each call [`Manager::due`] says when the next
/// [`Manager::tick`] has something to do.
#[derive(Debug)]
pub struct Manager {
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
    pub(crate) seed: u64,
    pub(crate) now: Time,
    pub(crate) alerts: Alerts,
    pub(crate) series: SeriesTable,
    pub(crate) silences: Silences,
    pub(crate) groups: Groups,
    pub(crate) correlations: Correlations,
    pub(crate) counters: Counters,
    // Derived.
    pub(crate) inhibitor: Inhibitor,
    pub(crate) dues: Dues,
}

/// When which part of a sweep has something to do; perhaps earlier, never later. Alerts have timers of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dues {
    /// A silence begins or ends, or the heartbeat is to start.
    pub(crate) silences: Time,
    /// A series should have been heard of.
    pub(crate) series: Time,
    /// A group looks whether there is something to say.
    pub(crate) groups: Time,
}

impl Dues {
    pub(crate) const AT_ONCE: Self =
        Self { silences: Time::MIN, series: Time::MIN, groups: Time::MIN };
}

/// What was counted since the state was first made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Alerts that began to fire.
    pub fired: u64,
    /// Alerts that were not started because too many are live.
    pub refused: u64,
    /// Alerts that were not started because their series had started too many.
    pub capped: u64,
    /// Samples of series that found no room in the table.
    pub series_refused: u64,
    /// Resolved alerts that were forgotten before every receiver had heard of their end.
    pub untold: u64,
    /// Notifications that arrived.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Series that are known.
    pub series: usize,
    /// Series that made room for others.
    pub series_evicted: u64,
    /// Pending and firing alerts.
    pub live: usize,
    /// Resolved alerts that are remembered.
    pub resolved: usize,
    /// Silences.
    pub silences: usize,
    /// Groups.
    pub groups: usize,
    /// Correlations, those of one member included.
    pub correlations: usize,
    /// Notifications that are out or wait.
    pub notifications: usize,
}

impl Manager {
    /// A manager that knows nothing yet. `seed` makes its pauses differ from those of other nodes.
    pub fn new(rules: Rules, limits: Limits, seed: u64) -> Self {
        Self {
            rules,
            limits,
            seed,
            now: Time::MIN,
            alerts: Alerts::default(),
            series: SeriesTable::new(limits.series),
            silences: Silences::default(),
            groups: Groups::default(),
            correlations: Correlations::default(),
            counters: Counters::default(),
            inhibitor: Inhibitor::default(),
            dues: Dues::AT_ONCE,
        }
    }

    /// Takes in a sample that came at `now`.
    ///
    /// # Errors
    /// A sample that is not finite or beyond the bounds changes nothing.
    pub fn observe(
        &mut self,
        now: Time,
        sample: &Sample<'_>,
    ) -> Result<Vec<Change>, SampleRefused> {
        sample.check()?;
        let mut out = Vec::new();
        // What is due at this very moment is decided with the sample, not before it.
        self.sweep(now, now.before(Period::NANOSECOND), &mut out);
        let now = self.now;
        let rules = &self.rules;
        let mut new = false;
        let find = || {
            new = true;
            rules_of(rules, sample.series)
        };
        let Some(state) = self.series.touch(sample.series, now, find) else {
            self.counters.series_refused += 1;
            return Ok(out);
        };
        if state.rules.is_empty() {
            return Ok(out);
        }
        let (looking, active) = (Arc::clone(&state.rules), state.active.clone());
        if new {
            self.expect_next_of(&looking, now);
        }
        let of = |rule, severity| {
            active.iter().find(|a| a.rule == rule && a.severity == severity).map(|a| a.id)
        };
        for &at in looking.iter() {
            let rule = &self.rules.rules[at];
            if let Check::NoData { severity, after } = rule.check {
                if let Some(id) = of(at, severity) {
                    self.expect_by(now.after(after));
                    self.clear(id, &mut out);
                }
                continue;
            }
            let verdict = sample.verdict.as_ref();
            let Some(readings) = rule.read(sample.value, sample.budget, verdict) else { continue };
            // The worst first, so that it mutes the milder ones before they are told.
            for severity in Severity::ALL.into_iter().rev() {
                match (readings[severity as usize], of(at, severity)) {
                    (Reading::Holds, None) => self.raise(at, severity, sample, &mut out),
                    (Reading::Holds | Reading::Keeps, Some(id)) => {
                        self.hold(id, at, sample, &mut out);
                    }
                    (Reading::Clear, Some(id)) => self.clear(id, &mut out),
                    (Reading::Keeps | Reading::Clear, None) => {}
                }
            }
        }
        Ok(out)
    }

    /// Lets time pass: what is due by `now` happens.
    pub fn tick(&mut self, now: Time) -> Vec<Change> {
        let mut out = Vec::new();
        self.sweep(now, now, &mut out);
        out
    }

    /// When the next tick has something to do, or the next notification may leave, given that nothing else happens;
    /// perhaps earlier, never later.
    pub fn due(&self) -> Time {
        self.next_change().min(self.groups.send_due())
    }

    /// When the next tick has something to do; perhaps earlier, never later.
    pub fn next_change(&self) -> Time {
        let Dues { silences, series, groups } = self.dues;
        self.alerts.next_due().min(silences).min(series).min(groups)
    }

    /// Notifications that may leave now, each once until its outcome was handed back: at most as many as fit into
    /// what may be out at a time.
    pub fn notifications(&mut self, now: Time) -> Vec<Notification> {
        let now = self.now.max(now);
        let mut room = self.limits.in_flight.saturating_sub(self.groups.out_len());
        let mut all = Vec::new();
        while room > 0 {
            let Self { groups, rules, alerts, limits, .. } = self;
            let Some(due) = groups.next_due(now, rules, alerts, limits) else { break };
            let route = rules.routes.iter().find(|route| route.key == due.group.route);
            let receiver = rules.receiver(&due.group.receiver);
            let (Some(route), Some(receiver)) = (route, receiver) else { break };
            let external_url = &rules.external_url;
            let maker = Maker { alerts, receiver, route, external_url, now };
            all.push(maker.make(&due));
            room -= 1;
        }
        all
    }

    /// A notification arrived. One that is not out is no matter: it may have been sent twice around a restart.
    pub fn delivered(&mut self, id: u64, now: Time) {
        let now = self.now.max(now);
        if self.groups.delivered(id, now, &mut self.alerts) {
            self.counters.delivered += 1;
        }
    }

    /// A notification did not arrive.
    pub fn failed(&mut self, id: u64, now: Time, failure: Failure) {
        let now = self.now.max(now);
        if self.groups.failed(id, now, failure, self.seed) {
            self.counters.failed += 1;
        }
    }

    /// The rules that hold.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// How much there is.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            series: self.series.len(),
            series_evicted: self.series.evicted(),
            live: self.alerts.live_len(),
            resolved: self.alerts.resolved_len(),
            silences: self.silences.len(),
            groups: self.groups.len(),
            correlations: self.correlations.len(),
            notifications: self.groups.sending_len(),
        }
    }

    /// A series is to be heard of by `due`.
    pub(crate) fn expect_by(&mut self, due: Time) {
        self.dues.series = self.dues.series.min(due);
    }

    /// Notes when a series that was just heard of must be heard of again.
    fn expect_next_of(&mut self, looking: &[usize], now: Time) {
        for &at in looking {
            if let Check::NoData { after, .. } = self.rules.rules[at].check {
                self.expect_by(now.after(after));
            }
        }
    }

    pub(crate) fn alert(&self, id: AlertId) -> &Alert {
        self.alerts.get(id).expect("the alert was just found")
    }
}

/// The rules that look at a series, by their place.
pub(crate) fn rules_of(rules: &Rules, series: Series<'_>) -> Arc<[usize]> {
    let labels = labels_of(series);
    let all = rules.rules.iter().enumerate();
    all.filter(|(_, rule)| rule.selects(&labels)).map(|(at, _)| at).collect()
}
