//! A run of events as columns, lent to a plugin for one call; reading it copies nothing.

use crate::{Bytes, Str};

/// Longest name in bytes: 128 characters of at most 4 bytes.
pub const NAME_BYTES: usize = 512;

/// Bits of the `flags` column.
pub mod flags {
    /// The event carries `beauty_score`; its kind is `beauty`.
    pub const BEAUTY: u32 = 1;
    /// The event was emitted by a plugin.
    pub const DERIVED: u32 = 1 << 1;
    /// Nobody vouches for the event: it came to some node of a federation without a signature.
    pub const UNSIGNED: u32 = 1 << 2;
    /// Bits 8..=10: how many plugins stand between the event and the outside, 0..=4.
    pub const HOPS_SHIFT: u32 = 8;
    /// Mask of the hops after shifting.
    pub const HOPS_MASK: u32 = 0b111;
}

/// A stretch of an event's text: `text[start..start + len]`; `len` 0 = absent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset from the first byte of the event's text.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// One slot of the name table: the text of the name `id`, at index `id % names_len`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NameSlot {
    /// The id whose text stands here; another id than the one looked for means "gone".
    pub id: u32,
    /// Length of the text in bytes.
    pub len: u32,
    /// The text, UTF-8.
    pub bytes: [u8; NAME_BYTES],
}

/// A contiguous run of committed events.
///
/// Every column has `len` values, the i-th of each belongs to the event `first_seq + i`. Layouts are those of
/// Arrow's primitive arrays without validity bitmaps, but the memory is lent for the call only: it is the
/// ring itself (process isolation, read-only) or a copy (thread isolation).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Sequence of the first event.
    pub first_seq: u64,
    /// Events in the run.
    pub len: u32,
    /// Entries of `selection`.
    pub selection_len: u32,
    /// Indices into the columns of the events whose kind the plugin wants, ascending.
    pub selection: *const u32,
    /// Events that were overwritten before this plugin could read them, since the last batch.
    pub missed: u64,
    /// Unix time of the event in nanoseconds.
    pub time_ns: *const i64,
    /// Unix time of receipt in nanoseconds.
    pub received_ns: *const i64,
    /// The value: `beauty_score` for beauty events.
    pub value: *const f64,
    /// Name id of the kind.
    pub kind: *const u32,
    /// Name id of the subject; 0 = none.
    pub subject: *const u32,
    /// Name id of the source.
    pub source: *const u32,
    /// Name id of the node that took the event.
    pub origin: *const u32,
    /// See [`flags`].
    pub flags: *const u32,
    /// Where the event's text starts in `text`.
    pub text_offset: *const u32,
    /// Length of the event's text.
    pub text_len: *const u32,
    /// The `data` object inside the event's text: its start.
    pub data_start: *const u32,
    /// The `data` object inside the event's text: its length, 0 = absent.
    pub data_len: *const u32,
    /// The raw characters of the JSON string `event_id` inside the event's text: start.
    pub id_start: *const u32,
    /// The raw characters of the JSON string `event_id` inside the event's text: length.
    pub id_len: *const u32,
    /// Base of the texts; the canonical JSON of event i is `text[text_offset[i]..][..text_len[i]]`.
    pub text: Bytes,
    /// The name table.
    pub names: *const NameSlot,
    /// Slots of the name table.
    pub names_len: u32,
    /// Zero.
    pub reserved: u32,
}

impl Batch {
    /// The text of name `id`, empty for 0 and for an id that is gone.
    ///
    /// # Safety
    /// The batch is inside its call and `id` comes from one of its columns.
    #[must_use]
    pub unsafe fn name(&self, id: u32) -> Str {
        if id == 0 || self.names_len == 0 {
            return Str::EMPTY;
        }
        // SAFETY: the table has `names_len` slots for the time of the call.
        let slot = unsafe { &*self.names.add((id % self.names_len) as usize) };
        if slot.id != id {
            return Str::EMPTY;
        }
        Str { ptr: slot.bytes.as_ptr(), len: (slot.len as usize).min(NAME_BYTES) }
    }
}
