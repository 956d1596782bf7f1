//! The journal's file: its parts, its superblock, and how it comes into being.
//!
//! Rule: a file gets its name only when it is whole; whatever bears the name and is no journal of
//! this layout is moved aside, never overwritten.

#![allow(unsafe_code, reason = "the file is used as mapped memory")]

use crate::dedup::SipKey;
use crate::error::{MapError, OpenError};
use crate::fail;
use crate::mapping::{Access, Mapping};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"SHMRJRNL";
/// Raised with every change of the file's layout.
const VERSION: u32 = 3;
/// Bytes of the superblock that its check covers.
pub(super) const SUPER_BYTES: usize = 72;
pub(super) const HINTS_AT: u64 = 4096;
pub(super) const CURSORS_AT: u64 = 8192;
/// Places in the table of cursors.
pub(crate) const CURSOR_PLACES: usize = 128;
/// Bytes of one place: two copies, written in turn.
pub(crate) const CURSOR_PLACE: usize = 256;
/// Bytes of one remembered id.
pub(crate) const ID_BYTES: usize = 32;
/// Files set aside before the next one replaces the last.
const ASIDE_MAX: u32 = 1000;
/// Sizes of the table of ids, in places, and of the log in bytes, that a file is made with.
const WINDOW: RangeInclusive<u64> = 1..=1 << 24;
const LOG_BYTES: RangeInclusive<u64> = 4096..=1 << 40;
/// Sequences, positions and generations end before the numbers do. No file that was written comes near: what says
/// so is damaged, and is not to be counted on from.
pub(super) const FARTHEST: u64 = u64::MAX - (1 << 41);

/// The sizes that give a journal file its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLayout {
    pub(crate) window: u64,
    pub(crate) log_bytes: u64,
}

impl FileLayout {
    /// What a whole superblock says; `None` for sizes that no file is made with.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let layout = Self { window: u64_at(head, 16), log_bytes: u64_at(head, 24) };
        let is_made = WINDOW.contains(&layout.window)
            && LOG_BYTES.contains(&layout.log_bytes)
            && layout.log_bytes.is_multiple_of(4096);
        is_made.then_some(layout)
    }

    pub(super) fn ids_at(self) -> u64 {
        CURSORS_AT + (CURSOR_PLACES * CURSOR_PLACE) as u64
    }

    pub(super) fn log_at(self) -> u64 {
        (self.ids_at() + self.window * ID_BYTES as u64).next_multiple_of(4096)
    }

    pub(super) fn total(self) -> u64 {
        self.log_at() + self.log_bytes
    }
}

/// A mapped journal file.
#[derive(Debug)]
pub(crate) struct JournalFile {
    pub(crate) layout: FileLayout,
    pub(crate) sip_key: SipKey,
    pub(crate) epoch: u64,
    mapping: Mapping,
    file: File,
}

/// What bears the journal's name.
pub(crate) enum Found {
    Nothing,
    Journal(JournalFile),
    /// Something else, and what is wrong with it.
    Foreign(String),
}

