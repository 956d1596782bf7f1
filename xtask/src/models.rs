//! The ring's concurrency models, and the seeded bugs that prove them able to find one.
//!
//! The rule: the list of mutants is read from the ring's source, so that none can be forgotten,
//! and a mutant counts as found only when the model was built and its run failed.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// The package that holds the models.
const PACKAGE: &str = "shimmer-ring";
const SOURCE: &str = "core/ring";
/// What runs the models, each the name of the flag that swaps the atomics for its own: loom walks
/// through every interleaving of small models, shuttle through random ones of larger models.
const EXPLORERS: &[&str] = &["loom", "shuttle"];

/// Explores the models with every explorer.
///
/// # Errors
/// A sentence when a model cannot be built or fails.
pub(crate) fn run() -> Result<(), String> {
    for explorer in EXPLORERS {
        process::run(&mut model_command(explorer, &[]))?;
    }
    Ok(())
}

/// Builds each mutant and expects a model to fail.
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
        match finder(name)? {
            Some(explorer) => println!("mutant {name}: found by {explorer}"),
            None => {
                println!("mutant {name}: NOT FOUND");
                survivors.push(name.as_str());
            }
        }
    }
    if survivors.is_empty() {
        Ok(())
    } else {
        Err(format!("not found by the models: {}", survivors.join(", ")))
    }
}

/// The first explorer that fails with the bug `name` in the ring.
fn finder(name: &str) -> Result<Option<&'static str>, String> {
    for explorer in EXPLORERS {
        if is_found(name, explorer)? {
            return Ok(Some(explorer));
        }
    }
    Ok(None)
}

/// Whether the models fail with the bug `name` in the ring.
fn is_found(name: &str, explorer: &str) -> Result<bool, String> {
    let wrapper = wrapper(&target_dir(), name)
        .map_err(|e| format!("cannot write a script for mutant {name}: {e}"))?;
    let mutant = |extra: &[&str]| {
        let mut command = model_command(explorer, extra);
        command.env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
        command
    };
    process::run(&mut mutant(&["--no-run"]))
        .map_err(|e| format!("mutant {name} does not build: {e}"))?;
    // A failed model says much, and here it says it is as it should be.
    let output = mutant(&[]).output().map_err(|e| format!("cannot start cargo: {e}"))?;
    Ok(!output.status.success())
}

/// A script that compiles the workspace with the bug `name`. As flags of the environment would
/// reach every dependency, each mutant would build all of them anew.
fn wrapper(folder: &Path, name: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("mutant-{name}.sh"));
    let script = format!("#!/bin/sh\nexec \"$@\" --cfg 'mutant=\"{name}\"'\n");
    if std::fs::read_to_string(&path).ok().as_deref() != Some(script.as_str()) {
        std::fs::write(&path, script)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(path)
}

fn model_command(explorer: &str, extra: &[&str]) -> Command {
    let flags = format!("--cfg {explorer}");
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
