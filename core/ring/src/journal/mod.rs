//! The journal: what the ring knows, in a file that survives the process.
//!
//! A preallocated, mapped file with a superblock, a table of cursors, a circular table of ids and a
//! circular log. A record of the log is one submission: its position in the endless log, a check
//! over all of it, the events and the cursor that came with them.
//!
//! Rule: a record is complete before its ids are noted, and both before the events are published;
//! the hint from which a start reads is moved before the record it points to is overwritten.

mod cursors;
mod file;
#[cfg(any(test, fuzzing))]
mod forge;
mod pace;
mod record;
mod scan;

pub(crate) use cursors::CursorTable;
pub(crate) use file::{FileLayout, Found, JournalFile, set_aside};
#[cfg(any(test, fuzzing))]
pub(crate) use forge::forge;
pub(crate) use record::RecordEvent;
pub(crate) use scan::{Ids, Scan};

use crate::config::SyncMode;
use crate::dedup::{EventKey, wrapped};
use crate::fail;
use crate::producer::Entry;
use crate::sync::{AtomicU64, Ordering, fence};
use file::{FARTHEST, ID_BYTES, crc32c, put_u32, put_u64, u32_at, u64_at};
use pace::Pace;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of one of the two hints.
const HINT: usize = 64;
/// By which part of the log a hint runs ahead of need, so that it moves rarely.
const HINT_STEPS: u64 = 16;

/// [writer] The journal with the state of writing it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: JournalFile,
    cursors: CursorTable,
    mode: SyncMode,
    seed: u32,
    /// End of the log, as a position that only grows.
    position: u64,
    /// Where a start begins to read.
    hint: Hint,
    /// Positions of the records of kept events, by sequence modulo capacity.
    records: Box<[u64]>,
    /// First sequence whose record's position is known, and the last.
    known: Range<u64>,
    open: Option<OpenRecord>,
    pace: Pace,
    /// The record under way, where it is not put together in its place.
    gathered: Vec<u8>,
    /// Ids of the record under way.
    ids: Vec<(u64, EventKey)>,
    /// Log not yet written through, for [`SyncMode::Always`].
    unsynced: u64,
    failed: bool,
}

/// Where a start begins to read, and which sequence is the next from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) generation: u64,
    pub(crate) position: u64,
    pub(crate) seq: u64,
}

/// The record under way.
#[derive(Debug)]
struct OpenRecord {
    start: u64,
    /// Where that is in the log.
    at: usize,
    len: usize,
    head: record::Head,
    /// It is put together in memory.
    is_gathered: bool,
    /// The numbers of the names of the event before.
    names: Option<[u32; 4]>,
}

impl Journal {
    /// Goes on writing `file` at `position`; `capacity` is the number of slots of the ring.
    pub(crate) fn new(
        file: JournalFile,
        cursors: CursorTable,
        mode: SyncMode,
        capacity: u64,
        position: u64,
        hint: Hint,
    ) -> Self {
        Self {
            seed: seed(&file),
            cursors,
            mode,
            position,
            hint,
            records: vec![0; capacity as usize].into(),
            known: 0..0,
            open: None,
            pace: Pace::new(mode, file.layout.log_bytes),
            gathered: Vec::new(),
            ids: Vec::with_capacity(64),
            unsynced: position,
            failed: false,
            file,
        }
    }

    pub(crate) fn file(&self) -> &JournalFile {
        &self.file
    }

    pub(crate) fn cursors_mut(&mut self) -> &mut CursorTable {
        &mut self.cursors
    }

    /// To be counted up whenever the file was written through to the disk beside the writer.
    pub(crate) fn syncs(&self) -> Arc<AtomicU64> {
        self.pace.syncs()
    }

