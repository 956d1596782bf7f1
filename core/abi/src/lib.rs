//! The C contract between the Shimmer host and its plugins.
//!
//! This crate is the whole of what a plugin and the host share: `repr(C)` types, numbers and
//! identifiers, no code that runs. `include/shimmer.h` says the same in C and is the specification;
//! a test compiles it and compares every size and offset.
//!
//! Conventions of every function:
//! - **Thread.** `[worker]`: the one thread that the host gives a plugin instance, never two calls at
//!   once. `[control]`: the thread that loads the library, before the worker exists or after it ended.
//!   `[any]`: callable from any thread at any time between `create` and the return of `destroy`.
//! - **Owner.** A pointer in an argument belongs to the caller and is valid until the call returns. A
//!   pointer in a descriptor, route table or extension belongs to the plugin and stays valid until
//!   `deinit`.
//! - **Failure.** Functions return a [`Status`]; nothing unwinds across the boundary.
//! - **Growth.** Structures never change their layout. New abilities come as extensions, found by an
//!   identifier that ends in its revision (`shimmer.state/1`), so an old plugin loads in a new host and
//!   a new plugin can ask an old host.

#![no_std]
#![allow(
    unsafe_code,
    reason = "declares foreign function types and shares raw pointers across the C boundary"
)]

mod batch;
mod effect;
mod entry;
mod http;
mod layout;
mod metrics;
mod node;
mod relay;
mod state;
mod text;
mod topics;

pub use batch::{Batch, NAME_BYTES, NameSlot, Span, flags};
pub use effect::{Alert, Event, Host, LogLevel, MAX_EFFECTS, Severity};
pub use entry::{
    ABI_VERSION, Descriptor, ENTRY_SYMBOL, Entry, FACTORY_ID, Factory, Plugin, abi_compatible,
};
pub use http::{
    Auth, HTTP_ID, HttpPlugin, MAX_BODY_BYTES, Pair, Request, Response, Route, RouteKind,
};
pub use metrics::{MAX_LABELS, METRICS_ID, MetricKind, MetricsHost};
pub use node::{NODE_ID, NodeHost};
pub use relay::{
    MAX_RELAYED, MAX_RELAYED_BYTES, RELAY_ID, RelayHost, RelayOutcome, Relayed, relay_flags,
};
pub use state::{MAX_STATE_BYTES, STATE_ID, StatePlugin, StateWriter};
pub use text::{Bytes, Status, Str};
pub use topics::{TOPICS_ID, TopicsHost};
