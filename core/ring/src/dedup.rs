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

/// Hashes the identities of events: the id with a key that origin and source are hashed to, so that the
/// hash of an id needs no more than its bytes, and neighbours share the rest.
#[derive(Debug)]
pub(crate) struct KeyHasher<'a> {
    key: SipKey,
    /// Origin and source of the event before.
    prefix: Option<(&'a str, &'a str)>,
    hasher: SipHasher13,
}

impl<'a> KeyHasher<'a> {
    pub(crate) fn new(key: SipKey) -> Self {
        Self { key, prefix: None, hasher: SipHasher13::new_with_keys(key.0, key.1) }
    }

    /// The key of the event with this identity.
    #[inline(always)]
    pub(crate) fn key(&mut self, origin: &'a str, source: &'a str, id: &str) -> EventKey {
        let is_same = |(a, b): (&str, &str)| is(a, origin) && is(b, source);
        if !self.prefix.is_some_and(is_same) {
            self.prefix = Some((origin, source));
            let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
            for part in [origin, source] {
                hasher.write(&(part.len() as u32).to_le_bytes());
                hasher.write(part.as_bytes());
            }
            let derived = hasher.finish128();
            self.hasher = SipHasher13::new_with_keys(derived.h1, derived.h2);
        }
        self.hasher.hash(id.as_bytes()).as_u128()
    }
}

/// Whether two texts are equal; those of neighbours mostly are the same place.
fn is(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// How many keys ahead are fetched: a cache miss lasts about as long as storing this many events.
pub(crate) const AHEAD: usize = 16;

/// Entries of a bucket.
const WAYS: usize = 12;
/// Sequences that `Bucket::moved` does not tell apart, so that two bytes reach beyond every window.
const STRIDE: u64 = 1 << 9;
/// Room kept for those without a place: far more than ever are.
const HOMELESS: u64 = 256;
/// Entries that live in a bucket on average: one in four thousand has more than it can hold.
const FILL: u64 = 4;

/// [writer] The window of remembered ids and the way into it.
///
/// Nothing is ever taken out: an entry is dead once its sequence has left the window, and the next
/// key of its bucket takes its place.
#[derive(Debug)]
pub(crate) struct Dedup {
    /// The key of sequence `s` at `s % window`.
    keys: Box<[EventKey]>,
    buckets: Box<[Bucket]>,
    /// Sequences for which neither their bucket nor its neighbour had a place: hardly ever one.
    homeless: Vec<u64>,
    /// Newest sequence remembered.
    last: u64,
}

/// One cache line, because a look at one costs more than all that is done with it. Its places are taken in turn:
/// sequences only grow, so that the next place to be taken holds the oldest.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    /// Eight bits of each key, 0 while the place was never used.
    tags: [u32; WAYS / 4],
    /// Low half of each sequence.
    seqs: [u32; WAYS],
    /// The newest sequence that went to the neighbour because there was no place here, in [`STRIDE`]s.
    moved: u16,
    /// The place that is taken next.
    next: u8,
    /// There ever was such a sequence.
    overflowed: bool,
}

const _: () = assert!(size_of::<Bucket>() == 64 && WAYS.is_multiple_of(4));

/// A one in each of four bytes.
const ONES: u32 = 0x0101_0101;

impl Bucket {
    /// The places with this tag, by the high bits of the four bytes of each word.
    #[inline(always)]
    fn tagged(&self, tag: u8) -> [u32; WAYS / 4] {
        self.tags.map(|tags| {
            let other = tags ^ (ONES * u32::from(tag));
            // A byte's lower bits carry into its high bit unless all are 0, and never beyond.
            !(((other & !(ONES << 7)) + !(ONES << 7)) | other) & (ONES << 7)
        })
    }

    fn tag(&self, place: usize) -> u8 {
        (self.tags[place / 4] >> (place % 4 * 8)) as u8
    }

