//! Reading without holding the writer back.
//!
//! Rule: copy first, then ask whether the copy can be trusted; what cannot is reported as missed,
//! never returned.

use crate::FLAG_LOST;
use crate::columns::{Meta, Run};
use crate::names::NameIndex;
use crate::segment::{ReadMapping, Segment};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A reader of the ring that may be lapped, with its scratch space. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    segment: Arc<Segment>,
    names: Arc<NameIndex>,
    scratch: Vec<u8>,
}

/// Values of consecutive events and what they belong to, without times and texts; element `i` belongs to the event
/// `first + i`. Its vectors keep their room from call to call.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Sequence of element 0.
    pub first: u64,
    /// Values.
    pub value: Vec<f64>,
    /// Name ids of the kinds.
    pub kind: Vec<u32>,
    /// Name ids of the subjects.
    pub subject: Vec<u32>,
    /// Name ids of the sources.
    pub source: Vec<u32>,
    /// Flags as submitted; [`FLAG_LOST`] where the event was overwritten, and nothing else holds.
    pub flags: Vec<u32>,
}

/// How far a reading came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Last sequence dealt with: the cursor to read on from.
    pub cursor: u64,
    /// Sequences that were wanted but are overwritten, inclusive.
    pub missed: Option<RangeInclusive<u64>>,
}

/// Copied events as columns; element `i` belongs to the event `first + i`. Its vectors keep their
/// room from call to call. Events with [`FLAG_LOST`] are to be skipped; their text is empty.
#[derive(Clone, Debug, Default)]
pub struct CopyBuf {
    /// Sequence of element 0.
    pub first: u64,
    /// When each happened, nanoseconds since 1970 UTC.
    pub time_ns: Vec<i64>,
    /// When each was received, nanoseconds since 1970 UTC.
    pub received_ns: Vec<i64>,
    /// Values.
    pub value: Vec<f64>,
    /// Name ids of the kinds.
    pub kind: Vec<u32>,
    /// Name ids of the subjects.
    pub subject: Vec<u32>,
    /// Name ids of the sources.
    pub source: Vec<u32>,
    /// Name ids of the origins.
    pub origin: Vec<u32>,
    /// Flags as submitted.
    pub flags: Vec<u32>,
    /// First byte of each text in `text`.
    pub text_offset: Vec<u32>,
    /// Length of each text in bytes.
    pub text_len: Vec<u32>,
    /// First byte of the `data` object in each text.
    pub data_start: Vec<u32>,
    /// Length of the `data` object.
    pub data_len: Vec<u32>,
    /// First byte of the event id in each text.
    pub id_start: Vec<u32>,
    /// Length of the event id.
    pub id_len: Vec<u32>,
    /// The texts one after the other.
    pub text: Vec<u8>,
}

impl CopyBuf {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Text of event `i`.
    #[must_use]
    pub fn text_of(&self, i: usize) -> &[u8] {
        let start = self.text_offset[i] as usize;
        &self.text[start..start + self.text_len[i] as usize]
    }

    /// The events as a run over the copy.
    #[must_use]
    pub fn run(&self) -> Run<'_> {
        Run::over(self)
    }

    /// Drops all events and keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.truncate(0);
    }

    fn truncate(&mut self, len: usize) {
        self.time_ns.truncate(len);
        self.received_ns.truncate(len);
        self.value.truncate(len);
        for column in self.narrow() {
            column.truncate(len);
        }
    }

    fn narrow(&mut self) -> [&mut Vec<u32>; 11] {
        [
            &mut self.kind,
            &mut self.subject,
            &mut self.source,
            &mut self.origin,
            &mut self.flags,
            &mut self.text_offset,
            &mut self.text_len,
            &mut self.data_start,
            &mut self.data_len,
            &mut self.id_start,
            &mut self.id_len,
        ]
    }

    fn push(&mut self, meta: &Meta, text_offset: usize) {
        self.time_ns.push(meta.time_ns);
        self.received_ns.push(meta.received_ns);
        self.value.push(meta.value);
        let values = [
            meta.kind,
            meta.subject,
            meta.source,
            meta.origin,
            meta.flags,
            text_offset as u32,
            meta.text_len,
            meta.data_start,
            meta.data_len,
            meta.id_start,
            meta.id_len,
        ];
        for (column, value) in self.narrow().into_iter().zip(values) {
            column.push(value);
        }
    }
}

impl Segment {
    /// Copies up to `max_events` events after `cursor`, in order and without holes, and stops early
    /// when the texts pass `max_bytes` (after at least one event).
    fn copy(&self, cursor: u64, max_events: usize, max_bytes: usize, into: &mut CopyBuf) -> Copied {
        into.clear();
        let max_bytes = max_bytes.min(u32::MAX as usize - (1 << 22));
        let mut copied = Copied { cursor, missed: None };
        let published = self.hot().published();
        while copied.cursor < published && into.len() < max_events && into.text.len() < max_bytes {
            let seq = copied.cursor + 1;
            let start = into.text.len();
            match self.load_with_text(seq, &mut into.text) {
                Some(meta) => {
                    if into.is_empty() {
                        into.first = seq;
                    }
                    into.push(&meta, start);
                    copied.cursor = seq;
                }
                // Lapped after the first event: the caller gets what is there, and the gap then.
                None if !into.is_empty() => break,
                None => self.skip_lapped(&mut copied, published),
            }
        }
        copied
    }

    fn load_with_text(&self, seq: u64, text: &mut Vec<u8>) -> Option<Meta> {
        let start = text.len();
        let meta = self.columns().load(seq);
        // Checked before the text is copied too, so that a torn length copies nothing.
        if seq >= self.hot().oldest()
            && self.intact(seq, meta.text_pos)
            && self.columns().read_text(meta.text_offset, meta.text_len, text)
            && self.intact(seq, meta.text_pos)
        {
            return Some(meta);
        }
        text.truncate(start);
        None
    }

