//! The life of an alert: raised, held, cleared, fired, muted, resolved.
//!
//! The rule: every change of an alert goes through here, and each is told once.

use std::collections::BTreeSet;

use super::Manager;
use crate::alert::{Alert, AlertId, AlertState, AlertType, Evidence, Phase, Times};
use crate::explain;
use crate::labels::{Fingerprint, Labels};
use crate::rules::{Check, NOISE_CAP, Rule, Rules};
use crate::sample::{Expected, Sample, Series, Severity, clip_text};
use crate::series::{Active, name_of};
use crate::time::{Period, Time};
use crate::view::{AlertView, Change, Transition};

/// A new alert before it has a number.
pub(super) struct Draft {
    /// The rule's place; alerts of the manager itself have none.
    pub(super) rule: Option<usize>,
    pub(super) name: String,
    pub(super) kind: AlertType,
    pub(super) severity: Severity,
    pub(super) labels: Labels,
    pub(super) evidence: Evidence,
    pub(super) description: String,
    pub(super) runbook: String,
    pub(super) actions: Vec<String>,
}

impl Manager {
    /// Starts an alert of a rule.
    pub(super) fn raise(
        &mut self,
        at: usize,
        severity: Severity,
        sample: &Sample<'_>,
        out: &mut Vec<Change>,
    ) {
        // In a flood most are refused: nothing is made for them.
        if self.alerts.live_len() >= self.limits.live {
            self.counters.refused += 1;
            return;
        }
        if self.holds_back(sample.series, sample.at, out) {
            return;
        }
        let draft = draft(&self.rules, at, severity, sample);
        self.start(draft, out);
    }

    /// Whether the noise cap holds further alerts of this series back; then one says so.
    pub(super) fn holds_back(
        &mut self,
        series: Series<'_>,
        at: Time,
        out: &mut Vec<Change>,
    ) -> bool {
        let (now, cap) = (self.now, self.rules.noise_cap);
        let labels = labels_for(&self.rules, NOISE_CAP, Severity::Warning, series, None);
        let Some(state) = self.series.of_labels(&labels) else { return false };
        if !state.is_capped(now, cap) {
            return false;
        }
        self.counters.capped += 1;
        match self.alerts.live(labels.fingerprint()).map(|alert| alert.id) {
            Some(id) => self.alerts.get_mut(id).expect("it is live").held_at = now,
            None => {
                let description = format!(
                    "{} started {} alerts within {}; further ones are held back",
                    name_of(series),
                    cap.alerts,
                    cap.per
                );
                let draft = Draft {
                    rule: None,
                    name: NOISE_CAP.to_owned(),
                    kind: AlertType::NoiseCap,
                    severity: Severity::Warning,
                    labels,
                    evidence: Evidence {
                        score: Severity::Warning.nominal_score(),
                        value: cap.alerts as f64,
                        expected: Expected { low: None, high: Some(cap.alerts as f64) },
                        method: format!("alerts within {}", cap.per),
                        reduced_sensitivity: false,
                        at,
                    },
                    description,
                    runbook: String::new(),
                    actions: explain::actions(AlertType::NoiseCap),
                };
                self.start(draft, out);
            }
        }
        true
    }

