//! An alert as it is kept: what is wrong, since when, and who cares.
//!
//! The rule: an alert explains itself; nothing outside has to be asked what was expected and what came.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::labels::{Fingerprint, Labels};
use crate::sample::{Expected, Severity};
use crate::silence::SilenceId;
use crate::time::{Period, Time};

/// The number of an alert; each start of the same labels has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AlertId(pub(crate) u64);

/// What raised an alert; `type` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertType {
    /// A detector's score.
    Anomaly,
    /// A value beyond a limit.
    Threshold,
    /// A series that went silent.
    NoData,
    /// A series that started so many alerts that further ones are held back.
    NoiseCap,
    /// The alert that always fires.
    Heartbeat,
}

/// Where an alert stands, muting included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// The condition holds, but not for long enough.
    Pending,
    /// Somebody is told.
    Firing,
    /// It would fire, but a silence mutes it.
    Silenced,
    /// It would fire, but a worse alert mutes it.
    Inhibited,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// All of them, in the order of life.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Firing, Self::Silenced, Self::Inhibited, Self::Resolved];

    /// As it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Resolved => "resolved",
        }
    }
}

impl FromStr for AlertState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no state; give pending, firing, silenced, inhibited or resolved")
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Pending,
    Firing { since: Time },
    Resolved { since: Time, at: Time },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alert {
    pub(crate) id: AlertId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) labels: Labels,
    pub(crate) rule: String,
    pub(crate) kind: AlertType,
    pub(crate) severity: Severity,
    pub(crate) evidence: Evidence,
    pub(crate) description: String,
    pub(crate) runbook: String,
    pub(crate) actions: Vec<String>,
    pub(crate) phase: Phase,
    pub(crate) pending_since: Time,
    /// When the condition was last seen to hold.
    pub(crate) held_at: Time,
    /// Since when it does not hold any more.
    pub(crate) cleared_at: Option<Time>,
    pub(crate) acked_by: Option<String>,
    pub(crate) silenced_by: BTreeSet<SilenceId>,
    pub(crate) inhibited: bool,
    /// Resolved by hand while the condition held: it starts no new alert before this.
    pub(crate) quiet_until: Option<Time>,
    /// Groups that have still to tell of it.
    pub(crate) groups: u32,
    /// Changes so far: they number its events.
    pub(crate) changes: u32,
    /// When time is asked for it next. Derived.
    #[serde(skip)]
    pub(crate) armed: Option<Time>,
}

/// What was seen, and what was expected instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) score: f64,
    pub(crate) value: f64,
    pub(crate) expected: Expected,
    pub(crate) method: String,
    pub(crate) reduced_sensitivity: bool,
    /// By the clock of who measured it.
    pub(crate) at: Time,
}

impl Evidence {
    pub(crate) const fn none() -> Self {
        Self {
            score: 0.0,
            value: 0.0,
            expected: Expected { low: None, high: None },
            method: String::new(),
            reduced_sensitivity: false,
            at: Time::MIN,
        }
    }
}

impl Alert {
    pub(crate) fn state(&self) -> AlertState {
        match self.phase {
            Phase::Pending => AlertState::Pending,
            Phase::Resolved { .. } => AlertState::Resolved,
            Phase::Firing { .. } if !self.silenced_by.is_empty() => AlertState::Silenced,
            Phase::Firing { .. } if self.inhibited => AlertState::Inhibited,
            Phase::Firing { .. } => AlertState::Firing,
        }
    }

    pub(crate) const fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Resolved { .. })
    }

    /// Nothing of it was later than now; its timer is to be set anew.
    pub(crate) fn rewind(&mut self, now: Time, quiet_until: Time) {
        let (pending_since, held_at) = (&mut self.pending_since, &mut self.held_at);
        let past = [Some(pending_since), Some(held_at), self.cleared_at.as_mut()];
        past.into_iter().flatten().for_each(|time| *time = (*time).min(now));
        self.phase = match self.phase {
            Phase::Pending => Phase::Pending,
            Phase::Firing { since } => Phase::Firing { since: since.min(now) },
            Phase::Resolved { since, at } => {
                Phase::Resolved { since: since.min(now), at: at.min(now) }
            }
        };
        self.quiet_until = self.quiet_until.map(|until| until.min(quiet_until));
        self.armed = None;
    }

    /// Since when it fires; while it is pending, since when the condition holds.
    pub(crate) const fn starts_at(&self) -> Time {
        match self.phase {
            Phase::Pending => self.pending_since,
            Phase::Firing { since } | Phase::Resolved { since, .. } => since,
        }
    }

    pub(crate) const fn resolved_at(&self) -> Option<Time> {
        match self.phase {
            Phase::Resolved { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Its name outside: the fingerprint and the number of the start.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.fingerprint, self.id.0)
    }

    /// When time alone changes its phase, given its rule's times.
    pub(crate) fn due(&self, times: &Times) -> Time {
        let stale = self.held_at.after(times.stale_after);
        match (self.phase, self.cleared_at) {
            (Phase::Pending, _) => self.pending_since.after(times.pending_for).min(stale),
            (Phase::Firing { .. }, Some(cleared)) => cleared.after(times.keep_firing_for),
            (Phase::Firing { .. }, None) => stale,
            (Phase::Resolved { .. }, _) => Time::NEVER,
        }
    }
}

/// How long a rule lets things be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) pending_for: Period,
    pub(crate) keep_firing_for: Period,
    pub(crate) stale_after: Period,
}

/// The number in an alert's name.
pub(crate) fn id_of_name(name: &str) -> Option<(AlertId, &str)> {
    let (fingerprint, number) = name.split_once('-')?;
    Some((AlertId(number.parse().ok()?), fingerprint))
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
