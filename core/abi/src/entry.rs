//! What a library exports: one data symbol, a factory, and the vtable of an instance.

use core::ffi::{c_char, c_void};

use crate::{Batch, Host, Status, Str};

/// Version of this contract: major in the upper 16 bits, minor in the lower.
pub const ABI_VERSION: u32 = 0x0001_0000;

/// Name of the data symbol that a plugin library exports, a [`Entry`].
pub const ENTRY_SYMBOL: &[u8] = b"shimmer_entry\0";

/// Identifier of the [`Factory`] that [`Entry::get_factory`] answers.
pub const FACTORY_ID: &core::ffi::CStr = c"shimmer.plugin-factory/1";

/// Whether a library built for `version` can be loaded by this host: equal major version.
#[must_use]
pub const fn abi_compatible(version: u32) -> bool {
    version >> 16 == ABI_VERSION >> 16
}

/// The exported symbol `shimmer_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// [`ABI_VERSION`] that the library was built for.
    pub abi_version: u32,
    /// Zero.
    pub reserved: u32,
    /// `[control]` Called once for each load, before anything else; calls are counted, only the first one
    /// needs to do work. `path` is where the library was loaded from.
    pub init: Option<unsafe extern "C" fn(path: Str) -> Status>,
    /// `[control]` Balances `init`; after the last one nothing of the library is called any more.
    pub deinit: Option<unsafe extern "C" fn()>,
    /// `[control]` The factory of this identifier ([`FACTORY_ID`]), or null.
    pub get_factory: Option<unsafe extern "C" fn(id: *const c_char) -> *const c_void>,
}

// SAFETY: the entry is immutable data; its function pointers state their own threads.
unsafe impl Sync for Entry {}

/// Makes instances of the one plugin in a library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Factory {
    /// What the plugin is; constant, owned by the library.
    pub descriptor: *const Descriptor,
    /// `[control]` Makes an instance. `config` is the `[plugin.config]` table as a JSON object; a plugin that
    /// refuses it calls [`Host::set_error`] with the field and the remedy and answers null. `host` stays
    /// valid until `destroy` returns, or until this call returns null.
    ///
    /// A configuration is checked by a `create` with `destroy` behind it, maybe beside a node that runs: threads and
    /// listeners belong into [`Plugin::start`].
    pub create: Option<unsafe extern "C" fn(host: *const Host, config: Str) -> *const Plugin>,
}

// SAFETY: immutable data, as `Entry`.
unsafe impl Sync for Factory {}

/// What a plugin says of itself before it runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// `[a-z0-9-]{1,64}`, the name in cards, metrics and routes.
    pub name: Str,
    /// Version of the plugin, semver.
    pub version: Str,
    /// One sentence for people.
    pub description: Str,
    /// Kinds of event it wants in the selection; none = every kind.
    pub kinds: *const Str,
    /// Number of `kinds`, at most 64.
    pub kinds_len: usize,
    /// Permissions it needs, such as `net=listen:8091` or `source=*`; the configuration must grant each.
    pub permissions: *const Str,
    /// Number of `permissions`, at most 64.
    pub permissions_len: usize,
    /// Wanted milliseconds between two calls of `tick`; 0 = never; at least 10.
    pub tick_interval_ms: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: immutable data, as `Entry`.
unsafe impl Sync for Descriptor {}

/// One instance: its data and its functions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// The plugin's own; the host never looks inside.
    pub data: *mut c_void,
    /// `[worker]` First call on the worker, after a possible `restore`.
    pub start: Option<unsafe extern "C" fn(plugin: *const Plugin) -> Status>,
    /// `[worker]` A run of events, borrowed for the call. Effects emitted inside are one transaction with the
    /// batch: a failure or a crash before the return discards all of them and the batch comes again.
    pub process: Option<unsafe extern "C" fn(plugin: *const Plugin, batch: *const Batch) -> Status>,
    /// `[worker]` Time passes: about every `tick_interval_ms`, with or without events. Its effects are one
    /// transaction too. `now_ns` is Unix time in nanoseconds. May be null when that interval is 0.
    pub tick: Option<unsafe extern "C" fn(plugin: *const Plugin, now_ns: i64) -> Status>,
    /// `[worker]` Last call on the worker; `destroy` follows. May be null.
    pub stop: Option<unsafe extern "C" fn(plugin: *const Plugin)>,
    /// `[control]` Frees the instance, `plugin` itself included.
    pub destroy: Option<unsafe extern "C" fn(plugin: *const Plugin)>,
    /// `[control]` The plugin's side of an extension, or null. The answer stays valid until `destroy`. May be null
    /// itself.
    pub get_extension:
        Option<unsafe extern "C" fn(plugin: *const Plugin, id: *const c_char) -> *const c_void>,
}
