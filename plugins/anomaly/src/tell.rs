//! Changes of alerts on their way out: an event on the ring and a message on the stream for each.
//!
//! The rule: a change waits here until the host has taken it, and its event's id makes a second time harmless.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shimmer_alerts::{AlertView, Change, Severity};
use shimmer_sdk as sdk;
use shimmer_sdk::{Error, Host};

/// The topic of `/api/alerts/sse`.
pub(crate) const TOPIC: &str = "alerts";
/// Changes that leave in one transaction: each has two effects, of which a transaction takes 4,096.
const AT_ONCE: usize = 1_024;
/// Changes that wait at most; beyond, the oldest goes. Twice what the manager can have fire at once.
const MOST: usize = 16_384;
/// Bytes of an alert within its event, which has 4 KiB in all for these and for names and times.
const DATA_BYTES: usize = 2_800;

/// A change as it leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    event_id: String,
    time_ns: i64,
    subject: String,
    severity: u32,
    score: f64,
    description: String,
    data: String,
    /// The same with no more than what names it.
    least: String,
    /// Name of the server-sent event, and its message; empty where streams are not told.
    sse: String,
    message: String,
}

/// What waits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    waiting: VecDeque<Told>,
    lost: u64,
}

impl Outbox {
    /// Puts changes in the line.
    pub(crate) fn extend(&mut self, changes: Vec<Change>) {
        for told in changes.into_iter().filter_map(told) {
            if self.waiting.len() == MOST {
                self.waiting.pop_front();
                self.lost += 1;
            }
            self.waiting.push_back(told);
        }
    }

    /// Tells what waits, as much as one transaction takes.
    pub(crate) fn flush(&mut self, host: &Host) -> Result<(), Error> {
        for _ in 0..AT_ONCE {
            let Some(told) = self.waiting.front() else { break };
            match told.emit(host, &told.data) {
                // More than a transaction holds, or derived from what was derived too often: the next tick has room.
                Err(Error::Limit(_)) => break,
                // The node's events are smaller than ours: the alert itself is under `/api/alerts`.
                Err(Error::Invalid(_)) if told.emit(host, &told.least).is_ok() => {}
                Err(Error::Invalid(why)) => {
                    host.error(&format!("alert {}: {why}; it is left out", told.event_id));
                    self.lost += 1;
                }
                other => other?,
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Told {
    fn emit(&self, host: &Host, data: &str) -> Result<(), Error> {
        let data: &serde_json::value::RawValue = serde_json::from_str(data)?;
        host.alert(&self.subject)
            .id(&self.event_id)
            .time_ns(self.time_ns)
            .severity(sdk::Severity(self.severity))
            .score(self.score)
            .description(&self.description)
            .data(&data)
            .emit()?;
        if !self.sse.is_empty() {
            host.publish(TOPIC, &self.sse, &self.message)?;
        }
        Ok(())
    }
}

/// `None` for what is no news: an alert that is pending, or no longer.
fn told(change: Change) -> Option<Told> {
    let sse = change.sse_event()?.to_owned();
    let alert = change.alert;
    let message = serde_json::to_string(&alert).ok()?;
    let least = json!({ "id": alert.id, "state": alert.state }).to_string();
    Some(Told {
        event_id: change.event_id,
        time_ns: change.at.as_ns(),
        subject: alert.subject.clone(),
        severity: severity(alert.severity).0,
        score: alert.score,
        description: alert.description.clone(),
        data: alert.fit(DATA_BYTES).as_ref().and_then(data).unwrap_or_else(|| least.clone()),
        least,
        sse,
        message,
    })
}

/// The alert without what the host puts beside it.
fn data(alert: &AlertView) -> Option<String> {
    let mut value = serde_json::to_value(alert).ok()?;
    let members = value.as_object_mut()?;
    members.remove("severity");
    members.remove("description");
    serde_json::to_string(&value).ok()
}

const fn severity(severity: Severity) -> sdk::Severity {
    match severity {
        Severity::Info => sdk::Severity::INFO,
        Severity::Warning => sdk::Severity::WARNING,
        Severity::Critical => sdk::Severity::CRITICAL,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use shimmer_alerts::{Limits, Manager, Rules, Sample, Series, Time};

    use super::*;

    #[test]
    fn what_waits_is_bounded_and_what_was_lost_is_counted() {
        let rules = Rules::parse("[[threshold]]\nname = 'Any'\nwarning = { above = 0 }\n").unwrap();
        let mut manager = Manager::new(rules, Limits::default(), 7);
        let sample = Sample {
            series: Series { kind: "load", subject: "", source: "" },
            at: Time::from_s(1),
            value: 1.0,
            budget: None,
            verdict: None,
        };
        let one = manager.observe(Time::from_s(1), &sample).unwrap();
        assert_eq!(one.len(), 1);
        let mut outbox = Outbox::default();
        outbox.extend(vec![one[0].clone(); MOST]);
        assert_eq!((outbox.waiting.len(), outbox.lost()), (MOST, 0));
        outbox.extend(one);
        assert_eq!((outbox.waiting.len(), outbox.lost()), (MOST, 1));
    }
}
