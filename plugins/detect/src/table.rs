//! Detectors of many series within bounds.
//!
//! The rule: neither the number of series nor their memory can grow past what was allowed; the
//! series that was silent for longest makes room, and it is counted.

use std::hash::Hash;

use lru::LruCache;

use crate::detector::{Detector, Refused, Tier};
use crate::verdict::{Method, Verdict};

/// What a table may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Series at once, at least one.
    pub series: usize,
    /// Memory of their detectors, by [`Tier::bytes`].
    pub bytes: usize,
}

impl Default for Limits {
    /// Ten thousand series and 200 MB.
    fn default() -> Self {
        Self { series: 10_000, bytes: 200_000_000 }
    }
}

/// Detectors by an opaque key.
#[derive(Debug)]
pub struct Detectors<K: Hash + Eq> {
    limits: Limits,
    series: LruCache<K, Detector>,
    bytes: usize,
    evicted: u64,
}

impl<K: Hash + Eq + Clone> Detectors<K> {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self { limits, series: LruCache::unbounded(), bytes: 0, evicted: 0 }
    }

    /// Gives a row to the detector of `key`, which is made with `tier` when the series is new. The
    /// tier of a series that is there stays.
    ///
    /// # Errors
    ///
    /// [`Refused`] as of [`Detector::push`]; a refused value makes no series.
    pub fn push(
        &mut self,
        key: &K,
        tier: Tier,
        time_ns: i64,
        value: f64,
    ) -> Result<Verdict, Refused> {
        if let Some(detector) = self.series.get_mut(key) {
            return detector.push(time_ns, value);
        }
        let mut detector = Detector::new(tier);
        let verdict = detector.push(time_ns, value)?;
        self.insert(key.clone(), detector);
        Ok(verdict)
    }

    /// Puts a detector back, as a restored one; the newest of all.
    pub fn insert(&mut self, key: K, detector: Detector) {
        self.remove(&key);
        self.bytes += detector.tier().bytes();
        while self.series.len() + 1 > self.limits.series.max(1)
            || (self.bytes > self.limits.bytes && !self.series.is_empty())
        {
            let Some((_, oldest)) = self.series.pop_lru() else { break };
            self.bytes -= oldest.tier().bytes();
            self.evicted += 1;
        }
        self.series.put(key, detector);
    }

    /// Forgets a series.
    pub fn remove(&mut self, key: &K) -> Option<Detector> {
        let detector = self.series.pop(key)?;
        self.bytes -= detector.tier().bytes();
        Some(detector)
    }

    /// The series that are silent for far longer than their pace, with a [`Method::Gap`] verdict.
    pub fn overdue(&self, now_ns: i64) -> impl Iterator<Item = (&K, Verdict)> {
        self.series.iter().filter_map(move |(key, detector)| {
            let verdict = detector.overdue(now_ns)?;
            debug_assert_eq!(verdict.method, Method::Gap, "silence is a gap");
            Some((key, verdict))
        })
    }

    /// The detectors from the newest to the one that makes room next.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Detector)> {
        self.series.iter()
    }

    /// Series that are held.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether no series is held.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Memory of the detectors that are held, by [`Tier::bytes`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Series that had to make room since the table was made.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(table: &mut Detectors<u32>, key: u32) {
        table.push(&key, Tier::Cheap, 0, 1.0).unwrap();
    }

    #[test]
    fn the_series_silent_for_longest_makes_room() {
        let mut table = Detectors::new(Limits { series: 2, bytes: usize::MAX });
        for key in [1, 2, 1, 3] {
            push(&mut table, key);
        }
        let held: Vec<u32> = table.iter().map(|(key, _)| *key).collect();
        assert_eq!((held, table.evicted()), (vec![3, 1], 1));
    }

    #[test]
    fn memory_has_a_bound_whatever_the_tiers() {
        let bytes = Tier::Full.bytes() + 2 * Tier::Cheap.bytes();
        let mut table = Detectors::new(Limits { series: 100, bytes });
        for key in 0..50 {
            let tier = if key % 5 == 0 { Tier::Full } else { Tier::Cheap };
            table.push(&key, tier, 0, 1.0).unwrap();
            assert!(table.bytes() <= bytes);
            let held: usize = table.iter().map(|(_, d)| d.tier().bytes()).sum();
            assert_eq!(held, table.bytes());
        }
        assert_eq!(table.len() as u64 + table.evicted(), 50);
        table.remove(&49);
        assert_eq!(table.remove(&49).map(|d| d.tier()), None);
    }

    #[test]
    fn a_refused_value_makes_no_series() {
        let mut table = Detectors::new(Limits::default());
        assert_eq!(table.push(&1, Tier::Cheap, 0, f64::NAN), Err(Refused::NotFinite));
        assert!(table.is_empty());
    }

    #[test]
    fn silent_series_are_found() {
        let mut table = Detectors::new(Limits::default());
        for row in 0..100 {
            table.push(&1, Tier::Cheap, row * 60, 1.0).unwrap();
            table.push(&2, Tier::Cheap, row, 1.0).unwrap();
        }
        let overdue: Vec<u32> = table.overdue(99 * 60 + 200).map(|(key, _)| *key).collect();
        assert_eq!(overdue, [2]);
    }
}
