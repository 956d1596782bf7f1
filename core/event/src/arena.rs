//! Where validated events live: their names and texts one after another in buffers that are reused.
//!
//! An event is complete here or not here at all; what turns out too large is taken back.

use std::ops::Range;

use crate::encode::write_closing;

/// What the receiver of an event knows and its poster does not say.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// Unix time of arrival in nanoseconds.
    pub received_ns: i64,
    /// The source of events that name none: the token's or the plugin's name, at most 128 characters, not empty.
    pub default_source: &'a str,
    /// The node that took the event. Beauty events within their limits fit the default `event_bytes` as long as
    /// this has at most 128 bytes of JSON.
    pub origin: &'a str,
}

/// One validated event, borrowed from the buffers it was read into.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Unix time of the event in nanoseconds.
    pub time_ns: i64,
    /// Unix time of its arrival in nanoseconds.
    pub received_ns: i64,
    /// Finite; the score of a beauty event.
    pub value: f64,
    /// `[a-z0-9._-]{1,64}`.
    pub kind: &'a str,
    /// At most 128 characters, empty if none.
    pub subject: &'a str,
    /// 1..=128 characters.
    pub source: &'a str,
    /// The node that took the event.
    pub origin: &'a str,
    /// 1..=128 bytes without control characters.
    pub id: &'a str,
    /// Bits as in `shimmer_abi::flags`.
    pub flags: u32,
    /// The canonical JSON, UTF-8, up to and with `"seq":`. The decimal sequence and [`crate::TAIL`] complete it.
    pub head: &'a [u8],
    /// Where in `head` the `data` object stands with its braces; empty if none.
    pub data: Range<u32>,
    /// Where in `head` the contents of the `event_id` string stand, as escaped JSON without quotes.
    pub id_span: Range<u32>,
}

/// One event in an [`Arena`].
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) index: usize,
    pub(crate) time_ns: i64,
    pub(crate) value: f64,
    pub(crate) flags: u32,
    /// Ends of id, kind, subject and source in the names; each starts where the one before ends.
    pub(crate) names_start: usize,
    pub(crate) name_ends: [usize; 4],
    pub(crate) head: Range<usize>,
    pub(crate) data: Range<u32>,
    pub(crate) id_span: Range<u32>,
}

/// Validated events, all under one receipt.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) received_ns: i64,
    pub(crate) origin: String,
    /// The end of every head, written once.
    pub(crate) closing: Vec<u8>,
    pub(crate) names: String,
    pub(crate) heads: Vec<u8>,
    pub(crate) records: Vec<Record>,
}

impl Arena {
    /// Forgets all events and takes over what the coming ones have in common.
    pub(crate) fn begin(&mut self, receipt: &Receipt<'_>) {
        self.received_ns = receipt.received_ns;
        self.origin.clear();
        self.origin.push_str(receipt.origin);
        self.closing.clear();
        write_closing(&mut self.closing, receipt.received_ns, receipt.origin);
        self.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.heads.clear();
        self.records.clear();
    }

    /// Gives back memory beyond `keep_bytes` for each of the buffers.
    pub(crate) fn trim(&mut self, keep_bytes: usize) {
        self.clear();
        self.names.shrink_to(keep_bytes);
        self.heads.shrink_to(keep_bytes);
        self.records.shrink_to(keep_bytes / size_of::<Record>());
    }

    pub(crate) fn event<'a>(&'a self, record: &'a Record) -> Event<'a> {
        let [id, kind, subject, source] = record.name_ends;
        Event {
            time_ns: record.time_ns,
            received_ns: self.received_ns,
            value: record.value,
            kind: &self.names[id..kind],
            subject: &self.names[kind..subject],
            source: &self.names[subject..source],
            origin: &self.origin,
            id: &self.names[record.names_start..id],
            flags: record.flags,
            head: &self.heads[record.head.clone()],
            data: record.data.clone(),
            id_span: record.id_span.clone(),
        }
    }
}
