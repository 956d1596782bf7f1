//! End-to-end tests: the real program, asked as its clients ask it.
//!
//! The rule: no crate of the workspace is called here, only the program; what holds here holds for its users.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

mod alerts;
mod browsers;
mod cli;
mod dao;
mod deflate;
mod detect;
mod durability;
mod environment;
mod federation;
mod flood;
mod fractal;
mod http;
mod input;
mod metrics;
mod pages;
mod plugins;
mod rehearsal;
mod reload;
mod server;
mod snapshot;
mod storm;
mod streams;
mod tls;
