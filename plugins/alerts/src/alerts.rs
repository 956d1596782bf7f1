//! The alerts that there are: live ones by fingerprint, resolved ones until they are forgotten.
//!
//! The rule: of each fingerprint at most one alert is live.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::alert::{Alert, AlertId, Phase};
use crate::labels::Fingerprint;
use crate::time::Time;

#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    by_id: BTreeMap<AlertId, Alert>,
    next: u64,
    // The rest is derived.
    live: HashMap<Fingerprint, AlertId>,
    resolved: BTreeSet<(Time, AlertId)>,
    /// At most one for each live alert.
    timers: BTreeSet<(Time, AlertId)>,
}

impl Alerts {
    /// From what was kept; `next` is the number of the next alert.
    pub(crate) fn restore(alerts: Vec<Alert>, next: u64) -> Self {
        let mut all = Self { next, ..Self::default() };
        for alert in alerts {
            match alert.resolved_at() {
                Some(at) => drop(all.resolved.insert((at, alert.id))),
                None => drop(all.live.insert(alert.fingerprint, alert.id)),
            }
            all.next = all.next.max(alert.id.0.saturating_add(1));
            all.by_id.insert(alert.id, alert);
        }
        all
    }

    /// Nothing was later than now, and nobody is kept quiet for longer than until `quiet_until`. Timers are to be set
    /// anew.
    pub(crate) fn rewind(&mut self, now: Time, quiet_until: Time) {
        let mut alerts: Vec<_> = std::mem::take(&mut self.by_id).into_values().collect();
        alerts.iter_mut().for_each(|alert| alert.rewind(now, quiet_until));
        *self = Self::restore(alerts, self.next);
    }

    pub(crate) const fn next_id(&self) -> AlertId {
        AlertId(self.next)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.by_id.values()
    }

    pub(crate) fn get(&self, id: AlertId) -> Option<&Alert> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: AlertId) -> Option<&mut Alert> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn live(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        self.live.get(&fingerprint).and_then(|id| self.by_id.get(id))
    }

    pub(crate) fn live_len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn resolved_len(&self) -> usize {
        self.resolved.len()
    }

    /// Adds an alert made with [`Alerts::next_id`], whose fingerprint is not live.
    pub(crate) fn add(&mut self, alert: Alert) {
        assert_eq!(alert.id, self.next_id(), "an alert takes the next number");
        self.next += 1;
        let before = self.live.insert(alert.fingerprint, alert.id);
        assert!(before.is_none(), "one live alert of each fingerprint");
        self.by_id.insert(alert.id, alert);
    }

    /// Sees to it that the alert is looked at by `due`; earlier, where that was asked for before.
    pub(crate) fn arm(&mut self, id: AlertId, due: Time) {
        let Some(alert) = self.by_id.get_mut(&id) else { return };
        if alert.armed.is_none_or(|armed| due < armed) {
            let before = alert.armed.replace(due);
            if let Some(before) = before {
                self.timers.remove(&(before, id));
            }
            self.timers.insert((due, id));
        }
    }

    /// The alert that is to be looked at next, and when.
    pub(crate) fn next_due(&self) -> Time {
        self.timers.first().map_or(Time::NEVER, |(due, _)| *due)
    }

    /// Takes the timers up to `until`, in the order of the alerts.
    pub(crate) fn take_due(&mut self, until: Time) -> BTreeSet<AlertId> {
        let mut due = BTreeSet::new();
        while let Some(timer) = self.timers.first().copied().filter(|(at, _)| *at <= until) {
            self.timers.remove(&timer);
            if let Some(alert) = self.by_id.get_mut(&timer.1) {
                alert.armed = None;
            }
            due.insert(timer.1);
        }
        due
    }

    fn disarm(&mut self, id: AlertId) {
        let armed = self.by_id.get_mut(&id).and_then(|alert| alert.armed.take());
        if let Some(armed) = armed {
            self.timers.remove(&(armed, id));
        }
    }

    /// Takes a pending alert away, as if it had never been.
    pub(crate) fn withdraw(&mut self, id: AlertId) -> Option<Alert> {
        self.disarm(id);
        let alert = self.by_id.remove(&id)?;
        self.live.remove(&alert.fingerprint);
        Some(alert)
    }

    /// Ends a firing alert.
    pub(crate) fn resolve(&mut self, id: AlertId, at: Time) {
        self.disarm(id);
        let Some(alert) = self.by_id.get_mut(&id) else { return };
        alert.phase = Phase::Resolved { since: alert.starts_at(), at };
        alert.silenced_by.clear();
        alert.inhibited = false;
        self.live.remove(&alert.fingerprint);
        self.resolved.insert((at, id));
    }

    /// Sets of each alert how many groups have still to tell of it.
    pub(crate) fn set_groups(&mut self, groups: &BTreeMap<AlertId, u32>) {
        for alert in self.by_id.values_mut() {
            alert.groups = groups.get(&alert.id).copied().unwrap_or(0);
        }
    }

    /// Forgets the oldest resolved alert beyond `most`; first those of which nobody has to be told any more.
    pub(crate) fn forget_beyond(&mut self, most: usize) -> Option<Alert> {
        if self.resolved.len() <= most {
            return None;
        }
        let told =
            |entry: &&(Time, AlertId)| self.by_id.get(&entry.1).is_none_or(|a| a.groups == 0);
        let oldest = self.resolved.iter().find(told).or_else(|| self.resolved.first()).copied()?;
        self.resolved.remove(&oldest);
        self.by_id.remove(&oldest.1)
    }
}
