//! Sets of sequences as ranges.
//!
//! The rule: ranges are ascending, inclusive, disjoint and never adjacent, so a set has one form and a gap is a gap.

use std::cmp::{max, min};

/// A set of sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet(Vec<(u64, u64)>);

impl RangeSet {
    /// The sequences `low..=high`, none if `low > high`.
    #[must_use]
    pub fn of(low: u64, high: u64) -> Self {
        let mut set = Self::default();
        set.insert(low, high);
        set
    }

    /// The ranges, both ends inclusive.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sequences in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, (low, high)| sum.saturating_add(high - low + 1))
    }

    /// The greatest.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|(_, high)| *high)
    }

    /// Whether `seq` is in it.
    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|(_, high)| *high < seq);
        self.0.get(at).is_some_and(|(low, _)| *low <= seq)
    }

    /// Whether `seq` is in it or beside something that is: adding it makes no new range.
    #[must_use]
    pub fn touches(&self, seq: u64) -> bool {
        self.contains(seq) || self.contains(seq.saturating_sub(1)) || self.contains(seq + 1)
    }

    /// Adds `low..=high`.
    pub fn insert(&mut self, low: u64, high: u64) {
        if low > high {
            return;
        }
        // Nearly always the next sequence.
        if let Some((_, last)) = self.0.last_mut()
            && last.checked_add(1) == Some(low)
        {
            *last = high;
            return;
        }
        let from = self.0.partition_point(|(_, end)| end.saturating_add(1) < low);
        let to = self.0.partition_point(|(start, _)| *start <= high.saturating_add(1));
        let joined = match self.0.get(from..to) {
            Some([first, .., last]) => (min(low, first.0), max(high, last.1)),
            Some([only]) => (min(low, only.0), max(high, only.1)),
            _ => (low, high),
        };
        self.0.splice(from..max(from, to), [joined]);
    }

    /// Takes `low..=high` out.
    pub fn remove(&mut self, low: u64, high: u64) {
        if low > high {
            return;
        }
        let from = self.0.partition_point(|(_, end)| *end < low);
        let to = self.0.partition_point(|(start, _)| *start <= high);
        if from >= to {
            return;
        }
        let (first, last) = (self.0[from].0, self.0[to - 1].1);
        let left = (first < low).then(|| (first, low - 1));
        let right = (last > high).then(|| (high + 1, last));
        self.0.splice(from..to, left.into_iter().chain(right));
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (low, high) in &other.0 {
            self.insert(*low, *high);
        }
    }

    /// Takes all of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        let (Some(first), Some(last)) = (self.0.first(), self.last()) else { return };
        let (first, from) = (first.0, other.0.partition_point(|(_, high)| *high < first.0));
        debug_assert!(first <= last, "ranges ascend");
        for (low, high) in other.0[from..].iter().take_while(|(low, _)| *low <= last) {
            self.remove(*low, *high);
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((a_low, a_high)), Some((b_low, b_high))) = (a.peek(), b.peek()) {
            let (low, high) = (*max(a_low, b_low), *min(a_high, b_high));
            if low <= high {
                both.push((low, high));
            }
            if a_high < b_high {
                a.next()
            } else {
                b.next()
            };
        }
        Self(both)
    }

    /// The first `count` sequences, in at most `ranges` ranges.
    #[must_use]
    pub fn first(&self, count: u64, ranges: usize) -> Self {
        let mut left = count;
        let mut first = Vec::new();
        for (low, high) in self.0.iter().take(ranges) {
            if left == 0 {
                break;
            }
            let taken = min(left, high - low + 1);
            first.push((*low, low + taken - 1));
            left -= taken;
        }
        Self(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeSet<u64>;

    fn of(model: &Model) -> RangeSet {
        let mut set = RangeSet::default();
        model.iter().for_each(|seq| set.insert(*seq, *seq));
        set
    }

    fn check(set: &RangeSet, model: &Model) {
        let seqs: Model = set.0.iter().flat_map(|(low, high)| *low..=*high).collect();
        assert_eq!((&seqs, set.count()), (model, model.len() as u64));
        assert!(set.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{set:?}");
        assert_eq!(set.last(), model.last().copied());
    }

    proptest! {
        #[test]
        fn sets_are_sets(steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..8), 0..60),
                         other in prop::collection::btree_set(0_u64..70, 0..30), count in 0_u64..20) {
            let (mut set, mut model) = (RangeSet::default(), Model::new());
            for (add, low, length) in steps {
                let high = (low + length).saturating_sub(1);
                match add {
                    true => set.insert(low, high),
                    false => set.remove(low, high),
                }
                for seq in low..=high {
                    if add { model.insert(seq); } else { model.remove(&seq); }
                }
                check(&set, &model);
            }
            let others = of(&other);
            for seq in 0..70 {
                prop_assert_eq!(set.contains(seq), model.contains(&seq));
            }
            let mut both = set.clone();
            both.extend(&others);
            check(&both, &model.union(&other).copied().collect());
            both = set.clone();
            both.subtract(&others);
            check(&both, &model.difference(&other).copied().collect());
            check(&set.intersect(&others), &model.intersection(&other).copied().collect());
            check(&set.first(count, 99), &model.iter().copied().take(count as usize).collect());
            prop_assert!(set.first(count, 2).ranges().len() <= 2);
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        let mut set = RangeSet::of(0, u64::MAX - 1);
        set.insert(u64::MAX, u64::MAX);
        assert_eq!(set.ranges(), [(0, u64::MAX)]);
        set.remove(0, 0);
        set.remove(u64::MAX, u64::MAX);
        assert_eq!(set.ranges(), [(1, u64::MAX - 1)]);
        set.insert(3, 2);
        set.remove(3, 2);
        assert_eq!(set.ranges().len(), 1);
    }
}