    /// Takes the next place for `seq`, unless what is there is still in the window.
    #[inline(always)]
    fn take(&mut self, tag: u8, seq: u32, window: u32) -> bool {
        let at = usize::from(self.next) % WAYS;
        // Against the low halves alone: an entry that sleeps for 2^32 events passes for alive, which
        // costs its place and nothing else.
        if self.tag(at) != 0 && seq.wrapping_sub(self.seqs[at]) < window {
            return false;
        }
        let (word, shift) = (&mut self.tags[at / 4], at % 4 * 8);
        *word = *word & !(0xff << shift) | u32::from(tag) << shift;
        self.seqs[at] = seq;
        self.next = ((at + 1) % WAYS) as u8;
        true
    }
}

impl Dedup {
    pub(crate) fn new(window: u64) -> Self {
        // Two at least, so that each has a neighbour.
        let buckets = (window / FILL).next_power_of_two().max(2) as usize;
        Self {
            keys: vec![0; window as usize].into(),
            buckets: vec![Bucket::default(); buckets].into(),
            homeless: Vec::with_capacity(window.min(HOMELESS) as usize),
            last: 0,
        }
    }

    /// Fetches what [`find`](Self::find) and [`remember`](Self::remember) of this key will look at.
    pub(crate) fn fetch(&self, key: EventKey) {
        prefetch(&raw const self.buckets[self.home(key)]);
    }

    /// Where the buckets are, for those who do not hold the writer role.
    pub(crate) fn places(&self) -> Places {
        Places { start: self.buckets.as_ptr().addr(), mask: self.buckets.len() - 1 }
    }

    /// The sequence under which the event was stored, if it is remembered.
    #[inline(always)]
    pub(crate) fn find(&self, key: EventKey) -> Option<u64> {
        let home = self.home(key);
        let bucket = &self.buckets[home];
        if let Some(seq) = self.find_in(bucket, key) {
            return Some(seq);
        }
        if !self.has_moved(bucket) {
            return None;
        }
        let beside = self.find_in(&self.buckets[home ^ 1], key);
        beside.or_else(|| self.homeless.iter().copied().find(|seq| self.holds(*seq, key)))
    }

    #[inline(always)]
    fn find_in(&self, bucket: &Bucket, key: EventKey) -> Option<u64> {
        for (word, mut same) in bucket.tagged(tag(key)).into_iter().enumerate() {
            while same != 0 {
                let place = word * 4 + same.trailing_zeros() as usize / 8;
                let seq = self.whole(bucket.seqs[place]);
                if self.holds(seq, key) {
                    return Some(seq);
                }
                same &= same - 1;
            }
        }
        None
    }

    /// Remembers the event and forgets the one that leaves the window; gives the sequence under
    /// which it is remembered already, if it is. Sequences only grow.
    #[inline(always)]
    pub(crate) fn remember(&mut self, key: EventKey, seq: u64) -> Result<(), u64> {
        let window = self.keys.len() as u64;
        if window == 0 {
            return Ok(());
        }
        if let Some(first) = self.find(key) {
            return Err(first);
        }
        self.keys[wrapped(seq, window) as usize] = key;
        self.last = seq;
        let home = self.home(key);
        for at in [home, home ^ 1] {
            let bucket = &mut self.buckets[at];
            if bucket.take(tag(key), seq as u32, window as u32) {
                return Ok(());
            }
            self.buckets[home].moved = (seq / STRIDE) as u16;
            self.buckets[home].overflowed = true;
        }
        self.homeless.retain(|old| old + window > seq);
        self.homeless.push(seq);
        Ok(())
    }

    /// How many ids are remembered.
    pub(crate) fn len(&self) -> usize {
        let seqs = self.buckets.iter().flat_map(|bucket| {
            (0..WAYS)
                .filter(|place| bucket.tag(*place) != 0)
                .map(|place| self.whole(bucket.seqs[place]))
        });
        seqs.chain(self.homeless.iter().copied()).filter(|seq| self.is_alive(*seq)).count()
    }

