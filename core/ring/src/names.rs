//! The name table: short strings interned once, shared read-only with plugins.
//!
//! Rule: an id means the same string for as long as any kept event may carry it. Only the writer
//! changes the table; a reader checks the id again after copying.

#![allow(unsafe_code, reason = "the name slots are raw shared memory")]

use crate::layout::{Geometry, NAME_BYTES, NameSlot};
use crate::mapping::Mapping;
use crate::sync::{AtomicU64, Ordering, fence};
use siphasher::sip::SipHasher13;

/// `id_len` of a slot whose bytes are changing.
const CHANGING: u64 = u64::MAX;
/// Id of the empty string.
pub(crate) const EMPTY: u32 = 0;

/// The shared slots, for reading by anyone who maps the segment.
#[derive(Clone, Debug)]
pub(crate) struct NameTable {
    slots: *const NameSlot,
    count: u64,
}

// SAFETY: the pointer leads into a mapping that outlives the table; all accesses are atomic.
unsafe impl Send for NameTable {}
// SAFETY: as above.
unsafe impl Sync for NameTable {}

impl NameTable {
    pub(crate) fn new(mapping: &Mapping, geometry: &Geometry) -> Self {
        Self {
            slots: mapping.at::<NameSlot>(geometry.names_offset).as_ptr().cast_const(),
            count: geometry.names,
        }
    }

    fn slot(&self, slot: u64) -> &NameSlot {
        debug_assert!(slot < self.count);
        // SAFETY: slots are below the count, which the geometry laid out in the mapping.
        unsafe { &*self.slots.add(slot as usize) }
    }

    /// Start of the slots and their number, for plugins.
    pub(crate) fn raw(&self) -> (*const u8, u64) {
        (self.slots.cast(), self.count)
    }

    /// Appends the string of `id` to `out`; `false`, and nothing appended, if the id is not (or no
    /// longer) in the table.
    pub(crate) fn read(&self, id: u32, out: &mut Vec<u8>) -> bool {
        if id == EMPTY {
            return true;
        }
        let slot = self.slot(u64::from(id) % self.count);
        // Acquire: pairs with the Release store that ends `write`.
        let id_len = slot.id_len.load(Ordering::Acquire);
        let len = (id_len >> 32) as usize;
        if id_len as u32 != id || len > NAME_BYTES {
            return false;
        }
        let start = out.len();
        out.reserve(NAME_BYTES);
        for word in &slot.words[..len.div_ceil(8)] {
            out.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        // Acquire: pairs with the Release fence in `write`; bytes of a later name imply that the
        // load below sees the slot changing or changed.
        fence(Ordering::Acquire);
        if slot.id_len.load(Ordering::Relaxed) != id_len {
            out.truncate(start);
            return false;
        }
        out.truncate(start + len);
        true
    }

    /// [writer] The bytes of a slot, which only the writer changes.
    fn bytes(&self, slot: u64) -> &[u8] {
        let place = self.slot(slot);
        let len = ((place.id_len.load(Ordering::Relaxed) >> 32) as usize).min(NAME_BYTES);
        // SAFETY: the words are initialised memory of NAME_BYTES bytes, and the only thread that
        // ever stores into them is the caller, who holds the writer role during the borrow.
        unsafe { std::slice::from_raw_parts(place.words.as_ptr().cast::<u8>(), len) }
    }

    fn write(&self, slot: u64, id: u32, name: &str) {
        let place = self.slot(slot);
        place.id_len.store(CHANGING, Ordering::Relaxed);
        // Release: pairs with the Acquire fence in `read`.
        fence(Ordering::Release);
        for (word, chunk) in place.words.iter().zip(name.as_bytes().chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        // Release: pairs with the first Acquire load in `read`.
        place.id_len.store((name.len() as u64) << 32 | u64::from(id), Ordering::Release);
    }
}

/// The way from string to id, readable by any thread of the host.
///
/// Open addressing over `hash << 32 | slot + 1`; the version is odd while entries move.
#[derive(Debug)]
pub(crate) struct NameIndex {
    table: NameTable,
    entries: Box<[AtomicU64]>,
    version: AtomicU64,
    key: (u64, u64),
}

impl NameIndex {
    pub(crate) fn new(table: NameTable, key: (u64, u64)) -> Self {
        let len = (table.count * 2).next_power_of_two() as usize;
        let entries = (0..len).map(|_| AtomicU64::new(0)).collect();
        Self { table, entries, version: AtomicU64::new(0), key }
    }

    /// Changes whenever a name is added or removed: what a filter looked up is then stale.
    pub(crate) fn version(&self) -> u64 {
        // Acquire: pairs with the Release in `end_change`.
        self.version.load(Ordering::Acquire)
    }

    /// The id of `name` if it is in the table.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return Some(EMPTY);
        }
        let hash = self.hash(name);
        let mut copy = Vec::new();
        loop {
            let version = self.version();
            if version.is_multiple_of(2) {
                let found = self.probe(hash, |slot| {
                    let id = self.table.slot(slot).id_len.load(Ordering::Acquire) as u32;
                    copy.clear();
                    self.table.read(id, &mut copy) && copy == name.as_bytes()
                });
                // Acquire: pairs with the Release fence in `begin_change`.
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    return found
                        .ok()
                        .map(|slot| self.table.slot(slot).id_len.load(Ordering::Relaxed) as u32);
                }
            }
            crate::sync::spin();
        }
    }

    fn hash(&self, name: &str) -> u32 {
        SipHasher13::new_with_keys(self.key.0, self.key.1).hash(name.as_bytes()) as u32
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.entries.len() - 1)
    }

    /// `Ok(slot)` of the entry with this hash for which `same` holds, else `Err(free place)`.
    fn probe(&self, hash: u32, mut same: impl FnMut(u64) -> bool) -> Result<u64, usize> {
        let mut at = self.home(hash);
        // At most half of the entries are taken, so that a free one is met; the bound holds for
        // readers that see entries in motion.
        for _ in 0..self.entries.len() {
            let entry = self.entries[at].load(Ordering::Relaxed);
            if entry == 0 {
                return Err(at);
            }
            let slot = (entry & 0xffff_ffff) - 1;
            if (entry >> 32) as u32 == hash && same(slot) {
                return Ok(slot);
            }
            at = (at + 1) & (self.entries.len() - 1);
        }
        Err(at)
    }

    fn begin_change(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // Release: pairs with the Acquire fence in `find`.
        fence(Ordering::Release);
    }

    fn end_change(&self) {
        let version = self.version.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in `version`.
        self.version.store(version + 1, Ordering::Release);
    }

    fn insert(&self, hash: u32, slot: u64) {
        let place = self.probe(hash, |_| false).unwrap_or_else(|at| at as u64) as usize;
        self.entries[place].store(u64::from(hash) << 32 | (slot + 1), Ordering::Relaxed);
    }

    /// Removes the entry of `slot` and closes the hole behind it (Knuth 6.4, algorithm R).
    fn remove(&self, hash: u32, slot: u64) {
        let mask = self.entries.len() - 1;
        let wanted = u64::from(hash) << 32 | (slot + 1);
        let mut hole = self.home(hash);
        while self.entries[hole].load(Ordering::Relaxed) != wanted {
            if self.entries[hole].load(Ordering::Relaxed) == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at].load(Ordering::Relaxed);
            if entry == 0 {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.entries[hole].store(entry, Ordering::Relaxed);
                hole = at;
            }
        }
        self.entries[hole].store(0, Ordering::Relaxed);
    }
}

