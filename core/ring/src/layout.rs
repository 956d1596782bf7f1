//! Where everything lies in the shared segment.
//!
//! Rule: the layout is a pure function of three sizes; host and child compute it alike and compare,
//! and nothing in a header is used before it has been compared.

use crate::error::MapError;
use crate::sync::AtomicU64;

/// "SHMRRING" in little-endian byte order; stored last when a segment is made.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"SHMRRING");
/// Raised with every change of this file.
pub(crate) const VERSION: u32 = 1;
/// Size of the header page, before the hot lines.
pub(crate) const HEADER_BYTES: u64 = 4096;
/// Size of the page of hot lines, after the header page.
pub(crate) const HOT_BYTES: u64 = 4096;
/// Number of columns.
pub(crate) const COLUMNS: usize = 15;
/// Widths of the columns in bytes, in the order of [`Column`].
const WIDTHS: [u64; COLUMNS] = [8, 8, 8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4];
/// Longest name in bytes: 128 characters of at most four bytes.
pub const NAME_BYTES: usize = 512;

/// Smallest and largest number of slots.
pub const CAPACITY: std::ops::RangeInclusive<u64> = 2..=1 << 22;
/// Smallest and largest size of the text arena in bytes; text offsets are 32 bits wide.
pub const TEXT_BYTES: std::ops::RangeInclusive<u64> = 64..=(1 << 32) - 64;
/// Smallest and largest number of names.
pub const NAMES: std::ops::RangeInclusive<u64> = 8..=1 << 22;

/// The columns in their order in the segment, the 64-bit ones first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    TimeNs,
    ReceivedNs,
    Value,
    TextPos,
    Kind,
    Subject,
    Source,
    Origin,
    Flags,
    TextOffset,
    TextLen,
    DataStart,
    DataLen,
    IdStart,
    IdLen,
}

/// The first page of a segment.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) layout_hash: u64,
    pub(crate) version: u32,
    pub(crate) columns: u32,
    pub(crate) capacity: u64,
    pub(crate) text_bytes: u64,
    pub(crate) names: u64,
    pub(crate) epoch: u64,
    pub(crate) total_bytes: u64,
    pub(crate) column_offsets: [u64; COLUMNS],
    pub(crate) text_offset: u64,
    pub(crate) names_offset: u64,
}

/// A slot of the name table.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct NameSlot {
    /// Id in the low half, length in bytes in the high half: both change in one store.
    pub(crate) id_len: AtomicU64,
    pub(crate) words: [AtomicU64; NAME_BYTES / 8],
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(offset_of!(Header, magic) == 0);
    assert!(offset_of!(Header, layout_hash) == 8);
    assert!(offset_of!(Header, version) == 16);
    assert!(offset_of!(Header, capacity) == 24);
    assert!(offset_of!(Header, text_bytes) == 32);
    assert!(offset_of!(Header, names) == 40);
    assert!(offset_of!(Header, epoch) == 48);
    assert!(offset_of!(Header, total_bytes) == 56);
    assert!(offset_of!(Header, column_offsets) == 64);
    assert!(offset_of!(Header, text_offset) == 184);
    assert!(offset_of!(Header, names_offset) == 192);
    assert!(size_of::<Header>() == 200 && size_of::<Header>() as u64 <= HEADER_BYTES);
    assert!(size_of::<NameSlot>() == 520 && align_of::<NameSlot>() == 8);
    assert!(Column::IdLen as usize + 1 == COLUMNS);
};

/// The sizes and offsets of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) capacity: u64,
    pub(crate) text_bytes: u64,
    pub(crate) names: u64,
    pub(crate) column_offsets: [u64; COLUMNS],
    pub(crate) text_offset: u64,
    pub(crate) names_offset: u64,
    pub(crate) total_bytes: u64,
}

impl Geometry {
    /// Computes the layout of `capacity` slots, `text_bytes` of text and `names` names.
    pub(crate) fn new(capacity: u64, text_bytes: u64, names: u64) -> Result<Self, MapError> {
        if !CAPACITY.contains(&capacity) || !capacity.is_power_of_two() {
            return Err(MapError::Geometry("capacity"));
        }
        if !TEXT_BYTES.contains(&text_bytes) || !text_bytes.is_multiple_of(64) {
            return Err(MapError::Geometry("text_bytes"));
        }
        if !NAMES.contains(&names) {
            return Err(MapError::Geometry("names"));
        }
        let mut at = HEADER_BYTES + HOT_BYTES;
        let mut column_offsets = [0; COLUMNS];
        for (offset, width) in column_offsets.iter_mut().zip(WIDTHS) {
            *offset = at;
            at = (at + capacity * width).next_multiple_of(64);
        }
        let text_offset = at.next_multiple_of(4096);
        let names_offset = (text_offset + text_bytes).next_multiple_of(4096);
        let total_bytes =
            (names_offset + names * std::mem::size_of::<NameSlot>() as u64).next_multiple_of(4096);
        Ok(Self {
            capacity,
            text_bytes,
            names,
            column_offsets,
            text_offset,
            names_offset,
            total_bytes,
        })
    }

    /// A number that differs between layouts of different builds: FNV-1a over widths and places.
    pub(crate) fn layout_hash(&self) -> u64 {
        let fixed = [u64::from(VERSION), HEADER_BYTES, HOT_BYTES, NAME_BYTES as u64];
        fixed
            .iter()
            .chain(&WIDTHS)
            .chain(&self.column_offsets)
            .chain(&[self.text_offset, self.names_offset, self.total_bytes])
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, value| {
                (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3)
            })
    }

    pub(crate) fn mask(&self) -> u64 {
        self.capacity - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_disjoint() {
        for capacity in [2, 64, 65_536] {
            let g = Geometry::new(capacity, 4096, 16).expect("valid sizes");
            let mut end = HEADER_BYTES + HOT_BYTES;
            for (offset, width) in g.column_offsets.iter().zip(WIDTHS) {
                assert!(offset.is_multiple_of(64) && *offset >= end);
                end = offset + width * capacity;
            }
            assert!(g.text_offset >= end && g.names_offset >= g.text_offset + 4096);
        }
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        assert!(Geometry::new(3, 4096, 16).is_err());
        assert!(Geometry::new(1, 4096, 16).is_err());
        assert!(Geometry::new(1 << 23, 4096, 16).is_err());
        assert!(Geometry::new(2, 100, 16).is_err());
        assert!(Geometry::new(2, 1 << 32, 16).is_err());
        assert!(Geometry::new(2, 4096, 7).is_err());
    }
}
