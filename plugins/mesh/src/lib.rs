//! The federation as computation: what is signed, what is sent, what is known, and what is asked for.
//!
//! Bytes, times and random seeds go in; bytes, events and verdicts come out. Nothing here opens a socket, reads a clock
//! or starts a thread, so a simulation of a thousand nodes runs the code that a node runs.
//!
//! - [`Author`], [`Envelope`], [`Verified`]: an event signed with its place in its origin's sequence.
//! - [`Codec`]: frames of 1 to 64 envelopes; [`Packet`]: the JSON of the gateway.
//! - [`Node`]: frames in, verdicts and fresh envelopes out; anti-entropy as a state machine over [`Peer`]s; a
//!   [`Store`] beside it holds the envelopes.
//! - [`Labels`], [`heatmap`], [`fanout`]: what is shown of the mesh, and how wide it is.
//! - [`sim`]: large meshes with latency, loss and churn.
//!
//! The README of this crate holds the bytes, for those who write another implementation.

#![forbid(unsafe_code)]

mod bytes;
mod envelope;
mod facts;
pub mod fanout;
mod frame;
pub mod heatmap;
mod jcs;
mod keys;
mod labels;
mod log;
mod node;
mod packet;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod property;
mod ranges;
mod reason;
mod score;
mod serve;
pub mod sim;
mod store;
mod sync;
mod wire;

pub use envelope::{
    Alg, Author, DOMAIN, Envelope, Id, LogKey, MAX_EVENT_BYTES, NUMBER_LIMIT, PqProof, Verified,
    Verifier,
};
pub use facts::{Facts, MAX_LABEL};
pub use frame::{
    Codec, FrameId, MAX_BODY_BYTES, MAX_ENVELOPES, MAX_FRAME_BYTES, UNPACK_BYTES, pack,
};
pub use jcs::{MAX_DEPTH, canonicalise, is_canonical};
pub use keys::{Keys, Origin, OriginKey, PQ_KEY_BYTES, PQ_SIG_BYTES};
pub use labels::{Labels, MAX_LABELS};
pub use log::{LogState, MAX_EPOCHS, MAX_LOGS, MAX_RANGES};
pub use node::{
    Allow, Config, Counters, Equivocation, Failure, MAX_PENDING, MAX_PROOFS, Node, Received,
    Verdict,
};
pub use packet::{BEAUTY_SUBTYPE, Body, MAX_PACKET_BYTES, MAX_SUBTYPE, Packet};
pub use ranges::RangeSet;
pub use reason::Reason;
pub use score::Misdeed;
pub use serve::{PageJob, Served};
pub use store::{MemoryStore, Span, Store};
pub use sync::{Action, Peer, Ticket};
pub use wire::{Answer, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};
