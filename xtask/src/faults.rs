//! `cargo xtask faults`: a storm of faults over a running node, as long as one likes.
//!
//! The rule: the test that every run of the checks has a short turn of is the one that runs here, so
//! that there is one place that says what must hold.

use crate::args::FaultsOptions;
use crate::{process, suite, tools};

/// The test by its name in the binary `e2e`.
const STORM: &str = "storm::a_storm_of_faults_loses_nothing_and_doubles_nothing";

/// Builds what the test starts, and runs it.
///
/// # Errors
/// A sentence when something could not be built, or did not hold.
pub(crate) fn run(options: &FaultsOptions) -> Result<(), String> {
    tools::provide()?;
    suite::build()?;
    let arguments = ["test", "--workspace", "--test", "e2e", "--", STORM];
    let mut test = process::cargo_command(&arguments);
    test.args(["--exact", "--nocapture"]);
    for (name, value) in variables(options) {
        test.env(name, value);
    }
    process::run(&mut test)
}

/// What the test is told.
fn variables(options: &FaultsOptions) -> Vec<(&'static str, String)> {
    let numbers = [
        ("FAULTS_MINUTES", options.minutes),
        ("FAULTS_ROUNDS", options.rounds),
        ("FAULTS_SEED", options.seed),
    ];
    let given = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
    given.chain(options.only.clone().map(|only| ("FAULTS_ONLY", only))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_told_what_was_asked_for() {
        let options = FaultsOptions { minutes: Some(3), seed: Some(7), ..Default::default() };
        let told = variables(&options);
        assert_eq!(told, [("FAULTS_MINUTES", "3".to_owned()), ("FAULTS_SEED", "7".to_owned())]);
        let test = process::root().join("tests/tests/e2e/storm.rs");
        let text = std::fs::read_to_string(test).expect("the test");
        let name = STORM.rsplit(':').next().expect("a name");
        assert!(text.contains(&format!("fn {name}(")), "{name} is not there");
        for variable in ["FAULTS_MINUTES", "FAULTS_ROUNDS", "FAULTS_SEED", "FAULTS_ONLY"] {
            assert!(text.contains(&format!("\"{variable}\"")), "{variable} is not read");
        }
    }
}
