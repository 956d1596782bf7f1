//! Events of this node: signed, sent and stored.

use shimmer_mesh::heatmap::Felt;
use shimmer_mesh::{Packet, Verified, pack};

use super::State;
use crate::event::subtype;
use crate::keeper::Task;

/// An event of this node in its canonical form.
#[derive(Debug)]
pub(crate) struct Own {
    /// Its place in the node's log.
    pub(crate) seq: u64,
    pub(crate) event: Box<str>,
}

impl State {
    /// Signs and sends events. Those that an earlier life of the process had sent come to the same envelopes, and are
    /// known.
    pub(super) fn share(&mut self, events: Vec<Own>) {
        let mut fresh = Vec::with_capacity(events.len());
        for own in events {
            debug_assert_eq!(own.seq, self.author.next(), "one log, one count");
            // The plugin's thread has seen to it that every event can be signed.
            let Ok(envelope) = self.author.sign(&own.event) else { continue };
            if self.node.own(&envelope) {
                fresh.push(envelope);
            }
        }
        if fresh.is_empty() {
            return;
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
        let now_ms = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        let mut shown = self.shown.lock();
        for envelope in envelopes {
            let facts = envelope.facts();
            let (Some(beauty), Some(time_ms)) = (facts.beauty, facts.time_ms) else { continue };
            shown.feel(beauty);
            let name = self.labels.name(envelope.id.log.origin);
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
