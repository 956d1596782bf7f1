//! The files of a new plugin project. Rule: the project builds anywhere, from its own folder and two public crates.

use crate::Error;

/// A file whose `{{...}}` places are filled in.
type Template = (&'static str, &'static str);

const PROJECT: &[Template] = &[
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../template/src/lib.rs.in")),
    ("shimmer.toml", include_str!("../template/shimmer.toml.in")),
    ("README.md", include_str!("../template/README.md.in")),
    (".gitignore", include_str!("../template/gitignore.in")),
    ("vendor/shimmer-abi/Cargo.toml", include_str!("../template/vendor-abi.toml.in")),
    ("vendor/shimmer-sdk/Cargo.toml", include_str!("../template/vendor-sdk.toml.in")),
];

macro_rules! sources {
    ($from:literal, $to:literal, $($file:literal)*) => {
        &[$((concat!($to, $file), include_str!(concat!($from, $file)))),*]
    };
}

const ABI: &[Template] = sources!(
    "../../../core/abi/", "vendor/shimmer-abi/",
    "include/shimmer.h"
    "src/batch.rs"
    "src/effect.rs"
    "src/entry.rs"
    "src/http.rs"
    "src/layout.rs"
    "src/lib.rs"
    "src/metrics.rs"
    "src/node.rs"
    "src/relay.rs"
    "src/state.rs"
    "src/text.rs"
    "src/topics.rs"
);

const SDK: &[Template] = sources!(
    "../", "vendor/shimmer-sdk/",
    "src/batch.rs"
    "src/borrow.rs"
    "src/config.rs"
    "src/emit.rs"
    "src/error.rs"
    "src/export.rs"
    "src/gate.rs"
    "src/guard.rs"
    "src/host.rs"
    "src/http.rs"
    "src/lib.rs"
    "src/metrics.rs"
    "src/plugin.rs"
    "src/relay.rs"
    "src/testing/columns.rs"
    "src/testing/driver.rs"
    "src/testing/mod.rs"
    "src/testing/recorder.rs"
    "src/testing/tests.rs"
);

/// The line of `lib.rs` that has no place in a copy without this file.
const OWN_LINES: &str = "#[cfg(feature = \"scaffold\")]\npub mod scaffold;\n";

/// Names that would hide a crate which the project uses.
const TAKEN: &[&str] = &[
    "alloc",
    "core",
    "proc-macro",
    "serde",
    "serde-json",
    "shimmer-abi",
    "shimmer-sdk",
    "std",
    "test",
];

/// The files of the project `name` with paths relative to its folder.
///
/// # Errors
/// `Invalid` unless `name` is `[a-z][a-z0-9-]{0,63}`, does not end in `-`, and is not the name of a crate in use.
pub fn files(name: &str) -> Result<Vec<(String, String)>, Error> {
    check(name)?;
    let lib = name.replace('-', "_");
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{lib}}", &lib)
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
    };
    let project = PROJECT.iter().map(|(path, text)| ((*path).to_owned(), fill(text)));
    let vendored =
        ABI.iter().chain(SDK).map(|(path, text)| ((*path).to_owned(), text.replace(OWN_LINES, "")));
    Ok(project.chain(vendored).collect())
}

fn check(name: &str) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Invalid(format!("`{name}` cannot name a plugin: {why}")));
    let grammar = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(grammar) {
        return refuse("use 1 to 64 of a-z, 0-9 and -");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.ends_with('-') {
        return refuse("begin with a letter and do not end with -");
    }
    if TAKEN.contains(&name) {
        return refuse("a crate that it uses has this name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "hello", "my-plugin-2", &"x".repeat(64)] {
            assert!(files(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "2a", "A", "a_b", "../a", "serde", &"x".repeat(65)] {
            assert!(matches!(files(bad), Err(Error::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn every_place_is_filled_and_nothing_leads_outside() {
        let files = files("my-plugin").unwrap();
        let paths: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths.len(), files.len());
        for (path, text) in &files {
            assert!(!text.contains("{{name") && !text.contains("{{lib"), "{path}");
            assert!(!text.contains("workspace = true") && !text.contains("mod scaffold"), "{path}");
            assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
        }
    }

    #[test]
    fn every_source_file_is_vendored() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (folder, list, prefix) in [
            (root.join("src"), SDK, "vendor/shimmer-sdk/src/"),
            (root.join("../../core/abi/src"), ABI, "vendor/shimmer-abi/src/"),
        ] {
            let listed: BTreeSet<String> = list
                .iter()
                .filter_map(|(path, _)| path.strip_prefix(prefix))
                .map(str::to_owned)
                .collect();
            let mut found = BTreeSet::new();
            collect(&folder, "", &mut found);
            found.remove("scaffold.rs");
            assert_eq!(listed, found, "{}", folder.display());
        }
    }

    /// The vendored manifests say by hand what the workspace says.
    #[test]
    fn vendored_manifests_follow_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let workspace = std::fs::read_to_string(root).unwrap();
        for (path, text) in PROJECT.iter().filter(|(path, _)| path.starts_with("vendor/")) {
            for key in ["edition", "rust-version", "license", "serde", "serde_json"] {
                let line = |text: &str| {
                    let head = format!("{key} = ");
                    text.lines().find(|line| line.starts_with(&head)).map(str::to_owned)
                };
                if let Some(ours) = line(text) {
                    assert_eq!(Some(ours), line(&workspace), "{path}");
                }
            }
        }
    }

    fn collect(folder: &Path, prefix: &str, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                collect(&entry.path(), &format!("{name}/"), into);
            } else {
                into.insert(name);
            }
        }
    }
}
