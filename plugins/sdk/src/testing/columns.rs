//! Builds the batch that a test lends to a plugin, column by column, with texts and names as the host has them.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shimmer_abi as abi;
use shimmer_abi::{Bytes, NAME_BYTES, NameSlot, flags};

/// An event to feed.
#[derive(Clone, Debug)]
pub struct Input {
    event_id: Option<String>,
    time_ns: i64,
    kind: String,
    subject: String,
    source: String,
    value: f64,
    data: Option<Value>,
    flags: u32,
}

impl Input {
    /// A general event.
    #[must_use]
    pub fn new(kind: &str, value: f64) -> Self {
        Self {
            event_id: None,
            time_ns: 1_700_000_000_000_000_000,
            kind: kind.to_owned(),
            subject: String::new(),
            source: "test".to_owned(),
            value,
            data: None,
            flags: 0,
        }
    }

    /// A beauty event with this score.
    #[must_use]
    pub fn beauty(score: f64) -> Self {
        Self { flags: flags::BEAUTY, ..Self::new("beauty", score) }
    }

    /// The `event_id`; without one it is made from the sequence.
    #[must_use]
    pub fn id(mut self, event_id: &str) -> Self {
        self.event_id = Some(event_id.to_owned());
        self
    }

    /// Unix time in nanoseconds.
    #[must_use]
    pub fn time_ns(mut self, time_ns: i64) -> Self {
        self.time_ns = time_ns;
        self
    }

    /// The subject.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = subject.to_owned();
        self
    }

    /// The source; `test` when not given.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.source = source.to_owned();
        self
    }

    /// The `data` object. What does not serialise is absent.
    #[must_use]
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }

    /// Marks the event as emitted by a plugin, `hops` plugins away from the outside.
    #[must_use]
    pub fn derived(mut self, hops: u32) -> Self {
        self.flags |= flags::DERIVED | (hops & flags::HOPS_MASK) << flags::HOPS_SHIFT;
        self
    }
}

/// Owns the memory of a batch.
#[derive(Default)]
pub(super) struct Lent {
    first_seq: u64,
    selection: Vec<u32>,
    time_ns: Vec<i64>,
    value: Vec<f64>,
    kind: Vec<u32>,
    subject: Vec<u32>,
    source: Vec<u32>,
    origin: Vec<u32>,
    flags: Vec<u32>,
    text_offset: Vec<u32>,
    text_len: Vec<u32>,
    data_start: Vec<u32>,
    data_len: Vec<u32>,
    id_start: Vec<u32>,
    id_len: Vec<u32>,
    text: Vec<u8>,
    names: Vec<NameSlot>,
}

impl Lent {
    /// The events from `first_seq` on; selected are those of `kinds`, all when it is empty.
    pub(super) fn new(first_seq: u64, inputs: &[Input], kinds: &[&str]) -> Self {
        let mut lent = Self { first_seq, ..Self::default() };
        // Id 0 is "none", so that the table's slot 0 stays empty.
        lent.names.push(slot(0, ""));
        for (index, input) in inputs.iter().enumerate() {
            if kinds.is_empty() || kinds.contains(&input.kind.as_str()) {
                lent.selection.push(index as u32);
            }
            lent.push(first_seq + index as u64, input);
        }
        lent
    }

    /// The batch, valid as long as `self`.
    pub(super) fn batch(&self) -> abi::Batch {
        abi::Batch {
            first_seq: self.first_seq,
            len: self.value.len() as u32,
            selection_len: self.selection.len() as u32,
            selection: self.selection.as_ptr(),
            missed: 0,
            time_ns: self.time_ns.as_ptr(),
            received_ns: self.time_ns.as_ptr(),
            value: self.value.as_ptr(),
            kind: self.kind.as_ptr(),
            subject: self.subject.as_ptr(),
            source: self.source.as_ptr(),
            origin: self.origin.as_ptr(),
            flags: self.flags.as_ptr(),
            text_offset: self.text_offset.as_ptr(),
            text_len: self.text_len.as_ptr(),
            data_start: self.data_start.as_ptr(),
            data_len: self.data_len.as_ptr(),
            id_start: self.id_start.as_ptr(),
            id_len: self.id_len.as_ptr(),
            text: Bytes::new(&self.text),
            names: self.names.as_ptr(),
            names_len: self.names.len() as u32,
            reserved: 0,
        }
    }

    fn push(&mut self, seq: u64, input: &Input) {
        let id = input.event_id.clone().unwrap_or_else(|| format!("test-{seq}"));
        let id = Value::from(id).to_string();
        let start = self.text.len();
        let mut text = format!("{{\"event_id\":{id}");
        self.id_start.push("{\"event_id\":\"".len() as u32);
        self.id_len.push(id.len() as u32 - 2);
        if let Some(data) = &input.data {
            let data = data.to_string();
            text += ",\"data\":";
            self.data_start.push(text.len() as u32);
            self.data_len.push(data.len() as u32);
            text += &data;
        } else {
            self.data_start.push(0);
            self.data_len.push(0);
        }
        for (name, value) in rest(seq, input) {
            text += &format!(",\"{name}\":{value}");
        }
        text.push('}');
        self.text.extend_from_slice(text.as_bytes());
        self.text_offset.push(start as u32);
        self.text_len.push(text.len() as u32);
        self.time_ns.push(input.time_ns);
        self.value.push(input.value);
        self.flags.push(input.flags);
        for (column, name) in [
            (0, input.kind.as_str()),
            (1, input.subject.as_str()),
            (2, input.source.as_str()),
            (3, super::recorder::NODE),
        ] {
            let id = self.intern(name);
            [&mut self.kind, &mut self.subject, &mut self.source, &mut self.origin][column]
                .push(id);
        }
    }

    fn intern(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let known = |slot: &NameSlot| slot.bytes[..slot.len as usize] == *name.as_bytes();
        if let Some(at) = self.names.iter().position(known) {
            return at as u32;
        }
        self.names.push(slot(self.names.len() as u32, name));
        self.names.len() as u32 - 1
    }
}

fn slot(id: u32, name: &str) -> NameSlot {
    let mut bytes = [0; NAME_BYTES];
    let len = name.len().min(NAME_BYTES);
    bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
    NameSlot { id, len: len as u32, bytes }
}

/// The members of the event's text behind `event_id` and `data`; the real host orders them otherwise, and a plugin
/// must not depend on that.
fn rest(seq: u64, input: &Input) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("kind".into(), json!(input.kind));
    out.insert("source".into(), json!(input.source));
    if !input.subject.is_empty() {
        out.insert("subject".into(), json!(input.subject));
    }
    out.insert("value".into(), json!(input.value));
    out.insert("seq".into(), json!(seq));
    out
}
