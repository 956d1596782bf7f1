//! The journal's table of consumer cursors.
//!
//! Every place has two copies that are written in turn, so that a torn write leaves the other one.
//!
//! Rule: a cursor is in the table before the log record that brought it is overwritten.

use super::file::{
    CURSOR_PLACE, CURSOR_PLACES, FARTHEST, crc32c, put_u32, put_u64, u32_at, u64_at,
};
use crate::consumers::KEY_BYTES;

pub(super) const COPY: usize = CURSOR_PLACE / 2;
const KEY_AT: usize = 32;
const _: () = assert!(KEY_AT + KEY_BYTES <= COPY);

#[derive(Clone, Debug)]
struct Place {
    key: Box<str>,
    cursor: u64,
    hold: u64,
    generation: u64,
    dirty: bool,
}

/// The table, with its copy in memory.
#[derive(Debug, Default)]
pub(crate) struct CursorTable {
    places: Vec<Place>,
    /// Greatest generation given out: the order of the last changes.
    generation: u64,
}

impl CursorTable {
    /// Reads the table.
    pub(crate) fn load(bytes: &[u8]) -> Self {
        let mut table = Self::default();
        for place in bytes.chunks_exact(CURSOR_PLACE) {
            let newest =
                place.chunks_exact(COPY).filter_map(read_copy).max_by_key(|place| place.generation);
            table.places.extend(newest);
        }
        table.generation = table.places.iter().map(|place| place.generation).max().unwrap_or(0);
        table
    }

    /// Cursor and hold of a consumer.
    pub(crate) fn get(&self, key: &str) -> Option<(u64, u64)> {
        let place = self.places.iter().find(|place| *place.key == *key)?;
        Some((place.cursor, place.hold))
    }

    /// Sets a cursor, and the hold unless that is to stay. A full table forgets the consumer that
    /// changed least recently.
    pub(crate) fn set(&mut self, key: &str, cursor: u64, hold: Option<u64>) {
        self.generation += 1;
        let generation = self.generation;
        if let Some(place) = self.places.iter_mut().find(|place| *place.key == *key) {
            let new = (cursor, hold.unwrap_or(place.hold));
            if (place.cursor, place.hold) != new {
                (place.cursor, place.hold) = new;
                place.generation = generation;
                place.dirty = true;
            }
            return;
        }
        let hold = hold.unwrap_or(u64::MAX);
        let new = Place { key: key.into(), cursor, hold, generation, dirty: true };
        if self.places.len() < CURSOR_PLACES {
            self.places.push(new);
        } else if let Some(oldest) = self.places.iter_mut().min_by_key(|place| place.generation) {
            *oldest = new;
        }
    }

    /// Marks everything as not yet written, for a new file.
    pub(crate) fn touch(&mut self) {
        for place in &mut self.places {
            place.dirty = true;
        }
    }

    /// Writes what changed.
    pub(crate) fn store(&mut self, bytes: &mut [u8]) {
        for (place, bytes) in self.places.iter_mut().zip(bytes.chunks_exact_mut(CURSOR_PLACE)) {
            if !std::mem::take(&mut place.dirty) {
                continue;
            }
            // The older of the two copies, or one that is broken anyway.
            let generations =
                [0, 1].map(|i| generation(&bytes[i * COPY..][..COPY]).unwrap_or_default());
            let copy = usize::from(generations[0] > generations[1]);
            write_copy(&mut bytes[copy * COPY..][..COPY], place);
        }
    }
}

fn write_copy(to: &mut [u8], place: &Place) {
    to.fill(0);
    put_u32(to, 4, place.key.len() as u32);
    put_u64(to, 8, place.generation);
    put_u64(to, 16, place.cursor);
    put_u64(to, 24, place.hold);
    to[KEY_AT..KEY_AT + place.key.len()].copy_from_slice(place.key.as_bytes());
    let crc = crc32c(&to[4..]);
    put_u32(to, 0, crc);
}

/// The generation of a whole copy.
fn generation(bytes: &[u8]) -> Option<u64> {
    let whole = (1..=KEY_BYTES as u32).contains(&u32_at(bytes, 4))
        && u32_at(bytes, 0) == crc32c(&bytes[4..]);
    whole.then(|| u64_at(bytes, 8)).filter(|generation| *generation <= FARTHEST)
}

fn read_copy(bytes: &[u8]) -> Option<Place> {
    let generation = generation(bytes)?;
    let len = u32_at(bytes, 4) as usize;
    Some(Place {
        key: std::str::from_utf8(&bytes[KEY_AT..KEY_AT + len]).ok()?.into(),
        generation,
        cursor: u64_at(bytes, 16),
        hold: u64_at(bytes, 24),
        dirty: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_torn_write_of_either_copy() {
        let mut bytes = vec![0; CURSOR_PLACES * CURSOR_PLACE];
        let mut table = CursorTable::default();
        for cursor in 1..=4 {
            table.set("a", cursor, None);
            let before = bytes.clone();
            table.store(&mut bytes);
            let changed: Vec<usize> =
                (0..bytes.len()).filter(|i| before[*i] != bytes[*i]).collect();
            for cut in &changed[1..] {
                let mut torn = bytes.clone();
                torn[*cut..].copy_from_slice(&before[*cut..]);
                let seen = CursorTable::load(&torn).get("a");
                let whole = Some((cursor, u64::MAX));
                let last = (cursor > 1).then_some((cursor - 1, u64::MAX));
                assert!(seen == whole || seen == last, "{seen:?} after {cursor}");
            }
        }
        assert_eq!(CursorTable::load(&bytes).get("a"), Some((4, u64::MAX)));
    }

    #[test]
    fn a_full_table_forgets_the_stalest() {
        let mut bytes = vec![0; CURSOR_PLACES * CURSOR_PLACE];
        let mut table = CursorTable::default();
        for i in 0..CURSOR_PLACES as u64 {
            table.set(&format!("c{i}"), i, Some(i));
        }
        table.set("c0", 500, None);
        table.set("new", 7, None);
        table.store(&mut bytes);
        let loaded = CursorTable::load(&bytes);
        assert_eq!(loaded.get("c1"), None);
        assert_eq!(loaded.get("c0"), Some((500, 0)));
        assert_eq!(loaded.get("new"), Some((7, u64::MAX)));
        assert_eq!(loaded.places.len(), CURSOR_PLACES);
    }
}
