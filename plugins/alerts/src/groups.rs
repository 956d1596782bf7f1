//! Groups: which alerts go into one notification, and when it is due.
//!
//! The rule: a group has at most one notification on its way, and what it says is what is true when it leaves. So a
//! receiver that was away hears of each group once, and nothing that it had to hear is lost.
//!
//! The times are Alertmanager's: a new group waits `group_wait`, looks again each `group_interval`, and repeats
//! itself after `repeat_interval`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertId, AlertState};
use crate::alerts::Alerts;
use crate::backoff::Health;
use crate::labels::{Fingerprint, Labels};
use crate::limits::Limits;
use crate::rules::{GroupBy, Receiver, Route, Rules, Target};
use crate::time::Time;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) route: String,
    pub(crate) receiver: String,
    /// The labels that its alerts share by `group_by`.
    pub(crate) labels: Labels,
    pub(crate) members: BTreeMap<Fingerprint, AlertId>,
    flush_at: Time,
    flushed: bool,
    /// What the last notification that arrived said.
    log: Option<Log>,
    /// Alerts that the receiver was told, or has to be told, to fire: it must hear of their end.
    told: BTreeSet<Fingerprint>,
    sending: Option<Sending>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Log {
    at: Time,
    firing: BTreeSet<Fingerprint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sending {
    id: u64,
    since: Time,
    failures: u32,
    retry_at: Time,
    /// What left, while no answer has come.
    out: Option<Content>,
}

/// The alerts of a notification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) firing: Vec<AlertId>,
    pub(crate) resolved: Vec<AlertId>,
}

/// What a group asks to be sent.
pub(crate) struct Due<'a> {
    pub(crate) id: u64,
    pub(crate) key: &'a str,
    pub(crate) group: &'a Group,
    pub(crate) content: Content,
    /// How many alerts wait for the next one.
    pub(crate) truncated: usize,
}

/// The groups by key, and how their receivers fare.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Groups {
    by_key: BTreeMap<String, Group>,
    health: BTreeMap<String, Health>,
    next: u64,
}

impl Group {
    /// What is to be said now.
    fn content(&self, alerts: &Alerts, receiver: &Receiver) -> Content {
        let mut content = Content::default();
        let members = self.members.values().filter_map(|id| alerts.get(*id));
        for alert in members {
            match alert.state() {
                AlertState::Firing => content.firing.push(alert.id),
                AlertState::Resolved
                    if receiver.send_resolved && self.told.contains(&alert.fingerprint) =>
                {
                    content.resolved.push(alert.id);
                }
                _ => {}
            }
        }
        content
    }

    fn needs(&self, now: Time, content: &Content, alerts: &Alerts, way: Way<'_>) -> bool {
        let Some(log) = &self.log else { return !content.is_empty() };
        let firing = || content.firing.iter().filter_map(|id| alerts.get(*id));
        let repeats = |alert: &Alert| match way.receiver.target {
            // Who has taken note is not told again; but a peer forgets what it does not hear again.
            Target::Webhook(_) => alert.acked_by.is_none(),
            Target::Alertmanager(_) => true,
        };
        firing().any(|alert| !log.firing.contains(&alert.fingerprint))
            || !content.resolved.is_empty()
            || (log.at.after(way.route.repeat_interval) <= now && firing().any(repeats))
    }

    /// Looks whether there is something to say. Answers members of which nobody has to hear any more.
    fn flush(&mut self, now: Time, next: &mut u64, alerts: &Alerts, way: Way<'_>) -> Vec<AlertId> {
        self.flush_at = now.after(way.route.group_interval);
        self.flushed = true;
        let content = self.content(alerts, way.receiver);
        if self.sending.is_none() && self.needs(now, &content, alerts, way) {
            self.sending =
                Some(Sending { id: *next, since: now, failures: 0, retry_at: now, out: None });
            *next += 1;
        }
        if self.sending.is_some() {
            self.owe(&content, alerts);
        }
        let over = |id: &AlertId| alerts.get(*id).is_none_or(|alert| !alert.is_live());
        let told = |fingerprint| way.receiver.send_resolved && self.told.contains(fingerprint);
        let gone: Vec<_> = self.members.iter().filter(|(f, id)| over(id) && !told(f)).collect();
        let gone: Vec<_> = gone.into_iter().map(|(f, id)| (*f, *id)).collect();
        for (fingerprint, _) in &gone {
            self.leave(*fingerprint);
        }
        gone.into_iter().map(|(_, id)| id).collect()
    }

