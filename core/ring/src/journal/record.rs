//! The format of a log record: one submission.
//!
//! ```text
//! header   len u32, crc u32, position u64, first sequence u64, events u32, cursors u32, kind u32,
//!          place of the first text in the arena u32
//! event    time, received, value (64 bit each), id key (128 bit), flags, text length, data start,
//!          data length, id start, id length (32 bit), 4 name lengths (16 bit, all ones for the name
//!          of the event before); text; padding; names; padding
//! cursor   value u64, key length u32, 0, key, padding
//! ```
//! All numbers are little-endian, all parts multiples of 8 bytes.
//!
//! Rule: a record is believed only when its position is the one it is read from and its check,
//! which covers all of it, is right.

use super::file::{FARTHEST, crc32c, put_u32, put_u64, u32_at, u64_at};
use crate::columns::Meta;
use crate::dedup::EventKey;

pub(crate) const HEADER: usize = 40;
pub(crate) const EVENT: usize = 72;
/// Most bytes of a cursor in a record.
pub(crate) const CURSOR_MAX: usize = 16 + crate::consumers::KEY_BYTES;
const EVENTS: u32 = 1;
const SKIP: u32 = 2;

/// One event as it stands in a record. Of `meta`, the name ids and text place mean nothing here.
#[derive(Clone, Debug)]
pub(crate) struct RecordEvent<'a> {
    pub(crate) meta: Meta,
    pub(crate) key: EventKey,
    pub(crate) names: [&'a str; 4],
    pub(crate) text: &'a [u8],
}

/// A cursor as it stands in a record.
pub(crate) type RecordCursor<'a> = (&'a str, u64);

/// Bytes of an event in a record.
pub(crate) fn event_len(names: [&str; 4], text: usize) -> usize {
    let names: usize = names.iter().map(|name| name.len()).sum();
    EVENT + text.next_multiple_of(8) + names.next_multiple_of(8)
}

/// Length of a name that is the same as that of the event before.
const REPEATED: u16 = u16::MAX;

/// Writes an event at the start of `to`; gives its length. Names that are `repeated` are those of the event
/// before it in the record.
pub(crate) fn put_event(to: &mut [u8], event: &RecordEvent<'_>, repeated: [bool; 4]) -> usize {
    let meta = &event.meta;
    let text = event.text.len().next_multiple_of(8);
    let (fixed, rest) = to.split_at_mut(EVENT);
    put_u64(fixed, 0, meta.time_ns.cast_unsigned());
    put_u64(fixed, 8, meta.received_ns.cast_unsigned());
    put_u64(fixed, 16, meta.value.to_bits());
    fixed[24..40].copy_from_slice(&event.key.to_le_bytes());
    put_u32(fixed, 40, meta.flags);
    put_u32(fixed, 44, meta.text_len);
    put_u32(fixed, 48, meta.data_start);
    put_u32(fixed, 52, meta.data_len);
    put_u32(fixed, 56, meta.id_start);
    put_u32(fixed, 60, meta.id_len);
    let (words, names) = rest.split_at_mut(text);
    if text > 0 {
        put_u64(words, text - 8, 0);
    }
    words[..event.text.len()].copy_from_slice(event.text);
    if repeated == [true; 4] {
        put_u64(fixed, 64, u64::MAX);
        return EVENT + text;
    }
    let mut len = 0;
    for (i, name) in event.names.iter().enumerate() {
        let said = if repeated[i] { REPEATED } else { name.len() as u16 };
        fixed[64 + 2 * i..66 + 2 * i].copy_from_slice(&said.to_le_bytes());
        if !repeated[i] {
            names[len..len + name.len()].copy_from_slice(name.as_bytes());
            len += name.len();
        }
    }
    let padded = len.next_multiple_of(8);
    names[len..padded].fill(0);
    EVENT + text + padded
}

