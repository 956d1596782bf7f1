//! The runner of one plugin: the same code in a child process and on a thread of the host.
//!
//! Everything here speaks to the host in [`crate::wire`] messages alone; only what carries them differs.

#[cfg(test)]
mod allocation;
mod api;
mod calls;
mod child;
mod desk;
mod memory;
mod selection;
mod series;
mod worker;

pub(crate) use api::MAX_REASON_BYTES;
pub(crate) use calls::{MAX_HEADERS, checked};
pub use child::plugin_host_main;
pub(crate) use child::prepare;
pub(crate) use desk::{Desk, Link};
pub(crate) use selection::EMITTER_SHIFT;
pub(crate) use series::{MAX_METRICS, MAX_SAMPLES, well_formed};
pub(crate) use worker::{Events, MAX_BATCH};
