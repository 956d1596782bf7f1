//! What the holder of the writer role does with a submission.
//!
//! Rule: first everything that can refuse (ids, room), then reserve, then write; from the first
//! written byte on nothing fails but by a bug, and a bug poisons the ring before anything of the
//! submission is published.

use crate::FLAG_LOST;
use crate::columns::Meta;
use crate::config::RingConfig;
use crate::consumers::{ConsumerId, MAX_CONSUMERS, Member, Roster};
use crate::dedup::{AHEAD, Dedup, EventKey};
use crate::error::PublishError;
use crate::fail;
use crate::journal::{Journal, RecordEvent};
use crate::names::{Interner, NameIndex};
use crate::producer::{Entry, Outcome, Reserve, Submission};
use crate::room::{Plan, Room, TextPlan};
use crate::segment::Segment;
use crate::text::{Decimal, Text};
use std::io;
use std::sync::Arc;

/// The state that belongs to the writer role.
pub(crate) struct Writer {
    pub(crate) segment: Arc<Segment>,
    pub(crate) names: Interner,
    pub(crate) dedup: Dedup,
    pub(crate) journal: Option<Journal>,
    pub(crate) members: Vec<Member>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) next_consumer: u64,
    /// Last sequence written; published by the end of the round.
    pub(crate) last: u64,
    /// The sequence after it and its digits: kept, since to make them anew takes divisions.
    next: (u64, Decimal),
    /// Last sequence published.
    pub(crate) published: u64,
    /// End of the text written.
    pub(crate) text_end: u64,
    /// First sequence whose slot and text are both kept.
    pub(crate) oldest: u64,
    pub(crate) room: Room,
    pub(crate) poisoned: bool,
    /// What is written and not published could not be written through to the disk.
    unsynced: bool,
}

impl Writer {
    /// The writer of an empty ring.
    pub(crate) fn new(
        segment: Arc<Segment>,
        names: Arc<NameIndex>,
        config: &RingConfig,
        room: Room,
    ) -> Self {
        let last = config.start_seq.max(1) - 1;
        let mut writer = Self {
            names: Interner::new(names),
            dedup: Dedup::new(config.dedup_window),
            journal: None,
            members: Vec::with_capacity(MAX_CONSUMERS),
            roster: Arc::default(),
            next_consumer: 0,
            last,
            next: (last + 1, Decimal::new(last + 1)),
            published: last,
            text_end: 0,
            oldest: last + 1,
            room,
            poisoned: false,
            unsynced: false,
            segment,
        };
        writer.settle(0);
        writer.segment.hot().publish(last);
        writer
    }

    /// Stores a submission, or refuses it and changes nothing. `outcomes` is empty and has room
    /// for one outcome per entry.
    pub(crate) fn apply(
        &mut self,
        submission: &Submission<'_>,
        keys: &[EventKey],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), PublishError> {
        if self.poisoned {
            return Err(PublishError::Poisoned);
        }
        let cursor = self.checked_cursor(submission.cursor)?;
        let plan = self.plan(submission, keys, outcomes)?;
        if plan.events == 0 && cursor.is_none() {
            return Ok(());
        }
        self.make_room(&plan, submission.reserve)?;
        self.segment.hot().reserve(self.last + plan.events, plan.text.end);
        if let Some(journal) = &mut self.journal {
            journal.begin(&plan.record, self.last + 1, self.room.needed_log(&plan, self.last));
        }
        let first = self.last + 1;
        let mut text = TextPlan::at(plan.text.start, self.arena());
        let mut digits = self.next_digits();
        let mut stored = 0;
        for (i, ((entry, key), outcome)) in
            submission.entries.iter().zip(keys).zip(outcomes).enumerate()
        {
            self.fetch_ahead(keys, i);
            if matches!(outcome, Outcome::Duplicate(_)) {
                continue;
            }
            // The plan took every event for one without names.
            let Some(names) = self.intern(entry, first + stored, submission.reserve) else {
                continue;
            };
            *outcome = self.store(entry, (*key, names), (first + stored, &digits), &mut text);
            if matches!(outcome, Outcome::Stored(_)) {
                stored += 1;
                digits.step();
            }
        }
        if let Some(journal) = &mut self.journal {
            let durable = cursor
                .map(|(member, to)| (&self.members[member].consumer, to))
                .filter(|(consumer, _)| consumer.durable);
            journal.end(durable.map(|(consumer, to)| (&*consumer.key, to)));
        }
        if let Some((member, to)) = cursor {
            // Checked above, so that it cannot fail.
            let _ = self.members[member].consumer.advance(to, self.last);
        }
        self.last += stored;
        self.next = (self.last + 1, digits);
        self.settle(text.end);
        Ok(())
    }

