//! The data folder: made if absent, locked for as long as the node runs, home of the node's name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::ServerError;

const LOCK_FILE: &str = "lock";
const NODE_FILE: &str = "node_id";

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes `path` where it does not exist and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, ServerError> {
        let fault = |source| ServerError::DataDir { path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(fault)?;
        // The kernel drops the lock with the process, however it ends.
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ServerError::Locked(path.to_owned())),
            Err(errno) => Err(fault(errno.into())),
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The node's name: `configured`, else the one kept here, else a new random one that is kept.
    pub(crate) fn node_id(&self, configured: &str) -> Result<String, ServerError> {
        if !configured.is_empty() {
            return Ok(configured.to_owned());
        }
        let file = self.path.join(NODE_FILE);
        let fault = |source| ServerError::DataDir { path: file.clone(), source };
        match fs::read_to_string(&file) {
            Ok(kept) if is_node_id(kept.trim()) => return Ok(kept.trim().to_owned()),
            Ok(_) => return Err(fault(io::Error::other("does not hold a node's name"))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            Err(_) => {}
        }
        let id = format!("node-{:08x}", random_u32()?);
        let draft = self.path.join("node_id.new");
        fs::write(&draft, format!("{id}\n")).map_err(fault)?;
        // A loss of power must not leave a name without contents, with which no node starts.
        File::open(&draft).and_then(|file| file.sync_all()).map_err(fault)?;
        fs::rename(&draft, &file).map_err(fault)?;
        Ok(id)
    }
}

/// A random number from the system.
pub(crate) fn random_u32() -> Result<u32, ServerError> {
    getrandom::u32().map_err(|error| ServerError::System {
        what: "random bytes",
        source: io::Error::other(error.to_string()),
    })
}

fn is_node_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time_and_its_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(ServerError::Locked(_))));
        let id = first.node_id("").unwrap();
        assert!(id.starts_with("node-") && id.len() == 13, "{id}");
        assert_eq!(first.node_id("given").unwrap(), "given");
        drop(first);
        let again = DataDir::open(&path).unwrap();
        assert_eq!(again.node_id("").unwrap(), id);
        fs::write(path.join(NODE_FILE), "\n").unwrap();
        assert!(again.node_id("").is_err());
    }

    #[test]
    fn a_file_in_its_place_is_a_clear_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file).unwrap_err().to_string();
        assert!(error.contains("cannot use the data directory"), "{error}");
    }
}
