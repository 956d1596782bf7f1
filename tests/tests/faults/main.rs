//! Faults of plugins and of the host, with real plugin processes: whatever dies, every event is processed, every effect
//! happens once, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "all of this is tests, which fail by panicking")]

mod bench;
mod conformance;
mod deaths;
mod exactly_once;
mod history;
mod hostile;
mod isolation;
mod lies;
mod limits;
mod pauses;
mod rehearsal;
mod reload;
mod sandbox;
mod small_rings;
