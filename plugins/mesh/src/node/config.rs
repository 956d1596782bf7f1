//! What a node is told and what it tells.
//!
//! The rule: a default is what an operator without wishes wants, and a bound is not a wish.

use std::collections::BTreeMap;

use crate::envelope::{LogKey, Verified};
use crate::keys::Origin;
use crate::reason::Reason;

/// What an operator may choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose events are taken.
    pub allow: Allow,
    /// An event older than this when it comes is refused with reason `ttl`; none by default, because a late joiner
    /// wants history.
    pub max_age_ms: Option<u64>,
    /// How often one random peer is asked what changed.
    pub round_ms: u64,
    /// How long the fast path has before an envelope is offered by anti-entropy to peers that were there before.
    pub settle_ms: u64,
    /// Peers that take part in anti-entropy.
    pub max_peers: usize,
    /// Peers that are asked at the same time.
    pub max_exchanges: usize,
    /// What one peer may have of answers.
    pub peer_bytes_per_second: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow: Allow::default(),
            max_age_ms: None,
            round_ms: 2_000,
            settle_ms: 1_000,
            max_peers: 1_024,
            max_exchanges: 8,
            peer_bytes_per_second: 32 << 20,
        }
    }
}

/// Whose events are taken.
#[derive(Clone, Debug, Default)]
pub enum Allow {
    /// Everybody's whose signature holds.
    #[default]
    All,
    /// Of these, where a hash is given only signed with that ML-DSA key too. This node's own need not be among them.
    Only(BTreeMap<Origin, Option<[u8; 32]>>),
}

impl Allow {
    pub(crate) fn permits(&self, envelope: &Verified) -> Result<(), Reason> {
        let Self::Only(origins) = self else { return Ok(()) };
        match origins.get(&envelope.id.log.origin) {
            None => Err(Reason::Auth),
            Some(Some(pq)) if envelope.pq_hash() != Some(*pq) => Err(Reason::Signature),
            Some(_) => Ok(()),
        }
    }

    /// Whether envelopes of such a log might be permitted.
    pub(crate) fn may_be(&self, log: LogKey, hybrid: bool) -> bool {
        let Self::Only(origins) = self else { return true };
        origins.get(&log.origin).is_some_and(|pq| pq.is_none() || hybrid)
    }
}

/// What to tell gossipsub of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Do not forward it; nobody is to blame.
    #[default]
    Ignore,
    /// Do not forward it, and lower the score of who sent it.
    Reject(Reason),
}

/// What came of some envelopes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// For gossipsub, where it was a frame.
    pub verdict: Verdict,
    /// New ones: to be given to the ring, then to the store, then reported with [`crate::Node::stored`] or
    /// [`crate::Node::failed`].
    pub fresh: Vec<Verified>,
    /// Of the fresh ones, those that the fast path should have brought: to be published on it in a frame of this node's,
    /// once they are in the ring. Where an envelope was lost to many at its beginning, each of them would have to ask
    /// for it; this way the first who has it tells the rest. Who knows it ignores the frame.
    pub relay: Vec<Verified>,
    /// At a known place, and too long ago to know from memory whether they are the same: to be read from the store and
    /// handed to [`crate::Node::judge`], when there is time.
    pub suspects: Vec<Verified>,
    /// A log of this node in which others hold another content for a place: it forgot what it had signed, and has to
    /// begin a new epoch.
    pub disputed: Option<LogKey>,
}

/// Why an envelope did not get into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The ring or the disk was full: it may come again.
    Retry,
    /// The host refused the event: it is not asked for again.
    Never,
    /// The host has no room for its names: counted as bounded, and not asked for again, since a flood of names would
    /// be fetched without end.
    Nameless,
}

/// Two contents that one origin signed for one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Equivocation {
    /// The one that is kept.
    pub first: Verified,
    /// The other.
    pub second: Verified,
}

/// What a node has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Distinct envelopes known, own ones and those from before a restart included.
    pub seen: u64,
    /// Own ones published and others' forwarded on the fast path.
    pub propagated: u64,
    /// Received by any way, repeats included.
    pub total: u64,
    /// Received and known before.
    pub duplicates: u64,
    /// Envelopes, frames, packets and messages that were refused, by [`Reason::index`].
    pub rejected: [u64; Reason::ALL.len()],
    /// New ones that anti-entropy brought.
    pub synced: u64,
    /// Second contents for one place.
    pub equivocations: u64,
    /// New ones for which there was no room.
    pub bounded: u64,
}

impl Counters {
    /// All that was refused.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }
}
