//! Reading a journal from its hint to its end.
//!
//! Rule: records come in the order of their positions. Where one is damaged, the rest of the log is
//! searched for whole ones, so that damage costs what it touches and no more.

use super::file::{FARTHEST, ID_BYTES, JournalFile, u32_at, u64_at};
use super::record::{HEADER, Record};
use super::{Hint, read_hint, seed};
use crate::dedup::EventKey;

/// Reads the records of a file in order.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    log: &'a [u8],
    seed: u32,
    hint: Hint,
    /// Where the next record should begin.
    position: u64,
    /// Positions of the whole records beyond the first damage.
    salvage: Option<std::vec::IntoIter<u64>>,
    /// Bytes of a record that was begun at the end and not finished.
    cut_bytes: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a JournalFile) -> Self {
        let hint = read_hint(file).unwrap_or_default();
        let position = hint.position;
        let (log, seed) = (file.log(), seed(file));
        Self { log, seed, hint, position, salvage: None, cut_bytes: 0 }
    }

    pub(crate) fn hint(&self) -> Hint {
        self.hint
    }

    /// End of the last record that was read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    /// The next whole record with events or cursors.
    pub(crate) fn next_record(&mut self) -> Option<Record<'a>> {
        let log = self.log.len() as u64;
        loop {
            if let Some(salvage) = &mut self.salvage {
                let at = salvage.find(|at| *at >= self.position)?;
                self.position = at;
            }
            let offset = (self.position % log) as usize;
            let rest = &self.log[offset..];
            if rest.len() < HEADER {
                self.position += rest.len() as u64;
                continue;
            }
            match Record::read(rest, self.position, self.seed) {
                Some(record) if record.is_skip() => self.position += rest.len() as u64,
                Some(record) => {
                    self.position += record.len as u64;
                    return Some(record);
                }
                None if self.salvage.is_none() => self.search(),
                None => return None,
            }
        }
    }

    /// Collects the positions of all whole records from here on.
    fn search(&mut self) {
        let log = self.log.len() as u64;
        let mut found = Vec::new();
        for offset in (0..self.log.len().saturating_sub(HEADER) + 1).step_by(8) {
            let position = u64_at(self.log, offset + 8);
            if position >= self.position
                && position % log == offset as u64
                && Record::read(&self.log[offset..], position, self.seed).is_some()
            {
                found.push(position);
            }
        }
        found.sort_unstable();
        if found.is_empty() {
            let offset = (self.position % log) as usize;
            let rest = &self.log[offset..];
            if rest.len() >= HEADER && u64_at(rest, 8) == self.position {
                self.cut_bytes = u64::from(u32_at(rest, 0)).min(rest.len() as u64);
            }
        }
        self.salvage = Some(found.into_iter());
    }
}

/// The ids of a file's circular table.
#[derive(Debug)]
pub(crate) struct Ids<'a>(&'a [u8]);

impl<'a> Ids<'a> {
    pub(crate) fn new(file: &'a JournalFile) -> Self {
        Self(file.ids())
    }

    /// Every whole (sequence, key) in the table, in the order of places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, EventKey)> + 'a {
        let window = (self.0.len() / ID_BYTES) as u64;
        self.0.chunks_exact(ID_BYTES).zip(0..).filter_map(move |(place, at)| {
            let seq = u64_at(place, 0);
            let key = place[8..].first_chunk().map(|chunk| EventKey::from_le_bytes(*chunk))?;
            let whole = (1..=FARTHEST).contains(&seq)
                && seq % window == at
                && u64_at(place, 24) == id_check(seq, key);
            whole.then_some((seq, key))
        })
    }
}

/// What stands behind an id in the table and shows that it is whole. Multiplied out, every bit of the key and of the
/// sequence counts; it guards against half a write, not against anybody.
pub(crate) fn id_check(seq: u64, key: EventKey) -> u64 {
    let low = u128::from(key as u64 ^ 0x9e37_79b9_7f4a_7c15);
    let high = u128::from((key >> 64) as u64 ^ seq.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93);
    let product = low * high;
    product as u64 ^ (product >> 64) as u64 ^ seq
}
