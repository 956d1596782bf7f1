//! The network: a node of the mesh that carries opaque frames, requests and answers between peers.
//!
//! - `address`, `book`, `hello`: whom to dial, and how nodes find each other.
//! - `transport`, `door`, `gate`, `penalty`, `bucket`: who gets in, and who stays.
//! - `mesh`, `codec`: frames to everyone, requests to one.
//! - `node`, `connections`, `exchange`: the thread that joins them; `handle` is what the caller holds.
//!
//! The rule: whatever strangers do costs a bounded number of sockets, bytes and cycles, and is counted by reason.

mod address;
mod book;
mod bucket;
mod codec;
mod config;
mod connections;
mod door;
mod event;
mod exchange;
mod gate;
mod handle;
mod hello;
mod mesh;
mod node;
mod penalty;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use address::Address;
#[cfg(test)]
pub(crate) use bucket::Rate;
pub(crate) use config::{Limits, MAX_CONFIGURED, NetConfig};
pub(crate) use door::{GRACE, Porch};
#[cfg(test)]
pub(crate) use event::NotPublished;
pub(crate) use event::{Asked, Direction, Event, PeerInfo, Reason, RequestFailed, RequestId};
#[cfg(test)]
pub(crate) use handle::NotSent;
pub(crate) use handle::{Net, Verdict};
pub(crate) use libp2p::PeerId;
pub(crate) use libp2p::gossipsub::MessageId;
