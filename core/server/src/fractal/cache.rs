//! Finished pictures, kept for the next who asks.
//!
//! The rule: all of them together stay below a number of bytes; who was not asked for longest goes
//! first.

use lru::LruCache;

use super::{Drawn, Work};

/// The pictures.
#[derive(Debug)]
pub(super) struct Cache {
    entries: LruCache<Work, Drawn>,
    bytes: usize,
}

impl Default for Cache {
    fn default() -> Self {
        // Bounded by bytes, not by entries.
        Self { entries: LruCache::unbounded(), bytes: 0 }
    }
}

impl Cache {
    pub(super) fn get(&mut self, work: &Work) -> Option<Drawn> {
        self.entries.get(work).cloned()
    }

    /// Keeps a picture, and no more than `most_bytes` of all.
    pub(super) fn put(&mut self, work: &Work, drawn: &Drawn, most_bytes: usize) {
        self.bytes += work.bytes(drawn);
        if let Some((work, old)) = self.entries.push(work.clone(), drawn.clone()) {
            self.bytes -= work.bytes(&old);
        }
        while self.bytes > most_bytes
            && let Some((work, old)) = self.entries.pop_lru()
        {
            self.bytes -= work.bytes(&old);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::tests::{drawn, work};
    use super::*;

    #[test]
    fn the_longest_unasked_goes_first_and_bytes_are_bounded() {
        let mut cache = Cache::default();
        let one = work(0).bytes(&drawn(1_000));
        for i in 0..3 {
            cache.put(&work(i), &drawn(1_000), 3 * one);
        }
        assert!(cache.get(&work(0)).is_some());
        cache.put(&work(3), &drawn(1_000), 3 * one);
        assert!(cache.get(&work(1)).is_none() && cache.get(&work(0)).is_some());
        assert_eq!((cache.len(), cache.bytes()), (3, 3 * one));
        // Drawn twice, as when it was given up once: counted once.
        cache.put(&work(3), &drawn(1_000), 3 * one);
        assert_eq!((cache.len(), cache.bytes()), (3, 3 * one));
        // A smaller bound after a reload, and a picture that alone is beyond it.
        cache.put(&work(4), &drawn(10), one);
        assert_eq!(cache.len(), 1);
        cache.put(&work(5), &drawn(2_000), one);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }
}