    fn owe(&mut self, content: &Content, alerts: &Alerts) {
        let firing = content.firing.iter().filter_map(|id| alerts.get(*id));
        self.told.extend(firing.map(|alert| alert.fingerprint));
    }

    /// Leaves at most so many alerts in: those first of whose fires the receiver has not heard, the worst before the
    /// others, then those of whose end it has not. What is cut off stays news, for the next notification. Answers how
    /// many that are.
    fn cut(&mut self, content: &mut Content, alerts: &Alerts, most: usize) -> usize {
        let fires = |id: &AlertId| alerts.get(*id).map(|alert| alert.fingerprint);
        if let Some(log) = &mut self.log {
            let firing: BTreeSet<_> = content.firing.iter().filter_map(fires).collect();
            log.firing.retain(|fingerprint| firing.contains(fingerprint));
        }
        let known = |alert: &Alert| {
            self.log.as_ref().is_some_and(|log| log.firing.contains(&alert.fingerprint))
        };
        let (firing, resolved) = (&mut content.firing, &mut content.resolved);
        let rank = |id: &AlertId| {
            let alert = alerts.get(*id);
            alert.map(|alert| (known(alert), Reverse(alert.severity), alert.starts_at(), alert.id))
        };
        firing.sort_by_cached_key(rank);
        resolved.sort_by_cached_key(rank);
        let news = firing.iter().filter(|id| alerts.get(**id).is_some_and(|a| !known(a))).count();
        let all = firing.len() + resolved.len();
        resolved.truncate(most.saturating_sub(news));
        firing.truncate(most - resolved.len());
        all - firing.len() - resolved.len()
    }

    fn leave(&mut self, fingerprint: Fingerprint) {
        self.members.remove(&fingerprint);
        self.told.remove(&fingerprint);
        if let Some(log) = &mut self.log {
            log.firing.remove(&fingerprint);
        }
    }

    fn is_over(&self) -> bool {
        self.members.is_empty() && self.sending.is_none()
    }
}

impl Content {
    pub(crate) const fn is_empty(&self) -> bool {
        self.firing.is_empty() && self.resolved.is_empty()
    }
}

/// The route of a group and the receiver that it leads to.
#[derive(Clone, Copy)]
struct Way<'r> {
    route: &'r Route,
    receiver: &'r Receiver,
}

fn way<'r>(rules: &'r Rules, group: &Group) -> Option<Way<'r>> {
    let route = rules.routes.iter().find(|route| route.key == group.route)?;
    let receiver = rules.receiver(&route.receiver).filter(|r| r.name == group.receiver)?;
    Some(Way { route, receiver })
}

/// Alerts in one notification; a peer takes any number, in parts.
fn most_of(receiver: &Receiver, limits: &Limits) -> usize {
    match (&receiver.target, receiver.max_alerts) {
        (Target::Alertmanager(_), _) => usize::MAX,
        (Target::Webhook(_), 0) => limits.per_notification,
        (Target::Webhook(_), wanted) => wanted.min(limits.per_notification),
    }
}

fn labels_in(route: &Route, labels: &Labels) -> Labels {
    match &route.group_by {
        GroupBy::Names(names) => labels.only(names),
        GroupBy::All => labels.clone(),
    }
}