/// Writes a cursor at the start of `to`; gives its length.
pub(crate) fn put_cursor(to: &mut [u8], (key, cursor): RecordCursor<'_>) -> usize {
    let padded = (16 + key.len()).next_multiple_of(8);
    to[..padded].fill(0);
    put_u64(to, 0, cursor);
    put_u32(to, 8, key.len() as u32);
    to[16..16 + key.len()].copy_from_slice(key.as_bytes());
    padded
}

/// Writes the header over the first bytes of the finished `record`.
pub(crate) fn seal(record: &mut [u8], seed: u32, position: u64, head: Head) {
    put_header(record, seed, position, head, EVENTS);
}

/// Writes a record that only says: go on at the log's start.
pub(crate) fn seal_skip(record: &mut [u8], seed: u32, position: u64) {
    put_header(record, seed, position, Head::default(), SKIP);
}

/// What a record's header says of its contents.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// Sequence of the first event.
    pub(crate) first: u64,
    pub(crate) events: u32,
    pub(crate) cursors: u32,
    /// Where in the arena the first event's text lies: a restart puts it there again, so that the
    /// texts take the same room as before.
    pub(crate) text_offset: u32,
}

fn put_header(record: &mut [u8], seed: u32, position: u64, head: Head, kind: u32) {
    // A skip covers the rest of the log with its length, but only its header is written.
    let len = if kind == SKIP { HEADER } else { record.len() };
    put_u32(record, 0, len as u32);
    put_u64(record, 8, position);
    put_u64(record, 16, head.first);
    put_u32(record, 24, head.events);
    put_u32(record, 28, head.cursors);
    put_u32(record, 32, kind);
    put_u32(record, 36, head.text_offset);
    let crc = check(&record[..len], seed);
    put_u32(record, 4, crc);
}

pub(super) fn check(record: &[u8], seed: u32) -> u32 {
    // The seed and the length come in behind, so that the rest is one run of bytes.
    crc32c(&record[8..]) ^ seed.wrapping_add((record.len() as u32).wrapping_mul(0x9e37_79b1))
}

