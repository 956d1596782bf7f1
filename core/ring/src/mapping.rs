//! Memory shared between processes: a sealed memfd and its mapping.
//!
//! Rule: a mapping is as long as it says for as long as it lives; the size is sealed before anyone
//! else gets the file.

#![allow(unsafe_code, reason = "mapping memory is unsafe by nature; this file wraps it")]

use crate::error::MapError;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

/// Who may write through a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that every thread of the process may reach; what synchronises
// the accesses to it is stated where they are made.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must be that long and stay that long.
    pub(crate) fn new(file: impl AsFd, len: u64, access: Access) -> Result<Self, MapError> {
        let len = usize::try_from(len).map_err(|_| MapError::Geometry("size"))?;
        let prot = match access {
            Access::Read => ProtFlags::READ,
            Access::Write => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe { mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(MapError::Foreign("address"))?;
        Ok(Self { base, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A pointer to a `T` at `offset`.
    ///
    /// # Panics
    /// When `T` does not lie in the mapping, aligned: a bug in the layout.
    pub(crate) fn at<T>(&self, offset: u64) -> NonNull<T> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let fits = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len);
        assert!(fits && offset.is_multiple_of(align_of::<T>()), "layout: offset {offset}");
        // SAFETY: the offset was just checked to lie inside the mapping.
        unsafe { self.base.add(offset).cast() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and length are those of our own mapping, and every reference into it
        // borrows from its owner.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Makes an anonymous file of `len` zero bytes that can be sealed.
pub(crate) fn memfd(name: &str, len: u64) -> Result<OwnedFd, MapError> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, len)?;
    Ok(fd)
}

/// Fixes the size of the file; no holder can change it again.
pub(crate) fn seal_size(fd: impl AsFd) -> Result<(), MapError> {
    Ok(fcntl_add_seals(fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?)
}

/// Fixes the size and refuses every later writable mapping; existing ones stay writable.
pub(crate) fn seal_read_only(fd: impl AsFd) -> Result<(), MapError> {
    let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(fcntl_add_seals(fd, seals)?)
}

/// The size of a received file, if it cannot change any more.
pub(crate) fn sealed_len(fd: impl AsFd) -> Result<u64, MapError> {
    let seals = fcntl_get_seals(&fd)?;
    if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
        return Err(MapError::Foreign("the size is not sealed"));
    }
    u64::try_from(fstat(&fd)?.st_size).map_err(|_| MapError::Foreign("size"))
}
