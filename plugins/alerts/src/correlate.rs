//! Correlations: alerts that began within a few minutes of each other, and which of them may be the cause.
//!
//! The rule: the cause is the member that is earliest and most connected, and the confidence says how far both hold:
//! 0 is a guess, 1 would be certainty.
//!
//! Two alerts are connected as far as their series have names in common. Being near in time is weak evidence by
//! itself; a node on which everything fails at once shares a subject or a source.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertId};
use crate::time::{Period, Time};

/// What being in one window counts for, and each name in common besides; together 1.
const LINKS: [(&str, f64); 3] = [("subject", 0.5), ("source", 0.3), ("kind", 0.1)];
const NEAR_IN_TIME: f64 = 0.1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) alert: AlertId,
    pub(crate) name: String,
    rule: String,
    subject: String,
    source: String,
    kind: String,
    fired_at: Time,
    /// By the clock of who measured it: it orders what fired at the same moment.
    measured_at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) number: u64,
    /// In the order of firing.
    pub(crate) members: Vec<Member>,
    /// Further ones that are only counted.
    pub(crate) more: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Correlations {
    groups: VecDeque<Group>,
    next: u64,
}

/// Which member a correlation holds for the cause, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) at: usize,
    pub(crate) confidence: f64,
    pub(crate) reason: String,
}

impl Correlations {
    /// Nothing was later than now.
    pub(crate) fn rewind(&mut self, now: Time) {
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.for_each(|member| member.fired_at = member.fired_at.min(now));
    }

    /// Takes in an alert that fires now: into the newest group while that began less than `window` ago, else into one
    /// of its own.
    pub(crate) fn add(
        &mut self,
        now: Time,
        alert: &Alert,
        window: Period,
        [most, members]: [usize; 2],
    ) {
        let member = Member::of(now, alert);
        let open = self.groups.back_mut().filter(|group| {
            group.members.first().is_some_and(|first| now <= first.fired_at.after(window))
        });
        match open {
            // One that became worse is no further one.
            Some(group) if group.members.iter().any(|other| other.is_level_of(&member)) => {}
            Some(group) if group.members.len() < members => group.members.push(member),
            Some(group) => group.more += 1,
            None => {
                let number = self.next;
                self.next += 1;
                self.groups.push_back(Group { number, members: vec![member], more: 0 });
                if self.groups.len() > most {
                    self.groups.pop_front();
                }
            }
        }
    }

    /// Those with more than one member, the newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().rev().filter(|group| group.members.len() > 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Member {
    fn of(now: Time, alert: &Alert) -> Self {
        let label = |name| alert.labels.get(name).to_owned();
        Self {
            alert: alert.id,
            name: alert.name(),
            rule: label("alertname"),
            subject: label("subject"),
            source: label("source"),
            kind: label("kind"),
            fired_at: now,
            measured_at: alert.evidence.at,
        }
    }

    /// Whether both are levels of one rule on one series.
    fn is_level_of(&self, other: &Self) -> bool {
        (&self.rule, &self.subject, &self.source, &self.kind)
            == (&other.rule, &other.subject, &other.source, &other.kind)
    }

    /// In 0.1..=1.
    fn link(&self, other: &Self) -> f64 {
        let shared = self.shared(other).map(|(_, weight)| weight);
        NEAR_IN_TIME + shared.sum::<f64>()
    }

    fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'static str, f64)> + 'a {
        let value = |of: &'a Self, name| match name {
            "subject" => &of.subject,
            "source" => &of.source,
            _ => &of.kind,
        };
        LINKS.into_iter().filter(move |(name, _)| {
            let own: &String = value(self, name);
            !own.is_empty() && own == value(other, name)
        })
    }

    /// When it began, as far as that can be told.
    const fn began(&self) -> (Time, Time) {
        (self.fired_at, self.measured_at)
    }
}

impl Group {
    pub(crate) fn starts_at(&self) -> Time {
        self.members.first().map_or(Time::MIN, |first| first.fired_at)
    }

    pub(crate) fn ends_at(&self) -> Time {
        self.members.last().map_or(Time::MIN, |last| last.fired_at)
    }

    /// The member that is earliest and most connected.
    ///
    /// Each member is rated by its mean link to the others times the share of them that did not begin before it. The
    /// best one is the cause; of equals the earlier. The confidence is its rating, drawn towards 0 where few
    /// members speak for it: two alerts may meet by chance, ten hardly.
    pub(crate) fn cause(&self) -> Cause {
        let rating = |member: &Member| self.connected(member) * self.precedes(member);
        let mut best = (0, f64::MIN);
        for (at, member) in self.members.iter().enumerate() {
            let earlier = |best: usize| member.began() < self.members[best].began();
            let rating = rating(member);
            if rating > best.1 || (rating == best.1 && earlier(best.0)) {
                best = (at, rating);
            }
        }
        let others = self.others() as f64;
        let confidence = (best.1 * others / (others + 1.0)).clamp(0.0, 1.0);
        Cause { at: best.0, confidence, reason: self.reason(best.0) }
    }

    fn others(&self) -> usize {
        self.members.len().saturating_sub(1).max(1)
    }

    fn connected(&self, member: &Member) -> f64 {
        let others = self.members.iter().filter(|other| other.alert != member.alert);
        others.map(|other| member.link(other)).sum::<f64>() / self.others() as f64
    }

    /// The share of the others that did not begin before it.
    fn precedes(&self, member: &Member) -> f64 {
        let others = self.members.iter().filter(|other| other.alert != member.alert);
        let after = others.filter(|other| other.began() >= member.began()).count();
        after as f64 / self.others() as f64
    }

    fn reason(&self, at: usize) -> String {
        let cause = &self.members[at];
        let others = || self.members.iter().filter(|other| other.alert != cause.alert);
        let first = others().all(|other| other.began() >= cause.began());
        let next = others().map(|other| other.fired_at).min().unwrap_or(cause.fired_at);
        let when = match first {
            true => format!(
                "first of {} alerts, {} before the next",
                self.members.len(),
                next.since(cause.fired_at)
            ),
            false => format!("among {} alerts", self.members.len()),
        };
        let linked: Vec<String> = LINKS
            .iter()
            .filter_map(|(name, _)| {
                let count =
                    others().filter(|o| cause.shared(o).any(|(own, _)| own == *name)).count();
                (count > 0).then(|| format!("{name} with {count}"))
            })
            .collect();
        let links = match linked.is_empty() {
            true => "shares no name with the others, so time alone speaks for it".to_owned(),
            false => format!("shares its {} of the others", linked.join(", its ")),
        };
        let more = match self.more {
            0 => String::new(),
            more => format!("; {more} further alerts are not named here"),
        };
        format!("{when}; {links}{more}")
    }
}
