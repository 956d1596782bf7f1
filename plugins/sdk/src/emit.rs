//! Builders of what a plugin emits. They check nothing: the host's limits are the only ones, told by its answer.

use serde::Serialize;
use shimmer_abi as abi;
use shimmer_abi::{Severity, Str};

use crate::gate::Gate;
use crate::{Error, Event};

/// An event on its way; nothing happens before [`EventBuilder::emit`].
#[must_use = "an event is emitted by `emit`"]
pub struct EventBuilder<'a> {
    gate: &'a Gate,
    id: &'a str,
    time_ns: i64,
    kind: &'a str,
    subject: &'a str,
    source: &'a str,
    value: f64,
    data: Result<String, String>,
    cause_seq: u64,
}

impl<'a> EventBuilder<'a> {
    pub(crate) const fn new(gate: &'a Gate, kind: &'a str) -> Self {
        Self {
            gate,
            id: "",
            time_ns: 0,
            kind,
            subject: "",
            source: "",
            value: 0.0,
            data: Ok(String::new()),
            cause_seq: 0,
        }
    }

    /// The `event_id`, 1..=128 bytes; without one the host makes one. An id seen before stores nothing again: give
    /// your own outside transactions, wherever you may have to try twice.
    pub const fn id(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    /// Unix time in nanoseconds; now when not given.
    pub const fn time_ns(mut self, time_ns: i64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// What the event is about, at most 128 characters.
    pub const fn subject(mut self, subject: &'a str) -> Self {
        self.subject = subject;
        self
    }

    /// Another source than the plugin's name; needs the permission `source=NAME`.
    pub const fn source(mut self, source: &'a str) -> Self {
        self.source = source;
        self
    }

    /// The value, finite; 0 when not given.
    pub const fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// The `data` member: anything that serialises to a JSON object.
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = to_json(data);
        self
    }

    /// The event that this one derives from: a chain of more than four is refused with `Limit`.
    pub fn cause(mut self, event: &Event<'_>) -> Self {
        self.cause_seq = event.seq();
        self
    }

    /// Emits the event and answers its sequence, `None` inside a transaction, where it is not known yet.
    ///
    /// # Errors
    /// `Invalid` outside the limits of posted events, `Denied` for a source, `Limit` beyond 4,096 effects in one
    /// call or 4 hops, `Busy` outside a transaction while the ring is full, `Gone`.
    pub fn emit(self) -> Result<Option<u64>, Error> {
        let data = self.data.map_err(Error::Invalid)?;
        self.gate.emit_event(&abi::Event {
            event_id: Str::new(self.id),
            time_ns: self.time_ns,
            kind: Str::new(self.kind),
            subject: Str::new(self.subject),
            source: Str::new(self.source),
            value: self.value,
            data_json: Str::new(&data),
            cause_seq: self.cause_seq,
        })
    }
}

/// An alert on its way; nothing happens before [`AlertBuilder::emit`].
#[must_use = "an alert is emitted by `emit`"]
pub struct AlertBuilder<'a> {
    gate: &'a Gate,
    id: &'a str,
    time_ns: i64,
    subject: &'a str,
    severity: Severity,
    score: f64,
    description: &'a str,
    data: Result<String, String>,
    cause_seq: u64,
}

impl<'a> AlertBuilder<'a> {
    pub(crate) const fn new(gate: &'a Gate, subject: &'a str) -> Self {
        Self {
            gate,
            id: "",
            time_ns: 0,
            subject,
            severity: Severity::WARNING,
            score: 1.0,
            description: "",
            data: Ok(String::new()),
            cause_seq: 0,
        }
    }

    /// As [`EventBuilder::id`].
    pub const fn id(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    /// As [`EventBuilder::time_ns`].
    pub const fn time_ns(mut self, time_ns: i64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// How bad it is; a warning when not given.
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// How sure the plugin is, 0..=1; 1 when not given.
    pub const fn score(mut self, score: f64) -> Self {
        self.score = score;
        self
    }

    /// One sentence for people, at most 1,000 characters.
    pub const fn description(mut self, description: &'a str) -> Self {
        self.description = description;
        self
    }

    /// Further members of `data`; as [`EventBuilder::data`].
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = to_json(data);
        self
    }

    /// As [`EventBuilder::cause`].
    pub fn cause(mut self, event: &Event<'_>) -> Self {
        self.cause_seq = event.seq();
        self
    }

    /// Emits the alert; as [`EventBuilder::emit`].
    ///
    /// # Errors
    /// As [`EventBuilder::emit`].
    pub fn emit(self) -> Result<Option<u64>, Error> {
        let data = self.data.map_err(Error::Invalid)?;
        self.gate.emit_alert(&abi::Alert {
            event_id: Str::new(self.id),
            time_ns: self.time_ns,
            subject: Str::new(self.subject),
            severity: self.severity,
            reserved: 0,
            score: self.score,
            description: Str::new(self.description),
            data_json: Str::new(&data),
            cause_seq: self.cause_seq,
        })
    }
}

/// The JSON, or why there is none: told by `emit`, so that a chain of calls stays a chain.
fn to_json(data: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(data).map_err(|why| format!("data: {why}"))
}
