//! A new plugin project builds and passes its own test without the network and outside this workspace.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

#[test]
fn a_new_project_builds_and_passes_its_test_offline() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-plugin");
    for (path, text) in shimmer_sdk::scaffold::files("my-plugin").unwrap() {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        // What is unchanged keeps its time, so that a second run builds nothing.
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            std::fs::write(file, text).unwrap();
        }
    }
    for verb in ["build", "test"] {
        let done = Command::new(env!("CARGO"))
            .args([verb, "--offline"])
            .current_dir(&folder)
            .env_remove("CARGO_TARGET_DIR")
            .env("RUSTFLAGS", "-D warnings")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "cargo {verb}: {told}");
    }
    assert!(folder.join("target/debug/libmy_plugin.so").exists());
}
