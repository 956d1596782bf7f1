//! From a journal back to a ring.
//!
//! Rule: whatever is in the file, the ring comes up with what can be trusted of it, and the report
//! says what could not. A sequence that was ever given out is not given out again.

use crate::columns::Meta;
use crate::config::{RingConfig, SyncMode};
use crate::dedup::SipKey;
use crate::error::OpenError;
use crate::journal::{
    CursorTable, FileLayout, Found, Hint, Ids, Journal, JournalFile, RecordEvent, Scan, set_aside,
};
use crate::ring::Recovery;
use crate::text::Text;
use crate::writer::Writer;
use crate::{FLAG_LOST, NAME_BYTES};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of log for each slot beside its text: header, columns and names of an event.
const LOG_PER_SLOT: u64 = 320;

/// A journal file, opened or made, not yet read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What the ring writes from now on.
    file: JournalFile,
    /// What it is read from, when that is another file: the layout changed.
    old: Option<JournalFile>,
    path: PathBuf,
    temporary: Option<PathBuf>,
    set_aside: Option<(PathBuf, String)>,
}

impl Opened {
    /// Opens `dir/ring.journal`, or makes it with the key and epoch given.
    pub(crate) fn open(
        dir: &Path,
        config: &RingConfig,
        log_bytes: Option<u64>,
        sip_key: SipKey,
        epoch: u64,
    ) -> Result<Self, OpenError> {
        let path = dir.join("ring.journal");
        let temporary = dir.join("ring.journal.new");
        let log_bytes = log_bytes
            .unwrap_or(config.text_bytes + config.capacity * LOG_PER_SLOT)
            .max(1024)
            .next_multiple_of(4096);
        if log_bytes > 1 << 40 {
            return Err(OpenError::Config("log_bytes"));
        }
        // One place at least: the newest in it says which sequences were given out.
        let layout = FileLayout { window: config.dedup_window.max(1), log_bytes };
        let mut aside = None;
        let old = match JournalFile::open(&path)? {
            Found::Journal(file) if file.layout == layout => {
                return Ok(Self { file, old: None, path, temporary: None, set_aside: None });
            }
            Found::Journal(file) => Some(file),
            Found::Nothing => None,
            Found::Foreign(reason) => {
                aside = Some((set_aside(&path)?, reason));
                None
            }
        };
        let (sip_key, epoch) =
            old.as_ref().map_or((sip_key, epoch), |old| (old.sip_key, old.epoch));
        let file = JournalFile::create(&temporary, layout, sip_key, epoch)?;
        Ok(Self { file, old, path, temporary: Some(temporary), set_aside: aside })
    }

    pub(crate) fn sip_key(&self) -> SipKey {
        self.file.sip_key
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.file.epoch
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.file.layout.log_bytes
    }

    /// A second handle of the file.
    pub(crate) fn file(&self) -> Result<File, OpenError> {
        let failed = |source| OpenError::Journal { path: self.path.clone(), source };
        self.file.file().map_err(failed)
    }

    /// Reads the journal into the empty `writer`, and hands it to the writer for what comes.
    pub(crate) fn recover(
        self,
        writer: &mut Writer,
        config: &RingConfig,
        mode: SyncMode,
    ) -> Result<Recovery, OpenError> {
        let Self { file, old, path, temporary, set_aside } = self;
        let mut recovery = Recovery { set_aside, rebuilt: old.is_some(), ..Recovery::default() };
        let mut replay = Replay::new(config.dedup_window);
        let mut journal = match old {
            None => {
                replay.run(&file, writer, None);
                let (position, hint) = replay.end;
                let mut journal = Journal::new(
                    file,
                    replay.take_cursors(),
                    mode,
                    config.capacity,
                    position,
                    hint,
                );
                for (seq, position) in replay.records.drain(..) {
                    journal.note(seq, position);
                }
                journal
            }
            Some(old) => {
                let cursors = CursorTable::default();
                let mut journal =
                    Journal::new(file, cursors, mode, config.capacity, 0, Hint::default());
                replay.run(&old, writer, Some(&mut journal));
                *journal.cursors_mut() = replay.take_cursors();
                journal.save_all_cursors();
                journal
            }
        };
        // The table outlives the records: ids that only these know are noted, those of lost events are not found again.
        for (seq, key) in replay.ids.drain(..) {
            journal.correct_id(seq, key);
        }
        if let Some(temporary) = temporary {
            journal.set_first_hint(writer.last + 1);
            journal.file().rename(&temporary, &path)?;
        }
        writer.journal = Some(journal);
        writer.published = writer.last;
        writer.segment.hot().publish(writer.last);
        recovery.events = replay.events;
        recovery.lost_events = replay.lost.iter().map(|(lost, _)| lost.end - lost.start).sum();
        recovery.cut_bytes = replay.cut_bytes;
        recovery.last = writer.last;
        recovery.first = if writer.oldest <= writer.last { writer.oldest } else { 0 };
        recovery.ids = writer.dedup.len() as u64;
        Ok(recovery)
    }
}

