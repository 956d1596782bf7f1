//! Embeds the dashboard that lies in `core/web/dist`, if it has been built: a table of files, each as it is and
//! compressed. The rule: this never builds anything itself, so that cargo needs no other tool.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist");
    // Cargo watches only what exists; without a folder to watch it would build this crate every time.
    std::fs::create_dir_all(&dist)?;
    let dist = dist.canonicalize()?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut paths = Vec::new();
    collect(&dist, &mut paths)?;
    paths.sort();
    let mut table = String::from("[\n");
    for path in &paths {
        if path.extension().is_some_and(|end| end == "gz" || end == "br") {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        std::fs::read(path)?.hash(&mut hasher);
        let name = path.strip_prefix(&dist).unwrap_or(path).display().to_string();
        let _ = writeln!(
            table,
            "File {{ name: {name:?}, tag: \"\\\"{:016x}\\\"\", plain: include_bytes!({:?}), gzip: {}, brotli: {} }},",
            hasher.finish(),
            path.display().to_string(),
            beside(path, "gz"),
            beside(path, "br"),
        );
    }
    table.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("dashboard.rs"), table)
}

/// The compressed form beside a file, as an expression.
fn beside(path: &Path, ending: &str) -> String {
    let mut packed = path.as_os_str().to_owned();
    packed.push(format!(".{ending}"));
    let packed = PathBuf::from(packed);
    if packed.exists() {
        format!("Some(include_bytes!({:?}))", packed.display().to_string())
    } else {
        "None".to_owned()
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
