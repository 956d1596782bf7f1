//! The remembered ids of the newest events.
//!
//! Rule: exactly the newest `window` events are remembered; the record of sequence `s` lies at
//! `s % window`, so that writing one evicts the one that leaves the window.

#![allow(unsafe_code, reason = "prefetching is an intrinsic")]

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// The secret of the id and name hashes, so that nobody can choose colliding ids.
pub(crate) type SipKey = (u64, u64);

/// Hash of (origin, source, id): 128 bits, so that two events never meet by chance.
pub(crate) type EventKey = u128;

/// Hashes the identity of an event; every part is preceded by its length.
pub(crate) fn event_key(key: SipKey, origin: &str, source: &str, id: &str) -> EventKey {
    let mut hasher = SipHasher13::new_with_keys(key.0, key.1);
    for part in [origin, source, id] {
        hasher.write(&(part.len() as u32).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    hasher.finish128().as_u128()
}

/// How many keys ahead are fetched: a cache miss lasts about as long as storing this many events.
pub(crate) const AHEAD: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    key: EventKey,
    /// 0 when the place is empty.
    seq: u64,
}

/// [writer] The window of remembered ids and the way into it.
#[derive(Debug)]
pub(crate) struct Dedup {
    records: Box<[Record]>,
    /// Open addressing: low half of the key `<< 32 | place + 1` of a record, 0 when free; at most
    /// half full. The key's half spares the look at the records of other keys, which costs a cache
    /// miss each.
    index: Box<[u64]>,
}

impl Dedup {
    pub(crate) fn new(window: u64) -> Self {
        let window = window as usize;
        Self {
            records: vec![Record::default(); window].into(),
            index: vec![0; (window * 2).next_power_of_two()].into(),
        }
    }

    /// Fetches what [`find`](Self::find) and [`insert`](Self::insert) of this key will look at.
    pub(crate) fn fetch(&self, key: EventKey) {
        prefetch(&self.index[self.home(key as u32)]);
    }

    /// The sequence under which the event was stored, if it is remembered.
    pub(crate) fn find(&self, key: EventKey) -> Option<u64> {
        let tag = key as u32;
        let mut at = self.home(tag);
        loop {
            let entry = self.index[at];
            if entry == 0 {
                return None;
            }
            if (entry >> 32) as u32 == tag {
                let record = &self.records[place_of(entry)];
                if record.key == key {
                    return Some(record.seq);
                }
            }
            at = (at + 1) & (self.index.len() - 1);
        }
    }

    /// Remembers the event; forgets the one that leaves the window.
    pub(crate) fn insert(&mut self, key: EventKey, seq: u64) {
        let place = (seq % self.records.len() as u64) as usize;
        // Who leaves is known long before: by its turn its place in the index is in the cache.
        let later = (seq + AHEAD as u64) % self.records.len() as u64;
        self.fetch(self.records[later as usize].key);
        if self.records[place].seq != 0 {
            self.remove(place);
        }
        self.records[place] = Record { key, seq };
        let mut at = self.home(key as u32);
        while self.index[at] != 0 {
            at = (at + 1) & (self.index.len() - 1);
        }
        self.index[at] = entry(key, place);
    }

    /// How many ids are remembered.
    pub(crate) fn len(&self) -> usize {
        self.records.iter().filter(|record| record.seq != 0).count()
    }

    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.index.len() - 1)
    }

    /// Takes the record out of the index and closes the hole behind it (Knuth 6.4, algorithm R).
    fn remove(&mut self, place: usize) {
        let mask = self.index.len() - 1;
        let gone = entry(self.records[place].key, place);
        let mut hole = self.home((gone >> 32) as u32);
        while self.index[hole] != gone {
            if self.index[hole] == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.index[at];
            if entry == 0 {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.index[hole] = entry;
                hole = at;
            }
        }
        self.index[hole] = 0;
        self.records[place].seq = 0;
    }
}

fn entry(key: EventKey, place: usize) -> u64 {
    u64::from(key as u32) << 32 | (place as u64 + 1)
}

/// Asks for the cache line of `entry` and goes on.
fn prefetch(entry: &u64) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see, and faults never.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(entry).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = entry;
}

fn place_of(entry: u64) -> usize {
    (entry & 0xffff_ffff) as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = (1, 2);
        assert_ne!(event_key(key, "ab", "c", "d"), event_key(key, "a", "bc", "d"));
        assert_ne!(event_key(key, "a", "b", ""), event_key(key, "a", "", "b"));
        assert_ne!(event_key((1, 2), "a", "b", "c"), event_key((1, 3), "a", "b", "c"));
    }

    proptest! {
        /// Few distinct homes, so that clusters wrap and removals move entries.
        #[test]
        fn remembers_exactly_the_window(
            window in 1u64..20,
            keys in proptest::collection::vec(0u128..24, 1..300),
        ) {
            let mut dedup = Dedup::new(window);
            let mut oracle: HashMap<u128, u64> = HashMap::new();
            let mut seq = 0;
            for key in keys {
                prop_assert_eq!(dedup.find(key), oracle.get(&key).copied());
                if oracle.contains_key(&key) {
                    continue;
                }
                seq += 1;
                dedup.insert(key, seq);
                oracle.insert(key, seq);
                oracle.retain(|_, s| *s + window > seq);
                prop_assert_eq!(dedup.len(), oracle.len());
            }
        }
    }
}