/// The reading of one file.
struct Replay {
    window: u64,
    started: bool,
    /// First sequence that the file promises, 0 if it says nothing.
    hint_seq: u64,
    events: u64,
    cut_bytes: u64,
    /// Sequences without a record, and where in the log theirs would begin.
    lost: Vec<(Range<u64>, u64)>,
    /// End of the record before.
    read_to: u64,
    cursors: CursorTable,
    /// (sequence, position of its record), in order; the newest slots' worth.
    records: std::collections::VecDeque<(u64, u64)>,
    /// Those of the log's events; at the end, all that belong into the table. 0 for one that is forgotten.
    ids: Vec<(u64, u128)>,
    end: (u64, Hint),
}

impl Replay {
    fn new(window: u64) -> Self {
        Self {
            window,
            started: false,
            hint_seq: 0,
            events: 0,
            cut_bytes: 0,
            lost: Vec::new(),
            read_to: 0,
            cursors: CursorTable::default(),
            records: std::collections::VecDeque::new(),
            ids: Vec::new(),
            end: (0, Hint::default()),
        }
    }

    fn take_cursors(&mut self) -> CursorTable {
        std::mem::take(&mut self.cursors)
    }

    /// Reads everything of `file` into `writer` and, when given, writes it to `copy`.
    fn run(&mut self, file: &JournalFile, writer: &mut Writer, mut copy: Option<&mut Journal>) {
        self.cursors = CursorTable::load(file.cursors());
        if copy.is_some() {
            self.cursors.touch();
        }
        let mut scan = Scan::new(file);
        self.hint_seq = scan.hint().seq;
        self.read_to = scan.hint().position;
        while let Some(record) = scan.next_record() {
            if record.events > 0 && !self.reach(record.first, writer) {
                continue;
            }
            self.read_to = record.position + record.len as u64;
            let mut events = Vec::new();
            let mut moved = Vec::new();
            if !record.each(|event| events.push(event.clone()), |cursor| moved.push(cursor)) {
                continue;
            }
            for (key, cursor) in moved {
                if self.cursors.get(key).is_none_or(|(known, _)| known < cursor) {
                    self.cursors.set(key, cursor, None);
                }
            }
            if copy.is_none() && record.events > 0 {
                writer.align_text(record.text_offset);
            }
            for event in &mut events {
                self.event(event, record.position, writer);
                // For the copy: where the text lies now.
                event.meta.text_offset = writer.text_offset(event.meta.seq);
            }
            if let Some(copy) = &mut copy
                && !events.is_empty()
                && !copy.append(&events)
            {
                writer.forget(writer.last);
            }
        }
        self.cut_bytes = scan.cut_bytes();
        self.end = (scan.position(), scan.hint());
        // What the tables know beyond the log's end was given out, and its record is damaged.
        let beyond = Ids::new(file).iter().map(|(seq, _)| seq).max().unwrap_or(0);
        let beyond = beyond.max(scan.hint().seq.saturating_sub(1));
        if beyond > writer.last || !self.started && self.hint_seq > 0 {
            self.reach(beyond + 1, writer);
        }
        // After a loss of power the hint may be older than what was overwritten since. Those events were let go.
        let overwritten = scan.position().saturating_sub(file.layout.log_bytes);
        self.lost.retain(|(_, position)| *position >= overwritten);
        self.load_ids(file, writer);
    }

