//! `shimmer.state/1`: what a plugin remembers, saved together with the cursor it belongs to.

use crate::{Bytes, Plugin, Status};

/// Identifier of [`StatePlugin`].
pub const STATE_ID: &core::ffi::CStr = c"shimmer.state/1";

/// Largest blob: 64 MiB.
pub const MAX_STATE_BYTES: usize = 64 << 20;

/// Where `save` writes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StateWriter {
    /// The host's own.
    pub ctx: *mut core::ffi::c_void,
    /// `[worker]` Appends bytes; beyond [`MAX_STATE_BYTES`] answers `LIMIT`.
    pub write: Option<unsafe extern "C" fn(writer: *const StateWriter, bytes: Bytes) -> Status>,
}

/// The plugin's side.
///
/// The host saves every few seconds, at stop, and before it answers a request other than GET with success, so that
/// what somebody asked for outlives the process. After a crash it restores the newest blob and replays the events
/// behind it with their effects dropped, so the plugin must derive its state from blob and events alone; it does not
/// tick before that is done.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StatePlugin {
    /// `[worker]` Writes the state as it is after the last event processed.
    pub save:
        Option<unsafe extern "C" fn(plugin: *const Plugin, writer: *const StateWriter) -> Status>,
    /// `[worker]` Takes a blob back, before `start`. A blob of another version may be refused with `UNSUPPORTED`:
    /// the plugin then starts afresh. `cursor` is the last sequence that the blob has seen; where the ring's journal is
    /// gone, or a loss of power took its end, it is the one before the next event, and what the blob knows of later
    /// sequences is of events that are gone.
    pub restore:
        Option<unsafe extern "C" fn(plugin: *const Plugin, blob: Bytes, cursor: u64) -> Status>,
}

// SAFETY: immutable function table.
unsafe impl Sync for StatePlugin {}
