//! What people do to alerts: take note, resolve, silence.
//!
//! The rule: what was done is answered when it holds and is an event of its own; a process that is killed before it
//! saved its state does it again when that event comes back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shimmer_alerts::{
    Change, Manager, Silence, SilenceDraft, SilenceId, SilenceRefused, Time, WishRefused,
};
use shimmer_sdk::{Error, Event, Host};

/// Kind of these events; `data` is an [`Action`].
pub(crate) const KIND: &str = "alert.action";
/// Actions that were done and whose events have not come back yet; as far apart as the ring is long at most.
const MOST: usize = 4_096;

/// One thing that somebody did. Times are in it, so that doing it again gives the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub(crate) enum Action {
    /// Somebody took note of an alert.
    Ack {
        /// The alert's id.
        alert: String,
        /// Who.
        by: String,
    },
    /// Somebody ended an alert.
    Resolve {
        /// The alert's id.
        alert: String,
        /// Who.
        by: String,
    },
    /// Somebody muted alerts, or changed how.
    Silence {
        /// What was posted.
        silence: SilenceDraft,
    },
    /// Somebody ended a silence.
    Unsilence {
        /// The silence.
        silence: SilenceId,
    },
}

/// Why an action was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// On an alert.
    Wish(WishRefused),
    /// On a silence.
    Silence(SilenceRefused),
    /// The host could not write it down, or there are too many at once; later it may.
    Host(Error),
}

/// What came of an action.
pub(crate) struct Done {
    pub(crate) changes: Vec<Change>,
    /// The silence that there is now.
    pub(crate) silence: Option<Silence>,
}

impl Action {
    /// Does it.
    fn apply(self, now: Time, manager: &mut Manager) -> Result<Done, Refused> {
        let plain = |changes| Done { changes, silence: None };
        match self {
            Self::Ack { alert, by } => {
                manager.ack(now, &alert, &by).map(plain).map_err(Refused::Wish)
            }
            Self::Resolve { alert, .. } => {
                manager.resolve_by_hand(now, &alert).map(plain).map_err(Refused::Wish)
            }
            Self::Silence { silence } => manager
                .silence(now, silence)
                .map(|(silence, changes)| Done { changes, silence: Some(silence) })
                .map_err(Refused::Silence),
            Self::Unsilence { silence } => {
                manager.unsilence(now, silence).map(plain).map_err(Refused::Silence)
            }
        }
    }
}

/// Actions that are done already, by their times, for when their events come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Acts {
    done: BTreeSet<i64>,
}

/// The `data` of these events.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Unix time in nanoseconds; no two actions have the same.
    at: i64,
    did: Action,
}

impl Acts {
    /// Does what somebody asks for and writes it down. Where it cannot be written down it may hold all the same until
    /// the process ends: asking again is right.
    pub(crate) fn request(
        &mut self,
        action: Action,
        now: Time,
        manager: &mut Manager,
        host: &Host,
    ) -> Result<Done, Refused> {
        if self.done.len() >= MOST {
            let why = format!("{MOST} actions wait for the stream; try again in a moment");
            return Err(Refused::Host(Error::Busy(why)));
        }
        let at = now.as_ns().max(self.done.last().map_or(i64::MIN, |last| last + 1));
        let (subject, written) = (action.subject(), Written { at, did: action });
        let done = written.did.clone().apply(Time::from_ns(at), manager)?;
        let event = host.event(KIND).time_ns(at).subject(&subject).data(&written);
        event.emit().map_err(Refused::Host)?;
        self.done.insert(at);
        Ok(done)
    }

    /// Takes the event of an action, which is done unless it was.
    pub(crate) fn take(&mut self, event: &Event<'_>, manager: &mut Manager) -> Vec<Change> {
        let Ok(Written { at, did }) = event.parse_data() else { return Vec::new() };
        if self.done.remove(&at) {
            return Vec::new();
        }
        // Refused as it was refused, or meanwhile pointless.
        did.apply(Time::from_ns(at), manager).map_or_else(|_| Vec::new(), |done| done.changes)
    }
}

impl Action {
    /// What the event is about.
    fn subject(&self) -> String {
        match self {
            Self::Ack { alert, .. } | Self::Resolve { alert, .. } => alert.clone(),
            Self::Silence { silence } => silence.id.map_or_else(String::new, |id| id.to_string()),
            Self::Unsilence { silence } => silence.to_string(),
        }
    }
}
