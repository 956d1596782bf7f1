//! Where a picture goes.
//!
//! The rule: a file is there whole or not at all, however the work on it ends.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The standard output, a pipe or device, or a file that appears when it is complete.
pub(crate) enum Output {
    Standard(std::io::Stdout),
    Special(File),
    File(Part),
}

/// A file in the making, beside the one that it will be: a renaming stays within one file system.
pub(crate) struct Part {
    file: BufWriter<File>,
    part: PathBuf,
    whole: PathBuf,
}

impl Output {
    /// Opens what `--output` names, `-` for the standard output.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(std::io::stdout()));
        }
        // A pipe or a device is not replaced by a file, nor is a link, which keeps its target.
        if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let device = File::options().write(true).open(path);
            return Ok(Self::Special(device.with_context(|| cannot_write(path))?));
        }
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut part = OsString::from(path);
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).with_context(|| cannot_write(path))?;
        Ok(Self::File(Part { file: BufWriter::new(file), part, whole: path.to_owned() }))
    }

    /// Shows the file under its name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if let Self::File(part) = &self {
            std::fs::rename(&part.part, &part.whole).with_context(|| cannot_write(&part.whole))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::Special(device) => device.write(bytes),
            Self::File(part) => part.file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::Special(device) => device.flush(),
            Self::File(part) => part.file.flush(),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is no longer there once it has its name.
        drop(std::fs::remove_file(&self.part));
    }
}

/// Writes a whole file, of what `content` writes.
pub(crate) fn write(
    path: &Path,
    content: impl FnOnce(&mut Output) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut output = Output::open(path)?;
    content(&mut output).with_context(|| cannot_write(path))?;
    output.finish()
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        let picture = |output: &mut Output| output.write_all(b"picture");
        write(&file, picture).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"picture");
        // A folder cannot be replaced by a file.
        let inner = folder.path().join("b.png");
        std::fs::create_dir(&inner).unwrap();
        assert!(write(&inner, picture).is_err());
        let nowhere = folder.path().join("no/a.png");
        let error = write(&nowhere, picture).unwrap_err().to_string();
        assert!(error.contains("a.png"), "{error}");
        // Work that ends early leaves what was there.
        let half = |output: &mut Output| {
            output.write_all(b"half")?;
            Err(std::io::Error::other("the rest is missing"))
        };
        assert!(write(&file, half).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"picture");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn pipes_and_links_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, file, link] = ["pipe", "a.png", "link"].map(|name| folder.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo is there: apt-get install coreutils").success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::read(pipe).unwrap())
        };
        let picture = |output: &mut Output| output.write_all(b"picture");
        write(&pipe, picture).unwrap();
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), b"picture");
        std::fs::write(&file, "before").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, picture).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"picture");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
