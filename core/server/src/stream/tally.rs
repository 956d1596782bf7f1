//! Counters of the fan-out. Rule: only the shard itself writes its tally (the hub writes what it refuses), so a
//! count costs one uncontended add; the sums are taken when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the fan-out has done so far, over all shards; fields named `_total` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// WebSocket clients connected, plugin streams included.
    pub clients_ws: u64,
    /// SSE clients connected, plugin streams included.
    pub clients_sse: u64,
    /// Clients of plugin streams among them.
    pub clients_topic: u64,
    /// Clients that are behind, because their socket takes no more for now.
    pub clients_slow: u64,
    /// Clients that ever connected.
    pub connects_total: u64,
    /// Clients turned away because there were too many.
    pub refused_total: u64,
    /// Event and topic messages handed to sockets.
    pub messages_total: u64,
    /// Bytes handed to sockets.
    pub bytes_total: u64,
    /// Gaps told to clients; one that is widened before it is sent counts once.
    pub gaps_total: u64,
    /// Events that clients did not get because they were overwritten first.
    pub lapped_events_total: u64,
    /// Topic messages that slow readers lost.
    pub topic_lost_total: u64,
    /// Clients disconnected because they took nothing for too long.
    pub stalled_total: u64,
    /// Clients disconnected because they broke the WebSocket protocol.
    pub violations_total: u64,
    /// Rounds that sent new events.
    pub rounds_total: u64,
}

impl StreamStats {
    /// All clients connected.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients_ws + self.clients_sse
    }
}

/// A number that orders nothing: every access is relaxed, because readers only want a recent value.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        // Relaxed: partner of `get`, see the type.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn take(&self, less: u64) {
        // Relaxed: partner of `get`, see the type.
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        // Relaxed: partner of `add` and `take`, see the type.
        self.0.load(Ordering::Relaxed)
    }
}

/// One shard's counters; the fields are those of [`StreamStats`].
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) ws: Count,
    pub(super) sse: Count,
    pub(super) topic: Count,
    pub(super) slow: Count,
    pub(super) connects: Count,
    pub(super) refused: Count,
    pub(super) messages: Count,
    pub(super) bytes: Count,
    pub(super) gaps: Count,
    pub(super) lapped: Count,
    pub(super) lost: Count,
    pub(super) stalled: Count,
    pub(super) violations: Count,
    pub(super) rounds: Count,
}

impl Tally {
    /// Adds this shard to `sum`.
    pub(super) fn add_to(&self, sum: &mut StreamStats) {
        for (total, part) in [
            (&mut sum.clients_ws, &self.ws),
            (&mut sum.clients_sse, &self.sse),
            (&mut sum.clients_topic, &self.topic),
            (&mut sum.clients_slow, &self.slow),
            (&mut sum.connects_total, &self.connects),
            (&mut sum.refused_total, &self.refused),
            (&mut sum.messages_total, &self.messages),
            (&mut sum.bytes_total, &self.bytes),
            (&mut sum.gaps_total, &self.gaps),
            (&mut sum.lapped_events_total, &self.lapped),
            (&mut sum.topic_lost_total, &self.lost),
            (&mut sum.stalled_total, &self.stalled),
            (&mut sum.violations_total, &self.violations),
            (&mut sum.rounds_total, &self.rounds),
        ] {
            *total += part.get();
        }
    }
}
