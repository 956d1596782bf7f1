//! What a node tells its caller, and what it counts.
//!
//! The rule: what an outsider can cause is counted without bound and told only within one.

use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::gossipsub::MessageId;
use libp2p::{Multiaddr, PeerId};

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The peer did.
    In,
    /// This node did.
    Out,
}

/// Names a request this node made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// Names a request that a peer made and that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked(pub(crate) u64);

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFailed {
    /// The peer is not connected, or went away.
    Gone,
    /// No answer in time.
    Timeout,
    /// As many requests as are allowed are under way with this peer.
    Busy,
    /// The peer refused, or sent what cannot be read.
    Refused,
}

/// Why a frame went to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotPublished {
    /// No connected peer has subscribed yet.
    Nobody,
    /// The queues of all peers are full.
    Full,
    /// It was published or received before.
    Known,
    /// It is longer than a frame may be.
    Oversize,
}

/// Why somebody or something was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Reason {
    /// What a stranger did before a connection stood: wrong shared key, garbage, silence.
    Transport,
    /// Longer than allowed.
    Oversize,
    /// Not what the protocol says.
    Malformed,
    /// Not on the allow-list, or another peer than the one expected.
    Auth,
    /// No room.
    Limit,
    /// Too much in too short a time.
    Rate,
    /// Its score is too low.
    Score,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::Transport,
        Self::Oversize,
        Self::Malformed,
        Self::Auth,
        Self::Limit,
        Self::Rate,
        Self::Score,
    ];
}

/// What happened.
#[derive(Debug)]
#[allow(dead_code, reason = "says more than the hub wants to know; the tests ask for all of it")]
pub(crate) enum Event {
    /// A new frame; it goes no further before [`Net::verdict`](super::Net::verdict).
    Frame {
        /// Names it in the verdict.
        id: MessageId,
        /// Who forwarded it, not necessarily who wrote it.
        from: PeerId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A peer asks something.
    Request {
        /// Names it in [`Net::answer`](super::Net::answer).
        id: Asked,
        /// Who asks.
        from: PeerId,
        /// The question.
        bytes: Vec<u8>,
    },
    /// What came of a request of this node.
    Answer {
        /// As [`Net::request`](super::Net::request) returned it.
        id: RequestId,
        /// Who was asked.
        from: PeerId,
        /// The answer.
        answer: Result<Vec<u8>, RequestFailed>,
    },
    /// What came of [`Net::publish`](super::Net::publish).
    Published {
        /// The caller's own number for it.
        token: u64,
        /// To how many peers it goes; they forward it.
        peers: Result<usize, NotPublished>,
    },
    /// A peer is connected.
    PeerUp {
        /// Who.
        peer: PeerId,
        /// From where, or where to.
        address: Multiaddr,
        /// Who opened the connection.
        direction: Direction,
    },
    /// Its last connection is closed.
    PeerDown {
        /// Who.
        peer: PeerId,
    },
    /// A peer takes frames more slowly than they come, and has missed some.
    SlowPeer {
        /// Who.
        peer: PeerId,
        /// Frames it did not get since the last time.
        frames: usize,
    },
    /// Somebody was turned away. At most some of these in a second; the counters hold all.
    Rejected {
        /// Why.
        reason: Reason,
        /// Who, if that was proved.
        peer: Option<PeerId>,
        /// From where, if that is known.
        address: Option<Multiaddr>,
    },
}

/// A connected peer, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PeerInfo {
    /// Who.
    pub(crate) peer: PeerId,
    /// What its node says it is called; empty before it said so.
    pub(crate) label: String,
    /// From where, or where to.
    pub(crate) address: Multiaddr,
    /// Who opened the connection.
    pub(crate) direction: Direction,
    /// Last round trip in milliseconds, once there was one.
    pub(crate) latency_ms: Option<f64>,
    /// 0 is a stranger; below 0 frames are no longer exchanged, below -80 the connection ends.
    pub(crate) score: f64,
    /// Connections: two for a moment, when both dialled each other.
    pub(crate) connections: usize,
    /// Whether frames go there directly.
    pub(crate) in_mesh: bool,
}

/// A configured address, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddressInfo {
    /// The address.
    pub(crate) address: Multiaddr,
    /// Whether a connection that was dialled there stands.
    pub(crate) connected: bool,
    /// Dials in a row that failed.
    pub(crate) failures: u32,
    /// What the last failure was, in words.
    pub(crate) why: Option<String>,
}

/// What a node counts, from its start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rejected: [AtomicU64; Reason::ALL.len()],
    copies: AtomicU64,
    frames: AtomicU64,
}

impl Counters {
    /// How often `reason` turned something away.
    pub(crate) fn rejected(&self, reason: Reason) -> u64 {
        // Relaxed: a figure of its own, which orders nothing.
        self.rejected[reason as usize].load(Ordering::Relaxed)
    }

    /// Frames that came, copies of known ones included.
    pub(crate) fn copies(&self) -> u64 {
        // Relaxed: as above.
        self.copies.load(Ordering::Relaxed)
    }

    /// Frames that were new.
    pub(crate) fn frames(&self) -> u64 {
        // Relaxed: as above.
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn reject(&self, reason: Reason) {
        // Relaxed: a figure of its own, which orders nothing.
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn copy(&self) {
        // Relaxed: as above.
        self.copies.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn frame(&self) {
        // Relaxed: as above.
        self.frames.fetch_add(1, Ordering::Relaxed);
    }
}
