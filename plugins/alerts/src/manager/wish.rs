//! What people may wish: take note, resolve, silence, other rules.
//!
//! The rule: a wish that cannot be granted changes nothing and says why.

use super::life::{labels_for, times};
use super::{Dues, Manager, rules_of};
use crate::alert::{Alert, AlertId, AlertType, Phase};
use crate::inhibit::Inhibitor;
use crate::limits::MAX_TEXT;
use crate::rules::{Check, Rules};
use crate::series::{Active, series_of};
use crate::silence::{Silence, SilenceDraft, SilenceId, SilenceRefused};
use crate::time::{Period, Time};
use crate::view::{Change, Transition};

/// How long an alert that was resolved by hand starts no new one while its condition goes on holding.
pub(super) const QUIET: Period = Period::from_s(3_600);

/// Why a wish was not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishRefused {
    /// There is no such alert, or it is forgotten.
    #[error("there is no such alert")]
    Unknown,
    /// The alert is resolved already.
    #[error("the alert is resolved")]
    Resolved,
    /// The heartbeat always fires, that is what it is for: other rules end it.
    #[error("the heartbeat ends with its rule alone")]
    Heartbeat,
    /// Whoever wishes has no name, or one of more than 512 bytes.
    #[error("the name is empty or longer than 512 bytes")]
    Name,
}

impl Manager {
    /// Somebody takes note: the alert is not repeated any more. Its end is told as ever.
    ///
    /// # Errors
    /// See [`WishRefused`].
    pub fn ack(&mut self, now: Time, id: &str, by: &str) -> Result<Vec<Change>, WishRefused> {
        let id = self.wished(now, id)?;
        if by.trim().is_empty() || by.len() > MAX_TEXT {
            return Err(WishRefused::Name);
        }
        if let Some(alert) = self.alerts.get_mut(id) {
            alert.acked_by = Some(by.to_owned());
        }
        let mut out = Vec::new();
        self.tell(id, Transition::Acked, &mut out);
        Ok(out)
    }

    /// Somebody says that it is over. Should the condition go on holding, no new alert starts for an hour, or until
    /// the condition did not hold for once.
    ///
    /// # Errors
    /// See [`WishRefused`].
    pub fn resolve_by_hand(&mut self, now: Time, id: &str) -> Result<Vec<Change>, WishRefused> {
        let id = self.wished(now, id)?;
        let quiet_until = self.now.after(QUIET);
        let Some(alert) = self.alerts.get_mut(id) else { return Err(WishRefused::Unknown) };
        if alert.kind == AlertType::Heartbeat {
            return Err(WishRefused::Heartbeat);
        }
        if alert.kind != AlertType::NoiseCap && alert.cleared_at.is_none() {
            alert.quiet_until = Some(quiet_until);
        }
        if alert.phase == Phase::Pending {
            // What never fired has nothing to end; it is kept as resolved, so that it can stay quiet.
            alert.phase = Phase::Firing { since: alert.pending_since };
        }
        let mut out = Vec::new();
        self.resolve(id, &mut out);
        self.expect_by(self.now);
        Ok(out)
    }

    /// A live alert by its name.
    fn wished(&mut self, now: Time, id: &str) -> Result<AlertId, WishRefused> {
        let alert = self.named(id).ok_or(WishRefused::Unknown)?;
        let id = alert.is_live().then_some(alert.id).ok_or(WishRefused::Resolved)?;
        self.now = self.now.max(now);
        Ok(id)
    }

    /// Adds a silence, or changes the one whose id the draft has.
    ///
    /// # Errors
    /// See [`SilenceRefused`].
    pub fn silence(
        &mut self,
        now: Time,
        draft: SilenceDraft,
    ) -> Result<(Silence, Vec<Change>), SilenceRefused> {
        self.now = self.now.max(now);
        let id = self.silences.put(self.now, draft, &self.limits)?;
        let mut out = Vec::new();
        self.silences_changed(id, &mut out);
        let silence = self.silences.iter().find(|silence| silence.id == id).cloned();
        Ok((silence.ok_or(SilenceRefused::Unknown)?, out))
    }

    /// Ends a silence at once.
    ///
    /// # Errors
    /// [`SilenceRefused::Unknown`].
    pub fn unsilence(&mut self, now: Time, id: SilenceId) -> Result<Vec<Change>, SilenceRefused> {
        self.now = self.now.max(now);
        if !self.silences.remove(id) {
            return Err(SilenceRefused::Unknown);
        }
        let mut out = Vec::new();
        self.silences_changed(id, &mut out);
        Ok(out)
    }