    /// Whether a sequence that moved out of this bucket may still be remembered.
    fn has_moved(&self, bucket: &Bucket) -> bool {
        let newest = (self.last / STRIDE) as u16;
        let age = u64::from(newest.wrapping_sub(bucket.moved)) * STRIDE;
        bucket.overflowed && age < self.keys.len() as u64 + STRIDE
    }

    fn is_alive(&self, seq: u64) -> bool {
        seq <= self.last && self.last - seq < self.keys.len() as u64
    }

    fn holds(&self, seq: u64, key: EventKey) -> bool {
        self.is_alive(seq) && self.keys[wrapped(seq, self.keys.len() as u64) as usize] == key
    }

    /// The newest sequence with this low half.
    fn whole(&self, low: u32) -> u64 {
        self.last.wrapping_sub(u64::from((self.last as u32).wrapping_sub(low)))
    }

    fn home(&self, key: EventKey) -> usize {
        home(key, self.buckets.len() - 1)
    }
}

/// Where the buckets are: to ask for one before the role is taken, and for nothing else. Those of a ring stay where
/// they are until it goes, and to ask for what has gone is harmless.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    start: usize,
    mask: usize,
}

impl Places {
    /// Fetches what the writer will look at.
    pub(crate) fn fetch(self, key: EventKey) {
        let at = home(key, self.mask) * size_of::<Bucket>();
        prefetch(std::ptr::without_provenance(self.start.wrapping_add(at)));
    }
}

/// The bucket of a key comes from the half that is not its tag.
fn home(key: EventKey, mask: usize) -> usize {
    (key >> 64) as usize & mask
}

/// The place of a sequence in a table of `places`; most have a power of two, which needs no division.
#[inline(always)]
pub(crate) fn wrapped(seq: u64, places: u64) -> u64 {
    if places.is_power_of_two() { seq & (places - 1) } else { seq % places }
}

fn tag(key: EventKey) -> u8 {
    (key as u8).max(1)
}

/// Asks for the bucket's cache line and goes on.
fn prefetch(bucket: *const Bucket) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see, and faults never.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bucket.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bucket;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn event_key<'a>(key: SipKey, origin: &'a str, source: &'a str, id: &str) -> EventKey {
        KeyHasher::new(key).key(origin, source, id)
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = (1, 2);
        assert_ne!(event_key(key, "ab", "c", "d"), event_key(key, "a", "bc", "d"));
        assert_ne!(event_key(key, "a", "b", ""), event_key(key, "a", "", "b"));
        assert_ne!(event_key((1, 2), "a", "b", "c"), event_key((1, 3), "a", "b", "c"));
    }

    proptest! {
        #[test]
        fn a_key_does_not_depend_on_those_before(
            events in proptest::collection::vec(("[ab]{0,9}", "[ab]{0,2}", "[ab]{0,20}"), 1..20),
        ) {
            let mut hasher = KeyHasher::new((1, 2));
            for (origin, source, id) in &events {
                prop_assert_eq!(hasher.key(origin, source, id), event_key((1, 2), origin, source, id));
            }
        }

        /// All in one bucket with few tags, so that its neighbour and the homeless come in.
        #[test]
        fn remembers_exactly_the_window(
            window in 0u64..40,
            keys in proptest::collection::vec(0u128..64, 1..400),
        ) {
            let mut dedup = Dedup::new(window);
            let mut oracle: HashMap<u128, u64> = HashMap::new();
            let mut seq = 0;
            for key in keys {
                prop_assert_eq!(dedup.find(key), oracle.get(&key).copied());
                let known = oracle.get(&key).copied();
                prop_assert_eq!(dedup.remember(key, seq + 1), known.map_or(Ok(()), Err));
                if known.is_some() {
                    continue;
                }
                seq += 1;
                oracle.insert(key, seq);
                oracle.retain(|_, s| *s + window > seq);
                prop_assert_eq!(dedup.len(), oracle.len());
            }
        }
    }
}