    /// Makes `next` the next sequence of the writer, over slots that are lost if need be. `false`
    /// when that would go backwards: the record is none of this history.
    fn reach(&mut self, next: u64, writer: &mut Writer) -> bool {
        if !self.started {
            self.started = true;
            // A record before the hint's sequence holds events that were no longer kept.
            let first = if self.hint_seq == 0 { next } else { next.min(self.hint_seq) };
            writer.forget(first - 1);
        }
        if next <= writer.last {
            return false;
        }
        let lost = writer.last + 1..next;
        if !lost.is_empty() {
            if lost.end - lost.start >= writer.segment.geometry().capacity {
                writer.forget(next - 1);
            } else {
                lost.clone().for_each(|seq| writer.restore_lost(seq));
            }
            self.lost.push((lost, self.read_to));
        }
        true
    }

    fn event(&mut self, event: &RecordEvent<'_>, position: u64, writer: &mut Writer) {
        let seq = event.meta.seq;
        if event.meta.flags & FLAG_LOST != 0 {
            writer.restore_lost(seq);
        } else if writer.restore(event) {
            self.events += 1;
            self.ids.push((seq, event.key));
        }
        if self.records.len() as u64 >= writer.segment.geometry().capacity {
            self.records.pop_front();
        }
        self.records.push_back((seq, position));
    }

    /// Takes the remembered ids over: those of the table, and those of the log whose note a crash
    /// prevented. An id whose event is lost is forgotten, so that it can be sent again.
    fn load_ids(&mut self, file: &JournalFile, writer: &mut Writer) {
        let oldest = (writer.last + 1).saturating_sub(self.window);
        let is_lost = |seq: u64| self.lost.iter().any(|(lost, _)| lost.contains(&seq));
        let mut ids: Vec<(u64, u128)> = Ids::new(file).iter().chain(self.ids.drain(..)).collect();
        // A key of 0 was written while no id was remembered.
        ids.retain(|(seq, key)| *key != 0 && (oldest..=writer.last).contains(seq));
        ids.sort_unstable();
        ids.dedup_by_key(|(seq, _)| *seq);
        for (seq, key) in &mut ids {
            if is_lost(*seq) {
                *key = 0;
            } else {
                // Of two with one id the first is the one that was acknowledged.
                let _ = writer.dedup.remember(*key, *seq);
            }
        }
        self.ids = ids;
    }
}

impl Writer {
    /// Puts an event of the journal back; `false`, and nothing older kept, if it does not fit.
    pub(crate) fn restore(&mut self, event: &RecordEvent<'_>) -> bool {
        let arena = self.segment.geometry().text_bytes;
        let seq = event.meta.seq;
        let fits = u64::from(event.meta.text_len).next_multiple_of(8) <= arena
            && event.names.iter().all(|name| name.len() <= NAME_BYTES);
        if !fits {
            self.forget(seq);
            return false;
        }
        let ids = self.intern_all(event.names, seq).or_else(|| {
            // Fewer names than before: older events give theirs up.
            self.forget(seq - 1);
            self.intern_all(event.names, seq)
        });
        let Some([kind, subject, source, origin]) = ids else {
            self.forget(seq);
            return false;
        };
        let mut text = crate::room::TextPlan::at(self.text_end, arena);
        let (text_pos, text_offset) = text.place(u64::from(event.meta.text_len));
        let columns = self.segment.columns();
        columns.write_text(text_offset, &Text::whole(event.text));
        columns.store(&Meta { kind, subject, source, origin, text_pos, text_offset, ..event.meta });
        self.last = seq;
        self.settle(text.end);
        true
    }

    /// Goes on in the arena at `offset`, where the texts that come next lay before a restart: laid
    /// otherwise they could take more room, and push out one that a gate protects.
    fn align_text(&mut self, offset: u32) {
        let arena = self.segment.geometry().text_bytes;
        let offset = u64::from(offset);
        if offset < arena && offset.is_multiple_of(8) {
            self.text_end += (offset + arena - self.text_end % arena) % arena;
        }
    }

    fn text_offset(&self, seq: u64) -> u32 {
        self.segment.columns().load(seq).text_offset
    }

    /// Fills the slot of a sequence whose event is lost.
    fn restore_lost(&mut self, seq: u64) {
        let text_offset = (self.text_end % self.segment.geometry().text_bytes) as u32;
        let text_pos = self.text_end;
        self.segment.columns().store(&Meta {
            seq,
            flags: FLAG_LOST,
            text_pos,
            text_offset,
            ..Meta::default()
        });
        self.last = seq;
        self.settle(text_pos);
    }

    /// Goes on after `last` with nothing kept.
    fn forget(&mut self, last: u64) {
        self.last = last;
        self.oldest = last + 1;
        self.settle(self.text_end);
    }
}
