//! What `/api/alerts`, `/api/silences`, `/api/correlations` and the streams show.
//!
//! The rule: names and forms are the contract's; what is shown is a copy, and nothing is read back from it.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use crate::alert::{Alert, AlertState, AlertType};
use crate::correlate;
use crate::labels::Labels;
use crate::sample::{Expected, Severity, clip};
use crate::silence::Silence;
use crate::time::Time;

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    /// Names this start of the alert.
    pub id: String,
    /// What raised it.
    #[serde(rename = "type")]
    pub kind: AlertType,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about; may be empty.
    pub subject: String,
    /// One sentence.
    pub description: String,
    /// 0..=1.
    pub score: f64,
    /// When what raised it was measured.
    pub timestamp: Time,
    /// What to do, the first thing first.
    pub recommended_actions: Vec<String>,
    /// Whether it is over.
    pub resolved: bool,
    /// Since when it is over.
    pub resolution_time: Option<Time>,
    /// Where it stands.
    pub state: AlertState,
    /// The hash of its labels, 16 hexadecimal digits.
    pub fingerprint: String,
    /// What tells it from others.
    pub labels: Labels,
    /// What would have been normal.
    pub expected: Expected,
    /// What came instead.
    pub value: f64,
    /// How that was found.
    pub method: String,
    /// Since when it fires; while it is pending, since when its condition holds.
    pub starts_at: Time,
    /// Who has taken note.
    pub acked_by: Option<String>,
    /// Whether a part of the detector had failed.
    pub reduced_sensitivity: bool,
    /// Where to read what to do; empty without one.
    pub runbook_url: String,
}

impl AlertView {
    pub(crate) fn of(alert: &Alert) -> Self {
        let evidence = &alert.evidence;
        Self {
            id: alert.name(),
            kind: alert.kind,
            severity: alert.severity,
            subject: alert.labels.get("subject").to_owned(),
            description: alert.description.clone(),
            score: evidence.score,
            timestamp: evidence.at,
            recommended_actions: alert.actions.clone(),
            resolved: !alert.is_live(),
            resolution_time: alert.resolved_at(),
            state: alert.state(),
            fingerprint: alert.fingerprint.to_string(),
            labels: alert.labels.clone(),
            expected: evidence.expected,
            value: evidence.value,
            method: evidence.method.clone(),
            starts_at: alert.starts_at(),
            acked_by: alert.acked_by.clone(),
            reduced_sensitivity: evidence.reduced_sensitivity,
            runbook_url: alert.runbook.clone(),
        }
    }

    /// The same within `bytes` of JSON, for events, which are bounded: recommended actions go first, the last one
    /// before the first, then the ends of long texts, then labels that say no more than the rest does. `None` where
    /// even that is too much.
    pub fn fit(mut self, bytes: usize) -> Option<Self> {
        let fits = |view: &Self| serde_json::to_string(view).is_ok_and(|json| json.len() <= bytes);
        while !fits(&self) && self.recommended_actions.pop().is_some() {}
        let steps: [fn(&mut Self); 4] = [
            |view| shorten(&mut view.description),
            |view| shorten(&mut view.method),
            |view| view.runbook_url.clear(),
            |view| view.labels = view.labels.only(&["alertname", "severity"].map(str::to_owned)),
        ];
        for step in steps {
            if fits(&self) {
                break;
            }
            step(&mut self);
        }
        fits(&self).then_some(self)
    }
}

/// Cuts a text of more than 120 bytes and shows that it was cut.
fn shorten(text: &mut String) {
    if text.len() > 120 {
        *text = format!("{}…", clip(text, 117));
    }
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Its condition holds, but not for long enough yet.
    Pending,
    /// It was pending and is no more. It leaves no trace.
    Withdrawn,
    /// It fires, for the first time or again after it was muted.
    Firing,
    /// A silence mutes it.
    Silenced,
    /// A worse alert mutes it.
    Inhibited,
    /// Somebody has taken note.
    Acked,
    /// It is over.
    Resolved,
}

