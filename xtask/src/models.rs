//! The ring's concurrency models, and the seeded bugs that prove them able to find one.
//!
//! The rule: the list of mutants is read from the ring's source, so that none can be forgotten,
//! and a mutant counts as found only when the model was built and its run failed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// The package that holds the models, and the flag that swaps its atomics for loom's.
const PACKAGE: &str = "shimmer-ring";
const SOURCE: &str = "core/ring";
const MODEL_CFG: &str = "--cfg loom";

/// Explores every interleaving of the models.
///
/// # Errors
/// A sentence when a model cannot be built or fails.
pub(crate) fn run() -> Result<(), String> {
    process::run(&mut model_command(MODEL_CFG, &[]))
}

/// Builds each mutant and expects its model to fail.
///
/// # Errors
/// The mutants that were not found, or that could not be built.
pub(crate) fn mutants() -> Result<(), String> {
    let names = mutant_names(&process::root().join(SOURCE))
        .map_err(|e| format!("cannot read {SOURCE}: {e}"))?;
    if names.is_empty() {
        return Err(format!("{SOURCE} seeds no mutant: the models prove nothing"));
    }
    let mut survivors = Vec::new();
    for name in &names {
        let flags = format!("{MODEL_CFG} --cfg mutant=\"{name}\"");
        process::run(&mut model_command(&flags, &["--no-run"]))
            .map_err(|e| format!("mutant {name} does not build: {e}"))?;
        let found = process::run(&mut model_command(&flags, &[])).is_err();
        println!("mutant {name}: {}", if found { "found" } else { "NOT FOUND" });
        if !found {
            survivors.push(name.as_str());
        }
    }
    if survivors.is_empty() {
        Ok(())
    } else {
        Err(format!("not found by the models: {}", survivors.join(", ")))
    }
}

fn model_command(flags: &str, extra: &[&str]) -> Command {
    let arguments = ["test", "--release", "--package", PACKAGE, "--test", "models"];
    println!("$ RUSTFLAGS='{flags}' cargo {}", [&arguments[..], extra].concat().join(" "));
    let mut command = process::cargo_command(&arguments);
    // A directory of its own: other flags in the usual one would rebuild everything twice.
    command.args(extra).env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", target_dir());
    command
}

fn target_dir() -> PathBuf {
    process::target_dir().join("models")
}

/// Every `NAME` of `mutant = "NAME"` in the Rust files below `directory`.
fn mutant_names(directory: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            names.extend(mutant_names(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            names.extend(mutants_in(&std::fs::read_to_string(&path)?));
        }
    }
    Ok(names)
}

fn mutants_in(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("mutant = \"").skip(1))
        .filter_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_read_from_source_and_not_from_comments() {
        let text = "//! --cfg mutant = \"doc\"\nif cfg!(mutant = \"a_b\") {}\n\
                    #[cfg(any(mutant = \"c\", mutant = \"d\"))]\n";
        assert_eq!(mutants_in(text), ["a_b", "c", "d"]);
    }
}
