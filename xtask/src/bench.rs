//! `cargo xtask bench`.
//!
//! The rule: one group at a time, because two on one machine measure each other.

use crate::{process, tools};

/// The groups, each a bench target of `shimmer-benches`.
pub(crate) const GROUPS: &[&str] = &[
    "ring", "dispatch", "ingest", "fractal", "soak", "pages", "streams", "alerts", "detect", "mesh",
];
/// Those that start the program or load plugins, which cargo does not build for a bench.
const WITH_PROGRAM: &[&str] = &["dispatch", "soak", "pages", "streams", "ingest", "alerts", "mesh"];

/// Runs the bench target `group`.
///
/// # Errors
/// A sentence when cargo could not be started or the benches failed.
pub(crate) fn run(group: &str) -> Result<(), String> {
    if WITH_PROGRAM.contains(&group) {
        process::cargo(process::BUILD_PROGRAM)?;
        process::cargo(&["build", "--release", "--package", "shimmer-benches", "--examples"])?;
    }
    if group == "streams" {
        tools::provide_peers();
    }
    process::cargo(&["bench", "--package", "shimmer-benches", "--bench", group])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_a_bench_target_and_every_target_a_group() {
        let manifest = process::root().join("benches/Cargo.toml");
        let text = std::fs::read_to_string(manifest).expect("the manifest of the benches");
        let targets = text.split("[[bench]]\nname = \"").skip(1);
        let names: Vec<_> = targets.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names, GROUPS);
        assert!(WITH_PROGRAM.iter().all(|group| GROUPS.contains(group)));
    }
}
