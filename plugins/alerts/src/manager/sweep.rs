//! What time alone brings about.
//!
//! The rule: a sweep that comes late does what earlier ones would have done, in the order of silences, missing data,
//! alerts, groups; one that comes too early does nothing.

use super::Manager;
use super::life::{labels_for, of_rule, times};
use crate::alert::{AlertId, AlertType, Evidence, Phase};
use crate::explain;
use crate::rules::Check;
use crate::sample::{Expected, Series, Severity};
use crate::series::{labels_of, name_of, series_of};
use crate::time::{Period, Time};
use crate::view::Change;

/// A series that should have been heard of.
struct Silent {
    rule: usize,
    seen: Time,
    kind: String,
    subject: String,
    source: String,
}

/// When an alert about silence that could not start is tried again.
const RETRY: Period = Period::from_s(60);

const ROUNDS: usize = 4;

impl Silent {
    fn series(&self) -> Series<'_> {
        Series { kind: &self.kind, subject: &self.subject, source: &self.source }
    }
}

impl Manager {
    /// Does what is due at `now`; alerts move on only where they were due by `until`, since a sample that comes at
    /// `now` may still decide otherwise.
    pub(super) fn sweep(&mut self, now: Time, until: Time, out: &mut Vec<Change>) {
        self.now = self.now.max(now);
        // Again only where something became due meanwhile: a group that waits for nothing, or an alert that was kept
        // quiet by one that is now forgotten. What is left after a few rounds is for the next sweep.
        for _ in 0..ROUNDS {
            let now = self.now;
            if self.next_change() > now {
                return;
            }
            if self.dues.silences <= now {
                for id in self.silences.turn(now) {
                    self.silence_turned(id, out);
                }
                self.beat(out);
                self.dues.silences = self.silences.due();
            }
            if self.dues.series <= now {
                self.dues.series = Time::NEVER;
                let next = self.miss(out);
                self.expect_by(next);
            }
            self.alerts_due(until, out);
            if self.dues.groups <= now {
                let Self { groups, rules, alerts, .. } = self;
                groups.flush(now, rules, alerts);
                self.dues.groups = self.groups.due();
            }
        }
    }

    /// Sees to it that the heartbeat fires.
    fn beat(&mut self, out: &mut Vec<Change>) {
        let Some(heartbeat) = &self.rules.heartbeat else { return };
        let nothing = Series { kind: "", subject: "", source: "" };
        let mut labels = labels_for(&self.rules, &heartbeat.name, Severity::Info, nothing, None);
        for (name, value) in heartbeat.labels.iter() {
            labels.set(name, value);
        }
        if self.alerts.live(labels.fingerprint()).is_some() {
            return;
        }
        let draft = super::life::Draft {
            rule: None,
            name: heartbeat.name.clone(),
            kind: AlertType::Heartbeat,
            severity: Severity::Info,
            labels,
            evidence: Evidence { at: self.now, method: "always".to_owned(), ..Evidence::none() },
            description: "Always fires: when it is not heard of, alerts do not arrive.".to_owned(),
            runbook: String::new(),
            actions: Vec::new(),
        };
        self.start(draft, out);
    }

