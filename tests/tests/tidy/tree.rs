//! The files of the checkout.
//!
//! The rule: what is built, fetched or kept for a running node is no part of the project.

use std::path::{Path, PathBuf};

/// A text file and where it stands, seen from the root.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Folders that hold nothing written by hand.
const LEFT_OUT: &[&str] = &["target", "node_modules", "dist", "data", "vendor"];

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests stand in a folder of the root").to_path_buf()
}

/// Every file of the project whose name ends in one of `extensions`.
pub(crate) fn files(extensions: &[&str]) -> Vec<TextFile> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let wanted = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        extensions.contains(&extension)
    };
    paths
        .into_iter()
        .filter(wanted)
        // A file that vanishes between the listing and the reading belongs to another test.
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            let relative = path.strip_prefix(&root).ok()?;
            Some(TextFile { path: relative.to_string_lossy().into_owned(), text })
        })
        .collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, into);
        } else {
            into.push(path);
        }
    }
}

#[test]
fn the_walk_finds_this_very_file_and_no_built_one() {
    let files = files(&["rs"]);
    let place = |file: &TextFile| file.path == "tests/tests/tidy/tree.rs";
    assert!(files.iter().any(place));
    assert!(files.iter().all(|file| !file.path.contains("target/")));
}
