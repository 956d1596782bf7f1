//! `shimmer plugin new`: the sources of a new plugin.
//!
//! The rule: nothing that exists is overwritten.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};

use crate::failure::Outcome;

/// Runs `shimmer plugin new`.
pub(super) fn new(name: &str, dir: Option<PathBuf>) -> Outcome {
    super::check_name(name)?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(name));
    let files = shimmer_sdk::scaffold::files(name)
        .map_err(|error| crate::failure::Failure::Usage(error.to_string()))?;
    write(&dir, files.iter().map(|(path, text)| (Path::new(path), text.as_ref())))?;
    let folder = dir.display();
    write!(
        std::io::stdout(),
        "wrote {folder}\n\nnext:\n  cd {folder}\n  cargo test\n  shimmer plugin dev --serve\n"
    )?;
    Ok(())
}

/// Writes files below a folder that does not exist yet or is empty.
fn write<'a>(dir: &Path, files: impl Iterator<Item = (&'a Path, &'a str)>) -> anyhow::Result<()> {
    let taken = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("{}", dir.display())),
    };
    if taken {
        bail!("{} exists and is not empty", dir.display());
    }
    for (path, text) in files {
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            bail!("{} leads out of the folder", path.display());
        }
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_once_and_nowhere_else() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("p");
        let file = |path: &'static str| [(Path::new(path), "x")].into_iter();
        write(&dir, file("src/lib.rs")).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join("src/lib.rs")).unwrap(), "x");
        let again = write(&dir, file("src/lib.rs")).unwrap_err();
        assert!(again.to_string().contains("not empty"));
        for bad in ["../out", "/out", "a/../../out"] {
            assert!(write(&base.path().join("q"), file(bad)).is_err(), "{bad}");
        }
    }
}