    /// Bytes of the log.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.file.layout.log_bytes
    }

    /// Bytes that a record has beside its events, at most.
    pub(crate) fn record_base() -> u64 {
        (record::HEADER + record::CURSOR_MAX) as u64
    }

    /// Bytes of an entry with `text` bytes of text in a record.
    pub(crate) fn event_bytes(entry: &Entry<'_>, text: usize) -> u64 {
        let names = [entry.kind, entry.subject, entry.source, entry.origin];
        record::event_len(names, text) as u64
    }

    /// Where a record of at most `len` bytes goes.
    pub(crate) fn place(&self, len: u64) -> Range<u64> {
        let left = self.log_bytes() - self.position % self.log_bytes();
        let start = if len > left { self.position + left } else { self.position };
        start..start + len
    }

    /// End of the log.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Position of the record of a kept event.
    pub(crate) fn record_of(&self, seq: u64) -> u64 {
        self.records[self.index(seq)]
    }

    fn index(&self, seq: u64) -> usize {
        (seq & (self.records.len() as u64 - 1)) as usize
    }

    /// Notes where the record of `seq` lies; sequences come in order.
    pub(crate) fn note(&mut self, seq: u64, position: u64) {
        let capacity = self.records.len() as u64;
        if self.known.is_empty() || seq < self.known.end || seq - self.known.end >= capacity {
            self.known = seq..seq;
        }
        // Sequences that were lost before it have no record of their own; those before them are kept all the same.
        for lost in self.known.end..seq {
            let index = self.index(lost);
            self.records[index] = position;
        }
        self.known.end = seq + 1;
        self.known.start =
            self.known.start.max(self.known.end.saturating_sub(self.records.len() as u64));
        let index = self.index(seq);
        self.records[index] = position;
    }

    /// Begins the record of a submission in the `place` given for it. `needed` is the position of
    /// the first record that a gate protects, or any later one.
    pub(crate) fn begin(&mut self, place: &Range<u64>, first: u64, needed: u64) {
        let log = self.log_bytes();
        if place.end > self.hint.position + log {
            self.move_hint(place, needed);
        }
        if place.start != self.position {
            let at = (self.position % log) as usize;
            let (seed, position) = (self.seed, self.position);
            let rest = &mut self.file.log_mut()[at..];
            if rest.len() >= record::HEADER {
                record::seal_skip(rest, seed, position);
            }
        }
        self.ids.clear();
        let head = record::Head { first, ..record::Head::default() };
        let at = (place.start % log) as usize;
        let most = place.end - place.start;
        let is_gathered = self.pace.gathers(most, place.start);
        if is_gathered && (self.gathered.len() as u64) < most {
            self.gathered.resize(most as usize, 0);
        }
        let (start, len) = (place.start, record::HEADER);
        self.open = Some(OpenRecord { start, at, len, head, is_gathered, names: None });
        fail::point(fail::Point::RecordBegun);
    }

    /// Adds an event to the record under way. `names` are the numbers of its names, where they have some.
    #[inline(always)]
    pub(crate) fn event(&mut self, event: &RecordEvent<'_>, names: Option<[u32; 4]>) {
        let Some(open) = &mut self.open else { return };
        let repeated = match (names, open.names) {
            (Some(now), Some(before)) => std::array::from_fn(|i| now[i] == before[i]),
            _ => [false; 4],
        };
        open.names = names;
        let to = if open.is_gathered {
            &mut self.gathered[open.len..]
        } else {
            &mut self.file.log_mut()[open.at + open.len..]
        };
        open.len += record::put_event(to, event, repeated);
        if open.head.events == 0 {
            open.head.text_offset = event.meta.text_offset;
        }
        open.head.events += 1;
        self.ids.push((event.meta.seq, event.key));
        fail::point(fail::Point::EventWritten);
    }

    /// Ends the record under way: from here on a start finds it. Without events and cursor there
    /// is no record.
    pub(crate) fn end(&mut self, cursor: Option<(&str, u64)>) {
        let Some(mut open) = self.open.take() else { return };
        if open.head.events == 0 && cursor.is_none() {
            return;
        }
        let record = if open.is_gathered {
            &mut self.gathered[..]
        } else {
            &mut self.file.log_mut()[open.at..]
        };
        if let Some(cursor) = cursor {
            open.len += record::put_cursor(&mut record[open.len..], cursor);
            self.cursors.set(cursor.0, cursor.1, None);
        }
        open.head.cursors = u32::from(cursor.is_some());
        fail::point(fail::Point::BodyWritten);
        record::seal(&mut record[..open.len], self.seed, open.start, open.head);
        if open.is_gathered {
            self.file.write_log(open.at as u64, &self.gathered[..open.len]);
        }
        // Release: keeps the compiler from noting ids before the record is whole; the death of the
        // process, unlike that of the machine, keeps the order of the stores.
        fence(Ordering::Release);
        fail::point(fail::Point::RecordSealed);
        self.position = open.start + open.len as u64;
        self.put_ids();
        for i in 0..self.ids.len() {
            let (seq, _) = self.ids[i];
            self.note(seq, open.start);
        }
        fail::point(fail::Point::IdsWritten);
    }

    /// Notes the ids of the record at their places in the circular table.
    fn put_ids(&mut self) {
        let window = self.file.layout.window;
        let ids = &self.ids[self.ids.len().saturating_sub(window as usize)..];
        let bytes = (ids.len() * ID_BYTES) as u64;
        let Some((first, _)) = ids.first().filter(|_| self.pace.gathers(bytes, self.position))
        else {
            for i in 0..self.ids.len() {
                let (seq, key) = self.ids[i];
                self.put_id(seq, key);
            }
            return;
        };
        // Sequences follow each other, up to the end of the table and then from its start.
        let at = wrapped(*first, window);
        if (self.gathered.len() as u64) < bytes {
            self.gathered.resize(bytes as usize, 0);
        }
        let gathered = &mut self.gathered[..bytes as usize];
        for ((seq, key), place) in ids.iter().zip(gathered.chunks_exact_mut(ID_BYTES)) {
            fill_id(place, *seq, *key);
        }
        let before_end = ((window - at) as usize).min(ids.len());
        let (here, rest) = gathered.split_at(before_end * ID_BYTES);
        self.file.write_ids(at, here);
        self.file.write_ids(0, rest);
    }

    /// Notes an id at its place in the circular table.
    pub(crate) fn put_id(&mut self, seq: u64, key: EventKey) {
        let at = wrapped(seq, self.file.layout.window) as usize * ID_BYTES;
        let place = &mut self.file.ids_mut()[at..at + ID_BYTES];
        fill_id(place, seq, key);
    }

    /// Notes an id after a start, unless it is there. Most are, and their pages stay clean.
    pub(crate) fn correct_id(&mut self, seq: u64, key: EventKey) {
        let at = wrapped(seq, self.file.layout.window) as usize * ID_BYTES;
        let mut wanted = [0; ID_BYTES];
        fill_id(&mut wanted, seq, key);
        if self.file.ids()[at..at + ID_BYTES] != wanted {
            self.put_id(seq, key);
        }
    }

    /// Moves the hint to a record that stays, a step ahead so that it need not move often.
    fn move_hint(&mut self, place: &Range<u64>, needed: u64) {
        // The cursors of records that go are saved first.
        self.cursors.store(self.file.cursors_mut());
        self.sync_tables_if_always();
        let log = self.log_bytes();
        let wanted = place.end.saturating_sub(log) + log / HINT_STEPS;
        let (mut low, mut high) = (self.known.start, self.known.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record_of(middle) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let stays = if low < self.known.end { self.record_of(low) } else { place.start };
        let position = stays.min(needed).min(place.start);
        self.set_hint(position, low);
        // A start that reads from the hint before would miss what is overwritten next, and forget its ids.
        self.sync_tables_if_always();
    }

    fn sync_tables_if_always(&mut self) {
        if self.mode == SyncMode::Always && self.file.sync_tables().is_err() {
            self.failed = true;
        }
    }

    /// States in a new file where its log begins; `next` is the sequence of the next event.
    pub(crate) fn set_first_hint(&mut self, next: u64) {
        if self.hint.generation == 0 {
            let seq = if self.known.is_empty() { next } else { self.known.start };
            self.set_hint(0, seq);
        }
    }

    fn set_hint(&mut self, position: u64, seq: u64) {
        let generation = self.hint.generation + 1;
        self.hint = Hint { generation, position, seq };
        let at = (generation % 2) as usize * HINT;
        let hint = &mut self.file.hints_mut()[at..at + HINT];
        put_u64(hint, 8, generation);
        put_u64(hint, 16, position);
        put_u64(hint, 24, seq);
        let crc = crc32c(&hint[8..32]);
        put_u32(hint, 0, crc);
        // Release: keeps the compiler from overwriting the record before the hint has moved.
        fence(Ordering::Release);
        fail::point(fail::Point::HintMoved);
    }

    /// Cursor and hold of a consumer.
    pub(crate) fn known_cursor(&self, key: &str) -> Option<(u64, u64)> {
        self.cursors.get(key)
    }

    /// Saves a consumer's cursor and hold in the table.
    pub(crate) fn save_cursor(&mut self, key: &str, cursor: u64, hold: u64) {
        self.cursors.set(key, cursor, Some(hold));
        self.cursors.store(self.file.cursors_mut());
    }

    /// Saves all cursors in a new file's table.
    pub(crate) fn save_all_cursors(&mut self) {
        self.cursors.touch();
        self.cursors.store(self.file.cursors_mut());
    }

    /// Appends a record of events that come from another file; `false` if it cannot fit.
    pub(crate) fn append(&mut self, events: &[RecordEvent<'_>]) -> bool {
        let len = |event: &RecordEvent<'_>| {
            record::event_len(event.names, event.meta.text_len as usize) as u64
        };
        let bytes = Self::record_base() + events.iter().map(len).sum::<u64>();
        let (Some(first), true) = (events.first(), bytes <= self.log_bytes()) else {
            return false;
        };
        let place = self.place(bytes);
        self.begin(&place, first.meta.seq, place.start);
        for event in events {
            self.event(event, None);
        }
        self.end(None);
        true
    }

    /// Writes through what was logged since the last time, if every submission asks for that.
    pub(crate) fn sync_if_always(&mut self) -> io::Result<()> {
        if self.mode != SyncMode::Always {
            return Ok(());
        }
        if self.failed {
            return Err(io::Error::other("the journal's tables could not be written"));
        }
        let log = self.log_bytes();
        while self.unsynced < self.position {
            let from = self.unsynced % log;
            let to = (from + (self.position - self.unsynced)).min(log);
            if let Err(error) = self.file.sync_log(from..to) {
                self.failed = true;
                return Err(error);
            }
            self.unsynced += to - from;
        }
        Ok(())
    }
}

fn fill_id(place: &mut [u8], seq: u64, key: EventKey) {
    put_u64(place, 0, seq);
    place[8..24].copy_from_slice(&key.to_le_bytes());
    put_u64(place, 24, scan::id_check(seq, key));
}

/// The newest valid hint of a file.
pub(crate) fn read_hint(file: &JournalFile) -> Option<Hint> {
    file.hints()[..2 * HINT]
        .chunks_exact(HINT)
        .filter(|hint| u64_at(hint, 8) > 0 && u32_at(hint, 0) == crc32c(&hint[8..32]))
        .map(|hint| Hint {
            generation: u64_at(hint, 8),
            position: u64_at(hint, 16),
            seq: u64_at(hint, 24),
        })
        .filter(|hint| {
            let numbers = [hint.generation, hint.position, hint.seq];
            hint.position.is_multiple_of(8) && numbers.iter().all(|number| *number <= FARTHEST)
        })
        .max_by_key(|hint| hint.generation)
}

/// What the checks of a file's records start from, so that no text can pass for a record.
pub(crate) fn seed(file: &JournalFile) -> u32 {
    (file.sip_key.0 ^ file.sip_key.1 >> 32) as u32
}