    /// Starts an alert: pending, or firing at once where the rule waits for nothing.
    pub(super) fn start(&mut self, draft: Draft, out: &mut Vec<Change>) {
        let fingerprint = draft.labels.fingerprint();
        // The hash of other labels may be the same; the first one stays. The heartbeat has a place of its own: that
        // there is no room is what it must not be silent about.
        let full = self.alerts.live_len() >= self.limits.live && draft.kind != AlertType::Heartbeat;
        if full || self.alerts.live(fingerprint).is_some() {
            self.counters.refused += 1;
            return;
        }
        let id = self.alerts.next_id();
        let alert = Alert {
            id,
            fingerprint,
            silenced_by: self.silences.muting(&draft.labels).collect(),
            labels: draft.labels,
            rule: draft.name,
            kind: draft.kind,
            severity: draft.severity,
            evidence: draft.evidence,
            description: clip_text(&draft.description),
            runbook: draft.runbook,
            actions: draft.actions,
            phase: Phase::Pending,
            pending_since: self.now,
            held_at: self.now,
            cleared_at: None,
            acked_by: None,
            inhibited: false,
            quiet_until: None,
            groups: 0,
            changes: 0,
            armed: None,
        };
        let times = times(&self.rules, &alert);
        let (due, severity) = (alert.due(&times), alert.severity);
        if let (Some(rule), Some(state)) = (draft.rule, self.series.of_labels(&alert.labels)) {
            state.active.push(Active { rule, severity, id });
        }
        self.alerts.add(alert);
        self.alerts.arm(id, due);
        match times.pending_for == Period::ZERO {
            true => self.fire(id, out),
            false => self.tell(id, Transition::Pending, out),
        }
    }

    /// The condition holds, still or again.
    pub(super) fn hold(
        &mut self,
        id: AlertId,
        at: usize,
        sample: &Sample<'_>,
        out: &mut Vec<Change>,
    ) {
        let now = self.now;
        let Some(alert) = self.alerts.get_mut(id) else { return };
        if let Some(quiet_until) = alert.quiet_until {
            let severity = alert.severity;
            if now >= quiet_until {
                self.end_quiet(id);
                self.raise(at, severity, sample, out);
            }
            return;
        }
        alert.held_at = now;
        alert.cleared_at = None;
        let (severity, score, kind) = (alert.severity, alert.evidence.score, alert.kind);
        let fires = alert.phase == Phase::Pending
            && alert.pending_since.after(self.rules.rules[at].pending_for) <= now;
        // An anomaly is told by its peak, a threshold by its newest value.
        let peak = sample.verdict.as_ref().is_some_and(|verdict| verdict.score > score);
        let newer = kind == AlertType::Threshold && alert.evidence.value != sample.value;
        if newer || (kind == AlertType::Anomaly && peak) {
            let (_, evidence, description) = evidence(&self.rules.rules[at], severity, sample);
            alert.evidence = Evidence { at: alert.evidence.at, ..evidence };
            alert.description = clip_text(&description);
        }
        if fires {
            self.fire(id, out);
        }
    }

    /// The condition does not hold any more.
    pub(super) fn clear(&mut self, id: AlertId, out: &mut Vec<Change>) {
        let now = self.now;
        let Some(alert) = self.alerts.get_mut(id) else { return };
        if alert.quiet_until.is_some() {
            return self.end_quiet(id);
        }
        let cleared_at = *alert.cleared_at.get_or_insert(now);
        if alert.phase == Phase::Pending {
            return self.withdraw(id, out);
        }
        let keep = times(&self.rules, self.alert(id)).keep_firing_for;
        match keep == Period::ZERO {
            true => self.resolve(id, out),
            false => self.alerts.arm(id, cleared_at.after(keep)),
        }
    }

    /// From pending to firing.
    pub(super) fn fire(&mut self, id: AlertId, out: &mut Vec<Change>) {
        let now = self.now;
        let alert = self.alerts.get_mut(id).expect("who fires it has it");
        alert.phase = Phase::Firing { since: now };
        let (fingerprint, labels, kind) = (alert.fingerprint, alert.labels.clone(), alert.kind);
        self.counters.fired += 1;
        let touched = self.inhibitor.add(&self.rules.inhibitions, fingerprint, &labels);
        let muted = self.inhibitor.mutes(&self.rules.inhibitions, fingerprint, &labels);
        self.alerts.get_mut(id).expect("who fires it has it").inhibited = muted;
        let state = self.alert(id).state();
        self.tell(id, transition_to(state), out);
        self.weigh(touched, out);
        let Self { groups, rules, alerts, limits, .. } = self;
        let flush_at = groups.insert(now, rules, alerts, id, limits.groups);
        self.dues.groups = self.dues.groups.min(flush_at);
        let due = self.alert(id).due(&times(&self.rules, self.alert(id)));
        self.alerts.arm(id, due);
        if matches!(kind, AlertType::Heartbeat | AlertType::NoiseCap) {
            return;
        }
        if let Some(state) = self.series.of_labels(&labels) {
            state.starts.push(now);
        }
        if muted {
            // What a worse alert mutes is known to follow from it.
            return;
        }
        let Self { correlations, alerts, rules, limits, .. } = self;
        let alert = alerts.get(id).expect("who fires it has it");
        let bounds = [limits.correlations, limits.members];
        correlations.add(now, alert, rules.correlation_window, bounds);
    }

