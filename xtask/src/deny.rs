//! What may come in with a dependency: licences, sources, bans, known faults. `deny.toml` says it, cargo-deny holds it.
//!
//! The rule: a list of faults that cannot be reached is said and passes; one that was reached and names a dependency
//! fails.

use std::path::PathBuf;
use std::process::Command;

use crate::process;

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";
/// It runs for seconds, so that optimising it, for minutes, as its own profile asks, would be waste.
const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
];
/// Longest wait, in seconds, for the list of faults: a network that drops packets refuses nothing.
const FETCH_WITHIN: &str = "120";

/// Licences, sources, banned and duplicate dependencies.
///
/// # Errors
/// What cargo-deny is missing or finds.
pub(crate) fn check() -> Result<(), String> {
    let program = program()?;
    // An exception that nothing needs any more is to go.
    let denied = ["--deny", "unmatched-skip", "--deny", "unnecessary-skip"];
    let what = ["licenses", "bans", "sources"];
    run(Command::new(program).arg("check").args(denied).args(what))
}

/// Dependencies with known faults.
///
/// # Errors
/// What cargo-deny is missing or finds.
pub(crate) fn advisories() -> Result<(), String> {
    let program = program()?;
    let mut fetch = Command::new("timeout");
    fetch.arg(FETCH_WITHIN).arg(&program).args(["fetch", "db"]).current_dir(process::root());
    if let Err(error) = process::run(&mut fetch) {
        println!("the advisory database cannot be reached ({error}): nothing was held against it");
        return Ok(());
    }
    run(Command::new(program).args(["check", "advisories"]))
}

fn run(command: &mut Command) -> Result<(), String> {
    process::run(command.current_dir(process::root()))
}

/// cargo-deny, built below the target directory if it is not there.
fn program() -> Result<PathBuf, String> {
    let folder = process::target_dir().join("tools");
    let program = folder.join("bin/cargo-deny");
    let is_there = process::output(Command::new(&program).arg("--version"))
        .is_some_and(|said| said.ends_with(VERSION));
    if !is_there {
        let package = format!("cargo-deny@{VERSION}");
        println!("$ cargo install --locked {package}");
        process::tried_again(|| {
            let install = ["install", "--locked", "--force", &package, "--root"];
            let mut install = process::cargo_command(&install);
            install.arg(&folder).env("CARGO_TARGET_DIR", folder.join("build"));
            process::run(install.envs(PROFILE.iter().copied()))
        })?;
        // What it was built from is as large as the rest of the folder is small.
        let _ = std::fs::remove_dir_all(folder.join("build"));
    }
    Ok(program)
}
