//! The shared segment: header, hot lines, columns, text and names in one mapping.
//!
//! Rule: the host makes and fills it, seals it, and alone can write it; everyone else compares the
//! whole header with their own layout before the first use.

#![allow(unsafe_code, reason = "the segment is raw shared memory")]

use crate::columns::{Columns, Run};
use crate::error::MapError;
use crate::hot::Hot;
use crate::layout::{COLUMNS, Geometry, HEADER_BYTES, HOT_BYTES, Header, MAGIC, VERSION};
use crate::mapping::{Access, Mapping, memfd, seal_read_only, sealed_len};
use crate::names::NameTable;
use crate::sync::Ordering;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One mapping of the segment and the places in it.
#[derive(Debug)]
pub(crate) struct Segment {
    geometry: Geometry,
    columns: Columns,
    names: NameTable,
    epoch: u64,
    fd: OwnedFd,
    // Last, since the places above lead into it.
    mapping: Mapping,
}

impl Segment {
    /// Makes, maps and seals a segment.
    pub(crate) fn create(geometry: Geometry, epoch: u64) -> Result<Self, MapError> {
        let fd = memfd("shimmer-ring", geometry.total_bytes)?;
        let mapping = Mapping::new(&fd, geometry.total_bytes, Access::Write)?;
        let header = mapping.at::<Header>(0).as_ptr();
        // SAFETY: `at` gives aligned memory of the right size; nobody else has the file yet, so
        // that plain writes are ours alone. Only the magic is written as an atomic, at the end.
        unsafe {
            (*header).layout_hash = geometry.layout_hash();
            (*header).version = VERSION;
            (*header).columns = COLUMNS as u32;
            (*header).capacity = geometry.capacity;
            (*header).text_bytes = geometry.text_bytes;
            (*header).names = geometry.names;
            (*header).epoch = epoch;
            (*header).total_bytes = geometry.total_bytes;
            (*header).column_offsets = geometry.column_offsets;
            (*header).text_offset = geometry.text_offset;
            (*header).names_offset = geometry.names_offset;
            // Release: pairs with the Acquire in `open`.
            (*header).magic.store(MAGIC, Ordering::Release);
        }
        seal_read_only(&fd)?;
        Ok(Self::over(mapping, fd, geometry, epoch))
    }

    /// Maps a received segment for reading.
    pub(crate) fn open(fd: OwnedFd) -> Result<Self, MapError> {
        let len = sealed_len(&fd)?;
        if len < HEADER_BYTES + HOT_BYTES {
            return Err(MapError::Foreign("size"));
        }
        let mapping = Mapping::new(&fd, len, Access::Read)?;
        // SAFETY: the mapping is at least a header long and the header is written no more once
        // its magic is there, which is checked before any other field is looked at.
        let header = unsafe { mapping.at::<Header>(0).as_ref() };
        // Acquire: pairs with the Release in `create`.
        if header.magic.load(Ordering::Acquire) != MAGIC {
            return Err(MapError::Foreign("magic"));
        }
        if header.version != VERSION || header.columns != COLUMNS as u32 {
            return Err(MapError::Foreign("version"));
        }
        let geometry = Geometry::new(header.capacity, header.text_bytes, header.names)?;
        if geometry.total_bytes != len || header.total_bytes != len {
            return Err(MapError::Foreign("size"));
        }
        if header.layout_hash != geometry.layout_hash()
            || header.column_offsets != geometry.column_offsets
            || header.text_offset != geometry.text_offset
            || header.names_offset != geometry.names_offset
        {
            return Err(MapError::Foreign("layout"));
        }
        let epoch = header.epoch;
        Ok(Self::over(mapping, fd, geometry, epoch))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    fn over(mapping: Mapping, fd: OwnedFd, geometry: Geometry, epoch: u64) -> Self {
        Self {
            columns: Columns::new(&mapping, &geometry),
            names: NameTable::new(&mapping, &geometry),
            geometry,
            epoch,
            fd,
            mapping,
        }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn names(&self) -> &NameTable {
        &self.names
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn hot(&self) -> &Hot {
        // SAFETY: the hot lines lie in the mapping (checked by `at`) and consist of atomics.
        unsafe { self.mapping.at::<Hot>(HEADER_BYTES).as_ref() }
    }

    /// Whether `meta` and its text were intact when they were copied, just now.
    /// How many of the `len` slots from `first` on may have been overwritten while they were read.
    pub(crate) fn lapped(&self, first: u64, len: usize) -> usize {
        let bounds = self.hot().bounds();
        let is_lapped = |seq: &u64| !bounds.slot_intact(*seq, self.geometry.capacity);
        (first..first + len as u64).take_while(is_lapped).count()
    }

    pub(crate) fn intact(&self, seq: u64, text_pos: u64) -> bool {
        let bounds = self.hot().bounds();
        bounds.slot_intact(seq, self.geometry.capacity)
            && bounds.text_intact(text_pos, self.geometry.text_bytes)
    }
}

/// The segment as a plugin process sees it: mapped read-only from a file received from the host.
#[derive(Debug)]
pub struct ReadMapping {
    segment: Segment,
}

impl ReadMapping {
    /// Checks and maps the segment.
    ///
    /// # Errors
    /// When the file is not a sealed segment of this build's layout, or cannot be mapped.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, MapError> {
        Ok(Self { segment: Segment::open(fd)? })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Last published sequence, 0 for none.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.segment.hot().published()
    }

    /// Number of slots.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.segment.geometry.capacity
    }

    /// Number that changes with every new ring, but not with its restarts.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.segment.epoch
    }

    /// Start and number of the name slots: 520 bytes each, `{id: u32, len: u32, bytes: [u8; 512]}`
    /// in the machine's byte order (little-endian), the name of `id` in slot `id % number`.
    #[must_use]
    pub fn names_raw(&self) -> (*const u8, u64) {
        self.segment.names.raw()
    }

    /// Appends the string of a name id to `out`; `false` if the id is not in the table.
    pub fn name(&self, id: u32, out: &mut Vec<u8>) -> bool {
        self.segment.names.read(id, out)
    }

    /// Borrows up to `max` published events after `cursor`, cut at the wrap of the columns.
    ///
    /// # Safety
    /// A gate of the caller lies at or below `cursor` (and at or above the oldest kept event's
    /// predecessor) and does not move beyond it while the run or anything borrowed from it lives.
    #[must_use]
    pub unsafe fn run(&self, cursor: u64, max: usize) -> Run<'_> {
        let capacity = self.segment.geometry.capacity;
        let first = cursor.wrapping_add(1);
        let there = self.published().saturating_sub(cursor).min(capacity);
        let before_wrap = capacity - (first & (capacity - 1));
        let len = there.min(before_wrap).min(max as u64) as usize;
        // SAFETY: the slots are published (Acquire in `published`), do not wrap, and the caller's
        // gate keeps the writer off them while the run lives.
        unsafe { self.segment.columns.run(first, len) }
    }
}
