//! Events of other nodes: read as posts are, stored in one submission, each told what became of it.
//!
//! The rule: a plugin speaks for other nodes as far as it was permitted, and never for this one.

use std::ops::Range;

use shimmer_abi::Status;
use shimmer_event::{Parser, Receipt, TAIL};
use shimmer_ring::{Entry, Outcome, Producer, PublishError, Reserve, Submission};

use crate::config::any;
use crate::effects::EmitRules;
use crate::guest::EMITTER_SHIFT;
use crate::wire::{RelayResult, RelayedEvent};

/// Before the id of an event that nobody vouches for, where ids are compared: no id can begin so, and neither kind
/// of event displaces the other.
const UNSIGNED: &str = "\u{0}unsigned\u{0}";

/// Longest id of a node.
const ORIGIN_BYTES: usize = 128;

/// Reads events of other nodes into buffers that it keeps.
#[derive(Default)]
pub(crate) struct Relay {
    parser: Parser,
    heads: Vec<u8>,
    names: String,
    kept: Vec<Kept>,
    /// Why the first event that broke the rules did so, until somebody asks.
    reason: Option<String>,
}

/// An event that was read; ranges lie in `heads` and `names`.
struct Kept {
    index: usize,
    time_ns: i64,
    value: f64,
    flags: u32,
    head: Range<usize>,
    data: Range<u32>,
    id_span: Range<u32>,
    /// Kind, subject, source, and the id by which it is known.
    names: [Range<usize>; 4],
}

impl Relay {
    /// Stores those that are valid, all or none; a status when they cannot be stored now.
    pub(crate) fn publish(
        &mut self,
        events: &[RelayedEvent],
        rules: &EmitRules,
        received_ns: i64,
        producer: &Producer,
    ) -> Result<Vec<RelayResult>, Status> {
        self.heads.clear();
        self.names.clear();
        self.kept.clear();
        let mut results: Vec<RelayResult> = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let read = self.read(index, event, rules, received_ns);
            results.push(read.map(|()| (0, false)).map_err(|status| status.0));
        }
        let entries: Vec<Entry<'_>> =
            self.kept.iter().map(|kept| self.entry(kept, events, received_ns)).collect();
        if entries.is_empty() {
            return Ok(results);
        }
        let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Relayed };
        let mut outcomes = Vec::with_capacity(entries.len());
        producer.publish(&submission, &mut outcomes).map_err(|error| match error {
            PublishError::Full => Status::BUSY,
            PublishError::TooLarge => Status::LIMIT,
            PublishError::Cursor | PublishError::Poisoned | PublishError::Journal(_) => {
                Status::FAILED
            }
        })?;
        for (kept, outcome) in self.kept.iter().zip(outcomes) {
            results[kept.index] = match outcome {
                Outcome::Stored(seq) => Ok((seq, false)),
                Outcome::Duplicate(seq) => Ok((seq, true)),
                Outcome::NamesFull => Err(Status::LIMIT.0),
            };
        }
        Ok(results)
    }

    /// Why an event was refused since this was asked last.
    pub(crate) fn take_reason(&mut self) -> Option<String> {
        self.reason.take()
    }

    fn read(
        &mut self,
        index: usize,
        event: &RelayedEvent,
        rules: &EmitRules,
        received_ns: i64,
    ) -> Result<(), Status> {
        check_origin(event, rules)?;
        let receipt = Receipt {
            received_ns,
            default_source: &rules.plugin,
            origin: &event.origin,
            unsigned: event.unsigned,
        };
        let read = self.parser.parse(event.json.as_bytes(), &receipt, &rules.limits);
        let read = read.map_err(|error| {
            self.reason.get_or_insert_with(|| error.to_string());
            Status::INVALID
        })?;
        let start = self.heads.len();
        self.heads.extend_from_slice(read.head);
        let mut name = |prefix: &str, name: &str| {
            let start = self.names.len();
            self.names.push_str(prefix);
            self.names.push_str(name);
            start..self.names.len()
        };
        let known_as = if event.unsigned { UNSIGNED } else { "" };
        self.kept.push(Kept {
            index,
            time_ns: read.time_ns,
            value: read.value,
            flags: read.flags | u32::from(rules.emitter) << EMITTER_SHIFT,
            head: start..self.heads.len(),
            data: read.data.clone(),
            id_span: read.id_span.clone(),
            names: [
                name("", read.kind),
                name("", read.subject),
                name("", read.source),
                name(known_as, read.id),
            ],
        });
        Ok(())
    }

    fn entry<'a>(&'a self, kept: &Kept, events: &'a [RelayedEvent], received_ns: i64) -> Entry<'a> {
        let [kind, subject, source, id] = kept.names.clone().map(|name| &self.names[name]);
        Entry {
            time_ns: kept.time_ns,
            received_ns,
            value: kept.value,
            kind,
            subject,
            source,
            origin: &events[kept.index].origin,
            id,
            flags: kept.flags,
            head: &self.heads[kept.head.clone()],
            tail: TAIL,
            data: kept.data.clone(),
            id_span: kept.id_span.clone(),
        }
    }
}

fn check_origin(event: &RelayedEvent, rules: &EmitRules) -> Result<(), Status> {
    let origin = event.origin.as_str();
    if !(1..=ORIGIN_BYTES).contains(&origin.len()) || origin.chars().any(char::is_control) {
        return Err(Status::INVALID);
    }
    // What this node took itself, it signs: a plugin can add to it only what says that nobody vouches for it.
    if !any(&rules.permissions.origin, origin) || (origin == rules.node && !event.unsigned) {
        return Err(Status::DENIED);
    }
    Ok(())
}
