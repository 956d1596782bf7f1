//! The bundled plugin `anomaly`: a detector for every series, and an alert manager behind it.
//!
//! Two crates do the work and know nothing of each other: `shimmer-detect` scores values, `shimmer-alerts` decides
//! what becomes of scores. Here are only their joint and the world: events in, alerts out, routes, receivers, files.
//!
//! - `config`, `rules`: what people wish.
//! - `watch`: events become samples with a verdict.
//! - `tell`: changes become events and messages, once.
//! - `ask`: the routes.
//! - `post`: notifications, each on a thread of its own.
//! - `keep`: the state that is saved.

#![forbid(unsafe_code)]

mod ask;
mod config;
mod keep;
mod meters;
mod plugin;
mod post;
mod rules;
mod tell;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use plugin::Anomaly;

shimmer_sdk::export_plugin!(Anomaly);
