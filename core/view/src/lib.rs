//! Folds of the event stream and of the plugins' samples.
//!
//! Everything here is a pure value: numbers go in, numbers come out, and no fold knows where its
//! input comes from. The server decides when to fold and who may look.
//!
//! - [`Stats`]: the rolling window of beauty scores, its distribution and its total.
//! - [`Influence`]: how much each source counts, and the average that follows.
//! - [`History`] and [`Histories`]: what plugins used over the last hour.

#![forbid(unsafe_code)]

mod histogram;
mod history;
mod influence;
mod stats;

pub use histogram::{Histogram, UPPER_BOUNDS};
pub use history::{
    Aggregate, Aggregates, FINE_POINTS, Histories, History, MAX_HISTORIES, MAX_SAMPLES, MinuteMean,
    Sample,
};
pub use influence::{
    Influence, InfluenceRefused, MAX_SOURCE_WINDOW, MAX_SOURCES, MAX_VALUES, MAX_WEIGHTS, Method,
    Rule, SourceShare,
};
pub use stats::{MAX_WINDOW, Rolling, Stats};