/// A valid record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) position: u64,
    pub(crate) len: usize,
    pub(crate) first: u64,
    pub(crate) events: u32,
    pub(crate) text_offset: u32,
    cursors: u32,
    skip: bool,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record of the absolute `position` at the start of `bytes`, which end with the log.
    pub(crate) fn read(bytes: &'a [u8], position: u64, seed: u32) -> Option<Self> {
        if bytes.len() < HEADER || u64_at(bytes, 8) != position {
            return None;
        }
        let len = u32_at(bytes, 0) as usize;
        if len < HEADER || len > bytes.len() || !len.is_multiple_of(8) {
            return None;
        }
        let record = &bytes[..len];
        if check(record, seed) != u32_at(record, 4) {
            return None;
        }
        let (kind, first, events) = (u32_at(record, 32), u64_at(record, 16), u32_at(record, 24));
        let is_counted = events == 0 || (1..=FARTHEST).contains(&first);
        (is_counted && position <= FARTHEST && (kind == EVENTS || kind == SKIP)).then(|| Self {
            position,
            len,
            first,
            events,
            text_offset: u32_at(record, 36),
            cursors: u32_at(record, 28),
            skip: kind == SKIP,
            body: &record[HEADER..],
        })
    }

    pub(crate) fn is_skip(&self) -> bool {
        self.skip
    }

    /// Calls `event` with each event in order and `cursor` with each cursor. `false` when the
    /// record, though whole, makes no sense: written by a bug.
    pub(crate) fn each(
        &self,
        mut event: impl FnMut(&RecordEvent<'a>),
        mut cursor: impl FnMut(RecordCursor<'a>),
    ) -> bool {
        let mut rest = self.body;
        let mut names = None;
        for i in 0..self.events {
            let Some((read, len)) = read_event(rest, self.first + u64::from(i), names) else {
                return false;
            };
            event(&read);
            names = Some(read.names);
            rest = &rest[len..];
        }
        for _ in 0..self.cursors {
            let Some((read, len)) = read_cursor(rest) else { return false };
            cursor(read);
            rest = &rest[len..];
        }
        true
    }
}

fn read_event<'a>(
    bytes: &'a [u8],
    seq: u64,
    before: Option<[&'a str; 4]>,
) -> Option<(RecordEvent<'a>, usize)> {
    let (fixed, mut rest) = bytes.split_at_checked(EVENT)?;
    let key = fixed[24..].first_chunk().map(|chunk| EventKey::from_le_bytes(*chunk))?;
    let meta = Meta {
        seq,
        time_ns: u64_at(fixed, 0).cast_signed(),
        received_ns: u64_at(fixed, 8).cast_signed(),
        value: f64::from_bits(u64_at(fixed, 16)),
        flags: u32_at(fixed, 40),
        text_len: u32_at(fixed, 44),
        data_start: u32_at(fixed, 48),
        data_len: u32_at(fixed, 52),
        id_start: u32_at(fixed, 56),
        id_len: u32_at(fixed, 60),
        ..Meta::default()
    };
    let text = rest.get(..meta.text_len as usize)?;
    rest = rest.get(text.len().next_multiple_of(8)..)?;
    let mut names = [""; 4];
    let mut names_len = 0;
    for (i, name) in names.iter_mut().enumerate() {
        let len = u16::from_le_bytes([fixed[64 + 2 * i], fixed[65 + 2 * i]]);
        if len == REPEATED {
            *name = before?[i];
            continue;
        }
        let (here, behind) = rest.split_at_checked(usize::from(len))?;
        *name = std::str::from_utf8(here).ok()?;
        names_len += here.len();
        rest = behind;
    }
    let len = EVENT + text.len().next_multiple_of(8) + names_len.next_multiple_of(8);
    let event = RecordEvent { meta, key, names, text };
    (len <= bytes.len()).then_some((event, len))
}

fn read_cursor(bytes: &[u8]) -> Option<(RecordCursor<'_>, usize)> {
    let fixed = bytes.get(..16)?;
    let len = u32_at(fixed, 8) as usize;
    let key = std::str::from_utf8(bytes.get(16..16 + len)?).ok()?;
    Some(((key, u64_at(fixed, 0)), (16 + len).next_multiple_of(8).min(bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let text = b"{\"seq\":7}";
        let meta = Meta { seq: 7, value: 1.5, text_len: 9, ..Meta::default() };
        let names = ["kind", "", "source", "origin"];
        let mut event = RecordEvent { meta, key: 99, names, text };
        let mut bytes = vec![0; 600];
        let mut len = HEADER;
        len += put_event(&mut bytes[len..], &event, [false; 4]);
        len += put_event(&mut bytes[len..], &event, [true; 4]);
        event.names[1] = "subject";
        len += put_event(&mut bytes[len..], &event, [true, false, true, true]);
        len += put_cursor(&mut bytes[len..], ("plugin", 5));
        bytes.truncate(len);
        let head = Head { first: 7, events: 3, cursors: 1, text_offset: 64 };
        seal(&mut bytes, 1, 4096, head);
        bytes
    }

    #[test]
    fn reads_back_what_was_written() {
        let bytes = sample();
        let record = Record::read(&bytes, 4096, 1).expect("valid");
        let (mut events, mut cursors) = (0, 0);
        let sane = record.each(
            |event| {
                let subject = if events == 2 { "subject" } else { "" };
                assert_eq!(event.names, ["kind", subject, "source", "origin"]);
                assert_eq!((event.meta.seq, event.key, event.text.len()), (7 + events, 99, 9));
                events += 1;
            },
            |cursor| {
                assert_eq!(cursor, ("plugin", 5));
                cursors += 1;
            },
        );
        assert!(sane && (events, cursors) == (3, 1));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_shows() {
        let bytes = sample();
        assert!(Record::read(&bytes, 4104, 1).is_none() && Record::read(&bytes, 4096, 2).is_none());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::read(&damaged, 4096, 1).is_none(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Record::read(&bytes[..len], 4096, 1).is_none(), "cut at {len}");
        }
    }
}
