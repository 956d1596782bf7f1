//! The programs that building and testing need.
//!
//! The rule: a missing program is installed where that is allowed, and otherwise named together
//! with the line that installs it; nothing is skipped in silence.

use std::path::Path;
use std::process::Command;

use crate::process;

/// The oldest compiler that builds the workspace, as in the root `Cargo.toml`.
const RUST: (u32, u32) = (1, 95);
/// The oldest Node.js that builds the dashboard, as in `core/web/package.json`.
const NODE: (u32, u32) = (20, 19);

/// A program that the tests start, and the Debian package that brings it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { program: "cc", package: "gcc" },
    Tool { program: "chromium", package: "chromium" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "openssl", package: "openssl" },
    Tool { program: "prometheus", package: "prometheus" },
    Tool { program: "promtool", package: "prometheus" },
    Tool { program: "prometheus-alertmanager", package: "prometheus-alertmanager" },
];

/// Programs beside which the streams are measured; no test needs them.
const PEERS: &[Tool] = &[
    Tool { program: "mosquitto", package: "mosquitto" },
    Tool { program: "nats-server", package: "nats-server" },
];

/// Where the Vulkan loader looks for drivers; the tests of the graphics renderer need any one of them,
/// and Mesa brings one that needs no graphics processor.
const DRIVER_FOLDERS: &[&str] =
    &["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const DRIVER_PACKAGE: &str = "mesa-vulkan-drivers";

/// Components of the Rust toolchain that the checks call.
const COMPONENTS: &[(&str, &str)] = &[("clippy", "clippy"), ("fmt", "rustfmt")];

/// Makes sure that every program of the tests is there.
///
/// # Errors
/// What is missing and the line that installs it.
pub(crate) fn provide() -> Result<(), String> {
    check_rust()?;
    for (command, component) in COMPONENTS {
        if process::output(process::cargo_command(&[command, "--version"]).env("LC_ALL", "C"))
            .is_none()
        {
            println!("$ rustup component add {component}");
            process::run(Command::new("rustup").args(["component", "add", component]))
                .map_err(|e| format!("{e}. Install it with `rustup component add {component}`."))?;
        }
    }
    let packages = missing_packages();
    if packages.is_empty() {
        return check_node();
    }
    let line = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if !is_root() || !has("apt-get") {
        return Err(format!("missing: {}. Install with `sudo {line}`.", packages.join(", ")));
    }
    install(&packages)?;
    match missing_packages() {
        left if left.is_empty() => check_node(),
        left => Err(format!("still missing after `{line}`: {}", left.join(", "))),
    }
}

/// Installs the peers of the streams where that is allowed. Without them the bench measures ours alone and says
/// whom it misses.
pub(crate) fn provide_peers() {
    // Debian keeps daemons where only root's PATH leads.
    let is_there = |program| has(program) || Path::new("/usr/sbin").join(program).is_file();
    let missing = PEERS.iter().filter(|tool| !is_there(tool.program));
    let packages: Vec<_> = missing.map(|tool| tool.package).collect();
    if !packages.is_empty()
        && is_root()
        && has("apt-get")
        && let Err(error) = install(&packages)
    {
        eprintln!("{error}");
    }
}

/// Refuses a compiler that is too old.
///
/// # Errors
/// Both versions and the line that updates.
pub(crate) fn check_rust() -> Result<(), String> {
    let said = process::output(Command::new("rustc").arg("--version"))
        .ok_or("rustc is not installed: see https://rustup.rs")?;
    let found = version(&said).ok_or_else(|| format!("cannot read `{said}`"))?;
    if found >= RUST {
        return Ok(());
    }
    Err(format!(
        "Rust {}.{} or newer is needed, {}.{} is here: run `rustup update stable`.",
        RUST.0, RUST.1, found.0, found.1
    ))
}

/// Refuses to start a build that could only fail when it links.
///
/// # Errors
/// The line that installs a C compiler.
pub(crate) fn check_linker() -> Result<(), String> {
    if has("cc") {
        Ok(())
    } else {
        Err("no C compiler to link with: `sudo apt-get install gcc libc6-dev`.".to_owned())
    }
}

/// Whether a Node.js that can build the dashboard is there, npm with it.
pub(crate) fn has_node() -> bool {
    let said = process::output(Command::new("node").arg("--version"));
    said.as_deref().and_then(version).is_some_and(|found| found >= NODE) && has("npm")
}

fn check_node() -> Result<(), String> {
    if has_node() {
        return Ok(());
    }
    let (major, minor) = NODE;
    Err(format!("Node.js {major}.{minor} or newer with npm is needed: see https://nodejs.org."))
}

/// Whether `program` is in one of the directories of PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether a Vulkan driver is installed.
fn has_driver() -> bool {
    DRIVER_FOLDERS
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .any(|mut entries| entries.next().is_some())
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<_> =
        TOOLS.iter().filter(|tool| !has(tool.program)).map(|tool| tool.package).collect();
    if !has_driver() {
        packages.push(DRIVER_PACKAGE);
    }
    if !has("node") || !has("npm") {
        packages.extend(["nodejs", "npm"]);
    }
    packages.dedup();
    packages
}

fn install(packages: &[&str]) -> Result<(), String> {
    let install = ["install", "--yes", "--no-install-recommends"];
    process::tried_again(|| {
        apt_get(&["update"]).and_then(|()| apt_get(&[&install, packages].concat()))
    })
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    println!("$ apt-get {}", arguments.join(" "));
    let mut command = Command::new("apt-get");
    // A package that asks a question would wait for ever, one that starts its daemon would take
    // the port that a test wants.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    process::run(command.args(["-qq", "-o", "Acquire::Retries=3"]).args(arguments))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The first `major.minor` in what a program says of itself.
fn version(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches('v');
        word.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
    })?;
    let mut parts = word.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(version("v20.20.2"), Some((20, 20)));
        assert_eq!(version("no version"), None);
    }

    #[test]
    fn the_floor_is_the_one_of_the_workspace() {
        let manifest =
            std::fs::read_to_string(process::root().join("Cargo.toml")).expect("the root manifest");
        assert!(manifest.contains(&format!("rust-version = \"{}.{}\"", RUST.0, RUST.1)));
    }

    #[test]
    fn the_oldest_node_is_the_one_of_the_dashboard() {
        let manifest = std::fs::read_to_string(process::root().join("core/web/package.json"))
            .expect("the dashboard's manifest");
        assert!(manifest.contains(&format!("\">={}.{}\"", NODE.0, NODE.1)));
    }

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(has("sh"));
        assert!(!has("no-such-program-anywhere"));
    }
}
