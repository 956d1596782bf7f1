//! The bundled plugin `dao`: members decide by signed votes how much each source counts in the weighted average.
//!
//! Two crates do the work and know nothing of each other: `shimmer-governor` says what follows from votes,
//! `shimmer-view` what follows from weights. Here are only their joint and the world: the log's file, the clock, routes.
//!
//! - `config`: what people wish.
//! - `log`: the file of the log.
//! - `role`, `follow`: what a node is to others of its federation: who writes the log, and who follows it.
//! - `plugin`: what the host calls.
//! - `tell`: the host is told of weights and their rule.
//! - `ask`: the routes.
//! - `keep`: the values of sources that are saved.
//! - `meters`: what a scraper sees.

#![forbid(unsafe_code)]

mod ask;
mod clock;
mod config;
mod follow;
mod keep;
mod log;
mod meters;
mod plugin;
mod role;
mod tell;
#[cfg(test)]
mod tests;

pub(crate) use plugin::Dao;

shimmer_sdk::export_plugin!(Dao);
