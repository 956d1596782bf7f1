//! Messages of a running instance: transactions, single emits, logs, answers, state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shimmer_abi::Status;
use shimmer_ring::{Outcome, PublishError, Reserve, Submission};

use super::card::Reported;
use super::run::Supervisor;
use super::unix_now_ns;
use crate::effects::Refusal;
use crate::log_tail::LINE_BYTES;
use crate::wire::{Effect, FromGuest, HttpAnswer, RelayedEvent, Series, ToGuest};
use crate::{CallError, guest};

/// Time from one look for room to the next: the first, and the longest, since each look encodes the effects anew.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(32));

/// A transaction that waits for room in the ring.
pub(super) struct Pending {
    id: u64,
    pub(super) since: Instant,
    /// When it is tried next, and how long it waits after that.
    pub(super) next: Instant,
    pause: Duration,
    cursor: u64,
    events: u64,
    effects: Vec<Effect>,
}

impl Supervisor {
    pub(super) fn message(&mut self, message: FromGuest) {
        match message {
            FromGuest::Loaded(manifest) => self.loaded(*manifest),
            FromGuest::Refused { reason } => {
                if let Some(up) = &mut self.up {
                    up.refused = true;
                    up.last_words = Some(cut(reason, guest::MAX_REASON_BYTES));
                }
            }
            FromGuest::Started => self.started(),
            FromGuest::Commit { id, cursor, events, effects } => {
                let (since, pause) = (Instant::now(), PAUSES.0);
                self.commit(Pending { id, since, next: since, pause, cursor, events, effects });
            }
            FromGuest::Emit { id, effect } => self.emit(id, effect),
            FromGuest::Relay { id, events } => self.relay(id, &events),
            FromGuest::Authorize { id, authorization } => {
                let granted = self.context.events.authorize(&authorization);
                self.acknowledge(id, if granted { Ok(0) } else { Err(Status::DENIED.0) });
            }
            FromGuest::Log { level, message } => {
                for line in cut(message, LINE_BYTES).lines() {
                    self.log(level, "log", line);
                }
            }
            FromGuest::Answer { id, answer } => self.answer(id, answer),
            FromGuest::State { cursor, blob } => self.take_state(cursor, &blob),
            FromGuest::Series { series, values } => self.take_series(Some(series), values),
            FromGuest::Values(values) => self.take_series(None, values),
            FromGuest::Failed { reason } => {
                if let Some(up) = &mut self.up {
                    up.last_words = Some(cut(reason, guest::MAX_REASON_BYTES));
                }
            }
            FromGuest::Stopped => {}
        }
    }

    fn commit(&mut self, transaction: Pending) {
        let Some(up) = &mut self.up else { return };
        if up.pending.is_some() {
            // The runner has one at a time; in place of the first the second would begin to wait anew.
            return self.kill("it sent a transaction before the answer to the one before".into());
        }
        up.pending = Some(transaction);
        self.retry_pending();
    }

    /// Publishes a waiting transaction, if there is room now.
    pub(super) fn retry_pending(&mut self) {
        let now = Instant::now();
        let due = |pending: &mut Pending| now >= pending.next;
        let Some(mut pending) = self.up.as_mut().and_then(|up| up.pending.take_if(due)) else {
            return;
        };
        // Before the cursor moves with it: who sees no lag any more sees all events counted.
        let counted = (pending.cursor, pending.events);
        let before = std::mem::replace(&mut self.shared.live().committed, counted);
        let published = self.publish(&pending.effects, Some(pending.cursor));
        if published.is_err() {
            self.shared.live().committed = before;
        }
        match published {
            Ok(_) => {
                self.send_topics(&pending.effects);
                self.acknowledge(pending.id, Ok(0));
            }
            Err(Failure::Full) => {
                pending.next = now + pending.pause;
                pending.pause = (pending.pause * 2).min(PAUSES.1);
                if let Some(up) = &mut self.up {
                    up.pending = Some(pending);
                }
            }
            Err(Failure::Refused(refusal)) => {
                // The runner checks the same rules first: who gets here went around it.
                self.kill(format!("its transaction breaks the rules: {}", refusal.reason));
            }
            Err(Failure::Status(status)) => self.acknowledge(pending.id, Err(status.0)),
        }
    }

