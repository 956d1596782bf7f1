//! The columns of the segment and the text arena, as raw places.
//!
//! Rule: bytes that a lossy reader may copy while they change are touched with relaxed atomics
//! only; plain references are handed out for runs that a gate protects.

#![allow(unsafe_code, reason = "the columns are raw shared memory")]

use crate::layout::{Column, Geometry};
use crate::mapping::Mapping;
use crate::reader::{CopyBuf, Values};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::text::Text;

/// What the columns say about one event. Spans count bytes from the start of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meta {
    /// Sequence of the event, from 1.
    pub seq: u64,
    /// When it happened, nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// When it was received, nanoseconds since 1970 UTC.
    pub received_ns: i64,
    /// Its value.
    pub value: f64,
    /// Name id of its kind.
    pub kind: u32,
    /// Name id of its subject.
    pub subject: u32,
    /// Name id of its source.
    pub source: u32,
    /// Name id of its origin.
    pub origin: u32,
    /// Flags as submitted, see also [`FLAG_LOST`](crate::FLAG_LOST).
    pub flags: u32,
    /// Length of the text in bytes.
    pub text_len: u32,
    /// First byte of the `data` object in the text.
    pub data_start: u32,
    /// Length of the `data` object, 0 if there is none.
    pub data_len: u32,
    /// First byte of the event id in the text.
    pub id_start: u32,
    /// Length of the event id.
    pub id_len: u32,
    /// Position of the text in the endless text, of which the arena keeps the last part.
    pub(crate) text_pos: u64,
    /// Place of the text in the arena.
    pub(crate) text_offset: u32,
}

/// Raw places of all columns of one mapping.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    wide: [*const AtomicU64; 4],
    narrow: [*const AtomicU32; 11],
    arena: *const AtomicU64,
    mask: u64,
    text_bytes: u64,
}

// SAFETY: the pointers lead into a mapping that outlives every `Columns` (both live in a Segment),
// and all accesses are atomic or covered by a gate.
unsafe impl Send for Columns {}
// SAFETY: as above.
unsafe impl Sync for Columns {}

const WIDE: [Column; 4] = [Column::TimeNs, Column::ReceivedNs, Column::Value, Column::TextPos];
const NARROW: [Column; 11] = [
    Column::Kind,
    Column::Subject,
    Column::Source,
    Column::Origin,
    Column::Flags,
    Column::TextOffset,
    Column::TextLen,
    Column::DataStart,
    Column::DataLen,
    Column::IdStart,
    Column::IdLen,
];

/// Bytes of a cache line.
const LINE: usize = 64;
/// How far ahead of a text the arena is fetched: a few texts, since one is written faster than its
/// lines come.
const AHEAD: usize = 1024;