impl Groups {
    /// Puts a firing alert into the group of each route that takes it; answers when the first of them looks whether
    /// there is something to say.
    pub(crate) fn insert(
        &mut self,
        now: Time,
        rules: &Rules,
        alerts: &mut Alerts,
        id: AlertId,
        most: usize,
    ) -> Time {
        self.insert_beside(now, rules, alerts, id, most, &BTreeSet::new())
    }

    /// Puts firing alerts into the groups that they are not in yet, after the rules or the process changed.
    pub(crate) fn insert_missing(
        &mut self,
        now: Time,
        rules: &Rules,
        alerts: &mut Alerts,
        ids: impl IntoIterator<Item = AlertId>,
        most: usize,
    ) {
        let members = |group: &Group| {
            let route = group.route.clone();
            group.members.values().map(move |id| (route.clone(), *id)).collect::<Vec<_>>()
        };
        // One that shares a group for want of room stays there, though there may be room now.
        let known: BTreeSet<_> = self.by_key.values().flat_map(members).collect();
        for id in ids {
            self.insert_beside(now, rules, alerts, id, most, &known);
        }
    }

    fn insert_beside(
        &mut self,
        now: Time,
        rules: &Rules,
        alerts: &mut Alerts,
        id: AlertId,
        most: usize,
        known: &BTreeSet<(String, AlertId)>,
    ) -> Time {
        let mut due = Time::NEVER;
        let Some(alert) = alerts.get(id) else { return due };
        let (fingerprint, labels, starts_at) =
            (alert.fingerprint, alert.labels.clone(), alert.starts_at());
        let beside = |route: &&Route| !known.contains(&(route.key.clone(), id));
        for route in rules.routes_of(&labels).filter(beside) {
            let mut group_labels = labels_in(route, &labels);
            let mut key = format!("{}:{group_labels}", route.key);
            if !self.by_key.contains_key(&key) && self.by_key.len() >= most {
                // Too many groups: further alerts of a route share one, so that nothing is lost.
                group_labels = Labels::default();
                key = format!("{}:{group_labels}", route.key);
            }
            let group = self.by_key.entry(key).or_insert_with(|| Group {
                route: route.key.clone(),
                receiver: route.receiver.clone(),
                labels: group_labels,
                members: BTreeMap::new(),
                flush_at: now.after(route.group_wait),
                flushed: false,
                log: None,
                told: BTreeSet::new(),
                sending: None,
            });
            let before = group.members.insert(fingerprint, id);
            if before != Some(id) {
                // One that has fired for longer than a group waits has waited enough.
                if !group.flushed && starts_at.after(route.group_wait) < now {
                    group.flush_at = group.flush_at.min(now);
                }
                count(alerts, id, 1);
                before.into_iter().for_each(|before| count(alerts, before, -1));
            }
            due = due.min(group.flush_at);
        }
        due
    }

    /// When the next group looks whether there is something to say.
    pub(crate) fn due(&self) -> Time {
        self.by_key.values().map(|group| group.flush_at).min().unwrap_or(Time::NEVER)
    }

    /// When the next notification may leave, given that nothing else happens.
    pub(crate) fn send_due(&self) -> Time {
        let waiting = |group: &Group| {
            let sending = group.sending.as_ref().filter(|sending| sending.out.is_none())?;
            let gate = self.health.get(&group.receiver).map_or(Time::MIN, |health| health.retry_at);
            Some(sending.retry_at.max(gate))
        };
        self.by_key.values().filter_map(waiting).min().unwrap_or(Time::NEVER)
    }

    /// Lets every group whose time has come look whether there is something to say.
    pub(crate) fn flush(&mut self, now: Time, rules: &Rules, alerts: &mut Alerts) {
        let Self { by_key, next, .. } = self;
        for group in by_key.values_mut().filter(|group| group.flush_at <= now) {
            let Some(way) = way(rules, group) else { continue };
            for id in group.flush(now, next, alerts, way) {
                count(alerts, id, -1);
            }
        }
        by_key.retain(|_, group| !group.is_over());
    }

