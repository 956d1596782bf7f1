//! `shimmer.relay/1`: events that another node took, or nobody vouches for, handed to this one.

use crate::{Host, Status, Str};

/// Identifier of [`RelayHost`], asked of the host.
pub const RELAY_ID: &core::ffi::CStr = c"shimmer.relay/1";

/// Most events of one call.
pub const MAX_RELAYED: usize = 1024;

/// Most bytes of JSON in one call.
pub const MAX_RELAYED_BYTES: usize = 8 << 20;

/// Bits of [`Relayed::flags`].
pub mod relay_flags {
    /// Nobody vouches for the event: it says so wherever it is shown, and its `event_id` alone tells it from other
    /// such events.
    pub const UNSIGNED: u32 = 1;
}

/// An event that came from elsewhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Relayed {
    /// Id of the node that took it, 1..=128 bytes. The host's own only with [`relay_flags::UNSIGNED`]; any needs the
    /// permission `origin=ID`.
    pub origin: Str,
    /// The event as it is posted, JSON. It is validated like a posted one; what only a node can say (`origin`,
    /// `received_at`, `seq`) is not read.
    pub json: Str,
    /// See [`relay_flags`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

/// What became of an event.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayOutcome {
    /// Its sequence here, 0 unless `status` is [`Status::OK`].
    pub seq: u64,
    /// `OK` stored or known, `INVALID` breaks the rules of events here, its length among them, `DENIED` its origin is
    /// not granted, `LIMIT` it brings a new name, and half of the table of names is in use, which is all that
    /// other nodes may fill.
    pub status: Status,
    /// 1 if it had been stored before: (`origin`, `source`, `event_id`) is known.
    pub duplicate: u32,
}

/// The host's side.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RelayHost {
    /// `[any]` Hands events over, at most [`MAX_RELAYED`] and [`MAX_RELAYED_BYTES`]. Returns when those that are
    /// valid are durable, in their order, with `outcomes[i]` for each; `BUSY` while they do not all fit into the
    /// ring, and then none is stored. Never part of a transaction: call it from threads of your own, or give the
    /// worker's time for it.
    pub relay: Option<
        unsafe extern "C" fn(
            host: *const Host,
            events: *const Relayed,
            len: usize,
            outcomes: *mut RelayOutcome,
        ) -> Status,
    >,
}

// SAFETY: immutable function table.
unsafe impl Sync for RelayHost {}