/// [writer] Interns names and evicts those that no kept event carries.
#[derive(Debug)]
pub(crate) struct Interner {
    index: std::sync::Arc<NameIndex>,
    last_used: Box<[u64]>,
    /// Where the search for a dead name goes on.
    hand: u64,
    /// No name dies before the oldest kept sequence passes this: found by a whole futile search.
    all_live_until: u64,
    /// Names looked up lately, by a few bits of their signature.
    memo: Box<[Memo; MEMOS]>,
    /// New names that relayed events may bring before names in use are counted anew.
    relayed_left: u64,
    /// No such count before the oldest kept sequence reaches this.
    recount_at: u64,
}

/// Names are counted anew for relayed events after this part of the table's size in sequences, so that a flood of new
/// names does not make each event look at the whole table.
const RECOUNT: u64 = 64;

/// How many looked-up names are kept: those of a busy minute, in a few pages.
const MEMOS: usize = 256;

/// A name looked up lately.
#[derive(Clone, Copy, Debug, Default)]
struct Memo {
    signature: Signature,
    /// [`EMPTY`] for none.
    id: u32,
    slot: u32,
}

/// A name's length and its first and last eight bytes: all there is of a name of up to 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signature {
    first: u64,
    last: u64,
    len: u32,
}

impl Signature {
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let len = bytes.len() as u32;
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            return Self {
                first: u64::from_le_bytes(*first),
                last: u64::from_le_bytes(*last),
                len,
            };
        }
        let half = |chunk: &[u8; 4]| u64::from(u32::from_le_bytes(*chunk));
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
            (Some(first), Some(last), _) => (half(first), half(last)),
            (_, _, [first, .., last]) => {
                (u64::from(*first), u64::from(bytes[1]) << 8 | u64::from(*last))
            }
            (_, _, [one]) => (u64::from(*one), 0),
            _ => (0, 0),
        };
        Self { first, last, len }
    }

    /// Whether names with this signature are equal.
    fn is_whole(self) -> bool {
        self.len <= 16
    }

    /// Names that somebody chose to meet here cost as much as unknown ones.
    fn home(self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(32)).wrapping_add(u64::from(self.len));
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % MEMOS
    }
}

