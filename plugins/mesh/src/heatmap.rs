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
/// Sources that a bucket tells apart; those beyond share the name [`OTHERS`] too.
pub const MAX_SOURCES: usize = 1_024;
/// The nodes and sources of a bucket for which there was no place.
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
    /// The same by source.
    pub sources: BTreeMap<Box<str>, Share>,
    sum: f64,
}

/// A beauty event.
#[derive(Clone, Copy, Debug)]
pub struct Felt<'a> {
    /// Name of the node that took it.
    pub node: &'a str,
    /// Its source.
    pub source: &'a str,
    /// Its own time, Unix milliseconds.
    pub time_ms: i64,
    /// Its beauty.
    pub value: f64,
}

/// What one node, or one source, has of a bucket.
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
        Self {
            start_s,
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            nodes: BTreeMap::new(),
            sources: BTreeMap::new(),
            sum: 0.0,
        }
    }

    fn add(&mut self, felt: &Felt<'_>) {
        self.count += 1;
        self.sum += felt.value;
        self.min = self.min.min(felt.value);
        self.max = self.max.max(felt.value);
        share(&mut self.nodes, MAX_NODES, felt.node, felt.value);
        share(&mut self.sources, MAX_SOURCES, felt.source, felt.value);
    }
}

fn share(shares: &mut BTreeMap<Box<str>, Share>, most: usize, name: &str, value: f64) {
    let share = match shares.get_mut(name) {
        // Nearly always, and then nothing is allocated.
        Some(share) => share,
        None => {
            let name = if shares.len() < most { name } else { OTHERS };
            shares.entry(name.into()).or_default()
        }
    };
    share.count += 1;
    share.sum += value;
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
    /// Counts an event; it is `now_ms`, Unix milliseconds.
    pub fn add(&mut self, felt: &Felt<'_>, now_ms: i64) -> Shown {
        if !felt.value.is_finite() {
            return Shown::NoNumber;
        }
        if felt.time_ms > now_ms.saturating_add(AHEAD_MS) {
            return Shown::Future;
        }
        let start_s = felt.time_ms.div_euclid(1000).div_euclid(BUCKET_S) * BUCKET_S;
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
        self.buckets.entry(start_s).or_insert_with(|| Bucket::new(start_s)).add(felt);
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

    /// Of the source of its node's name.
    fn felt(node: &str, time_ms: i64, value: f64) -> Felt<'_> {
        Felt { node, source: node, time_ms, value }
    }

    #[test]
    fn events_count_in_their_minute() {
        let mut map = Heatmap::default();
        for (node, time, value) in
            [("a", NOW, 0.5), ("b", NOW + 19_999, 1.5), ("a", NOW - 40_001, 0.25), ("a", NOW, 1.0)]
        {
            assert_eq!(map.add(&felt(node, time, value), NOW), Shown::Yes);
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
            map.add(&felt("a", NOW + (minute - 60) * 60_000, 1.0), NOW);
        }
        assert_eq!(map.buckets().len(), MAX_BUCKETS);
        let first = map.buckets().next().expect("40").start_s;
        assert_eq!(map.add(&felt("a", NOW - 3_600_000, 1.0), NOW), Shown::Late);
        assert_eq!(map.add(&felt("a", i64::MIN, 1.0), NOW), Shown::Late);
        assert_eq!(map.add(&felt("a", NOW + AHEAD_MS + 1, 1.0), NOW), Shown::Future);
        assert_eq!(map.add(&felt("a", i64::MAX, 1.0), NOW), Shown::Future);
        assert_eq!(map.add(&felt("a", NOW, f64::NAN), NOW), Shown::NoNumber);
        assert_eq!(map.buckets().next().expect("40").start_s, first);
        assert_eq!(
            map.add(&felt("a", NOW - 30 * 60_000, 1.0), NOW),
            Shown::Yes,
            "late and still shown"
        );
        assert_eq!(map.add(&felt("a", NOW + AHEAD_MS, 1.0), NOW), Shown::Yes);
        assert_eq!(
            (map.buckets().len(), map.buckets().next().expect("40").start_s > first),
            (MAX_BUCKETS, true)
        );
        // Before 1970 too, a minute begins at its start.
        let mut map = Heatmap::default();
        map.add(&felt("a", -1, 1.0), NOW);
        assert_eq!(map.buckets().next().expect("one").start_s, -60);
    }

    #[test]
    fn nodes_and_sources_of_a_bucket_are_bounded() {
        let mut map = Heatmap::default();
        for n in 0..MAX_NODES + 50 {
            map.add(&felt(&format!("n-{n}"), NOW, 1.0), NOW);
        }
        map.add(&felt("n-3", NOW, 1.0), NOW);
        let bucket = map.buckets().next().expect("one");
        assert_eq!((bucket.nodes.len(), bucket.count), (MAX_NODES + 1, MAX_NODES as u64 + 51));
        assert_eq!((bucket.nodes[OTHERS].count, bucket.nodes["n-3"].count), (50, 2));
        assert_eq!((bucket.sources.len(), bucket.sources["n-3"].count), (MAX_NODES + 50, 2));
        for n in 0..MAX_SOURCES {
            map.add(&felt(&format!("s-{n}"), NOW, 1.0), NOW);
        }
        let bucket = map.buckets().next().expect("one");
        let others = bucket.sources[OTHERS].count;
        assert_eq!((bucket.sources.len(), others), (MAX_SOURCES + 1, MAX_NODES as u64 + 50));
    }
}