    fn silences_changed(&mut self, id: SilenceId, out: &mut Vec<Change>) {
        let mut turned = self.silences.turn(self.now);
        turned.push(id);
        turned.sort_unstable();
        turned.dedup();
        for id in turned {
            self.silence_turned(id, out);
        }
        self.dues.silences = self.dues.silences.min(self.silences.due());
    }

    /// Finds out anew which alerts a silence mutes.
    pub(crate) fn silence_turned(&mut self, id: SilenceId, out: &mut Vec<Change>) {
        let Self { silences, alerts, .. } = self;
        let changed = |alert: &&Alert| {
            alert.is_live() && silences.mutes(id, &alert.labels) != alert.silenced_by.contains(&id)
        };
        let changed: Vec<_> = alerts.iter().filter(changed).map(|alert| alert.id).collect();
        for alert in changed {
            self.change_muting(alert, out, |alert| {
                if !alert.silenced_by.remove(&id) {
                    alert.silenced_by.insert(id);
                }
            });
        }
    }

    /// Takes other rules. Alerts whose rule is still there and names them as before go on; the others end.
    pub fn reload(&mut self, now: Time, rules: Rules) -> Vec<Change> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        let ended: Vec<_> =
            self.alerts.iter().filter(|a| a.is_live() && !is_of(&rules, a)).collect();
        let ended: Vec<_> = ended.into_iter().map(|alert| (alert.id, alert.phase)).collect();
        self.rules = rules;
        for (id, phase) in ended {
            match phase {
                Phase::Pending => self.withdraw(id, &mut out),
                _ => self.resolve(id, &mut out),
            }
        }
        self.derive(&mut out);
        out
    }

    /// Makes what is derived from alerts, series and rules.
    pub(crate) fn derive(&mut self, out: &mut Vec<Change>) {
        for (series, state) in self.series.iter_mut() {
            state.rules = rules_of(&self.rules, series);
            state.active.clear();
        }
        self.inhibitor = Inhibitor::default();
        let mut firing = Vec::new();
        for alert in self.alerts.iter() {
            let at = self.rules.rules.iter().position(|rule| rule.name == alert.rule);
            let waits = alert.is_live() || alert.quiet_until.is_some();
            if let (Some(rule), true) = (at, waits)
                && let Some(state) = self.series.of_labels(&alert.labels)
            {
                state.active.push(Active { rule, severity: alert.severity, id: alert.id });
            }
            if matches!(alert.phase, Phase::Firing { .. }) {
                let rules = &self.rules.inhibitions;
                self.inhibitor.add(rules, alert.fingerprint, &alert.labels);
                firing.push((alert.id, alert.fingerprint));
            }
        }
        self.weigh(firing.iter().map(|(_, fingerprint)| *fingerprint).collect(), out);
        let Self { groups, rules, alerts, limits, now, .. } = self;
        groups.reroute(rules, alerts);
        groups.insert_missing(*now, rules, alerts, firing.iter().map(|(id, _)| *id), limits.groups);
        let live: Vec<_> =
            self.alerts.iter().filter(|alert| alert.is_live()).map(|a| a.id).collect();
        live.into_iter().for_each(|id| self.alerts.arm(id, Time::MIN));
        self.dues = Dues::AT_ONCE;
    }
}

/// Whether these rules would name the alert as it is named.
fn is_of(rules: &Rules, alert: &Alert) -> bool {
    let series = series_of(&alert.labels);
    let rule = rules.rule(&alert.rule);
    let kind = match (alert.kind, &rules.heartbeat) {
        (AlertType::NoiseCap, _) => return times(rules, alert).stale_after > Period::ZERO,
        (AlertType::Heartbeat, heartbeat) => {
            return heartbeat.as_ref().is_some_and(|heartbeat| {
                let mut labels = labels_for(rules, &heartbeat.name, alert.severity, series, None);
                heartbeat.labels.iter().for_each(|(name, value)| labels.set(name, value));
                labels == alert.labels
            });
        }
        _ => rule.map(|rule| match &rule.check {
            Check::Threshold(threshold) => {
                threshold.levels[alert.severity as usize].map(|_| AlertType::Threshold)
            }
            Check::Anomaly { .. } => Some(AlertType::Anomaly),
            Check::NoData { severity, .. } => {
                (*severity == alert.severity).then_some(AlertType::NoData)
            }
        }),
    };
    let labels = labels_for(rules, &alert.rule, alert.severity, series, rule);
    kind.flatten() == Some(alert.kind)
        && labels == alert.labels
        && rule.is_some_and(|rule| rule.selects(&alert.labels))
}