impl JournalFile {
    /// Opens and checks the file.
    pub(crate) fn open(path: &Path) -> Result<Found, OpenError> {
        let failed = |source| OpenError::Journal { path: path.to_owned(), source };
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(failed(error)),
        };
        let len = file.metadata().map_err(failed)?.len();
        let mut head = [0; SUPER_BYTES + 8];
        if len < CURSORS_AT || file.read_exact_at(&mut head, 0).is_err() {
            return Ok(Found::Foreign("it is too short".to_owned()));
        }
        if &head[..8] != MAGIC {
            return Ok(Found::Foreign("it is no journal".to_owned()));
        }
        let version = u32_at(&head, 8);
        if version != VERSION {
            return Ok(Found::Foreign(format!("it has version {version}, not {VERSION}")));
        }
        if u32_at(&head, SUPER_BYTES) != crc32c(&head[..SUPER_BYTES]) {
            return Ok(Found::Foreign("its head is damaged".to_owned()));
        }
        let Some(layout) = FileLayout::read(&head).filter(|layout| layout.total() == len) else {
            return Ok(Found::Foreign(format!("it has {len} bytes, not those it was made with")));
        };
        let mapping = Mapping::new(&file, len, Access::Write)?;
        Ok(Found::Journal(Self {
            layout,
            sip_key: (u64_at(&head, 32), u64_at(&head, 40)),
            epoch: u64_at(&head, 48),
            mapping,
            file,
        }))
    }

    /// Makes the file under `path`, all of it allocated.
    pub(crate) fn create(
        path: &Path,
        layout: FileLayout,
        sip_key: SipKey,
        epoch: u64,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Journal { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(path).map_err(failed)?;
        if let Err(error) = allocate(&file, layout.total()) {
            // What could be allocated goes back: the disk is full as it is.
            drop(std::fs::remove_file(path));
            return Err(if error.kind() == io::ErrorKind::StorageFull {
                OpenError::NoSpace { path: path.to_owned(), bytes: layout.total() }
            } else {
                failed(error)
            });
        }
        let mut head = [0; SUPER_BYTES + 8];
        head[..8].copy_from_slice(MAGIC);
        put_u32(&mut head, 8, VERSION);
        put_u64(&mut head, 16, layout.window);
        put_u64(&mut head, 24, layout.log_bytes);
        put_u64(&mut head, 32, sip_key.0);
        put_u64(&mut head, 40, sip_key.1);
        put_u64(&mut head, 48, epoch);
        let crc = crc32c(&head[..SUPER_BYTES]);
        put_u32(&mut head, SUPER_BYTES, crc);
        file.write_all_at(&head, 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let mapping = Mapping::new(&file, layout.total(), Access::Write)?;
        Ok(Self { layout, sip_key, epoch, mapping, file })
    }

    /// Gives the finished file its name.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), OpenError> {
        let failed = |source| OpenError::Journal { path: to.to_owned(), source };
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(from, to).map_err(failed)?;
        sync_parent(to).map_err(failed)
    }

    /// A second handle, for syncing from another thread than the writer's.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn part(&self, range: Range<u64>) -> &[u8] {
        let start = self.mapping.at::<u8>(range.start);
        assert!(range.end <= self.mapping.len() as u64, "a part lies in the file");
        // SAFETY: the part lies in the mapping. The file is private to this process (its directory
        // is locked) and this mapping belongs to one owner, whose borrow excludes writes.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), (range.end - range.start) as usize) }
    }

    fn part_mut(&mut self, range: Range<u64>) -> &mut [u8] {
        let start = self.mapping.at::<u8>(range.start);
        assert!(range.end <= self.mapping.len() as u64, "a part lies in the file");
        // SAFETY: as in `part`; the exclusive borrow excludes every other access.
        unsafe {
            std::slice::from_raw_parts_mut(start.as_ptr(), (range.end - range.start) as usize)
        }
    }

    pub(crate) fn hints(&self) -> &[u8] {
        self.part(HINTS_AT..CURSORS_AT)
    }

    pub(crate) fn hints_mut(&mut self) -> &mut [u8] {
        self.part_mut(HINTS_AT..CURSORS_AT)
    }

    pub(crate) fn cursors(&self) -> &[u8] {
        self.part(CURSORS_AT..self.layout.ids_at())
    }

    pub(crate) fn cursors_mut(&mut self) -> &mut [u8] {
        self.part_mut(CURSORS_AT..self.layout.ids_at())
    }

    pub(crate) fn ids(&self) -> &[u8] {
        let at = self.layout.ids_at();
        self.part(at..at + self.layout.window * ID_BYTES as u64)
    }

    pub(crate) fn ids_mut(&mut self) -> &mut [u8] {
        let at = self.layout.ids_at();
        self.part_mut(at..at + self.layout.window * ID_BYTES as u64)
    }

    pub(crate) fn log(&self) -> &[u8] {
        self.part(self.layout.log_at()..self.layout.total())
    }

    pub(crate) fn log_mut(&mut self) -> &mut [u8] {
        self.part_mut(self.layout.log_at()..self.layout.total())
    }

    /// Writes into the log in one call. Its mapping shows at once what was written.
    pub(crate) fn write_log(&mut self, at: u64, bytes: &[u8]) {
        self.write(self.layout.log_at() + at, bytes);
    }

    /// Writes into the table of ids from place `at` on.
    pub(crate) fn write_ids(&mut self, at: u64, bytes: &[u8]) {
        self.write(self.layout.ids_at() + at * ID_BYTES as u64, bytes);
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.file.write_all_at(bytes, at).is_err() {
            // The blocks are there, so that the mapping takes what a call does not.
            self.part_mut(at..at + bytes.len() as u64).copy_from_slice(bytes);
        }
    }

    /// Writes everything before the log through to the disk.
    pub(crate) fn sync_tables(&self) -> io::Result<()> {
        self.sync_range(0..self.layout.log_at())
    }

    /// Writes a range of the log, as offsets in it, through to the disk.
    pub(crate) fn sync_log(&self, range: Range<u64>) -> io::Result<()> {
        let at = self.layout.log_at();
        self.sync_range(at + range.start..at + range.end)
    }

    fn sync_range(&self, range: Range<u64>) -> io::Result<()> {
        let start = range.start & !4095;
        let at = self.mapping.at::<u8>(start);
        // SAFETY: the range lies in the mapping; writing it back changes no memory.
        unsafe {
            rustix::mm::msync(
                at.as_ptr().cast(),
                (range.end - start) as usize,
                rustix::mm::MsyncFlags::SYNC,
            )?;
        }
        fail::synced(start..range.end);
        Ok(())
    }
}

/// Moves a file that is no journal out of the way; gives its new name.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::Journal { path: path.to_owned(), source };
    let mut aside = path.to_owned();
    for n in 1..=ASIDE_MAX {
        aside = path.with_extension(format!("journal.damaged-{n}"));
        if !aside.try_exists().map_err(failed)? {
            break;
        }
    }
    std::fs::rename(path, &aside).map_err(failed)?;
    Ok(aside)
}

/// Allocates all blocks, so that writing through the mapping never meets a full disk.
fn allocate(file: &File, len: u64) -> io::Result<()> {
    // Asked beforehand, since a failing allocation takes what is left from others for a moment.
    let disk = rustix::fs::fstatvfs(file)?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < len {
        return Err(io::ErrorKind::StorageFull.into());
    }
    match fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        // File systems without preallocation: zeros do the same.
        Err(Errno::OPNOTSUPP) => {
            let zeros = vec![0; 1 << 20];
            let mut left = len;
            let mut file = file;
            while left > 0 {
                let part = left.min(zeros.len() as u64);
                file.write_all(&zeros[..part as usize])?;
                left -= part;
            }
            Ok(())
        }
        Err(errno) => Err(errno.into()),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

impl From<MapError> for io::Error {
    fn from(error: MapError) -> Self {
        io::Error::other(error)
    }
}

/// CRC-32C (Castagnoli).
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
