//! Events of this node: signed, sent and stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shimmer_mesh::heatmap::Felt;
use shimmer_mesh::{Author, Id, Packet, Span, Store as _, Verified, pack};

use super::State;
use crate::epochs;
use crate::event::subtype;
use crate::keeper::Task;

/// An event of this node in its canonical form.
#[derive(Debug)]
pub(crate) struct Own {
    /// Its place in the node's log.
    pub(crate) seq: u64,
    pub(crate) event: Box<str>,
}

/// Events of this life that would be signed again in a new epoch, and their bytes.
const MAX_AGAIN: usize = 4_096;
const MAX_AGAIN_BYTES: usize = 8 << 20;
/// New epochs that a life begins; one more would be another node's that signs with the same key.
const MAX_ANEW: u32 = 3;

/// What a life of this node has signed.
pub(super) struct Life {
    /// The epoch in which it signs.
    pub(super) epoch: Arc<AtomicU64>,
    /// The newest events, without a gap.
    events: VecDeque<Own>,
    bytes: usize,
    /// Whether the first event is compared with what others hold at its place.
    compared: bool,
    anew: u32,
}

impl Life {
    pub(super) fn begin(epoch: u64) -> Self {
        let epoch = Arc::new(AtomicU64::new(epoch));
        Self { epoch, events: VecDeque::new(), bytes: 0, compared: false, anew: 0 }
    }

    fn push(&mut self, own: Own) {
        self.bytes += own.event.len();
        self.events.push_back(own);
        while self.events.len() > MAX_AGAIN || self.bytes > MAX_AGAIN_BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.event.len();
        }
    }
}

impl State {
    /// Signs and sends events. Those that an earlier life of the process had sent come to the same envelopes, and are
    /// known.
    pub(super) fn share(&mut self, events: Vec<Own>) {
        let mut fresh = Vec::with_capacity(events.len());
        let mut homeless = 0;
        for own in events {
            debug_assert_eq!(own.seq, self.author.next(), "one log, one count");
            // The plugin's thread has seen to it that every event can be signed.
            let Ok(envelope) = self.author.sign(&own.event) else { continue };
            if self.node.own(&envelope) {
                fresh.push(envelope);
            } else if !self.was_shared(&envelope) {
                homeless += 1;
            }
            self.own.push(own);
        }
        self.send_own(fresh);
        if homeless > 0 && !self.begin_anew() {
            self.shown.lock().homeless += homeless;
            self.seldom(|| {
                "own events stay here: their places are taken; does another node have this key?"
                    .to_owned()
            });
        }
    }

    /// Whether others may have this envelope, because an earlier life had sent it.
    fn was_shared(&self, envelope: &Verified) -> bool {
        if self.node.remembers(envelope) {
            return true;
        }
        let Id { log, seq } = envelope.id;
        let mut stored = Vec::new();
        let read = self.disk.read(Span { log, low: seq, high: seq }, 0, &mut stored);
        // A disk that cannot be read proves nothing.
        read.is_err() || stored.first().is_some_and(|stored| stored.event == envelope.event)
    }

    /// Begins a new epoch, since others hold other events than these at their places: this node came back with older
    /// data than it had shared. What this life signed is signed again. Whether it did.
    pub(super) fn begin_anew(&mut self) -> bool {
        let old = self.author.log();
        let mut known = epochs::of(&self.node, old.origin);
        known.push(old.epoch);
        let epoch = epochs::of_ring(0, &known, epochs::now_ms());
        let first = self.own.events.front().map_or(self.author.next(), |own| own.seq);
        if self.own.anew >= MAX_ANEW {
            return false;
        }
        let Ok(author) = Author::new((self.keys)(), epoch, first, self.max_ttl) else {
            return false;
        };
        self.author = author;
        self.own.anew += 1;
        // Release: pairs with the Acquire in `Hub::epoch`.
        self.own.epoch.store(epoch, Ordering::Release);
        self.host
            .warn("others hold events of this node that it has lost: its events are counted anew");
        self.own.bytes = 0;
        let again = std::mem::take(&mut self.own.events);
        self.share(again.into());
        true
    }

    fn send_own(&mut self, fresh: Vec<Verified>) {
        let Some(first) = fresh.first().map(|envelope| envelope.id) else { return };
        // The first of a first life cannot be known to anybody.
        if !std::mem::replace(&mut self.own.compared, true) && first.seq > 1 {
            self.node.doubt(first);
        }
        self.publish(&fresh);
        self.feel(&fresh);
        if self.gateway.as_ref().is_some_and(|gateway| !gateway.is_empty()) {
            for envelope in &fresh {
                let packet = Packet::of(envelope, &subtype(&envelope.event), envelope.max_ttl);
                self.pass_on(&packet, None);
            }
        }
        self.own_on_the_way += fresh.len();
        drop(self.tasks.send(Task::Put(fresh)));
    }

    /// Sends envelopes on the fast path. What does not leave so is fetched by the others.
    pub(super) fn publish(&mut self, envelopes: &[Verified]) {
        for run in pack(envelopes) {
            let frame = self.pool.codec().encode(run);
            self.beat.sent += 1;
            self.next_token += 1;
            if self.net.publish(self.next_token, frame).is_err() {
                self.beat.held_back += 1;
            }
        }
    }

    /// Takes events that are new here into what is shown.
    pub(super) fn feel(&self, envelopes: &[Verified]) {
        // As the machine's clock says now: it may have been set right since the hub began to count.
        let now_ms = i64::try_from(epochs::now_ms()).unwrap_or(i64::MAX);
        let mut shown = self.shown.lock();
        for envelope in envelopes {
            let facts = envelope.facts();
            let (Some(beauty), Some(time_ms)) = (facts.beauty, facts.time_ms) else { continue };
            shown.feel(beauty);
            let name = shown.labels.name(envelope.id.log.origin);
            let source = facts.source.as_deref().unwrap_or_default();
            let felt = Felt { node: &name, source, time_ms, value: beauty };
            shown.heatmap.add(&felt, now_ms);
        }
    }

    /// Answers flushes once nothing that was shared is missing in the store.
    pub(super) fn flush_if_settled(&mut self) {
        if self.own_on_the_way == 0 {
            for answer in self.flushes.drain(..) {
                drop(self.tasks.send(Task::Flush(answer)));
            }
        }
    }
}