    /// Moves the cursor to what is still kept and counts what lies between as missed.
    fn skip_lapped(&self, copied: &mut Copied, published: u64) {
        let from = copied.missed.as_ref().map_or(copied.cursor + 1, |missed| *missed.start());
        let to = (self.hot().oldest().saturating_sub(1)).max(copied.cursor + 1).min(published);
        copied.missed = Some(from..=to);
        copied.cursor = to;
    }
}

impl ReadMapping {
    /// As [`Reader::copy`], in a plugin process or thread that must not borrow.
    pub fn copy(
        &self,
        cursor: u64,
        max_events: usize,
        max_bytes: usize,
        into: &mut CopyBuf,
    ) -> Copied {
        self.segment().copy(cursor, max_events, max_bytes, into)
    }

    /// The flags of `seq`; `None` if it is not (or no longer) there.
    #[must_use]
    pub fn flags(&self, seq: u64) -> Option<u32> {
        let hot = self.segment().hot();
        if seq > hot.published() || seq < hot.oldest() {
            return None;
        }
        let meta = self.segment().columns().load(seq);
        self.segment().intact(seq, meta.text_pos).then_some(meta.flags)
    }
}

impl Reader {
    pub(crate) fn new(segment: Arc<Segment>, names: Arc<NameIndex>) -> Self {
        Self { segment, names, scratch: Vec::new() }
    }

    /// Last published sequence, 0 for none.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.segment.hot().published()
    }

    /// First sequence that is still kept; `published() + 1` if none is.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.segment.hot().oldest()
    }

    /// What the columns say about `seq`; `None` if it is not (or no longer) there, or lost.
    #[must_use]
    pub fn meta(&self, seq: u64) -> Option<Meta> {
        if seq > self.published() || seq < self.oldest() {
            return None;
        }
        let meta = self.segment.columns().load(seq);
        (self.segment.intact(seq, meta.text_pos) && meta.flags & FLAG_LOST == 0).then_some(meta)
    }

    /// Appends the text of `seq` to `out`; `false`, and nothing appended, if it is not there.
    pub fn text_into(&self, seq: u64, out: &mut Vec<u8>) -> bool {
        let Some(meta) = self.meta(seq) else { return false };
        let start = out.len();
        let read = self.segment.columns().read_text(meta.text_offset, meta.text_len, out);
        if read && self.segment.intact(seq, meta.text_pos) {
            return true;
        }
        out.truncate(start);
        false
    }

    /// Copies up to `max_events` events after `cursor`, in order and without holes, and stops early
    /// when the texts pass `max_bytes` (after at least one event).
    pub fn copy(
        &self,
        cursor: u64,
        max_events: usize,
        max_bytes: usize,
        into: &mut CopyBuf,
    ) -> Copied {
        self.segment.copy(cursor, max_events, max_bytes, into)
    }

    /// Copies what `into` holds of up to `max_events` events after `cursor`, and gives their number.
    pub fn values(&self, cursor: u64, max_events: usize, into: &mut Values) -> usize {
        let first = cursor + 1;
        let ready = (self.published() + 1).saturating_sub(first);
        let len = usize::try_from(ready).unwrap_or(usize::MAX).min(max_events);
        into.first = first;
        self.segment.columns().load_values(len, into);
        for flags in into.flags.iter_mut().take(self.segment.lapped(first, len)) {
            *flags = FLAG_LOST;
        }
        len
    }

    /// Calls `sink` with every event after `cursor` that `accept` takes, and its text, until
    /// `max_events` are examined or the accepted texts pass `max_bytes`.
    pub fn scan(
        &mut self,
        cursor: u64,
        max_events: usize,
        max_bytes: usize,
        mut accept: impl FnMut(&Meta) -> bool,
        mut sink: impl FnMut(&Meta, &[u8]),
    ) -> Copied {
        let mut copied = Copied { cursor, missed: None };
        let published = self.published();
        let (mut examined, mut bytes) = (0, 0);
        let mut scratch = std::mem::take(&mut self.scratch);
        while copied.cursor < published && examined < max_events && bytes < max_bytes {
            let seq = copied.cursor + 1;
            let meta = self.segment.columns().load(seq);
            if !self.segment.intact(seq, meta.text_pos) || seq < self.oldest() {
                if examined > 0 {
                    break;
                }
                self.segment.skip_lapped(&mut copied, published);
                continue;
            }
            let wanted = meta.flags & FLAG_LOST == 0 && accept(&meta);
            if wanted {
                scratch.clear();
                let columns = self.segment.columns();
                if !columns.read_text(meta.text_offset, meta.text_len, &mut scratch)
                    || !self.segment.intact(seq, meta.text_pos)
                {
                    break;
                }
                sink(&meta, &scratch);
                bytes += scratch.len();
            }
            examined += 1;
            copied.cursor = seq;
        }
        self.scratch = scratch;
        copied
    }

    /// Appends the string of a name id to `out`; `false` if the id is not (or no longer) there.
    pub fn name(&self, id: u32, out: &mut Vec<u8>) -> bool {
        self.segment.names().read(id, out)
    }

    /// The id of a name; `None` if no kept event can carry it.
    #[must_use]
    pub fn name_id(&self, name: &str) -> Option<u32> {
        self.names.find(name)
    }

    /// Changes whenever a name is added or removed: ids looked up before may be stale. Taken before
    /// the look-up, and compared before the ids are used.
    #[must_use]
    pub fn names_version(&self) -> u64 {
        self.names.version()
    }
}
