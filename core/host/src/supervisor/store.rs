//! What the host keeps of a plugin on disk: copies of its library, and its state with the cursor it belongs to.
//!
//! A file is complete or absent: everything is written beside and renamed.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const STATE_MAGIC: &[u8; 8] = b"SHMSTAT2";
/// Magic, epoch, cursor, length, checksum.
const STATE_HEADER: usize = 8 + 8 + 8 + 8 + 4;
/// A state without the epoch, as it was written before.
const OLDER_MAGIC: &[u8; 8] = b"SHMSTAT1";

/// A state as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedState {
    /// The ring's history that the cursor belongs to; `None` where nobody wrote it down.
    pub(crate) epoch: Option<u64>,
    /// Last sequence that it has seen.
    pub(crate) cursor: u64,
    /// What the plugin wrote.
    pub(crate) blob: Vec<u8>,
}

impl SavedState {
    /// Whether its cursor is a sequence of the ring with this epoch, of which no state can have seen more than `most`.
    /// One that does not say so is believed where it fits.
    pub(crate) fn is_of(&self, epoch: u64, most: u64) -> bool {
        self.epoch.map_or(self.cursor <= most, |own| own == epoch)
    }
}

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

    /// Saves the state as it is after `cursor` of the ring with this epoch.
    pub(crate) fn save_state(&self, epoch: u64, cursor: u64, blob: &[u8]) -> io::Result<()> {
        let part = self.dir.join("state.part");
        let mut header = Vec::with_capacity(STATE_HEADER);
        header.extend_from_slice(STATE_MAGIC);
        header.extend_from_slice(&epoch.to_le_bytes());
        header.extend_from_slice(&cursor.to_le_bytes());
        header.extend_from_slice(&(blob.len() as u64).to_le_bytes());
        let checksum = crc32c([&header, blob]);
        header.extend_from_slice(&checksum.to_le_bytes());
        // What a plugin remembers may be as secret as what it was told.
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&header)?;
        file.write_all(blob)?;
        // The name must not reach the disk before the bytes: after a loss of power it would be a state that is damaged.
        file.sync_data()?;
        fs::rename(part, self.state_path())
    }

    /// The saved state. A file that is damaged is set aside, and why is told.
    pub(crate) fn load_state(&self) -> Result<Option<SavedState>, String> {
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

fn parse_state(bytes: &[u8]) -> Option<SavedState> {
    let has_epoch = bytes.starts_with(STATE_MAGIC);
    if !has_epoch && !bytes.starts_with(OLDER_MAGIC) {
        return None;
    }
    let header_len = if has_epoch { STATE_HEADER } else { STATE_HEADER - 8 };
    let (header, blob) = bytes.split_at_checked(header_len)?;
    let (said, checksum) = header.split_last_chunk::<4>()?;
    let mut words = said[8..].chunks_exact(8).filter_map(|word| word.try_into().ok());
    let mut next = || words.next().map(u64::from_le_bytes);
    let epoch = if has_epoch { Some(next()?) } else { None };
    let (cursor, len) = (next()?, next()?);
    let is_sound =
        len == blob.len() as u64 && crc32c([said, blob]) == u32::from_le_bytes(*checksum);
    is_sound.then(|| SavedState { epoch, cursor, blob: blob.to_vec() })
}

/// CRC-32C (Castagnoli) of parts that follow each other.
fn crc32c(parts: [&[u8]; 2]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_state_comes_back_with_its_cursor_and_damage_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        assert_eq!(store.load_state(), Ok(None));
        store.save_state(7, 1 << 40, b"state").unwrap();
        let saved = SavedState { epoch: Some(7), cursor: 1 << 40, blob: b"state".to_vec() };
        assert_eq!(store.load_state(), Ok(Some(saved.clone())));
        let path = store.state_path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "its owner's alone");
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
    fn a_state_of_the_older_form_is_read_and_believed_where_it_fits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        let mut bytes = b"SHMSTAT1".to_vec();
        bytes.extend_from_slice(&40u64.to_le_bytes());
        bytes.extend_from_slice(&5u64.to_le_bytes());
        bytes.extend_from_slice(&crc32c([&bytes, b"state"]).to_le_bytes());
        bytes.extend_from_slice(b"state");
        fs::write(store.state_path(), bytes).unwrap();
        let older = store.load_state().unwrap().unwrap();
        assert_eq!((older.cursor, older.blob.as_slice()), (40, &b"state"[..]));
        assert!(older.is_of(7, 40) && !older.is_of(7, 39));
        let newer = SavedState { epoch: Some(7), ..older };
        assert!(newer.is_of(7, 39) && !newer.is_of(8, 40));
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