    /// From firing to resolved.
    pub(super) fn resolve(&mut self, id: AlertId, out: &mut Vec<Change>) {
        let now = self.now;
        let alert = self.alert(id);
        let (fingerprint, labels) = (alert.fingerprint, alert.labels.clone());
        let quiet = alert.quiet_until.is_some();
        self.alerts.resolve(id, now);
        self.tell(id, Transition::Resolved, out);
        let touched = self.inhibitor.remove(&self.rules.inhibitions, fingerprint, &labels);
        self.weigh(touched, out);
        if !quiet && let Some(state) = self.series.of_labels(&labels) {
            state.active.retain(|active| active.id != id);
        }
        while let Some(forgotten) = self.alerts.forget_beyond(self.limits.resolved) {
            if let Some(state) = self.series.of_labels(&forgotten.labels) {
                state.active.retain(|active| active.id != forgotten.id);
            }
            if forgotten.quiet_until.is_some() {
                // Nothing keeps it quiet any more.
                self.expect_by(now);
            }
            if forgotten.groups > 0 && self.groups.forget(&forgotten) {
                self.counters.untold += 1;
            }
        }
    }

    /// From pending to nothing.
    pub(super) fn withdraw(&mut self, id: AlertId, out: &mut Vec<Change>) {
        self.tell(id, Transition::Withdrawn, out);
        let Some(alert) = self.alerts.withdraw(id) else { return };
        if let Some(state) = self.series.of_labels(&alert.labels) {
            state.active.retain(|active| active.id != id);
        }
    }

    /// Lets an alert that was resolved by hand start anew.
    pub(super) fn end_quiet(&mut self, id: AlertId) {
        let Some(alert) = self.alerts.get_mut(id) else { return };
        alert.quiet_until = None;
        if let Some(state) = self.series.of_labels(&alert.labels) {
            state.active.retain(|active| active.id != id);
        }
    }

    /// Finds out anew which of these are muted by a worse alert.
    pub(super) fn weigh(&mut self, touched: BTreeSet<Fingerprint>, out: &mut Vec<Change>) {
        for fingerprint in touched {
            let Some(alert) = self.alerts.live(fingerprint) else { continue };
            let (id, rules) = (alert.id, &self.rules.inhibitions);
            let muted = self.inhibitor.mutes(rules, fingerprint, &alert.labels);
            self.change_muting(id, out, |alert| alert.inhibited = muted);
        }
    }

    /// Changes what mutes an alert and tells when that changes its state.
    pub(super) fn change_muting(
        &mut self,
        id: AlertId,
        out: &mut Vec<Change>,
        change: impl FnOnce(&mut Alert),
    ) {
        let Some(alert) = self.alerts.get_mut(id) else { return };
        let before = alert.state();
        change(alert);
        let after = alert.state();
        if before != after {
            self.tell(id, transition_to(after), out);
        }
    }

    pub(super) fn tell(&mut self, id: AlertId, what: Transition, out: &mut Vec<Change>) {
        let (at, seed) = (self.now, self.seed);
        let Some(alert) = self.alerts.get_mut(id) else { return };
        alert.changes += 1;
        // The seed is of this state: one that was lost had the same numbers, and its events are known.
        let event_id = format!("alert-{}-{}-{seed:016x}", alert.name(), alert.changes);
        out.push(Change { event_id, at, what, alert: AlertView::of(alert) });
    }
}

