//! What a node of the mesh is told at its start, and the bounds it keeps.
//!
//! The rule: every number that bounds memory, sockets or time stands here, with its unit.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;

use super::address::Address;
use super::bucket::Rate;
use crate::keys::Secret;

/// Computes the id of a frame from all of its bytes, so that nobody can take the id of another frame.
pub(crate) type MessageIdOf = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// How the node takes part.
#[derive(Clone)]
pub(crate) struct NetConfig {
    /// Seed of the node's Ed25519 key; its peer id follows from it.
    pub(crate) identity: Secret,
    /// What peers are told that this node is called, at most 128 bytes.
    pub(crate) label: String,
    /// Where others may dial it; `None` only dials.
    pub(crate) listen: Option<SocketAddr>,
    /// Bootstrap addresses, at most [`MAX_CONFIGURED`].
    pub(crate) peers: Vec<Address>,
    /// Addresses that were good in an earlier run; tried like learned ones.
    pub(crate) known: Vec<Address>,
    /// Key that everyone in the mesh shares; `None` is an open mesh.
    pub(crate) shared: Option<Secret>,
    /// The only peers that are let in; `None` is everyone.
    pub(crate) allow: Option<HashSet<PeerId>>,
    /// The one topic.
    pub(crate) topic: String,
    /// Id of a frame; at most [`MAX_MESSAGE_ID`] bytes of it are used.
    pub(crate) message_id: MessageIdOf,
    /// Bounds.
    pub(crate) limits: Limits,
}

/// Most bootstrap addresses; further ones are an error at start.
pub(crate) const MAX_CONFIGURED: usize = 1_024;
/// Most bytes of a frame's id.
pub(crate) const MAX_MESSAGE_ID: usize = 32;

/// Bounds of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Connections in both directions. A plugin's process may have 256 files open.
    pub(crate) connections: usize,
    /// Inbound ones among them, so that strangers leave room for those the node chose itself.
    pub(crate) inbound: usize,
    /// Inbound connections that have not yet proved a key.
    pub(crate) pending_inbound: usize,
    /// Dials under way.
    pub(crate) pending_outbound: usize,
    /// Outbound connections that are sought.
    pub(crate) peers_wanted: usize,
    /// Time for TCP, WebSocket, shared key, Noise and multiplexer together.
    pub(crate) handshake: Duration,
    /// Time for a new peer to speak the protocol.
    pub(crate) introduction: Duration,
    /// Time for the answer to a ping. A peer that reads nothing is found by it before much has piled up.
    pub(crate) ping: Duration,
    /// Longest frame in bytes.
    pub(crate) frame: usize,
    /// Longest request in bytes.
    pub(crate) request: usize,
    /// Longest answer in bytes.
    pub(crate) answer: usize,
    /// Time for an answer.
    pub(crate) request_timeout: Duration,
    /// Requests under way with one peer, each direction counted together.
    pub(crate) streams: usize,
    /// Requests of all peers that wait for the caller's answer.
    pub(crate) unanswered: usize,
    /// New frames from one peer.
    pub(crate) frames: Rate,
    /// Bytes of new frames and requests from one peer.
    pub(crate) bytes: Rate,
    /// Requests from one peer.
    pub(crate) requests: Rate,
    /// Frames and requests of the caller's that wait for the node, and as many commands.
    pub(crate) commands: usize,
    /// Events that wait for the caller.
    pub(crate) events: usize,
    /// Frames that wait for one peer.
    pub(crate) queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            inbound: 48,
            pending_inbound: 64,
            pending_outbound: 48,
            peers_wanted: 8,
            handshake: Duration::from_secs(5),
            introduction: Duration::from_secs(10),
            ping: Duration::from_secs(10),
            frame: 72 * 1_024,
            request: 64 * 1_024,
            answer: 512 * 1_024,
            request_timeout: Duration::from_secs(10),
            streams: 16,
            unanswered: 256,
            frames: Rate { per_s: 5_000.0, burst: 20_000.0 },
            bytes: Rate { per_s: 4e6, burst: 32e6 },
            requests: Rate { per_s: 50.0, burst: 200.0 },
            commands: 1_024,
            events: 4_096,
            queue: 5_000,
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("listen", &self.listen)
            .field("peers", &self.peers.len())
            .field("shared", &self.shared.is_some())
            .field("allow", &self.allow.as_ref().map(HashSet::len))
            .field("topic", &self.topic)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