/// Asks for the cache line at `place`, to be written, and goes on.
fn fetch_to_write(place: *const AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a prefetch changes nothing that the program could see, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(place.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

impl Columns {
    pub(crate) fn new(mapping: &Mapping, geometry: &Geometry) -> Self {
        let place = |column: Column| geometry.column_offsets[column as usize];
        Self {
            wide: WIDE.map(|c| mapping.at::<AtomicU64>(place(c)).as_ptr().cast_const()),
            narrow: NARROW.map(|c| mapping.at::<AtomicU32>(place(c)).as_ptr().cast_const()),
            arena: mapping.at::<AtomicU64>(geometry.text_offset).as_ptr().cast_const(),
            mask: geometry.mask(),
            text_bytes: geometry.text_bytes,
        }
    }

    fn slot(&self, seq: u64) -> usize {
        (seq & self.mask) as usize
    }

    fn wide(&self, column: usize, slot: usize) -> &AtomicU64 {
        // SAFETY: a slot is below the capacity by its mask, and the column has that many elements.
        unsafe { &*self.wide[column].add(slot) }
    }

    fn narrow(&self, column: usize, slot: usize) -> &AtomicU32 {
        // SAFETY: as in `wide`.
        unsafe { &*self.narrow[column].add(slot) }
    }

    /// [writer] Writes the slot of `meta.seq`. Relaxed: ordered by `Hot::reserve` before and
    /// `Hot::publish` after.
    #[inline(always)]
    pub(crate) fn store(&self, meta: &Meta) {
        let slot = self.slot(meta.seq);
        let wide = [
            meta.time_ns.cast_unsigned(),
            meta.received_ns.cast_unsigned(),
            meta.value.to_bits(),
            meta.text_pos,
        ];
        for (column, value) in wide.into_iter().enumerate() {
            self.wide(column, slot).store(value, Ordering::Relaxed);
        }
        let narrow = [
            meta.kind,
            meta.subject,
            meta.source,
            meta.origin,
            meta.flags,
            meta.text_offset,
            meta.text_len,
            meta.data_start,
            meta.data_len,
            meta.id_start,
            meta.id_len,
        ];
        for (column, value) in narrow.into_iter().enumerate() {
            self.narrow(column, slot).store(value, Ordering::Relaxed);
        }
    }

    /// Reads the slot of `seq`, possibly while it changes: valid only when `Hot::bounds` says so.
    pub(crate) fn load(&self, seq: u64) -> Meta {
        let slot = self.slot(seq);
        let wide = |column| self.wide(column, slot).load(Ordering::Relaxed);
        let narrow = |column| self.narrow(column, slot).load(Ordering::Relaxed);
        Meta {
            seq,
            time_ns: wide(0).cast_signed(),
            received_ns: wide(1).cast_signed(),
            value: f64::from_bits(wide(2)),
            text_pos: wide(3),
            kind: narrow(0),
            subject: narrow(1),
            source: narrow(2),
            origin: narrow(3),
            flags: narrow(4),
            text_offset: narrow(5),
            text_len: narrow(6),
            data_start: narrow(7),
            data_len: narrow(8),
            id_start: narrow(9),
            id_len: narrow(10),
        }
    }

    /// Reads columns of `len` slots from `into.first` on, possibly while they change.
    pub(crate) fn load_values(&self, len: usize, into: &mut Values) {
        let seqs = into.first..into.first + len as u64;
        let slots = seqs.map(|seq| self.slot(seq));
        let narrow = |column: usize, to: &mut Vec<u32>| {
            to.clear();
            to.extend(slots.clone().map(|slot| self.narrow(column, slot).load(Ordering::Relaxed)));
        };
        into.value.clear();
        into.value.extend(
            slots.clone().map(|slot| f64::from_bits(self.wide(2, slot).load(Ordering::Relaxed))),
        );
        narrow(0, &mut into.kind);
        narrow(1, &mut into.subject);
        narrow(2, &mut into.source);
        narrow(4, &mut into.flags);
    }

    /// Position of the text of `seq`.
    pub(crate) fn text_pos(&self, seq: u64) -> u64 {
        self.wide(3, self.slot(seq)).load(Ordering::Relaxed)
    }

    /// [writer] Writes `text` at byte `offset` of the arena, a multiple of 8.
    ///
    /// # Panics
    /// When it does not fit before the arena's end.
    #[inline(never)]
    pub(crate) fn write_text(&self, offset: u32, text: &Text<'_>) {
        let end = u64::from(offset) + text.len().next_multiple_of(8) as u64;
        assert!(offset.is_multiple_of(8) && end <= self.text_bytes, "text leaves the arena");
        let arena = self.arena;
        let mut at = offset as usize / 8;
        for line in 0..text.len().div_ceil(LINE) {
            fetch_to_write(arena.wrapping_add(at + (AHEAD + line * LINE) / 8));
        }
        // SAFETY: a text hands out the words of its length, which end in the arena (checked above).
        let put = |at: usize, word: u64| unsafe { (*arena.add(at)).store(word, Ordering::Relaxed) };
        for word in text.start() {
            put(at, u64::from_ne_bytes(*word));
            at += 1;
        }
        text.end(|word| {
            put(at, word.to_le());
            at += 1;
        });
    }

    /// [writer] The text at (`offset`, `len`), in place: to be looked at before another is written.
    ///
    /// # Panics
    /// When it leaves the arena.
    pub(crate) fn written(&self, offset: u32, len: u32) -> &[u8] {
        assert!(u64::from(offset) + u64::from(len) <= self.text_bytes, "text leaves the arena");
        // SAFETY: it lies in the arena (checked), and nobody but the caller writes there.
        unsafe {
            std::slice::from_raw_parts(self.arena.cast::<u8>().add(offset as usize), len as usize)
        }
    }

    /// Appends the text at (`offset`, `len`) to `out`, possibly while it changes: valid only when
    /// `Hot::bounds` says so. Places outside the arena, which only a torn slot can name, append
    /// nothing and give `false`.
    pub(crate) fn read_text(&self, offset: u32, len: u32, out: &mut Vec<u8>) -> bool {
        let words = (len as usize).div_ceil(8);
        let end = u64::from(offset) + words as u64 * 8;
        if !offset.is_multiple_of(8) || end > self.text_bytes {
            return false;
        }
        let start = out.len();
        out.reserve(words * 8);
        // SAFETY: the words lie in the arena (checked above); `words * 8` bytes are reserved behind
        // `start`, are written one by one, and only the first `len` of them are then counted.
        unsafe {
            let from = self.arena.add(offset as usize / 8);
            let to = out.as_mut_ptr().add(start).cast::<u64>();
            for i in 0..words {
                to.add(i).write_unaligned((*from.add(i)).load(Ordering::Relaxed));
            }
            out.set_len(start + len as usize);
        }
        true
    }

    /// Borrows `len` slots from `first` on, which do not wrap.
    ///
    /// # Safety
    /// The slots are published and a gate keeps the writer off them and their texts for `'a`.
    pub(crate) unsafe fn run<'a>(&self, first: u64, len: usize) -> Run<'a> {
        let slot = self.slot(first);
        debug_assert!(slot + len <= self.mask as usize + 1, "a run does not wrap");
        // SAFETY: the slots lie in their columns; by the caller's promise nobody writes them
        // during 'a, and the element types have the size and alignment of the atomics.
        unsafe {
            let narrow = |column: usize| {
                std::slice::from_raw_parts(self.narrow[column].add(slot).cast::<u32>(), len)
            };
            Run {
                first,
                time_ns: std::slice::from_raw_parts(self.wide[0].add(slot).cast(), len),
                received_ns: std::slice::from_raw_parts(self.wide[1].add(slot).cast(), len),
                value: std::slice::from_raw_parts(self.wide[2].add(slot).cast(), len),
                kind: narrow(0),
                subject: narrow(1),
                source: narrow(2),
                origin: narrow(3),
                flags: narrow(4),
                text_offset: narrow(5),
                text_len: narrow(6),
                data_start: narrow(7),
                data_len: narrow(8),
                id_start: narrow(9),
                id_len: narrow(10),
                arena: self.arena.cast(),
                arena_len: self.text_bytes as usize,
            }
        }
    }
}

/// Contiguous published events, borrowed in place. Element `i` of every column belongs to the
/// event with sequence `first + i`; events with [`FLAG_LOST`](crate::FLAG_LOST) are to be skipped.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Sequence of element 0.
    pub first: u64,
    /// When each happened, nanoseconds since 1970 UTC.
    pub time_ns: &'a [i64],
    /// When each was received, nanoseconds since 1970 UTC.
    pub received_ns: &'a [i64],
    /// Values.
    pub value: &'a [f64],
    /// Name ids of the kinds.
    pub kind: &'a [u32],
    /// Name ids of the subjects.
    pub subject: &'a [u32],
    /// Name ids of the sources.
    pub source: &'a [u32],
    /// Name ids of the origins.
    pub origin: &'a [u32],
    /// Flags as submitted.
    pub flags: &'a [u32],
    /// Places of the texts in the arena, in bytes.
    pub text_offset: &'a [u32],
    /// Lengths of the texts in bytes.
    pub text_len: &'a [u32],
    /// First byte of the `data` object in each text.
    pub data_start: &'a [u32],
    /// Length of the `data` object.
    pub data_len: &'a [u32],
    /// First byte of the event id in each text.
    pub id_start: &'a [u32],
    /// Length of the event id.
    pub id_len: &'a [u32],
    arena: *const u8,
    arena_len: usize,
}

impl<'a> Run<'a> {
    /// A run over copied events, with the copy's own texts as the arena.
    pub(crate) fn over(copy: &'a CopyBuf) -> Self {
        Self {
            first: copy.first,
            time_ns: &copy.time_ns,
            received_ns: &copy.received_ns,
            value: &copy.value,
            kind: &copy.kind,
            subject: &copy.subject,
            source: &copy.source,
            origin: &copy.origin,
            flags: &copy.flags,
            text_offset: &copy.text_offset,
            text_len: &copy.text_len,
            data_start: &copy.data_start,
            data_len: &copy.data_len,
            id_start: &copy.id_start,
            id_len: &copy.id_len,
            arena: copy.text.as_ptr(),
            arena_len: copy.text.len(),
        }
    }

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
    ///
    /// # Panics
    /// When `i` is not below `len()`.
    #[must_use]
    pub fn text(&self, i: usize) -> &'a [u8] {
        let (offset, len) = (self.text_offset[i] as usize, self.text_len[i] as usize);
        assert!(offset + len <= self.arena_len, "a published text lies in the arena");
        // SAFETY: the place lies in the arena (checked), and whoever made this run promised that
        // the text is not written during 'a.
        unsafe { std::slice::from_raw_parts(self.arena.add(offset), len) }
    }

    /// Start and length in bytes of the whole arena, of which only the texts of this run's events
    /// may be read: for handing the run to a plugin as columns.
    #[must_use]
    pub fn arena(&self) -> (*const u8, usize) {
        (self.arena, self.arena_len)
    }
}
