//! Checks made right over whatever they cover, so that tests and a fuzz target get behind them.
//!
//! Rule: nothing but checks is changed, and where the bytes give no layout only that of the superblock.

use super::cursors::COPY;
use super::file::{
    CURSORS_AT, FileLayout, HINTS_AT, ID_BYTES, SUPER_BYTES, crc32c, put_u32, put_u64, u32_at,
    u64_at,
};
use super::record::{self, HEADER};
use super::{HINT, scan};
use crate::dedup::EventKey;

/// Makes the checks of `file` right.
pub(crate) fn forge(file: &mut [u8]) {
    if file.len() < CURSORS_AT as usize {
        return;
    }
    let crc = crc32c(&file[..SUPER_BYTES]);
    put_u32(file, SUPER_BYTES, crc);
    let whole = |layout: &FileLayout| layout.total() == file.len() as u64;
    let Some(layout) = FileLayout::read(file).filter(whole) else { return };
    let seed = (u64_at(file, 32) ^ u64_at(file, 40) >> 32) as u32;
    let (ids_at, log_at) = (layout.ids_at() as usize, layout.log_at() as usize);
    for hint in file[HINTS_AT as usize..].chunks_exact_mut(HINT).take(2) {
        let crc = crc32c(&hint[8..32]);
        put_u32(hint, 0, crc);
    }
    for copy in file[CURSORS_AT as usize..ids_at].chunks_exact_mut(COPY) {
        let crc = crc32c(&copy[4..]);
        put_u32(copy, 0, crc);
    }
    for place in file[ids_at..log_at].chunks_exact_mut(ID_BYTES).take(layout.window as usize) {
        if let Some(key) = place[8..].first_chunk().map(|chunk| EventKey::from_le_bytes(*chunk)) {
            let check = scan::id_check(u64_at(place, 0), key);
            put_u64(place, 24, check);
        }
    }
    let log = &mut file[log_at..];
    // From the end, so that a record within another is right before the other is.
    for offset in (0..=log.len() - HEADER).rev().step_by(8) {
        let (len, position) = (u32_at(log, offset) as usize, u64_at(log, offset + 8));
        let is_here = position % layout.log_bytes == offset as u64;
        if is_here && len >= HEADER && len.is_multiple_of(8) && len <= log.len() - offset {
            let record = &mut log[offset..offset + len];
            let crc = record::check(record, seed);
            put_u32(record, 4, crc);
        }
    }
}
