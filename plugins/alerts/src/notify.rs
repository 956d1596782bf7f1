//! What receivers are sent: Alertmanager's webhook message and what its `POST /api/v2/alerts` takes.
//!
//! The rule: names, order and forms are those of Alertmanager 0.25 (`template.Data`, webhook version "4"), so that
//! what understands one understands the other.

use std::cmp::Reverse;

use serde::Serialize;

use crate::alert::{Alert, AlertType};
use crate::alerts::Alerts;
use crate::explain::range;
use crate::groups::Due;
use crate::labels::Labels;
use crate::rules::{Receiver, Route, Target};
use crate::time::{Period, Time};

/// The end of what has none, as Go writes its zero time.
const NO_END: &str = "0001-01-01T00:00:00Z";
/// Alerts in one post to a peer: what Prometheus puts into one.
const PEER_BATCH: usize = 64;

/// A notification that is due. Hand its outcome back to the manager, by `id`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same when the same is tried again, also after a restart.
    pub id: u64,
    /// The receiver's name.
    pub receiver: String,
    /// Where it goes.
    pub target: Target,
    /// What is posted as `application/json`.
    pub payload: Payload,
}

/// What a notification says, in the form that its receiver takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// One webhook message.
    Webhook(WebhookMessage),
    /// Alerts for a peer.
    Alertmanager(Vec<PeerAlert>),
}

impl Payload {
    /// The bodies to post one after the other. The notification has arrived when all of them have; posting one twice
    /// does no harm.
    pub fn bodies(&self) -> Vec<String> {
        let json = "labels and numbers are always JSON";
        match self {
            Self::Webhook(message) => vec![serde_json::to_string(message).expect(json)],
            Self::Alertmanager(alerts) => alerts
                .chunks(PEER_BATCH)
                .map(|batch| serde_json::to_string(batch).expect(json))
                .collect(),
        }
    }
}

/// Whether any alert of a message, or an alert in it, still fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Firing,
    /// It does not.
    Resolved,
}

/// Alertmanager's webhook message, version 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookMessage {
    /// The receiver's name.
    pub receiver: String,
    /// Firing while one of the alerts is.
    pub status: Status,
    /// Firing ones first, then the worst, then by start.
    pub alerts: Vec<WebhookAlert>,
    /// What `group_by` names.
    pub group_labels: Labels,
    /// What all alerts of the message have alike.
    pub common_labels: Labels,
    /// What all alerts of the message have alike.
    pub common_annotations: Labels,
    /// The node's own address.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// "4".
    pub version: &'static str,
    /// The same for all messages of a group.
    pub group_key: String,
    /// How many alerts were left out; the next message names them.
    pub truncated_alerts: usize,
}

/// An alert of a webhook message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAlert {
    /// Whether it still fires.
    pub status: Status,
    /// Its labels.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Since when it fires.
    pub starts_at: Time,
    /// When it was resolved; year 1 while it fires.
    pub ends_at: String,
    /// Where it is shown.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// The hash of its labels.
    pub fingerprint: String,
}

/// An alert as a peer's `POST /api/v2/alerts` takes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerAlert {
    /// Its labels.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Since when it fires.
    pub starts_at: Time,
    /// When it was resolved; while it fires, when the peer may forget it unless told again.
    pub ends_at: Time,
    /// Where it is shown.
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
}

/// What a notification is made of.
pub(crate) struct Maker<'a> {
    pub(crate) alerts: &'a Alerts,
    pub(crate) receiver: &'a Receiver,
    pub(crate) route: &'a Route,
    pub(crate) external_url: &'a str,
    pub(crate) now: Time,
}

impl Maker<'_> {
    pub(crate) fn make(&self, due: &Due<'_>) -> Notification {
        let payload = match self.receiver.target {
            Target::Webhook(_) => Payload::Webhook(self.webhook(due)),
            Target::Alertmanager(_) => Payload::Alertmanager(self.peer(due)),
        };
        Notification {
            id: due.id,
            receiver: self.receiver.name.clone(),
            target: self.receiver.target.clone(),
            payload,
        }
    }

    /// Firing ones first, then the worst, then by start.
    fn members(&self, due: &Due<'_>) -> Vec<&Alert> {
        let sorted = |ids: &[crate::alert::AlertId]| {
            let mut all: Vec<_> = ids.iter().filter_map(|id| self.alerts.get(*id)).collect();
            all.sort_by_key(|alert| (Reverse(alert.severity), alert.starts_at(), alert.id));
            all
        };
        let mut all = sorted(&due.content.firing);
        all.extend(sorted(&due.content.resolved));
        all
    }

    fn webhook(&self, due: &Due<'_>) -> WebhookMessage {
        let all = self.members(due);
        let alerts: Vec<_> = all.iter().map(|alert| self.webhook_alert(alert)).collect();
        let firing = alerts.iter().any(|alert| alert.status == Status::Firing);
        WebhookMessage {
            receiver: self.receiver.name.clone(),
            status: if firing { Status::Firing } else { Status::Resolved },
            group_labels: due.group.labels.clone(),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            external_url: self.external_url.to_owned(),
            version: "4",
            group_key: due.key.to_owned(),
            truncated_alerts: due.truncated,
            alerts,
        }
    }

    fn webhook_alert(&self, alert: &Alert) -> WebhookAlert {
        let end = alert.resolved_at();
        WebhookAlert {
            status: if end.is_some() { Status::Resolved } else { Status::Firing },
            labels: alert.labels.clone(),
            annotations: annotations(alert),
            starts_at: alert.starts_at(),
            ends_at: end.map_or_else(|| NO_END.to_owned(), |end| end.to_string()),
            generator_url: self.url_of(alert),
            fingerprint: alert.fingerprint.to_string(),
        }
    }

    fn peer(&self, due: &Due<'_>) -> Vec<PeerAlert> {
        // As Prometheus: a firing alert is good for four times the time after which it is told again.
        let again = self.route.repeat_interval.max(self.route.group_interval);
        let good_until = self.now.after(again.max(Period::from_s(1)).times(4));
        let post = |alert: &&Alert| PeerAlert {
            labels: alert.labels.clone(),
            annotations: annotations(alert),
            starts_at: alert.starts_at(),
            ends_at: alert.resolved_at().unwrap_or(good_until),
            generator_url: self.url_of(alert),
        };
        self.members(due).iter().map(post).collect()
    }

    fn url_of(&self, alert: &Alert) -> String {
        match self.external_url {
            "" => String::new(),
            base => format!("{}/api/alerts/{}", base.trim_end_matches('/'), alert.name()),
        }
    }
}

fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = all.next().cloned().unwrap_or_default();
    all.for_each(|labels| common.keep_common(labels));
    common
}

/// What explains an alert to people who have nothing else at hand.
fn annotations(alert: &Alert) -> Labels {
    let mut all = Labels::default();
    all.set("description", &alert.description);
    all.set("summary", alert.labels.get("alertname"));
    all.set("runbook_url", &alert.runbook);
    all.set("acked_by", alert.acked_by.as_deref().unwrap_or_default());
    if alert.kind == AlertType::Heartbeat {
        return all;
    }
    let evidence = &alert.evidence;
    all.set("recommended_actions", &alert.actions.join("\n"));
    all.set("method", &evidence.method);
    if alert.kind != AlertType::NoData {
        all.set("value", &evidence.value.to_string());
    }
    all.set("score", &evidence.score.to_string());
    all.set("expected", &range(&evidence.expected));
    if evidence.reduced_sensitivity {
        all.set("reduced_sensitivity", "true");
    }
    all
}
