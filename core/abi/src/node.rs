//! `shimmer.node/1`: what a plugin may know of the node that it runs on.

use crate::{Host, Status, Str};

/// Identifier of [`NodeHost`], asked of the host.
pub const NODE_ID: &core::ffi::CStr = c"shimmer.node/1";

/// The host's side. What it answers stays valid as long as the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NodeHost {
    /// `[any]` The node's id: the `origin` of every event that it takes.
    pub id: Option<unsafe extern "C" fn(host: *const Host) -> Str>,
    /// `[any]` Path of a folder that belongs to the plugin alone and outlives it; empty without the permission
    /// `folder`.
    pub folder: Option<unsafe extern "C" fn(host: *const Host) -> Str>,
    /// `[any]` Whether `authorization`, the value of such a header (`Bearer TOKEN`), lets its bearer write without
    /// limits here: `OK` or `DENIED`. For doors that the plugin opens itself.
    pub authorize: Option<unsafe extern "C" fn(host: *const Host, authorization: Str) -> Status>,
}

// SAFETY: immutable function table.
unsafe impl Sync for NodeHost {}
