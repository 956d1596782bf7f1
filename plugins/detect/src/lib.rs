//! Streaming anomaly detection for one series or ten thousand.
//!
//! A [`Detector`] takes rows in the order of time and gives a [`Verdict`] for each: a score from 0
//! to 1, a severity, where the value was expected, and what spoke. It is strictly causal, so that a
//! back-test shows what a live series would have shown, and what it keeps has a bound.
//!
//! - [`Tier`]: what a detector may cost.
//! - [`Detectors`]: many series within bounds; the one silent for longest makes room.
//! - [`Method`] and [`Opinion`]: which part of a detector spoke.
//!
//! The method, its limits and its figures are in the `README.md` beside this crate's manifest.

#![forbid(unsafe_code)]

mod alarm;
mod autoregression;
mod average;
mod blocks;
mod calibration;
mod cold;
mod context;
mod counter;
mod detector;
mod discord;
mod dispersion;
mod drift;
mod echo;
mod ensemble;
mod forecast;
mod members;
mod neighbours;
mod pace;
mod peaks;
mod record;
mod season;
mod spread;
mod table;
mod tails;
mod tape;
mod verdict;
mod watch;

pub use detector::{Detector, MAX_VALUE, Refused, Tier};
pub use ensemble::Opinion;
pub use table::{Detectors, Limits};
pub use verdict::{CRITICAL, Method, Range, Severity, Verdict, WARNING};
