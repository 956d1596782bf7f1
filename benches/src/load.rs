//! The events that every bench publishes.
//!
//! The rule: they are real ones, read from NDJSON by `shimmer-event`, and made before the clock runs.

use shimmer_event::{Batch, Limits, Receipt, TAIL};
use shimmer_ring::Entry;
use std::fmt::Write;

/// Events of a batch.
pub const BATCH: usize = 1_000;
/// Bytes of an id. All ids are equally long, so that a body can be changed in place.
const ID_BYTES: usize = 16;

/// Events that live as long as the process, in batches of [`BATCH`].
///
/// A batch lies in the second-level cache, entries and texts, as it would after parsing; the ids are
/// distinct throughout.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    entries: &'static [Entry<'static>],
    ids: &'static str,
}

/// The events of a batch, again and again, with ids of their own each time.
#[derive(Debug)]
pub struct Refill {
    load: Load,
    entries: Vec<Entry<'static>>,
}

impl Refill {
    /// Batch `index` of the load, counted on from the first after the last.
    pub fn batch(&mut self, index: usize) -> &[Entry<'static>] {
        let first = index % self.load.batches() * BATCH * ID_BYTES;
        let ids = &self.load.ids[first..];
        for (i, entry) in self.entries.iter_mut().enumerate() {
            entry.id = &ids[i * ID_BYTES..][..ID_BYTES];
        }
        &self.entries
    }
}

/// `events` lines of NDJSON whose ids begin at `first`.
#[must_use]
pub fn ndjson(first: u64, events: usize) -> String {
    let mut lines = String::with_capacity(events * 220);
    for i in 0..events {
        let id = first + i as u64;
        let (value, subject) = (20.0 + (i % 97) as f64 / 8.0, i % 8);
        // Writing to a string does not fail.
        let _ = writeln!(
            lines,
            "{{\"event_id\":\"{id:0ID_BYTES$x}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\
             \"kind\":\"temperature\",\"value\":{value},\"subject\":\"room-{subject}\",\
             \"source\":\"sensor\",\"data\":{{\"unit\":\"C\",\"battery\":0.93,\"ok\":true}}}}"
        );
    }
    lines
}

impl Load {
    /// Makes `batches` batches and leaves them in memory for good.
    ///
    /// # Panics
    /// When the lines are refused, which is a bug of this file.
    #[must_use]
    pub fn leak(batches: usize) -> Self {
        let lines = ndjson(0, BATCH);
        let receipt = Receipt {
            received_ns: 1_767_225_600_000_000_000,
            default_source: "default",
            origin: "node-0001",
            unsigned: false,
        };
        let batch: &'static mut Batch = Box::leak(Box::default());
        batch
            .parse_ndjson(lines.as_bytes(), &receipt, &Limits::default())
            .expect("the lines above are good");
        let batch: &'static Batch = batch;
        let texts: Vec<_> = batch.events().map(|(_, event)| event).collect();
        assert_eq!(texts.len(), BATCH, "every line is an event");
        let ids: String = (0..batches * BATCH).map(|id| format!("{id:0ID_BYTES$x}")).collect();
        let ids: &'static str = Box::leak(ids.into_boxed_str());
        let entries = texts.iter().map(|event| Entry {
            time_ns: event.time_ns,
            received_ns: event.received_ns,
            value: event.value,
            kind: event.kind,
            subject: event.subject,
            source: event.source,
            origin: event.origin,
            id: event.id,
            flags: event.flags,
            head: event.head,
            tail: TAIL,
            data: event.data.clone(),
            id_span: event.id_span.clone(),
        });
        Self { entries: Box::leak(entries.collect()), ids }
    }

    /// Number of batches.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.ids.len() / ID_BYTES / BATCH
    }

    /// The events as they were parsed.
    #[must_use]
    pub fn entries(&self) -> &'static [Entry<'static>] {
        self.entries
    }

    /// A batch to be filled anew, for one thread.
    #[must_use]
    pub fn refill(self) -> Refill {
        Refill { load: self, entries: self.entries.to_vec() }
    }

    /// Bytes of an event's text, without its sequence, on average.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.head.len() + entry.tail.len()).sum::<usize>() / BATCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_distinct_and_batches_go_round() {
        let load = Load::leak(3);
        let mut refill = load.refill();
        let mut ids = HashSet::new();
        for index in 0..3 {
            ids.extend(refill.batch(index).iter().map(|entry| entry.id));
        }
        assert_eq!(ids.len(), 3 * BATCH);
        let first = refill.batch(0)[0].id;
        assert_eq!(refill.batch(3)[0].id, first);
        assert!((200..384).contains(&load.text_bytes()), "{}", load.text_bytes());
    }
}
