//! What the writer role does for consumers: register, gate, hold, remove.
//!
//! Rule: the list changes only inside the role, so that no event can slip between the look at a
//! gate and the change to it.

use crate::consumers::{
    Consumer, ConsumerId, ConsumerSpec, Gate, KEY_BYTES, MAX_CONSUMERS, MAX_GATES, Member, Start,
    Target, WakeTarget,
};
use crate::error::ConsumerError;
use crate::producer::Reserve;
use crate::writer::Writer;
use std::sync::Arc;

impl Writer {
    /// Registers a consumer; its cursor is then within what is kept.
    pub(crate) fn register(
        &mut self,
        spec: &ConsumerSpec<'_>,
    ) -> Result<Arc<Consumer>, ConsumerError> {
        if self.poisoned {
            return Err(ConsumerError::Poisoned);
        }
        if spec.key.is_empty() || spec.key.len() > KEY_BYTES {
            return Err(ConsumerError::Key);
        }
        if spec.gate == Gate::Page && !matches!(spec.wake, WakeTarget::Control(_)) {
            return Err(ConsumerError::Gate);
        }
        if self.members.iter().any(|member| *member.consumer.key == *spec.key) {
            return Err(ConsumerError::Taken);
        }
        if self.members.len() >= MAX_CONSUMERS
            || spec.gate != Gate::None && self.gates() >= MAX_GATES
        {
            return Err(ConsumerError::TooMany);
        }
        let known = if spec.durable { self.known_cursor(spec.key) } else { None };
        let wanted = known.unwrap_or(match spec.start {
            Start::Oldest if spec.gate == Gate::None => (self.oldest - 1, u64::MAX),
            Start::Oldest => (self.floor(), u64::MAX),
            Start::Newest => (self.published, u64::MAX),
            Start::After(seq) => (seq, u64::MAX),
        });
        let (mut cursor, mut hold) = wanted;
        // Whoever was lapped has lost events already and goes on where it can emit; what nobody overwrote is kept.
        let kept = match spec.gate {
            Gate::Host | Gate::Page if cursor.min(hold) < self.oldest - 1 => self.floor(),
            _ => self.oldest - 1,
        };
        let missed = kept.saturating_sub(cursor.min(hold));
        cursor = cursor.clamp(kept.min(self.published), self.published);
        if hold != u64::MAX {
            hold = hold.clamp(kept.min(self.published), cursor);
        }
        self.next_consumer += 1;
        let id = ConsumerId(self.next_consumer);
        if let WakeTarget::Control(page) = &spec.wake {
            page.set_cursor(cursor);
        }
        let consumer = Arc::new(Consumer::new(id, spec, cursor, hold));
        consumer.add_missed(missed);
        self.roster.add(&consumer);
        self.members.push(Member::new(Arc::clone(&consumer)));
        self.save_cursor(self.members.len() - 1);
        self.refresh_room();
        Ok(consumer)
    }

    fn gates(&self) -> usize {
        self.members.iter().filter(|member| member.consumer.is_gating()).count()
    }

    /// Cursor and hold of a durable consumer as the journal remembers them.
    fn known_cursor(&self, key: &str) -> Option<(u64, u64)> {
        self.journal.as_ref().and_then(|journal| journal.known_cursor(key))
    }

    /// Takes the consumer off the list; its durable cursor stays in the journal.
    pub(crate) fn remove(&mut self, id: ConsumerId) {
        if let Some(at) = self.member(id) {
            self.save_cursor(at);
            self.members.swap_remove(at);
            self.roster.remove(id);
            self.refresh_room();
        }
    }

    /// Gives the consumer its gate back, at its cursor or at what is kept.
    pub(crate) fn regate(&mut self, id: ConsumerId) -> Result<u64, ConsumerError> {
        let at = self.member(id).ok_or(ConsumerError::Poisoned)?;
        if !self.members[at].consumer.is_gating() && self.gates() >= MAX_GATES {
            return Err(ConsumerError::TooMany);
        }
        let cursor = self.members[at].cursor(self.segment.hot());
        let consumer = &self.members[at].consumer;
        let from = cursor.max(self.floor());
        consumer.add_missed(from - cursor);
        consumer.advance(from, self.published)?;
        if consumer.hold() != u64::MAX {
            consumer.set_hold(consumer.hold().max(from));
        }
        consumer.set_gating(true);
        self.refresh_room();
        Ok(from)
    }

    /// The oldest cursor that a gate may be given while nothing gated.
    ///
    /// A ring without gates is full to the brim. A consumer that comes needs the reserve for what
    /// it emits, or it could never get past the first event that makes it emit.
    fn floor(&self) -> u64 {
        let limits = self.room.limits(Reserve::Ingest);
        let columns = self.segment.columns();
        let mut floor = (self.oldest - 1).max(self.last.saturating_sub(limits.slots));
        while floor < self.last {
            let text = self.text_end - columns.text_pos(floor + 1);
            let log = self.journal.as_ref().map_or(0, |journal| {
                journal.position().saturating_sub(journal.record_of(floor + 1))
            });
            if text <= limits.text && log <= limits.log {
                break;
            }
            floor += 1;
        }
        floor.min(self.published)
    }

    /// Keeps the consumer's gate at `seq`, or at the first place after it where that is possible.
    pub(crate) fn hold(&mut self, id: ConsumerId, seq: u64) -> Result<u64, ConsumerError> {
        let at = self.member(id).ok_or(ConsumerError::Poisoned)?;
        let member = &self.members[at];
        let cursor = member.cursor(self.segment.hot());
        let gate = cursor.min(member.consumer.hold());
        if seq > cursor {
            return Err(ConsumerError::Cursor);
        }
        // Behind the gate it may go as far as a consumer that comes may: what lies there is kept.
        let seq = seq.max(self.floor().min(gate));
        member.consumer.set_hold(seq);
        if seq < gate {
            self.refresh_room();
        }
        Ok(seq)
    }

    /// Ends the hold of the consumer's gate.
    pub(crate) fn unhold(&self, id: ConsumerId) -> Result<(), ConsumerError> {
        let at = self.member(id).ok_or(ConsumerError::Poisoned)?;
        self.members[at].consumer.set_hold(u64::MAX);
        Ok(())
    }

    /// Gives the consumer another wake target.
    pub(crate) fn retarget(
        &mut self,
        id: ConsumerId,
        target: &Arc<Target>,
    ) -> Result<(), ConsumerError> {
        let at = self.member(id).ok_or(ConsumerError::Poisoned)?;
        self.members[at].retarget(target);
        Ok(())
    }

    /// Writes the cursors of all durable consumers to the journal.
    pub(crate) fn save_cursors(&mut self) {
        for at in 0..self.members.len() {
            self.save_cursor(at);
        }
    }

    fn save_cursor(&mut self, at: usize) {
        let member = &self.members[at];
        let cursor = member.cursor(self.segment.hot());
        let consumer = Arc::clone(&member.consumer);
        if let Some(journal) = &mut self.journal
            && consumer.durable
        {
            journal.save_cursor(&consumer.key, cursor, consumer.hold());
        }
    }
}
