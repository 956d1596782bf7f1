//! The server of Shimmer: HTTP ingest, reading, live streams, metrics and the plugins' routes.
//!
//! [`Server::start`] takes a [`config::Config`] that is complete and gives a [`Running`] node, which
//! is reloaded and shut down through its methods. Ring, folds and streams are synchronous code on
//! named threads; only sockets and timers are async. Nothing outside this crate knows the web
//! framework.

#![forbid(unsafe_code)]

pub mod config;
pub mod stream;

mod app;
mod audit;
mod auth;
mod data_dir;
mod error;
mod fold;
mod fractal;
mod http;
mod ingest;
mod limiter;
mod listener;
mod metrics;
mod plugins;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod property;
mod routes;
mod running;
mod watch;

pub use error::ServerError;
pub use plugins::rehearse;
pub use running::{ReloadReport, Reloads, Running, Server};