const fn transition_to(state: AlertState) -> Transition {
    match state {
        AlertState::Pending => Transition::Pending,
        AlertState::Firing => Transition::Firing,
        AlertState::Silenced => Transition::Silenced,
        AlertState::Inhibited => Transition::Inhibited,
        AlertState::Resolved => Transition::Resolved,
    }
}

/// How long what raised this alert lets things be.
pub(super) fn times(rules: &Rules, alert: &Alert) -> Times {
    let none = Period::ZERO;
    match (alert.kind, rules.rule(&alert.rule)) {
        (AlertType::Heartbeat, _) => {
            Times { pending_for: none, keep_firing_for: none, stale_after: Period::FOREVER }
        }
        (AlertType::NoiseCap, _) => {
            Times { pending_for: none, keep_firing_for: none, stale_after: rules.noise_cap.per }
        }
        (_, Some(rule)) => Times {
            pending_for: rule.pending_for,
            keep_firing_for: rule.keep_firing_for,
            stale_after: rule.stale_after,
        },
        (_, None) => Times { pending_for: none, keep_firing_for: none, stale_after: none },
    }
}

/// The labels of an alert.
pub(super) fn labels_for(
    rules: &Rules,
    name: &str,
    severity: Severity,
    series: Series<'_>,
    rule: Option<&Rule>,
) -> Labels {
    let mut labels = rules.labels.clone();
    for (name, value) in rule.into_iter().flat_map(|rule| rule.labels.iter()) {
        labels.set(name, value);
    }
    for (name, value) in [
        ("alertname", name),
        ("severity", severity.as_str()),
        ("kind", series.kind),
        ("subject", series.subject),
        ("source", series.source),
    ] {
        labels.set(name, value);
    }
    labels
}

fn draft(rules: &Rules, at: usize, severity: Severity, sample: &Sample<'_>) -> Draft {
    let rule = &rules.rules[at];
    let labels = labels_for(rules, &rule.name, severity, sample.series, Some(rule));
    let (kind, evidence, description) = evidence(rule, severity, sample);
    let mut draft = of_rule(rule, at, kind, severity, labels);
    draft.evidence = evidence;
    draft.description = description;
    draft
}

/// What a sample shows that reaches this severity, and the sentence that says it.
fn evidence(rule: &Rule, severity: Severity, sample: &Sample<'_>) -> (AlertType, Evidence, String) {
    if let Check::Threshold(threshold) = &rule.check {
        let level = threshold.levels[severity as usize].as_ref();
        let level = level.expect("a level that is not there is never reached");
        let evidence = Evidence {
            score: severity.nominal_score(),
            value: sample.value,
            expected: threshold.budget.unapply(level.expected(), sample.budget),
            method: explain::method(rule, Some(level)),
            reduced_sensitivity: false,
            at: sample.at,
        };
        let description = explain::threshold(rule, level, sample, threshold.budget);
        return (AlertType::Threshold, evidence, description);
    }
    let verdict = sample.verdict.as_ref();
    let evidence = Evidence {
        score: verdict.map_or(0.0, |verdict| verdict.score),
        value: sample.value,
        expected: verdict.map(|verdict| verdict.expected).unwrap_or_default(),
        method: clip_text(verdict.map_or("", |verdict| verdict.method)),
        reduced_sensitivity: verdict.is_some_and(|verdict| verdict.reduced_sensitivity),
        at: sample.at,
    };
    (AlertType::Anomaly, evidence, explain::anomaly(rule, sample))
}

/// What the rule itself says.
pub(super) fn of_rule(
    rule: &Rule,
    at: usize,
    kind: AlertType,
    severity: Severity,
    labels: Labels,
) -> Draft {
    Draft {
        rule: Some(at),
        name: rule.name.clone(),
        kind,
        severity,
        labels,
        evidence: Evidence::none(),
        description: String::new(),
        runbook: rule.runbook.clone(),
        actions: match rule.actions.is_empty() {
            true => explain::actions(kind),
            false => rule.actions.clone(),
        },
    }
}
