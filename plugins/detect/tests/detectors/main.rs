//! What the detectors promise, from outside.
//!
//! The rule: series are made from seeds, and the seeds here were not used when the detectors were
//! tuned; a seed that fails is a fault of the detectors, never of the seed.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod contract;
mod faults;
mod generator;
mod quiet;
