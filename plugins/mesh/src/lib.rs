//! The federation as computation: what is signed, what is sent, what is known, and what is asked for.
//!
//! Bytes, times and random seeds go in; bytes, events and verdicts come out. Nothing here opens a socket, reads a clock
//! or starts a thread, so a simulation of a thousand nodes runs the code that a node runs.
//!
//! - [`Author`], [`Envelope`], [`Verified`]: an event signed with its place in its origin's sequence.
//! - [`Codec`]: frames of 1 to 64 envelopes; [`Packet`]: the JSON of the gateway.
//!
//! The README of this crate holds the bytes, for those who write another implementation.

#![forbid(unsafe_code)]

mod bytes;
mod envelope;
mod facts;
mod frame;
mod jcs;
mod keys;
mod packet;
mod reason;

pub use envelope::{
    Alg, Author, DOMAIN, Envelope, Id, LogKey, MAX_EVENT_BYTES, NUMBER_LIMIT, PqProof, Verified,
    Verifier,
};
pub use facts::{Facts, MAX_LABEL};
pub use frame::{
    Codec, FrameId, MAX_BODY_BYTES, MAX_ENVELOPES, MAX_FRAME_BYTES, UNPACK_BYTES, pack,
};
pub use jcs::{MAX_DEPTH, canonicalise, is_canonical};
pub use keys::{Keys, Origin, PQ_KEY_BYTES, PQ_SIG_BYTES};
pub use packet::{BEAUTY_SUBTYPE, Body, MAX_PACKET_BYTES, MAX_SUBTYPE, Packet};
pub use reason::Reason;