    /// The next notification that may leave: at most `per_receiver` are out for a receiver, one while it fails.
    pub(crate) fn next_due(
        &mut self,
        now: Time,
        rules: &Rules,
        alerts: &Alerts,
        limits: &Limits,
    ) -> Option<Due<'_>> {
        loop {
            let key = self.pick(now, limits.per_receiver)?;
            let group = self.by_key.get_mut(&key)?;
            let way = way(rules, group);
            let content = way.map(|way| (way.receiver, group.content(alerts, way.receiver)));
            let Some((receiver, mut content)) = content.filter(|(_, all)| !all.is_empty()) else {
                // All of it was muted since, or nobody is to be told any more.
                group.sending = None;
                continue;
            };
            group.owe(&content, alerts);
            let truncated = group.cut(&mut content, alerts, most_of(receiver, limits));
            let sending = group.sending.as_mut()?;
            sending.out = Some(content.clone());
            let id = sending.id;
            let (key, group) = self.by_key.get_key_value(&key)?;
            return Some(Due { id, key, group, content, truncated });
        }
    }

    fn pick(&self, now: Time, per_receiver: usize) -> Option<String> {
        let mut out: BTreeMap<&str, usize> = BTreeMap::new();
        for group in self.by_key.values().filter(|group| group.is_out()) {
            *out.entry(&group.receiver).or_default() += 1;
        }
        let free = |group: &Group| {
            let health = self.health.get(&group.receiver);
            let most = if health.is_some_and(Health::is_failing) { 1 } else { per_receiver };
            health.is_none_or(|health| health.retry_at <= now)
                && out.get(group.receiver.as_str()).copied().unwrap_or(0) < most
        };
        let waiting = self.by_key.iter().filter_map(|(key, group)| {
            let sending = group.sending.as_ref()?;
            let ready = sending.out.is_none() && sending.retry_at <= now && free(group);
            // Who failed least goes first: one that always fails does not hold up the others.
            ready.then_some(((sending.failures, sending.id), key))
        });
        waiting.min().map(|(_, key)| key.clone())
    }

    /// How many notifications are out.
    pub(crate) fn out_len(&self) -> usize {
        self.by_key.values().filter(|group| group.is_out()).count()
    }

    /// How many notifications are out or wait.
    pub(crate) fn sending_len(&self) -> usize {
        self.by_key.values().filter(|group| group.sending.is_some()).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// A notification arrived. Answers whether it was out.
    pub(crate) fn delivered(&mut self, id: u64, now: Time, alerts: &mut Alerts) -> bool {
        let Some(group) = self.out_mut(id) else { return false };
        let Some(sending) = group.sending.take() else { return false };
        let content = sending.out.unwrap_or_default();
        let print = |id: &AlertId| alerts.get(*id).map(|alert| alert.fingerprint);
        // Repeats count from the time it was due, so that they do not slip by an interval for a millisecond.
        let at = if sending.failures == 0 { sending.since } else { now };
        // What an earlier one told and this one had no room for is told still.
        let told = group.log.take().map(|log| log.firing).unwrap_or_default();
        let firing = content.firing.iter().filter_map(print).chain(told).collect();
        group.log = Some(Log { at, firing });
        let resolved: Vec<_> =
            content.resolved.iter().filter_map(|id| Some((print(id)?, *id))).collect();
        for (fingerprint, id) in resolved {
            // It may have begun to fire anew meanwhile; then it is another alert, and told as one.
            match group.members.get(&fingerprint) == Some(&id) {
                true => {
                    group.leave(fingerprint);
                    count(alerts, id, -1);
                }
                false => drop(group.told.remove(&fingerprint)),
            }
        }
        let receiver = group.receiver.clone();
        self.health.remove(&receiver);
        self.by_key.retain(|_, group| !group.is_over());
        true
    }

    /// A notification did not arrive. Answers whether it was out.
    pub(crate) fn failed(&mut self, id: u64, now: Time, failure: Failure, seed: u64) -> bool {
        let Some(group) = self.out_mut(id) else { return false };
        let receiver = group.receiver.clone();
        match failure {
            // The receiver is there and does not want this; what is true at the next look may please it.
            Failure::Refused => group.sending = None,
            Failure::Unreachable => {
                if let Some(sending) = &mut group.sending {
                    sending.out = None;
                    sending.failures = sending.failures.saturating_add(1);
                    sending.retry_at = now.after(Health::pause(sending.failures, seed ^ id));
                }
                self.health.entry(receiver).or_default().failed(now, seed);
            }
        }
        true
    }

    fn out_mut(&mut self, id: u64) -> Option<&mut Group> {
        let is = |sending: &Sending| sending.id == id && sending.out.is_some();
        self.by_key.values_mut().find(|group| group.sending.as_ref().is_some_and(is))
    }

    /// After a restart nobody knows what became of what was out: it leaves again, under the same id.
    pub(crate) fn restart(&mut self) {
        for sending in self.by_key.values_mut().filter_map(|group| group.sending.as_mut()) {
            sending.out = None;
        }
    }

    /// Nothing was later than now, and what was to wait for longer looks, or leaves, at once.
    pub(crate) fn rewind(&mut self, now: Time) {
        let past = |time: &mut Time| *time = (*time).min(now);
        for group in self.by_key.values_mut() {
            past(&mut group.flush_at);
            if let Some(log) = &mut group.log {
                past(&mut log.at);
            }
            if let Some(sending) = &mut group.sending {
                past(&mut sending.since);
                past(&mut sending.retry_at);
            }
        }
        self.health.values_mut().for_each(|health| past(&mut health.retry_at));
    }

    /// Takes out what the rules do not lead to any more, and alerts that there are no more.
    pub(crate) fn reroute(&mut self, rules: &Rules, alerts: &mut Alerts) {
        let Self { by_key, health, .. } = self;
        by_key.retain(|_, group| way(rules, group).is_some());
        for group in by_key.values_mut() {
            let (route, labels) = (&group.route, &group.labels);
            let belongs = |alert: &Alert| {
                let mut routes = rules.routes_of(&alert.labels);
                routes.any(|r| {
                    r.key == *route && (labels.is_empty() || labels_in(r, &alert.labels) == *labels)
                })
            };
            let stays = |id: &AlertId| alerts.get(*id).is_some_and(belongs);
            let gone: Vec<_> =
                group.members.iter().filter(|(_, id)| !stays(id)).map(|(f, _)| *f).collect();
            gone.into_iter().for_each(|fingerprint| group.leave(fingerprint));
        }
        by_key.retain(|_, group| !group.is_over());
        health.retain(|name, _| rules.receiver(name).is_some());
        let mut groups: BTreeMap<AlertId, u32> = BTreeMap::new();
        for id in by_key.values().flat_map(|group| group.members.values()) {
            *groups.entry(*id).or_default() += 1;
        }
        alerts.set_groups(&groups);
    }

    /// Takes out an alert that is forgotten. Answers whether anybody had still to be told.
    pub(crate) fn forget(&mut self, alert: &Alert) -> bool {
        let mut waited = false;
        for group in self.by_key.values_mut() {
            if group.members.get(&alert.fingerprint) == Some(&alert.id) {
                waited |= group.told.contains(&alert.fingerprint);
                group.leave(alert.fingerprint);
            }
        }
        self.by_key.retain(|_, group| !group.is_over());
        waited
    }
}

impl Group {
    fn is_out(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.out.is_some())
    }
}

fn count(alerts: &mut Alerts, id: AlertId, by: i32) {
    if let Some(alert) = alerts.get_mut(id) {
        alert.groups = alert.groups.saturating_add_signed(by);
    }
}

/// Why a notification did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// No connection, no answer in time, 429 or 5xx: it is sent again after a pause.
    Unreachable,
    /// Another answer than 2xx: it is sent again when the group looks again.
    Refused,
}
