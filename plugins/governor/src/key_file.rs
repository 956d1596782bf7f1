//! Files of secret keys: 64 hex digits and LF, for their owner's eyes alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::key::{Bytes, Secret};

/// Longest file that is looked at.
const MOST_BYTES: u64 = 1024;

/// Why a key file cannot be used; it names the file and the remedy, never the content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refused.
    #[error("{0} cannot be {1}: {2}")]
    Io(PathBuf, &'static str, io::Error),
    /// Others may read it.
    #[error("{0} can be read by others, so it is no secret: chmod 600 {0}, if nobody did")]
    Open(PathBuf),
    /// It holds something else.
    #[error("{0} is no key: 64 hex digits, as `shimmer dao keygen` writes them")]
    Content(PathBuf),
}

impl Secret {
    /// Makes a secret of the system's random numbers and writes it to `file`, mode 0600, which must not exist.
    ///
    /// # Errors
    ///
    /// There is no randomness, or the file cannot be made.
    pub fn generate(file: &Path) -> Result<Self, KeyFileError> {
        let mut secret = [0; 32];
        let written = getrandom::fill(&mut secret).map_err(io::Error::other).and_then(|()| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            writeln!(file, "{}", Bytes(secret))?;
            file.sync_all()
        });
        written.map_err(|why| KeyFileError::Io(file.to_owned(), "written", why))?;
        Ok(Self::from_bytes(&secret))
    }

    /// Reads a secret from a file that nobody else can read.
    ///
    /// # Errors
    ///
    /// Each of [`KeyFileError`].
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        let mut text = String::new();
        let mut read = || -> io::Result<u32> {
            let opened = File::open(file)?;
            // Of the open file, not of the name: nobody can exchange it in between.
            let mode = opened.metadata()?.permissions().mode();
            opened.take(MOST_BYTES).read_to_string(&mut text)?;
            Ok(mode)
        };
        match read() {
            Ok(mode) if mode & 0o077 != 0 => Err(KeyFileError::Open(file.to_owned())),
            Ok(_) => match text.trim().parse::<Bytes<32>>() {
                Ok(secret) => Ok(Self::from_bytes(&secret.0)),
                Err(_) => Err(KeyFileError::Content(file.to_owned())),
            },
            Err(why) => Err(KeyFileError::Io(file.to_owned(), "read", why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_again_and_never_overwritten() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("a.key");
        let key = Secret::generate(&file).expect("a key").key();
        assert_eq!(Secret::read(&file).expect("the same").key(), key);
        assert_eq!(file.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
        assert!(Secret::generate(&file).is_err());
        assert_eq!(Secret::read(&file).expect("the same").key(), key);
    }

    #[test]
    fn what_others_can_read_or_is_no_key_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("a.key");
        Secret::generate(&file).expect("a key");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("ours");
        let why = Secret::read(&file).expect_err("readable").to_string();
        assert!(why.contains("chmod 600"), "{why}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
        std::fs::write(&file, "no key").expect("ours");
        let why = Secret::read(&file).expect_err("no key").to_string();
        assert!(why.contains("keygen") && !why.contains("no key\n"), "{why}");
    }
}
