//! `cargo xtask bench`.
//!
//! The rule: one group at a time, because two on one machine measure each other.

use crate::process;

/// The groups, each a bench target of `shimmer-benches`.
pub(crate) const GROUPS: &[&str] = &["ring", "ingest", "streams"];

/// Runs the bench target `group`.
///
/// # Errors
/// A sentence when cargo could not be started or the benches failed.
pub(crate) fn run(group: &str) -> Result<(), String> {
    process::cargo(&["bench", "--package", "shimmer-benches", "--bench", group])
}