    /// Where the cursor's consumer is in the list, if the cursor may go there.
    fn checked_cursor(
        &self,
        cursor: Option<(ConsumerId, u64)>,
    ) -> Result<Option<(usize, u64)>, PublishError> {
        let Some((id, to)) = cursor else { return Ok(None) };
        let member = self.member(id).ok_or(PublishError::Cursor)?;
        let now = self.members[member].consumer.cursor();
        if to < now || to > self.published {
            return Err(PublishError::Cursor);
        }
        Ok(Some((member, to)))
    }

    pub(crate) fn member(&self, id: ConsumerId) -> Option<usize> {
        self.members.iter().position(|member| member.consumer.id == id)
    }

    fn next_digits(&mut self) -> Decimal {
        // A start moves the last sequence otherwise.
        if self.next.0 != self.last + 1 {
            self.next = (self.last + 1, Decimal::new(self.last + 1));
        }
        self.next.1
    }

    fn arena(&self) -> u64 {
        self.segment.geometry().text_bytes
    }

    /// Finds remembered ids and an upper bound of the room that the rest takes.
    fn plan(
        &mut self,
        submission: &Submission<'_>,
        keys: &[EventKey],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<Plan, PublishError> {
        let mut events = 0u64;
        let mut text_bytes = 0u64;
        let mut record = self.journal.as_ref().map_or(0, |_| Journal::record_base());
        let next = self.next_digits();
        let last = self.last + submission.entries.len() as u64;
        let digits = if next.holds(last) { next.len() } else { Decimal::new(last).len() };
        let mut text = TextPlan::at(self.text_end, self.arena());
        let mut start = None;
        for (i, (entry, key)) in submission.entries.iter().zip(keys).enumerate() {
            self.fetch_ahead(keys, i);
            if let Some(seq) = self.dedup.find(*key) {
                outcomes.push(Outcome::Duplicate(seq));
                continue;
            }
            outcomes.push(Outcome::NamesFull);
            let len = entry.head.len() + digits + entry.tail.len();
            if len as u64 > self.arena() || len > u32::MAX as usize - 8 {
                return Err(PublishError::TooLarge);
            }
            let (at, _) = text.place(len as u64);
            start.get_or_insert(at);
            text_bytes += (len as u64).next_multiple_of(8);
            record += Journal::event_bytes(entry, len);
            events += 1;
        }
        let start = start.unwrap_or(self.text_end);
        let mut plan = Plan { events, text: start..text.end, record: 0..0 };
        let limits = self.room.limits(submission.reserve);
        if events > limits.slots || text_bytes > limits.text || record > limits.log {
            return Err(PublishError::TooLarge);
        }
        if plan.text.end - plan.text.start > limits.text {
            // A gap at the arena's end would split it: begin at the arena's start instead.
            plan.text.start = self.text_end.next_multiple_of(self.arena());
            plan.text.end = plan.text.start + text_bytes;
        }
        if let Some(journal) = &self.journal {
            plan.record = journal.place(record);
        }
        Ok(plan)
    }

    /// Lets the cache misses of the keys to come overlap with the work on key `i`.
    fn fetch_ahead(&self, keys: &[EventKey], i: usize) {
        if let Some(key) = keys.get(i + AHEAD) {
            self.dedup.fetch(*key);
        }
    }

    /// Makes sure that nothing a gate protects is overwritten.
    fn make_room(&mut self, plan: &Plan, reserve: Reserve) -> Result<(), PublishError> {
        if self.room.fits(plan, reserve, self.last) {
            return Ok(());
        }
        self.refresh_room();
        if self.room.fits(plan, reserve, self.last) { Ok(()) } else { Err(PublishError::Full) }
    }

    /// Looks at all gates.
    pub(crate) fn refresh_room(&mut self) {
        let hot = self.segment.hot();
        let gate = self.members.iter().filter_map(|member| member.gate(hot)).min();
        self.room.gate = gate;
        if let Some(gate) = gate {
            let needed = gate < self.last;
            self.room.text =
                if needed { self.segment.columns().text_pos(gate + 1) } else { self.text_end };
            self.room.log = self.journal.as_ref().map_or(0, |journal| {
                if needed { journal.record_of(gate + 1) } else { journal.position() }
            });
        }
    }

    /// Writes one event into slot, text, journal and id table.
    fn store(
        &mut self,
        entry: &Entry<'_>,
        (key, names): (EventKey, [u32; 4]),
        (seq, digits): (u64, &Decimal),
        places: &mut TextPlan,
    ) -> Outcome {
        let [kind, subject, source, origin] = names;
        // The plan has looked for the key; only one of the same submission can have come between.
        if let Err(first) = self.dedup.remember(key, seq) {
            return Outcome::Duplicate(first);
        }
        let text = Text { head: entry.head, digits, tail: entry.tail };
        let (text_pos, text_offset) = places.place(text.len() as u64);
        let meta = Meta {
            seq,
            time_ns: entry.time_ns,
            received_ns: entry.received_ns,
            value: entry.value,
            kind,
            subject,
            source,
            origin,
            flags: entry.flags & !FLAG_LOST,
            text_len: text.len() as u32,
            data_start: entry.data.start,
            data_len: entry.data.end.saturating_sub(entry.data.start),
            id_start: entry.id_span.start,
            id_len: entry.id_span.end.saturating_sub(entry.id_span.start),
            text_pos,
            text_offset,
        };
        let columns = self.segment.columns();
        columns.write_text(text_offset, &text);
        columns.store(&meta);
        if let Some(journal) = &mut self.journal {
            let texts = [entry.kind, entry.subject, entry.source, entry.origin];
            let text = columns.written(text_offset, meta.text_len);
            let event = RecordEvent { meta, key, names: texts, text };
            journal.event(&event, Some(names));
        }
        Outcome::Stored(seq)
    }

    #[inline(always)]
    fn intern(&mut self, entry: &Entry<'_>, seq: u64, reserve: Reserve) -> Option<[u32; 4]> {
        let names = [entry.kind, entry.subject, entry.source, entry.origin];
        if reserve == Reserve::Relayed {
            return self.intern_relayed(names, seq);
        }
        self.intern_all(names, seq)
    }

    #[inline(never)]
    fn intern_relayed(&mut self, names: [&str; 4], seq: u64) -> Option<[u32; 4]> {
        let mut ids = [0; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = self.names.intern_relayed(name, seq, self.oldest)?;
        }
        Some(ids)
    }

    /// The ids of the four names; `None` when one is new and all names are in use.
    #[inline(always)]
    pub(crate) fn intern_all(&mut self, names: [&str; 4], seq: u64) -> Option<[u32; 4]> {
        let mut ids = [0; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = self.names.intern(name, seq, self.oldest)?;
        }
        Some(ids)
    }

    /// Takes over what was really written, and what thereby is no longer kept.
    pub(crate) fn settle(&mut self, text_end: u64) {
        let geometry = self.segment.geometry();
        self.text_end = text_end;
        self.oldest = self.oldest.max((self.last + 1).saturating_sub(geometry.capacity));
        while self.oldest <= self.last
            && self.segment.columns().text_pos(self.oldest) + geometry.text_bytes < text_end
        {
            self.oldest += 1;
        }
        self.segment.hot().settle(self.last, text_end, self.oldest);
    }

    /// Publishes everything written since the last time, on the disk first if that is asked for.
    pub(crate) fn publish_round(&mut self) -> io::Result<()> {
        if self.published == self.last || self.unsynced {
            return Ok(());
        }
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.sync_if_always()
        {
            // Never published from now on: what the disk did not take is not acknowledged.
            self.unsynced = true;
            self.poisoned = true;
            return Err(error);
        }
        self.segment.hot().publish(self.last);
        self.published = self.last;
        fail::point(fail::Point::Published);
        Ok(())
    }

    /// Wakes those who wait for what was published.
    pub(crate) fn notify(&mut self) {
        crate::wait::announce();
        for member in &mut self.members {
            member.notify(self.published);
        }
    }

    /// Ends the ring after a bug: what was published stays readable, nothing more is accepted.
    pub(crate) fn poison(&mut self) {
        self.poisoned = true;
    }
}
