//! The plugin host: loads plugins, runs each in its own sandboxed process or on a thread, and makes what they emit
//! durable together with how far they came.
//!
//! A [`PluginHost`] has one supervisor thread a plugin. The supervisor starts the plugin's runner, publishes its
//! effects into the ring, watches its deadlines and limits, and restarts it after a death. The runner (`guest`) is the
//! same code in a child process and on a thread; it shares with the host the ring, a control page and the messages of
//! [`wire`].
//!
//! Rule: nothing that a plugin does, short of what it may, reaches anything but itself.

#![allow(unsafe_code, reason = "the loader and the calls into plugins cross the C boundary")]

mod config;
pub mod conformance;
mod effects;
mod error;
mod guest;
mod host;
mod loader;
mod log_tail;
mod manifest;
mod process;
mod rehearsal;
mod relay;
mod sandbox;
mod supervisor;
pub mod wire;

pub use config::{
    Delivery, Enabled, HostConfig, Isolation, Limits, Permissions, PluginConfig, Sandbox,
};
pub use effects::WEIGHT_KIND;
pub use error::{CallError, ControlError, HostError};
pub use guest::plugin_host_main;
pub use host::{HostEvents, PluginHost, PluginRoute, PluginSeries, ReloadReport};
pub use log_tail::LogLine;
pub use manifest::{Manifest, RouteAuth, RouteKind, RouteSpec};
pub use process::{Usage, usage_of_process};
pub use rehearsal::{Refused, rehearse};
pub use supervisor::{Card, Durations, State};
pub use wire::{HttpAnswer, HttpCall, Series};
