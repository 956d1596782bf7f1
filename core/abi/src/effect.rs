//! What a plugin may do to the world: the functions that the host hands it.

use core::ffi::{c_char, c_void};

use crate::{Status, Str};

/// Most effects that one `process` or `tick` may emit; the next one answers [`Status::LIMIT`].
pub const MAX_EFFECTS: usize = 4096;

/// An event that a plugin emits. The limits of posted events hold.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// 1..=128 bytes; empty = the host gives a unique one. Outside transactions give your own wherever a retry
    /// must not store the event twice.
    pub event_id: Str,
    /// Unix time in nanoseconds; 0 = now.
    pub time_ns: i64,
    /// `[a-z0-9._-]{1,64}`.
    pub kind: Str,
    /// At most 128 characters; empty = none.
    pub subject: Str,
    /// Empty = the plugin's name; another one needs the permission `source=NAME`.
    pub source: Str,
    /// Finite.
    pub value: f64,
    /// A JSON object; empty = none.
    pub data_json: Str,
    /// Sequence of the event that this one derives from, 0 = none: its hops + 1 are the new event's.
    pub cause_seq: u64,
}

/// How bad an alert is.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity(pub u32);

impl Severity {
    /// Worth knowing.
    pub const INFO: Self = Self(0);
    /// Somebody should look.
    pub const WARNING: Self = Self(1);
    /// Somebody must act.
    pub const CRITICAL: Self = Self(2);
}

/// An alert: it becomes an event of kind `alert` whose `data` is `data_json` with `severity` and `description`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// As [`Event::event_id`].
    pub event_id: Str,
    /// As [`Event::time_ns`].
    pub time_ns: i64,
    /// What is alerted on; at most 128 characters.
    pub subject: Str,
    /// How bad it is.
    pub severity: Severity,
    /// Zero.
    pub reserved: u32,
    /// 0..=1, the event's value.
    pub score: f64,
    /// One sentence for people, at most 1,000 characters.
    pub description: Str,
    /// Further members, a JSON object; empty = none.
    pub data_json: Str,
    /// As [`Event::cause_seq`].
    pub cause_seq: u64,
}

/// Level of a log line.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Every step.
    pub const TRACE: Self = Self(0);
    /// For the author.
    pub const DEBUG: Self = Self(1);
    /// For the operator.
    pub const INFO: Self = Self(2);
    /// Something is odd.
    pub const WARN: Self = Self(3);
    /// Something failed.
    pub const ERROR: Self = Self(4);
}

/// The host as a plugin sees it; lives from `create` to the return of `destroy`.
///
/// Effects emitted by the worker inside `process` and `tick` are buffered and become durable together with the
/// batch's cursor. From elsewhere each is on its own: the call returns after it is durable, or with an error.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The host's [`crate::ABI_VERSION`].
    pub abi_version: u32,
    /// Zero.
    pub reserved: u32,
    /// The host's own.
    pub ctx: *mut c_void,
    /// `[any]` Emits an event. `seq` (may be null) receives its sequence, 0 inside a transaction, where it is
    /// not known yet. An `event_id` seen before stores nothing and answers the first sequence.
    pub emit_event: Option<
        unsafe extern "C" fn(host: *const Host, event: *const Event, seq: *mut u64) -> Status,
    >,
    /// `[any]` Emits an alert; `seq` as above.
    pub emit_alert: Option<
        unsafe extern "C" fn(host: *const Host, alert: *const Alert, seq: *mut u64) -> Status,
    >,
    /// `[any]` Sets the weight (0..=1) of a source in the weighted average; needs the permission `weights`.
    pub set_weight:
        Option<unsafe extern "C" fn(host: *const Host, source: Str, weight: f64) -> Status>,
    /// `[any]` One line for the plugin's log; longer than 4 KiB is cut, a flood is summarised.
    pub log: Option<unsafe extern "C" fn(host: *const Host, level: LogLevel, message: Str)>,
    /// `[any]` Why the call that is about to fail fails; shown on the plugin's card.
    pub set_error: Option<unsafe extern "C" fn(host: *const Host, message: Str)>,
    /// `[any]` The host's side of an extension, or null; valid as long as the host.
    pub get_extension:
        Option<unsafe extern "C" fn(host: *const Host, id: *const c_char) -> *const c_void>,
}
