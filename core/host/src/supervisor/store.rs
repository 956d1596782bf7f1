//! What the host keeps of a plugin on disk: copies of its library, and its state with the cursor it belongs to.
//!
//! A file is complete or absent: everything is written beside and renamed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const STATE_MAGIC: &[u8; 8] = b"SHMSTAT1";
/// Magic, cursor, length, checksum.
const STATE_HEADER: usize = 8 + 8 + 8 + 4;

/// The folder of one plugin.
pub(crate) struct Store {
    dir: PathBuf,
    copies: u64,
}

impl Store {
    /// Opens `DIR/plugins/NAME` and clears copies that an earlier host left.
    pub(crate) fn open(data_dir: &Path, name: &str) -> io::Result<Self> {
        let dir = data_dir.join("plugins").join(name);
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)?.flatten() {
            if entry.path().extension().is_some_and(|ext| ext == "so" || ext == "part") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { dir, copies: 0 })
    }

    /// Copies the library to a path of its own: what runs never changes under its mapping, and two versions can be
    /// loaded side by side.
    pub(crate) fn copy_library(&mut self, library: &Path) -> io::Result<PathBuf> {
        self.copies += 1;
        let copy = self.dir.join(format!("{}.so", self.copies));
        fs::copy(library, &copy)?;
        Ok(copy)
    }

    /// Forgets a copy that nothing will load again.
    pub(crate) fn drop_copy(&self, copy: &Path) {
        // What stays is cleared at the next start.
        drop(fs::remove_file(copy));
    }

    /// Saves the state as it is after `cursor`.
    pub(crate) fn save_state(&self, cursor: u64, blob: &[u8]) -> io::Result<()> {
        let part = self.dir.join("state.part");
        let mut header = Vec::with_capacity(STATE_HEADER);
        header.extend_from_slice(STATE_MAGIC);
        header.extend_from_slice(&cursor.to_le_bytes());
        header.extend_from_slice(&(blob.len() as u64).to_le_bytes());
        let checksum = crc32c([&header, blob]);
        header.extend_from_slice(&checksum.to_le_bytes());
        let mut file = fs::File::create(&part)?;
        file.write_all(&header)?;
        file.write_all(blob)?;
        // The name must not reach the disk before the bytes: after a loss of power it would be a state that is damaged.
        file.sync_data()?;
        fs::rename(part, self.state_path())
    }

    /// The saved state with its cursor. A file that is damaged is set aside, and why is told.
    pub(crate) fn load_state(&self) -> Result<Option<(u64, Vec<u8>)>, String> {
        let path = self.state_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(format!("{}: {why}", path.display())),
        };
        if let Some(state) = parse_state(&bytes) {
            return Ok(Some(state));
        }
        let aside = self.dir.join("state.damaged");
        drop(fs::rename(&path, &aside));
        Err(format!("the saved state is damaged and was moved to {}", aside.display()))
    }

    fn state_path(&self) -> PathBuf {
        self.dir.join("state")
    }
}

fn parse_state(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (header, blob) = bytes.split_at_checked(STATE_HEADER)?;
    let word = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let checksum = u32::from_le_bytes(header[24..].try_into().ok()?);
    let sound = header.starts_with(STATE_MAGIC)
        && word(16)? == blob.len() as u64
        && crc32c([&header[..24], blob]) == checksum;
    sound.then(|| Some((word(8)?, blob.to_vec())))?
}

/// CRC-32C (Castagnoli) of parts that follow each other.
fn crc32c(parts: [&[u8]; 2]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_with_its_cursor_and_damage_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        assert_eq!(store.load_state(), Ok(None));
        store.save_state(1 << 40, b"state").unwrap();
        assert_eq!(store.load_state(), Ok(Some((1 << 40, b"state".to_vec()))));
        let path = store.state_path();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&path, &broken).unwrap();
            assert!(store.load_state().unwrap_err().contains("damaged"), "flipped byte {at}");
            assert_eq!(store.load_state(), Ok(None), "a damaged state is not read twice");
        }
        fs::write(&path, &whole[..10]).unwrap();
        assert!(store.load_state().is_err());
    }

    #[test]
    fn copies_have_paths_of_their_own_and_do_not_outlive_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("lib.so");
        fs::write(&library, b"code").unwrap();
        let mut store = Store::open(dir.path(), "p").unwrap();
        let first = store.copy_library(&library).unwrap();
        let second = store.copy_library(&library).unwrap();
        assert_ne!(first, second);
        store.drop_copy(&first);
        assert!(!first.exists() && second.exists());
        Store::open(dir.path(), "p").unwrap();
        assert!(!second.exists());
    }
}
