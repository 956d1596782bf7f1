//! `cargo xtask test`: every check there is, and a table at the end.
//!
//! The rule: a step passes, fails, or is counted as failed because it could not run; none is
//! skipped.

use std::time::{Duration, Instant};

use crate::args::TestOptions;
use crate::{deny, models, process, tools, web};

type Check = fn() -> Result<(), String>;

struct Step {
    name: &'static str,
    about: &'static str,
    run: Check,
    /// The step after whose failure this one could only repeat the same errors.
    needs: Option<&'static str>,
}

const STEPS: &[Step] = &[
    Step {
        name: "tools",
        about: "programs that the tests start",
        run: tools::provide,
        needs: None,
    },
    Step { name: "fmt", about: "rustfmt", run: fmt, needs: None },
    Step {
        name: "web",
        about: "the dashboard: format, types, unit tests, build",
        run: web::check,
        needs: None,
    },
    Step { name: "build", about: "host, plugins, fixtures", run: build, needs: None },
    Step { name: "clippy", about: "lints, warnings denied", run: clippy, needs: Some("build") },
    Step {
        name: "tests",
        about: "unit, end-to-end, conformance, faults, tidy",
        run: tests,
        needs: Some("build"),
    },
    Step {
        name: "deny",
        about: "licences, sources, banned and duplicate dependencies",
        run: deny::check,
        needs: None,
    },
    Step {
        name: "advisories",
        about: "known faults of dependencies, where their list can be reached",
        run: deny::advisories,
        needs: None,
    },
    Step {
        name: "browser",
        about: "every view of the dashboard in Chromium",
        run: web::drive,
        needs: Some("build"),
    },
    Step { name: "doctests", about: "examples in the docs", run: doctests, needs: Some("build") },
    Step { name: "models", about: "every interleaving of the ring", run: models::run, needs: None },
    Step {
        name: "mutants",
        about: "seeded bugs that the models must find",
        run: models::mutants,
        needs: Some("models"),
    },
];

enum Outcome {
    Passed,
    Failed(String),
}

/// Runs the steps and prints the table.
///
/// # Errors
/// The number of failed steps, or an unknown step's name.
pub(crate) fn run(options: &TestOptions) -> Result<(), String> {
    if options.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(());
    }
    let results = execute(STEPS, &chosen(&options.only)?);
    println!("\n{}", table(&results));
    match results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} steps failed", results.len())),
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static str>, String> {
    let known = || STEPS.iter().map(|step| step.name);
    if let Some(stranger) = only.iter().find(|name| !known().any(|k| k == name.as_str())) {
        let list = known().collect::<Vec<_>>().join(", ");
        return Err(format!("`{stranger}` is not a step; the steps are {list}."));
    }
    Ok(known().filter(|name| only.is_empty() || only.iter().any(|o| o == name)).collect())
}

fn execute(steps: &[Step], names: &[&str]) -> Vec<(&'static str, Outcome, Duration)> {
    let mut results: Vec<(&'static str, Outcome, Duration)> = Vec::new();
    for step in steps.iter().filter(|step| names.contains(&step.name)) {
        println!("\n== {}: {}", step.name, step.about);
        let begun = Instant::now();
        let lost = results.iter().find(|(name, outcome, _)| {
            Some(*name) == step.needs && matches!(outcome, Outcome::Failed(_))
        });
        let outcome = match lost {
            Some((name, ..)) => Outcome::Failed(format!("did not run: {name} failed")),
            None => match (step.run)() {
                Ok(()) => Outcome::Passed,
                Err(message) => Outcome::Failed(message),
            },
        };
        if let Outcome::Failed(message) = &outcome {
            eprintln!("{} failed: {message}", step.name);
        }
        results.push((step.name, outcome, begun.elapsed()));
    }
    results
}

fn table(results: &[(&'static str, Outcome, Duration)]) -> String {
    let mut text = String::from("step        result   seconds\n");
    for (name, outcome, took) in results {
        let (word, why) = match outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(message) => ("FAILED", message.lines().next().unwrap_or_default()),
        };
        let line = format!("{name:<11} {word:<8} {:>7.1}  {why}", took.as_secs_f64());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let total: Duration = results.iter().map(|(.., took)| *took).sum();
    text.push_str(&format!("{:<20} {:>7.1}\n", "all", total.as_secs_f64()));
    text
}

fn fmt() -> Result<(), String> {
    process::cargo(&["fmt", "--all", "--check"])
}

/// Everything the tests load or start: cargo builds no shared library for a test by itself.
pub(crate) fn build() -> Result<(), String> {
    process::cargo(&["build", "--workspace", "--lib", "--bins", "--examples"])
}

fn clippy() -> Result<(), String> {
    process::cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

fn tests() -> Result<(), String> {
    if tools::has("cargo-nextest") {
        process::cargo(&["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        process::cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])
    }
}

fn doctests() -> Result<(), String> {
    process::cargo(&["test", "--workspace", "--doc", "--no-fail-fast"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Result<(), String> {
        Ok(())
    }

    fn bad() -> Result<(), String> {
        Err("broken\nwith detail".to_owned())
    }

    const SAMPLE: &[Step] = &[
        Step { name: "one", about: "", run: good, needs: None },
        Step { name: "two", about: "", run: bad, needs: None },
        Step { name: "three", about: "", run: good, needs: Some("two") },
    ];

    #[test]
    fn what_could_not_run_has_failed() {
        let text = table(&execute(SAMPLE, &["one", "two", "three"]));
        assert!(text.contains("one         passed"), "{text}");
        assert!(text.contains("two         FAILED") && text.contains("broken\n"), "{text}");
        assert!(text.contains("did not run: two failed"), "{text}");
    }

    #[test]
    fn a_step_alone_runs_without_the_one_it_needs() {
        let results = execute(SAMPLE, &["three"]);
        assert!(matches!(results[..], [("three", Outcome::Passed, _)]));
    }

    #[test]
    fn only_known_steps_are_chosen() {
        assert_eq!(chosen(&[]).map(|all| all.len()), Ok(STEPS.len()));
        assert_eq!(chosen(&["fmt".to_owned()]), Ok(vec!["fmt"]));
        assert!(chosen(&["ftm".to_owned()]).is_err_and(|e| e.contains("ftm")));
    }

    #[test]
    fn what_a_step_needs_comes_before_it() {
        for (at, step) in STEPS.iter().enumerate() {
            if let Some(needs) = step.needs {
                assert!(STEPS[..at].iter().any(|s| s.name == needs), "{}", step.name);
            }
        }
    }
}