    /// Passes an answer on. The state came before it: a success that would not outlive the process is none.
    fn answer(&mut self, id: u64, answer: Result<HttpAnswer, String>) {
        let writes = self.calls.writes(id);
        let Some(reply) = self.calls.close(id) else { return };
        let failed = |why| CallError::Failed(cut(why, guest::MAX_REASON_BYTES));
        let answer = answer.and_then(guest::checked).map_err(failed);
        let is_done = answer.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status));
        let is_lost = writes && is_done && !self.shared.facts().is_state_saved;
        reply(if is_lost { Err(CallError::Unsaved) } else { answer });
    }

    fn emit(&mut self, id: u64, effect: Effect) {
        let effects = [effect];
        let result = match self.publish(&effects, None) {
            Ok(seq) => {
                self.send_topics(&effects);
                Ok(seq)
            }
            Err(Failure::Full) => Err(Status::BUSY.0),
            Err(Failure::Refused(refusal)) => Err(refusal.status.0),
            Err(Failure::Status(status)) => Err(status.0),
        };
        self.acknowledge(id, result);
    }

    fn relay(&mut self, id: u64, events: &[RelayedEvent]) {
        let result = match events.len() {
            0..=shimmer_abi::MAX_RELAYED => {
                self.relay.publish(events, &self.rules, unix_now_ns(), &self.producer)
            }
            _ => Err(Status::LIMIT),
        };
        if let Some(reason) = self.relay.take_reason() {
            self.host_log(3, &format!("an event of another node is refused: {reason}"));
        }
        self.send(ToGuest::Relayed { id, result: result.map_err(|status| status.0) });
    }

    /// Publishes effects with the cursor in one durable step; the sequence of the first event, 0 without one.
    fn publish(&mut self, effects: &[Effect], cursor: Option<u64>) -> Result<u64, Failure> {
        let received_ns = unix_now_ns();
        let (name, epoch) = (&self.config.name, &self.context.epoch);
        let spare_ids = &mut self.spare_ids;
        let spare = || {
            *spare_ids += 1;
            format!("{name}-{epoch}-{spare_ids}")
        };
        self.rules
            .encode(effects, received_ns, spare, &mut self.encoded)
            .map_err(Failure::Refused)?;
        let entries = self.encoded.entries(effects, &self.rules, received_ns);
        let consumer = self.consumer.as_ref().ok_or(Failure::Status(Status::FAILED))?;
        if entries.is_empty() && cursor.is_none_or(|to| consumer.advance(to).is_ok()) {
            return Ok(0);
        }
        let events = entries.len() as u64;
        let reserve = cursor
            .map_or(Reserve::Unasked, |to| self.credit.reserve(self.config.delivery, to, events));
        let cursor = cursor.map(|to| (consumer.id(), to));
        let submission = Submission { entries: &entries, cursor, reserve };
        let mut outcomes = Vec::new();
        match self.producer.publish(&submission, &mut outcomes) {
            Ok(()) => {
                if reserve == Reserve::Effects {
                    self.credit.spend(events);
                }
                let full = outcomes.iter().filter(|o| matches!(o, Outcome::NamesFull)).count();
                if full > 0 {
                    self.host_log(
                        4,
                        &format!("{full} of its events bring new names and the name table is full"),
                    );
                }
                Ok(match outcomes.first() {
                    Some(Outcome::Stored(seq) | Outcome::Duplicate(seq)) => *seq,
                    _ => 0,
                })
            }
            Err(PublishError::Full) => Err(Failure::Full),
            Err(PublishError::TooLarge) => Err(Failure::Status(Status::LIMIT)),
            Err(PublishError::Cursor) => Err(Failure::Refused(Refusal {
                status: Status::INVALID,
                reason: "a cursor that goes backwards or beyond the stream".into(),
            })),
            Err(PublishError::Poisoned | PublishError::Journal(_)) => {
                Err(Failure::Status(Status::FAILED))
            }
        }
    }

    fn send_topics(&self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Topic { topic, event, message } = effect {
                self.context.events.topic(&self.config.name, topic, event, message);
            }
        }
    }

    fn acknowledge(&mut self, id: u64, result: Result<u64, i32>) {
        self.send(ToGuest::Ack { id, result });
    }

    fn send(&mut self, message: ToGuest) {
        let sent = self.up.as_mut().map(|up| up.guest.send(message));
        if matches!(sent, Some(Err(_))) {
            self.kill("it does not read what the host sends".into());
        }
    }

    fn take_state(&mut self, cursor: u64, blob: &[u8]) {
        self.follow();
        let known = self.consumer.as_ref().map_or(0, |consumer| consumer.cursor());
        if cursor > known || blob.len() > shimmer_abi::MAX_STATE_BYTES {
            return self.kill("its state claims events that it has not processed".into());
        }
        self.save_state(cursor, blob);
    }

    /// Takes the values of the plugin's own series, which may be new ones.
    fn take_series(&mut self, series: Option<Vec<Series>>, values: Vec<f64>) {
        let mut reported = self.shared.reported();
        let series = series.map_or_else(|| Arc::clone(&reported.series), Arc::from);
        let samples: usize = series.iter().map(|one| one.samples.len()).sum();
        let known = Arc::ptr_eq(&series, &reported.series);
        let good = known || guest::well_formed(&series);
        if good && samples <= guest::MAX_SAMPLES && samples == values.len() {
            *reported = Reported { series, values: values.into() };
            return;
        }
        drop(reported);
        self.kill(
            "its metrics are more than the bound, not as many as their values, or none".into(),
        );
    }
}

/// A text as the runner would have sent it; one that goes around the runner may send megabytes.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// Why effects were not published.
enum Failure {
    /// No room now.
    Full,
    /// They break the rules.
    Refused(Refusal),
    /// They cannot be stored.
    Status(Status),
}
