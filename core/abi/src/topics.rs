//! `shimmer.topics/1`: messages for the plugin's own WebSocket and SSE routes.

use crate::{Bytes, Host, Status, Str};

/// Identifier of [`TopicsHost`], asked of the host.
pub const TOPICS_ID: &core::ffi::CStr = c"shimmer.topics/1";

/// The host's side.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TopicsHost {
    /// `[any]` Sends `message` to whoever is connected to a route of this plugin with this topic. `event` names
    /// the SSE event (empty = none). Topic: 1..=256 bytes; message: UTF-8, at most [`crate::MAX_BODY_BYTES`].
    /// Inside `process` and `tick` it goes out with the transaction. A slow reader loses the oldest messages.
    pub publish: Option<
        unsafe extern "C" fn(host: *const Host, topic: Str, event: Str, message: Bytes) -> Status,
    >,
}

// SAFETY: immutable function table.
unsafe impl Sync for TopicsHost {}
