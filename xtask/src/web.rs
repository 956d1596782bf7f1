//! The dashboard in `core/web`: its packages, checks, build and browser tests.
//!
//! The rule: npm runs here and nowhere else; cargo alone builds a program without a dashboard.

use std::path::PathBuf;
use std::process::Command;

use crate::process;

fn folder() -> PathBuf {
    process::root().join("core/web")
}

fn npm(arguments: &[&str]) -> Result<(), String> {
    println!("$ npm {}", arguments.join(" "));
    let mut command = Command::new("npm");
    // Where the program lies that the browser tests drive.
    command.env("SHIMMER_TARGET_DIR", process::target_dir());
    process::run(command.args(arguments).current_dir(folder()))
}

/// Installs the packages exactly as locked, unless they are there already.
///
/// # Errors
/// What npm said.
pub(crate) fn install() -> Result<(), String> {
    let read = |path: &str| std::fs::metadata(folder().join(path)).and_then(|m| m.modified());
    if let (Ok(locked), Ok(installed)) =
        (read("package-lock.json"), read("node_modules/.package-lock.json"))
        && installed >= locked
    {
        return Ok(());
    }
    process::tried_again(|| npm(&["ci", "--no-audit", "--no-fund"]))
}

/// Builds `core/web/dist`, which cargo embeds.
///
/// # Errors
/// What npm said.
pub(crate) fn build() -> Result<(), String> {
    npm(&["run", "build"])
}

/// Format, types, unit tests and the build.
///
/// # Errors
/// The first that failed.
pub(crate) fn check() -> Result<(), String> {
    install()?;
    npm(&["run", "check"])?;
    npm(&["run", "test:unit"])?;
    build()
}

/// Drives every view in a browser.
///
/// # Errors
/// What failed.
pub(crate) fn drive() -> Result<(), String> {
    install()?;
    npm(&["run", "test:browser"])
}