impl Interner {
    pub(crate) fn new(index: std::sync::Arc<NameIndex>) -> Self {
        let count = index.table.count as usize;
        let memo = Box::new([Memo::default(); MEMOS]);
        Self {
            index,
            last_used: vec![0; count].into(),
            hand: 1,
            all_live_until: 0,
            memo,
            relayed_left: 0,
            recount_at: 0,
        }
    }

    /// The id of `name` as used by event `seq`; `None` when every name is in use by an event not
    /// older than `oldest`.
    ///
    /// The name has at most [`NAME_BYTES`] bytes.
    #[inline(always)]
    pub(crate) fn intern(&mut self, name: &str, seq: u64, oldest: u64) -> Option<u32> {
        if name.is_empty() {
            return Some(EMPTY);
        }
        let signature = Signature::of(name);
        let memo = self.memo[signature.home()];
        if memo.id != EMPTY
            && memo.signature == signature
            && (signature.is_whole()
                || self.index.table.bytes(u64::from(memo.slot)) == name.as_bytes())
        {
            self.last_used[memo.slot as usize] = seq;
            return Some(memo.id);
        }
        self.look_up(name, signature, seq, oldest)
    }

    /// As [`intern`](Self::intern), for an event that another node took: a name that is not in use is taken in only
    /// while less than half of the names are. Beyond that the names are for what is posted here.
    pub(crate) fn intern_relayed(&mut self, name: &str, seq: u64, oldest: u64) -> Option<u32> {
        if name.is_empty() {
            return Some(EMPTY);
        }
        let table = &self.index.table;
        let hash = self.index.hash(name);
        let found = self.index.probe(hash, |slot| table.bytes(slot) == name.as_bytes());
        // One that is only left over from events that are gone counts as new: it would live again.
        let in_use = found.is_ok_and(|slot| self.last_used[slot as usize] >= oldest);
        if !in_use && !self.may_relay(oldest) {
            return None;
        }
        let id = self.look_up(name, Signature::of(name), seq, oldest)?;
        self.relayed_left -= u64::from(!in_use);
        Some(id)
    }

    /// Whether one more name may come into use by relayed events.
    fn may_relay(&mut self, oldest: u64) -> bool {
        if self.relayed_left == 0 && oldest >= self.recount_at {
            let live = self.last_used.iter().filter(|used| **used >= oldest).count() as u64;
            let count = self.index.table.count;
            self.relayed_left = (count / 2).saturating_sub(live);
            self.recount_at = oldest + (count / RECOUNT).max(1);
        }
        self.relayed_left > 0
    }

    /// As [`intern`](Self::intern), of a name that was not looked up lately.
    #[inline(never)]
    fn look_up(&mut self, name: &str, signature: Signature, seq: u64, oldest: u64) -> Option<u32> {
        let table = &self.index.table;
        let hash = self.index.hash(name);
        let found = self.index.probe(hash, |slot| table.bytes(slot) == name.as_bytes());
        let slot = match found {
            Ok(slot) => slot,
            Err(_) => self.add(hash, name, oldest)?,
        };
        self.last_used[slot as usize] = seq;
        let id = self.index.table.slot(slot).id_len.load(Ordering::Relaxed) as u32;
        self.memo[signature.home()] = Memo { signature, id, slot: slot as u32 };
        Some(id)
    }

    fn add(&mut self, hash: u32, name: &str, oldest: u64) -> Option<u64> {
        let slot = self.dead_slot(oldest)?;
        let index = &self.index;
        let table = &index.table;
        let old = table.slot(slot).id_len.load(Ordering::Relaxed) as u32;
        index.begin_change();
        if old != EMPTY {
            let old_name = std::str::from_utf8(table.bytes(slot)).unwrap_or_default();
            index.remove(index.hash(old_name), slot);
            let memo = &mut self.memo[Signature::of(old_name).home()];
            if u64::from(memo.slot) == slot {
                *memo = Memo::default();
            }
        }
        // Ids of a slot grow by the table's size, so that an id comes back only after all ids of
        // 32 bits have passed through its slot.
        let next = if old == EMPTY { None } else { old.checked_add(table.count as u32) };
        table.write(slot, next.unwrap_or(slot as u32), name);
        index.insert(hash, slot);
        index.end_change();
        Some(slot)
    }

    /// A slot that is empty or whose name no kept event carries. Slot 0 stays empty, as id 0 is.
    fn dead_slot(&mut self, oldest: u64) -> Option<u64> {
        if oldest <= self.all_live_until {
            return None;
        }
        let count = self.index.table.count;
        let mut first_to_die = u64::MAX;
        for _ in 1..count {
            let slot = self.hand;
            self.hand = if slot + 1 == count { 1 } else { slot + 1 };
            let used = self.last_used[slot as usize];
            if used < oldest {
                return Some(slot);
            }
            first_to_die = first_to_die.min(used);
        }
        self.all_live_until = first_to_die;
        None
    }
}
