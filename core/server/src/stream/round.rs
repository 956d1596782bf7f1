//! How a shard sends: rounds for clients that keep up, single steps for those that do not. Rule: events leave in
//! order and once, because every path sends what follows the client's own cursor.

use super::Protocol;
use super::client::{Feed, Step};
use super::shard::{LINGER, READABLE, Shard};
use super::window::{Forms, Log as _, Span};
use rustix::event::epoll;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Text read for one round, about.
const ROUND_BYTES: usize = 1 << 20;

/// Clients of a round that are served between two looks for new events: less than a millisecond.
const LOOK_EVERY: usize = 64;

/// Flush delays from the beginning of one round to that of the next, as long as rests can hold that.
const LATEST: u32 = 2;

/// Text read at once for clients that are behind, about. More than a socket usually takes would be read in vain.
const BEHIND_BYTES: usize = 128 << 10;

/// Events compressed at once for clients that are behind, so that their step takes no longer than others'.
const BEHIND_CHAINED: u64 = 256;

impl Shard {
    /// Time until the next round, or `None` when the log will ring.
    pub(super) fn next_round(&mut self, now: Instant) -> Option<Duration> {
        if !self.is_heard() || (self.log.published() <= self.sent && self.log.arm(self.sent + 1)) {
            return None;
        }
        Some(self.round_at(now).saturating_duration_since(now))
    }

    pub(super) fn round_due(&self, now: Instant) -> bool {
        self.is_heard() && self.log.published() > self.sent && self.round_at(now) <= now
    }

    /// The next round may begin one flush delay after the last one began, so an idle shard sends at once; and
    /// after a rest half as long as that round, since a send costs the same with more events in it. Rounds that take
    /// long are followed by shorter rests, and in the end by none: then nobody should wait for longer than the round.
    fn round_at(&self, now: Instant) -> Instant {
        match self.last_round {
            Some((last, took)) if !self.more => {
                let rested = (took * 3 / 2).clamp(self.flush, LATEST * self.flush);
                last + rested.max(took)
            }
            _ => now,
        }
    }

    fn is_heard(&self) -> bool {
        self.forms != [0; Protocol::FORMS]
    }

    /// Encodes what is new and sends it to everybody who keeps up, one write each. What comes meanwhile goes to
    /// those whose turn is still to come, so that nobody waits for longer than from one turn to the next.
    pub(super) fn round(&mut self, now: Instant) {
        let to = self.log.published();
        let span = Span { from: self.sent + 1, to, bytes: ROUND_BYTES };
        let forms: Forms = self.forms.map(|clients| clients > 0);
        self.live.fill(&self.log, &mut self.terms, &span, forms);
        self.sent = self.live.last();
        self.cursor = self.cursor.max(self.sent);
        self.more = self.sent < to;
        self.shared.tally.rounds.add(1);
        for index in 0..self.clients.places() {
            if index % LOOK_EVERY == LOOK_EVERY - 1 && self.log.published() > self.cursor {
                let to = self.log.published();
                self.live.extend(&self.log, &mut self.terms, to, ROUND_BYTES);
                self.cursor = self.live.last();
            }
            let Some((key, client)) = self.clients.at(index) else { continue };
            if !client.is_up_to_date() {
                continue;
            }
            if client.can_read(&self.live) {
                let tally = &self.shared.tally;
                let outcome = client.send_events(&self.live, &mut self.gathered, tally);
                self.settle(key, outcome);
            } else {
                self.pump(key);
            }
        }
        self.last_round = Some((now, now.elapsed()));
    }

    /// One bounded step for one client: what is under way, what it is owed, a heartbeat.
    pub(super) fn pump(&mut self, key: u64) {
        let Some(client) = self.clients.get(key) else { return };
        let tally = &self.shared.tally;
        let outcome = match client.flush(tally) {
            Err(error) => Err(error),
            Ok(Step::Blocked) => Ok(()),
            Ok(Step::Clear) => self.send_owed(key),
        };
        self.settle(key, outcome);
    }

    fn send_owed(&mut self, key: u64) -> io::Result<()> {
        let Some(client) = self.clients.get(key) else { return Ok(()) };
        let tally = &self.shared.tally;
        let form = client.protocol.form();
        match &client.feed {
            Feed::Topic { .. } => client.send_backlog(tally)?,
            Feed::Events(place) => {
                let next = place.cursor + 1;
                let window = if self.live.covers(next, form) && client.can_read(&self.live) {
                    &self.live
                } else {
                    let is_there = self.behind.covers(next, form) && client.can_read(&self.behind);
                    if next <= self.cursor && !is_there {
                        let mut forms = Forms::default();
                        forms[form] = true;
                        // What is lost does not count, so that it is told as one gap.
                        let kept = next.max(self.log.oldest());
                        let to = match client.protocol {
                            Protocol::Deflate { chained: true } => kept + BEHIND_CHAINED - 1,
                            _ => self.cursor,
                        };
                        let to = to.min(self.cursor);
                        let span = Span { from: next, to, bytes: BEHIND_BYTES };
                        self.behind.fill(&self.log, &mut self.terms, &span, forms);
                    }
                    &self.behind
                };
                client.send_events(window, &mut self.gathered, tally)?;
            }
        }
        if client.owes_beat() {
            client.send_beat(&now_rfc3339(), tally)?;
        }
        Ok(())
    }

    /// Draws the conclusions from a step: the client goes, or is watched for what it needs next.
    pub(super) fn settle(&mut self, key: u64, outcome: io::Result<()>) {
        let cursor = self.cursor;
        let Some(client) = self.clients.get(key) else { return };
        if outcome.is_err() || client.is_done() {
            return self.remove(key);
        }
        if !client.is_open() && !client.timed {
            client.timed = true;
            self.wheel.set(Instant::now(), LINGER, key);
        }
        let slow = client.wants_to_write(cursor);
        if slow == client.slow {
            return;
        }
        client.slow = slow;
        let tally = &self.shared.tally;
        let flags = if slow {
            tally.slow.add(1);
            READABLE | epoll::EventFlags::OUT
        } else {
            tally.slow.take(1);
            READABLE
        };
        let data = epoll::EventData::new_u64(key);
        if epoll::modify(&self.epoll, &client.socket, data, flags).is_err() {
            self.remove(key);
        }
    }
}

/// The time, as signs of life and the audit log say it.
pub(crate) fn now_rfc3339() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Milliseconds are enough for a sign of life.
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX / 1_000_000);
    shimmer_event::rfc3339::format(millis.saturating_mul(1_000_000))
}
