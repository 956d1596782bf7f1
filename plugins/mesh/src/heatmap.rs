//! Beauty over time and nodes, as `/federated/heatmap` shows it.
//!
//! The rule: an event counts in the minute of its own timestamp, once, and no stranger's clock can push out the minutes
//! that are shown: an event that is older than the oldest of them, or more than five minutes ahead, is not shown.

use std::collections::BTreeMap;

/// Seconds of a bucket.
pub const BUCKET_S: i64 = 60;
/// Buckets that are shown, the newest.
pub const MAX_BUCKETS: usize = 40;
/// Nodes that a bucket tells apart; those beyond share the name [`OTHERS`].
pub const MAX_NODES: usize = 256;
/// The nodes of a bucket for which there was no place.
pub const OTHERS: &str = "others";
/// How far ahead of the receiver's clock a timestamp may be, in milliseconds.
const AHEAD_MS: i64 = 300_000;

/// One minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Unix seconds; a multiple of [`BUCKET_S`].
    pub start_s: i64,
    /// Events in it.
    pub count: u64,
    /// Their least value.
    pub min: f64,
    /// Their greatest value.
    pub max: f64,
    /// By the name of the node: events and the sum of their values.
    pub nodes: BTreeMap<Box<str>, Share>,
    sum: f64,
}

/// What one node has of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Events.
    pub count: u64,
    sum: f64,
}

impl Share {
    /// The mean of its values.
    #[must_use]
    pub fn avg(&self) -> f64 {
        self.sum / self.count as f64
    }
}

impl Bucket {
    /// The mean of its values.
    #[must_use]
    pub fn avg(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn new(start_s: i64) -> Self {
        let nodes = BTreeMap::new();
        Self { start_s, count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, nodes, sum: 0.0 }
    }

    fn add(&mut self, node: &str, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let known = self.nodes.contains_key(node);
        let room = self.nodes.len() < MAX_NODES;
        let node = if known || room { node } else { OTHERS };
        let share = self.nodes.entry(node.into()).or_default();
        share.count += 1;
        share.sum += value;
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is in its bucket.
    Yes,
    /// Its minute is older than those that are shown.
    Late,
    /// Its minute is too far ahead.
    Future,
    /// Its value is no finite number.
    NoNumber,
}

/// The newest buckets that have events. Each event is to be given once: the caller's deduplication decides.
#[derive(Clone, Debug, Default)]
pub struct Heatmap {
    buckets: BTreeMap<i64, Bucket>,
}

impl Heatmap {
    /// Counts an event of `node`. Times are Unix milliseconds.
    pub fn add(&mut self, node: &str, time_ms: i64, value: f64, now_ms: i64) -> Shown {
        if !value.is_finite() {
            return Shown::NoNumber;
        }
        if time_ms > now_ms.saturating_add(AHEAD_MS) {
            return Shown::Future;
        }
        let start_s = time_ms.div_euclid(1000).div_euclid(BUCKET_S) * BUCKET_S;
        let oldest = self.buckets.keys().next().copied();
        if self.buckets.len() >= MAX_BUCKETS
            && !self.buckets.contains_key(&start_s)
            && let Some(oldest) = oldest
        {
            if start_s < oldest {
                return Shown::Late;
            }
            self.buckets.remove(&oldest);
        }
        self.buckets.entry(start_s).or_insert_with(|| Bucket::new(start_s)).add(node, value);
        Shown::Yes
    }

    /// The buckets, oldest first; a minute without events has none.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = &Bucket> {
        self.buckets.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_040_000;

    #[test]
    fn events_count_in_their_minute() {
        let mut map = Heatmap::default();
        for (node, time, value) in
            [("a", NOW, 0.5), ("b", NOW + 19_999, 1.5), ("a", NOW - 40_001, 0.25), ("a", NOW, 1.0)]
        {
            assert_eq!(map.add(node, time, value, NOW), Shown::Yes);
        }
        let buckets: Vec<_> = map.buckets().collect();
        assert_eq!(buckets.len(), 2);
        assert_eq!((buckets[0].start_s, buckets[0].count), (1_759_999_980, 1));
        let last = buckets[1];
        assert_eq!((last.count, last.avg(), last.min, last.max), (3, 1.0, 0.5, 1.5));
        assert_eq!((last.nodes["a"].count, last.nodes["a"].avg()), (2, 0.75));
        assert_eq!((last.nodes["b"].count, last.nodes["b"].avg()), (1, 1.5));
        assert!(last.start_s % 60 == 0);
    }

    #[test]
    fn no_clock_pushes_out_what_is_shown() {
        let mut map = Heatmap::default();
        for minute in 0..60 {
            map.add("a", NOW + (minute - 60) * 60_000, 1.0, NOW);
        }
        assert_eq!(map.buckets().len(), MAX_BUCKETS);
        let first = map.buckets().next().expect("40").start_s;
        assert_eq!(map.add("a", NOW - 3_600_000, 1.0, NOW), Shown::Late);
        assert_eq!(map.add("a", i64::MIN, 1.0, NOW), Shown::Late);
        assert_eq!(map.add("a", NOW + AHEAD_MS + 1, 1.0, NOW), Shown::Future);
        assert_eq!(map.add("a", i64::MAX, 1.0, NOW), Shown::Future);
        assert_eq!(map.add("a", NOW, f64::NAN, NOW), Shown::NoNumber);
        assert_eq!(map.buckets().next().expect("40").start_s, first);
        assert_eq!(map.add("a", NOW - 30 * 60_000, 1.0, NOW), Shown::Yes, "late and still shown");
        assert_eq!(map.add("a", NOW + AHEAD_MS, 1.0, NOW), Shown::Yes);
        assert_eq!(
            (map.buckets().len(), map.buckets().next().expect("40").start_s > first),
            (MAX_BUCKETS, true)
        );
        // Before 1970 too, a minute begins at its start.
        let mut map = Heatmap::default();
        map.add("a", -1, 1.0, NOW);
        assert_eq!(map.buckets().next().expect("one").start_s, -60);
    }

    #[test]
    fn nodes_of_a_bucket_are_bounded() {
        let mut map = Heatmap::default();
        for n in 0..MAX_NODES + 50 {
            map.add(&format!("n-{n}"), NOW, 1.0, NOW);
        }
        map.add("n-3", NOW, 1.0, NOW);
        let bucket = map.buckets().next().expect("one");
        assert_eq!((bucket.nodes.len(), bucket.count), (MAX_NODES + 1, MAX_NODES as u64 + 51));
        assert_eq!((bucket.nodes[OTHERS].count, bucket.nodes["n-3"].count), (50, 2));
    }
}