/// A change of an alert, to be told on streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Names the change, the same after a restart: the id of its event.
    pub event_id: String,
    /// When.
    pub at: Time,
    /// What.
    pub what: Transition,
    /// The alert after it.
    pub alert: AlertView,
}

impl Change {
    /// The name of its server-sent event; `None` for what is no news yet. What is muted by a worse alert is told as
    /// `silenced`, its state says the rest.
    pub const fn sse_event(&self) -> Option<&'static str> {
        match self.what {
            Transition::Pending | Transition::Withdrawn => None,
            Transition::Firing => Some("firing"),
            Transition::Silenced | Transition::Inhibited => Some("silenced"),
            Transition::Resolved => Some("resolved"),
            // Under the name of the state that it has, since the alert itself has changed.
            Transition::Acked => Some(match self.alert.state {
                AlertState::Silenced | AlertState::Inhibited => "silenced",
                AlertState::Resolved => "resolved",
                AlertState::Pending | AlertState::Firing => "firing",
            }),
        }
    }
}

/// Which alerts are asked for; what is `None` is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `state=`
    pub state: Option<AlertState>,
    /// `severity=`
    pub severity: Option<Severity>,
    /// `kind=`, that of the series.
    pub kind: Option<String>,
    /// `subject=`
    pub subject: Option<String>,
    /// `limit=`: so many at most.
    pub limit: Option<usize>,
}

impl Filter {
    /// From the parameters of a query.
    ///
    /// # Errors
    /// The parameter that is wrong, and one sentence.
    pub fn from_query<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, (String, String)> {
        let mut filter = Self::default();
        for (name, value) in pairs {
            let wrong = |why| (name.to_owned(), why);
            match name {
                "state" => filter.state = Some(value.parse().map_err(wrong)?),
                "severity" => filter.severity = Some(value.parse().map_err(wrong)?),
                "kind" => filter.kind = Some(value.to_owned()),
                "subject" => filter.subject = Some(value.to_owned()),
                "limit" => {
                    let limit = value.parse().map_err(|_| wrong("give a whole number".to_owned()));
                    filter.limit = Some(limit?);
                }
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Whether all but the state fit.
    pub(crate) fn fits_series(&self, alert: &Alert) -> bool {
        let is = |wanted: &Option<String>, label| {
            wanted.as_ref().is_none_or(|wanted| alert.labels.get(label) == wanted)
        };
        self.severity.is_none_or(|severity| alert.severity == severity)
            && is(&self.kind, "kind")
            && is(&self.subject, "subject")
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no severity; give info, warning or critical"))
    }
}

/// The answer of `GET /api/alerts`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertList {
    /// The newest first.
    pub alerts: Vec<AlertView>,
    /// By state, all states; the filter of the state does not count.
    pub counts: BTreeMap<AlertState, usize>,
    /// Whether older ones were left out.
    pub truncated: bool,
}

/// The answer of `GET /api/silences`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SilenceList {
    /// Those that mute or will.
    pub silences: Vec<Silence>,
    /// Whether newer ones were left out.
    pub truncated: bool,
}

/// The answer of `GET /api/correlations`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrelationList {
    /// The newest first.
    pub correlations: Vec<CorrelationView>,
}

/// Alerts that began together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrelationView {
    /// Names it.
    pub id: String,
    /// Ids of its alerts in the order of firing.
    pub alerts: Vec<String>,
    /// The id of the one that may be the cause.
    pub root_cause: String,
    /// 0..=1.
    pub confidence: f64,
    /// Why that one.
    pub reason: String,
    /// When the first one fired.
    pub starts_at: Time,
    /// When the last one fired.
    pub ends_at: Time,
}

impl CorrelationView {
    pub(crate) fn of(group: &correlate::Group) -> Self {
        let cause = group.cause();
        Self {
            id: format!("c{}", group.number),
            alerts: group.members.iter().map(|member| member.name.clone()).collect(),
            root_cause: group.members[cause.at].name.clone(),
            confidence: cause.confidence,
            reason: cause.reason,
            starts_at: group.starts_at(),
            ends_at: group.ends_at(),
        }
    }
}
