//! Where validated events live: their names and texts one after another in buffers that are reused.
//!
//! An event is complete here or not here at all; what turns out too large is taken back.

use std::ops::Range;

use shimmer_abi::flags;

use crate::{
    encode::{write_closing, write_source},
    limits::BEAUTY_KIND,
};

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
    /// Whether nobody vouches for the event, which it then says of itself.
    pub unsigned: bool,
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
    /// Id, kind, subject and source.
    pub(crate) names: [Name; 4],
    pub(crate) head: Range<usize>,
    pub(crate) data: Range<u32>,
    pub(crate) id_span: Range<u32>,
}

/// A place among the [`Names`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Name {
    start: u32,
    len: u32,
}

impl Name {
    /// `len` bytes at `start`.
    pub(crate) fn at(start: u32, len: usize) -> Self {
        Self { start, len: len as u32 }
    }

    /// No name.
    pub(crate) const NONE: Self = Self { start: 0, len: 0 };
    /// The kind of beauty events, which stands first.
    pub(crate) const BEAUTY: Self = Self { start: 0, len: BEAUTY_KIND.len() as u32 };
}

/// The names of events one after another; those that many events share stand first.
#[derive(Debug, Default)]
pub(crate) struct Names(String);

impl Names {
    /// Forgets all names but `default_source`, and tells where that is.
    fn begin(&mut self, default_source: &str) -> Name {
        self.0.clear();
        self.0.push_str(BEAUTY_KIND);
        self.push(default_source)
    }

    pub(crate) fn push(&mut self, name: &str) -> Name {
        // Far below 4 GiB, as the bodies are that names come from.
        let (start, len) = (self.0.len() as u32, name.len() as u32);
        self.0.push_str(name);
        Name { start, len }
    }

    /// Takes `text` over, in which names are; gives where it begins.
    #[inline(always)]
    pub(crate) fn base(&mut self, text: &str) -> u32 {
        let base = self.0.len() as u32;
        self.0.push_str(text);
        base
    }

    fn get(&self, name: Name) -> &str {
        &self.0[name.start as usize..][..name.len as usize]
    }
}

/// The heads of events one after another, with room behind them to be written to.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    bytes: Vec<u8>,
    used: usize,
}

impl Heads {
    pub(crate) fn push(&mut self, head: &[u8]) -> Range<usize> {
        let (start, window) = self.window(head.len());
        window.copy_from_slice(head);
        self.keep(head.len());
        start..self.used
    }

    /// Where the next head starts, and `room` bytes there.
    #[inline(always)]
    pub(crate) fn window(&mut self, room: usize) -> (usize, &mut [u8]) {
        let end = self.used + room;
        if self.bytes.len() < end {
            // Filled once and used again, so that the filling does not count.
            self.bytes.resize(end.max(2 * self.bytes.len()), 0);
        }
        (self.used, &mut self.bytes[self.used..end])
    }

    /// Keeps the first `len` bytes of the window.
    pub(crate) fn keep(&mut self, len: usize) {
        self.used += len;
    }

    /// Bytes of the heads that are kept.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn trim(&mut self, keep_bytes: usize) {
        self.bytes.truncate(keep_bytes);
        self.bytes.shrink_to(keep_bytes);
    }
}

/// Bytes copied at once.
pub(crate) const BLOCK: usize = 16;

/// A text that many events have, with room behind it to be read in whole blocks.
#[derive(Debug, Default)]
pub(crate) struct Padded {
    bytes: Vec<u8>,
    len: usize,
}

impl Padded {
    /// Takes over what `write` writes.
    fn set(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        write(&mut self.bytes);
        self.len = self.bytes.len();
        self.bytes.resize(self.len.next_multiple_of(BLOCK), b' ');
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The text and what fills it up.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The day that the last event was on, whose beginning need not be computed again.
#[derive(Debug, Default)]
pub(crate) struct DateMemo {
    /// `YYYY-MM-DDT`.
    date: [u8; 11],
    midnight_ns: i64,
}

impl DateMemo {
    /// Unix nanoseconds at which the day of this time in UTC began, if it is the known one.
    #[inline(always)]
    pub(crate) fn midnight(&self, time: &[u8; 19]) -> Option<i64> {
        (time.first_chunk::<11>() == Some(&self.date)).then_some(self.midnight_ns)
    }

    /// Takes note of the day of a time that was read.
    pub(crate) fn learn(&mut self, text: &str, unix_ns: i64) {
        // No leap second, and so far from the ends of 64 bits that the whole day is within them.
        let is_plain = text.ends_with('Z') && text.get(17..19) != Some("60");
        if let (true, Some(date)) = (is_plain, text.as_bytes().first_chunk::<11>())
            && date[10] == b'T'
            && unix_ns.unsigned_abs() < i64::MAX.unsigned_abs() - 2 * DAY_NS.unsigned_abs()
        {
            *self = Self { date: *date, midnight_ns: unix_ns - unix_ns.rem_euclid(DAY_NS) };
        }
    }
}

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Validated events, all under one receipt.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) received_ns: i64,
    pub(crate) origin: String,
    /// Where the default source is.
    pub(crate) default_source: Name,
    /// Its member.
    pub(crate) source_member: Padded,
    /// The end of every head, written once.
    pub(crate) closing: Padded,
    pub(crate) names: Names,
    pub(crate) heads: Heads,
    pub(crate) records: Vec<Record>,
    pub(crate) date: DateMemo,
    /// Bits that every event has.
    flags: u32,
    /// The head that is being written by the careful way.
    pub(crate) composed: Vec<u8>,
}

impl Arena {
    /// Forgets all events and takes over what the coming ones have in common.
    pub(crate) fn begin(&mut self, receipt: &Receipt<'_>) {
        self.received_ns = receipt.received_ns;
        self.origin.clear();
        self.origin.push_str(receipt.origin);
        self.source_member.set(|out| write_source(out, receipt.default_source));
        self.closing.set(|out| write_closing(out, receipt));
        self.flags = if receipt.unsigned { flags::UNSIGNED } else { 0 };
        self.clear();
        self.default_source = self.names.begin(receipt.default_source);
    }

    /// Forgets all events.
    pub(crate) fn clear(&mut self) {
        self.heads.used = 0;
        self.records.clear();
    }

    /// Gives back memory beyond `keep_bytes` for each of the buffers.
    pub(crate) fn trim(&mut self, keep_bytes: usize) {
        self.clear();
        self.names.0.clear();
        self.names.0.shrink_to(keep_bytes);
        self.heads.trim(keep_bytes);
        self.records.shrink_to(keep_bytes / size_of::<Record>());
    }

    /// Memory of the buffers that [`Self::trim`] bounds.
    #[cfg(test)]
    pub(crate) fn bytes_kept(&self) -> [usize; 3] {
        let records = self.records.capacity() * size_of::<Record>();
        [self.heads.bytes.capacity(), self.names.0.capacity(), records]
    }

    #[inline(always)]
    pub(crate) fn event<'a>(&'a self, record: &'a Record) -> Event<'a> {
        let [id, kind, subject, source] = record.names.map(|name| self.names.get(name));
        Event {
            time_ns: record.time_ns,
            received_ns: self.received_ns,
            value: record.value,
            kind,
            subject,
            source,
            origin: &self.origin,
            id,
            flags: record.flags | self.flags,
            head: &self.heads.bytes[record.head.clone()],
            data: record.data.clone(),
            id_span: record.id_span.clone(),
        }
    }
}
