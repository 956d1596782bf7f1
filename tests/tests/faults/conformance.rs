//! The conformance suite over our fixtures and over a plugin in C that knows the header alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shimmer_host::Permissions;
use shimmer_host::conformance::{Options, run};

use crate::bench::{bundled, fixture, shimmer};

fn passes(library: PathBuf) {
    passes_with(library, json!({}), Permissions::default());
}

fn passes_with(library: PathBuf, config: Value, permissions: Permissions) {
    let temp = tempfile::tempdir().unwrap();
    let checks = run(&Options {
        library,
        config: config.as_object().cloned().unwrap_or_default(),
        permissions,
        executable: shimmer(),
        work_dir: temp.path().to_owned(),
    });
    let broken: Vec<_> = checks.iter().filter(|check| check.result.is_err()).collect();
    assert!(broken.is_empty() && checks.len() == 8, "{checks:#?}");
}

#[test]
fn fixtures_conform() {
    passes(fixture("counter"));
    passes(fixture("flood"));
}

#[test]
fn bundled_plugins_conform() {
    passes(bundled("anomaly"));
    let permissions = Permissions { weights: true, folder: true, ..Permissions::default() };
    passes_with(bundled("dao"), json!({}), permissions);
    // Without a port it needs no network.
    let permissions =
        Permissions { origin: vec!["*".into()], folder: true, ..Permissions::default() };
    passes_with(bundled("gossip"), json!({"port": 0}), permissions);
}

#[test]
fn a_plugin_in_c_conforms() {
    let temp = tempfile::tempdir().unwrap();
    let library = temp.path().join("tally.so");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root.join("../core/abi/include"))
        .arg("-o")
        .arg(&library)
        .arg(root.join("fixtures/c/tally.c"))
        .output()
        .expect("a C compiler: apt-get install gcc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    passes(library);
}

#[test]
fn what_is_no_plugin_is_told_so() {
    let temp = tempfile::tempdir().unwrap();
    let library = temp.path().join("text.so");
    std::fs::write(&library, "text").unwrap();
    let checks = run(&Options {
        library,
        config: serde_json::Map::new(),
        permissions: Permissions::default(),
        executable: shimmer(),
        work_dir: temp.path().to_owned(),
    });
    assert_eq!(checks.len(), 1);
    assert!(checks[0].result.as_ref().unwrap_err().contains("cannot load"));
}
