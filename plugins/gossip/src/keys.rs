//! The node's key and the mesh's pre-shared key, and the files they live in.
//!
//! The rule: a secret is readable by its owner alone, on disk and in memory, and no message ever holds one.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of either key.
pub(crate) const KEY_BYTES: usize = 32;
/// More than any accepted file has: 64 hex digits and a line end.
const MAX_FILE: u64 = 256;

/// 32 secret bytes: an Ed25519 seed (RFC 8032, 5.1.5) or a pre-shared key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret([u8; KEY_BYTES]);

/// Why a key file cannot be used; `Display` names the file and the remedy, never the content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// There is no such file.
    #[error("key file {0}: is not there; create it, or leave the setting out")]
    Missing(PathBuf),
    /// Others may read it.
    #[error("key file {path}: mode {mode:04o} lets others at it; run chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("key file {0}: must hold 32 bytes, raw or as 64 hex digits")]
    Content(PathBuf),
    /// The system refused.
    #[error("key file {path}: {why}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

impl Secret {
    /// A secret of these bytes.
    #[cfg(test)]
    pub(crate) const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A new secret from the system's random numbers.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves.
    pub(crate) const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Reads a key file, which must be of mode 0600 or narrower.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyError> {
        let mut content = Vec::new();
        let mut read = || -> io::Result<u32> {
            let file = File::open(path)?;
            // Of the open file, not of the name: nobody can exchange it in between.
            let meta = file.metadata()?;
            if !meta.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no plain file"));
            }
            file.take(MAX_FILE).read_to_end(&mut content)?;
            Ok(meta.permissions().mode() & 0o7777)
        };
        match read() {
            Ok(mode) if mode & 0o177 != 0 => {
                Err(KeyError::Open { path: path.to_owned(), mode: mode & 0o777 })
            }
            Ok(_) => parse(&content).ok_or_else(|| KeyError::Content(path.to_owned())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                Err(KeyError::Missing(path.to_owned()))
            }
            Err(why) => Err(KeyError::Io { path: path.to_owned(), why }),
        }
    }

    /// Reads a key file, or creates it with a new secret. Two processes that try at once get the same secret.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Missing(_)) => {}
            other => return other,
        }
        let made = Self::random().and_then(|secret| create(path, &secret));
        match made {
            Ok(()) => {}
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(KeyError::Io { path: path.to_owned(), why }),
        }
        Self::load(path)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort: `black_box` keeps the store from being dropped with the value.
        self.0 = [0; KEY_BYTES];
        std::hint::black_box(&self.0);
    }
}

fn parse(content: &[u8]) -> Option<Secret> {
    if let Ok(raw) = content.try_into() {
        return Some(Secret(raw));
    }
    let digits = content.trim_ascii();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(Secret(bytes))
}

/// Creates the file as a whole or not at all, and never over another: written beside it, then linked.
fn create(path: &Path, secret: &Secret) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:08x}", getrandom::u32().map_err(io::Error::other)?));
    let beside = PathBuf::from(beside);
    let mut text: String = secret.0.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    // The mode is given at creation: a sandboxed process may not change it afterwards.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::hard_link(&beside, path));
    let removed = std::fs::remove_file(&beside);
    written.and(removed)?;
    if let Some(folder) = folder {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn write(path: &Path, content: &[u8], mode: u32) {
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/node.key");
        let made = Secret::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Secret::load_or_create(&path).unwrap() == made, "the same key again");
        assert!(Secret::random().unwrap() != made);
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left lying about");
    }

    #[test]
    fn creating_never_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        create(&path, &Secret::new([1; 32])).unwrap();
        let again = create(&path, &Secret::new([2; 32])).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert!(Secret::load(&path).unwrap() == Secret::new([1; 32]));
    }

    #[test]
    fn many_that_start_at_once_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let keys: Vec<Secret> = std::thread::scope(|scope| {
            let load = || Secret::load_or_create(&path).unwrap();
            let started: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn raw_and_hex_are_read_and_wider_modes_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("psk");
        write(&path, &[0xab; 32], 0o600);
        assert!(Secret::load(&path).unwrap() == Secret::new([0xab; 32]));
        write(&path, format!("{}\r\n", "aB".repeat(32)).as_bytes(), 0o400);
        // The file of mode 0400 was written before its mode was set.
        assert!(Secret::load(&path).unwrap() == Secret::new([0xab; 32]));
        for mode in [0o640, 0o604, 0o620, 0o700, 0o666] {
            write(&folder.path().join("wide"), &[0xab; 32], mode);
            let why = Secret::load(&folder.path().join("wide")).unwrap_err().to_string();
            assert!(why.contains("chmod 600") && why.contains(&format!("{mode:04o}")), "{why}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("psk");
        assert!(matches!(Secret::load(&path), Err(KeyError::Missing(_))));
        for content in [&b""[..], b"hunter2", &[b'z'; 64], &[b'a'; 63], &[7; 300]] {
            write(&path, content, 0o600);
            let why = Secret::load(&path).unwrap_err().to_string();
            assert!(why.contains("64 hex digits") && !why.contains("hunter2"), "{why}");
        }
        assert!(Secret::load(folder.path()).unwrap_err().to_string().contains("no plain file"));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new([0x5a; 32])), "Secret(..)");
    }
}
