//! The bundled plugin `gossip`: nodes that show each other's events.
//!
//! What the protocol computes is `shimmer-mesh`; here are the world and their joint.
//!
//! - `config`, `dial`, `identity`, `keys`: what people wish, and whom they mean.
//! - `net`: sockets, peers, frames. `gateway`: the plain JSON for scripts and browsers.
//! - `hub`: the thread that knows everything; `deliver`, `keeper`, `pool` work for it.
//! - `disk`: envelopes on the disk. `event`: what must be known of an event's text. `epochs`: what this node counts in.
//! - `ask`, `meters`, `shown`: what is told. `weighed`: how much sources count, as another plugin says.

#![forbid(unsafe_code)]

mod ask;
mod config;
mod deliver;
mod dial;
mod disk;
mod epochs;
mod event;
mod gateway;
mod hub;
mod identity;
mod keeper;
mod keys;
mod meters;
mod net;
mod plugin;
mod pool;
mod shown;
#[cfg(test)]
mod tests;
mod weighed;

pub(crate) use plugin::Gossip;

shimmer_sdk::export_plugin!(Gossip);
