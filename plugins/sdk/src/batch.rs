//! A run of events as the plugin sees it. Rule: everything is lent for the call and nothing is copied.

#![allow(unsafe_code, reason = "wraps the columns that the host lends")]

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use shimmer_abi as abi;
use shimmer_abi::flags;

use crate::{Error, borrow};

/// A contiguous run of events, lent for one call of [`crate::Plugin::process`].
pub struct Batch<'a> {
    raw: &'a abi::Batch,
    columns: Columns<'a>,
    selection: &'a [u32],
    text: &'a [u8],
}

/// The columns of a batch, for work that does not go event by event. All are of equal length; the i-th value of each
/// belongs to the event `first_seq + i`. Unselected events are among them.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Unix time of the event in nanoseconds.
    pub time_ns: &'a [i64],
    /// Unix time of receipt in nanoseconds.
    pub received_ns: &'a [i64],
    /// The value: `beauty_score` for beauty events.
    pub value: &'a [f64],
    /// Name id of the kind; [`Batch::name`] has its text. Equal names have equal ids for as long as an event of the
    /// ring uses them, and an id is never reused.
    pub kind: &'a [u32],
    /// Name id of the subject, 0 = none.
    pub subject: &'a [u32],
    /// Name id of the source.
    pub source: &'a [u32],
    /// Name id of the node that took the event.
    pub origin: &'a [u32],
    /// See [`abi::flags`].
    pub flags: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Wraps a lent batch; `None` when it is null.
    ///
    /// # Safety
    /// Unless null, the batch and everything it points to is valid and constant for `'a`.
    pub(crate) unsafe fn new(raw: *const abi::Batch) -> Option<Self> {
        // SAFETY: null is handled, and else the caller vouches for it.
        let raw = unsafe { raw.as_ref() }?;
        let len = raw.len as usize;
        // SAFETY: the contract gives every column `len` values, the selection and the text their own lengths.
        let (columns, selection, text) = unsafe {
            let columns = Columns {
                time_ns: borrow::slice(raw.time_ns, len),
                received_ns: borrow::slice(raw.received_ns, len),
                value: borrow::slice(raw.value, len),
                kind: borrow::slice(raw.kind, len),
                subject: borrow::slice(raw.subject, len),
                source: borrow::slice(raw.source, len),
                origin: borrow::slice(raw.origin, len),
                flags: borrow::slice(raw.flags, len),
            };
            let selection = borrow::slice(raw.selection, raw.selection_len as usize);
            (columns, selection, borrow::bytes(raw.text))
        };
        Some(Self { raw, columns, selection, text })
    }

    /// Number of events, selected or not.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.raw.len as usize
    }

    /// Whether there is no event at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sequence of the first event; the others follow without a gap.
    #[must_use]
    pub const fn first_seq(&self) -> u64 {
        self.raw.first_seq
    }

    /// Events that were overwritten before this plugin could read them, since the last batch.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.raw.missed
    }

    /// The events of the kinds in [`crate::Plugin::KINDS`], in the order of their sequences.
    #[must_use]
    pub fn iter(&self) -> Events<'_> {
        Events { batch: self, rest: self.selection.iter() }
    }

    /// The event at this index of the columns, selected or not.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        (index < self.len()).then_some(Event { batch: self, index })
    }

    /// Indices into the columns of the selected events, ascending.
    #[must_use]
    pub const fn selection(&self) -> &'a [u32] {
        self.selection
    }

    /// The columns.
    #[must_use]
    pub const fn columns(&self) -> Columns<'a> {
        self.columns
    }

    /// The text of a name id of one of the columns; empty for 0.
    #[must_use]
    pub fn name(&self, id: u32) -> &str {
        // SAFETY: the name table is valid while the batch is, which `self` borrows.
        unsafe { borrow::text(self.raw.name(id)) }
    }
}

impl<'b> IntoIterator for &'b Batch<'_> {
    type Item = Event<'b>;
    type IntoIter = Events<'b>;

    fn into_iter(self) -> Events<'b> {
        self.iter()
    }
}

/// The selected events of a batch.
pub struct Events<'b> {
    batch: &'b Batch<'b>,
    rest: std::slice::Iter<'b, u32>,
}

impl<'b> Iterator for Events<'b> {
    type Item = Event<'b>;

    fn next(&mut self) -> Option<Event<'b>> {
        self.rest.find_map(|index| self.batch.get(*index as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.rest.len()))
    }
}