    /// Starts the alerts of series that are silent for too long. Answers when the next one will be.
    fn miss(&mut self, out: &mut Vec<Change>) -> Time {
        let until = self.now;
        let mut next = Time::NEVER;
        let (mut silent, mut known) = (Vec::new(), Vec::new());
        for (series, state) in self.series.iter() {
            for &at in state.rules.iter() {
                let Check::NoData { after, severity } = self.rules.rules[at].check else {
                    continue;
                };
                let due = state.seen.after(after).max(state.retry_at);
                if due > until {
                    next = next.min(due);
                    continue;
                }
                if let Some(id) = state.active(at, severity) {
                    let quiet_until = self.alerts.get(id).and_then(|alert| alert.quiet_until);
                    match quiet_until {
                        Some(until_then) if until_then > until => next = next.min(until_then),
                        _ => known.push((id, quiet_until)),
                    }
                    if quiet_until.is_none_or(|until_then| until_then > until) {
                        continue;
                    }
                }
                let Series { kind, subject, source } = series;
                let [kind, subject, source] = [kind, subject, source].map(str::to_owned);
                silent.push(Silent { rule: at, seen: state.seen, kind, subject, source });
            }
        }
        for (id, quiet_until) in known {
            match (quiet_until, self.alerts.get_mut(id)) {
                (Some(_), _) => self.end_quiet(id),
                // Silent again while its alert was on its way out, or still silent, which changes nothing.
                (None, Some(alert)) => alert.cleared_at = None,
                (None, None) => {}
            }
        }
        for missing in silent {
            if !self.start_silent(&missing, out) {
                let series = missing.series();
                let retry_at = self.now.after(RETRY);
                next = next.min(retry_at);
                if let Some(state) = self.series.of_labels(&labels_of(series)) {
                    state.retry_at = retry_at;
                }
            }
        }
        next
    }

    /// Starts the alert of a silent series; answers whether it did.
    fn start_silent(&mut self, missing: &Silent, out: &mut Vec<Change>) -> bool {
        let (at, series) = (missing.rule, missing.series());
        let Check::NoData { after, severity } = self.rules.rules[at].check else { return false };
        if self.holds_back(series, self.now, out) {
            return false;
        }
        let rule = &self.rules.rules[at];
        let labels = labels_for(&self.rules, &rule.name, severity, series, Some(rule));
        let mut draft = of_rule(rule, at, AlertType::NoData, severity, labels);
        let silent_for = self.now.since(missing.seen);
        draft.evidence = Evidence {
            score: severity.nominal_score(),
            // The silence in seconds beside the longest that was expected.
            value: silent_for.as_s_f64(),
            expected: Expected { low: None, high: Some(after.as_s_f64()) },
            method: explain::method(rule, None),
            reduced_sensitivity: false,
            at: missing.seen,
        };
        draft.description = explain::no_data(rule, name_of(series), silent_for);
        let before = self.alerts.next_id();
        self.start(draft, out);
        before != self.alerts.next_id()
    }

    /// Moves on the alerts whose time has come.
    fn alerts_due(&mut self, until: Time, out: &mut Vec<Change>) {
        for id in self.alerts.take_due(until) {
            // From pending to firing and on to resolved, when the sweep comes very late.
            for _ in 0..2 {
                self.move_on(id, until, out);
            }
            if let Some(alert) = self.alerts.get(id).filter(|alert| alert.is_live()) {
                let due = alert.due(&times(&self.rules, alert));
                self.alerts.arm(id, due);
            }
        }
    }

    fn move_on(&mut self, id: AlertId, until: Time, out: &mut Vec<Change>) {
        let Some(alert) = self.alerts.get(id) else { return };
        let times = times(&self.rules, alert);
        if alert.due(&times) > until {
            return;
        }
        match alert.phase {
            Phase::Pending => {
                let fires = alert.pending_since.after(times.pending_for);
                match fires <= alert.held_at.after(times.stale_after) {
                    true => self.fire(id, out),
                    false => self.withdraw(id, out),
                }
            }
            Phase::Firing { .. } => {
                // A series that stays away is given up, else its alert would start anew at once.
                let gone = alert.kind == AlertType::NoData && alert.cleared_at.is_none();
                let labels = gone.then(|| alert.labels.clone());
                self.resolve(id, out);
                labels.into_iter().for_each(|labels| self.give_up(&labels));
            }
            Phase::Resolved { .. } => {}
        }
    }

    fn give_up(&mut self, labels: &crate::labels::Labels) {
        let free = self.series.of_labels(labels).is_some_and(|state| state.active.is_empty());
        if free {
            self.series.remove(series_of(labels));
        }
    }
}