/// One event of a batch.
#[derive(Clone, Copy)]
pub struct Event<'b> {
    batch: &'b Batch<'b>,
    index: usize,
}

impl<'b> Event<'b> {
    /// The sequence.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.batch.raw.first_seq + self.index as u64
    }

    /// Unix time of the event in nanoseconds.
    #[must_use]
    pub fn time_ns(&self) -> i64 {
        pick(self.batch.columns.time_ns, self.index)
    }

    /// Unix time of receipt in nanoseconds.
    #[must_use]
    pub fn received_ns(&self) -> i64 {
        pick(self.batch.columns.received_ns, self.index)
    }

    /// The value: `beauty_score` for beauty events.
    #[must_use]
    pub fn value(&self) -> f64 {
        pick(self.batch.columns.value, self.index)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &'b str {
        self.batch.name(pick(self.batch.columns.kind, self.index))
    }

    /// The subject, empty = none.
    #[must_use]
    pub fn subject(&self) -> &'b str {
        self.batch.name(pick(self.batch.columns.subject, self.index))
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &'b str {
        self.batch.name(pick(self.batch.columns.source, self.index))
    }

    /// The node that took the event from outside.
    #[must_use]
    pub fn origin(&self) -> &'b str {
        self.batch.name(pick(self.batch.columns.origin, self.index))
    }

    /// The flags as they are; see [`abi::flags`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        pick(self.batch.columns.flags, self.index)
    }

    /// Whether it carries a beauty score.
    #[must_use]
    pub fn is_beauty(&self) -> bool {
        self.flags() & flags::BEAUTY != 0
    }

    /// Whether a plugin emitted it.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        self.flags() & flags::DERIVED != 0
    }

    /// How many plugins stand between the event and the outside, 0..=4.
    #[must_use]
    pub fn hops(&self) -> u32 {
        self.flags() >> flags::HOPS_SHIFT & flags::HOPS_MASK
    }

    /// The event's canonical JSON.
    #[must_use]
    pub fn text(&self) -> &'b str {
        std::str::from_utf8(self.text_bytes()).unwrap_or_default()
    }

    /// The `data` object as JSON, empty when the event has none.
    #[must_use]
    pub fn data(&self) -> &'b str {
        let raw = self.batch.raw;
        self.part(raw.data_start, raw.data_len)
    }

    /// The `data` object as a type of yours; `{}` when the event has none.
    ///
    /// # Errors
    /// `Invalid` when it does not fit.
    pub fn parse_data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let json = if self.data().is_empty() { "{}" } else { self.data() };
        serde_json::from_str(json).map_err(|why| Error::Invalid(format!("data: {why}")))
    }

    /// The `event_id`; allocates only when it holds characters that JSON escapes.
    #[must_use]
    pub fn event_id(&self) -> Cow<'b, str> {
        let raw = self.batch.raw;
        let id = self.part(raw.id_start, raw.id_len);
        if !id.contains('\\') {
            return Cow::Borrowed(id);
        }
        serde_json::from_str(&format!("\"{id}\"")).map_or(Cow::Borrowed(id), Cow::Owned)
    }

    fn text_bytes(&self) -> &'b [u8] {
        let raw = self.batch.raw;
        // SAFETY: both columns have as many values as the batch has events.
        let (offset, len) =
            unsafe { (self.pick_raw(raw.text_offset), self.pick_raw(raw.text_len)) };
        cut(self.batch.text, offset, len)
    }

    fn part(&self, start: *const u32, len: *const u32) -> &'b str {
        // SAFETY: as above.
        let (start, len) = unsafe { (self.pick_raw(start), self.pick_raw(len)) };
        std::str::from_utf8(cut(self.text_bytes(), start, len)).unwrap_or_default()
    }

    /// # Safety
    /// `column` is one of the batch's.
    unsafe fn pick_raw(&self, column: *const u32) -> u32 {
        // SAFETY: the caller vouches for the column.
        pick(unsafe { borrow::slice(column, self.batch.len()) }, self.index)
    }
}

/// The value at `index`; the default where the host lent no such column.
fn pick<T: Copy + Default>(column: &[T], index: usize) -> T {
    column.get(index).copied().unwrap_or_default()
}

/// `len` bytes from `start`; none where they are not all there.
fn cut(text: &[u8], start: u32, len: u32) -> &[u8] {
    text.get(start as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or_default()
}
