//! Rolling statistics of the beauty scores; a read recomputes the window, so nothing drifts.

use std::collections::VecDeque;

use crate::Histogram;

/// Largest window that [`Stats::new`] gives.
pub const MAX_WINDOW: usize = 1 << 20;

/// The newest scores, their distribution since the start and how many there were.
#[derive(Clone, Debug)]
pub struct Stats {
    capacity: usize,
    window: VecDeque<Scored>,
    distribution: Histogram,
}

/// What the window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rolling {
    /// Scores in the window.
    pub count: usize,
    /// Arithmetic mean.
    pub avg: f64,
    /// Smallest score.
    pub min: f64,
    /// Largest score.
    pub max: f64,
}

#[derive(Clone, Copy, Debug)]
struct Scored {
    value: f64,
    source: u32,
}

impl Stats {
    /// Statistics over the newest `window` scores; `1..=`[`MAX_WINDOW`], nearer end otherwise.
    pub fn new(window: usize) -> Self {
        let capacity = window.clamp(1, MAX_WINDOW);
        Self { capacity, window: VecDeque::new(), distribution: Histogram::default() }
    }

    /// Folds one score. `source` is whatever number the caller knows its source by.
    pub fn push(&mut self, value: f64, source: u32) {
        if self.window.len() == self.capacity {
            self.window.pop_front();
        }
        self.window.push_back(Scored { value, source });
        self.distribution.observe(value);
    }

    /// Changes the window; a smaller one forgets the oldest scores, a larger one fills as they come.
    pub fn set_window(&mut self, window: usize) {
        self.capacity = window.clamp(1, MAX_WINDOW);
        let surplus = self.window.len().saturating_sub(self.capacity);
        self.window.drain(..surplus);
    }

    /// The window's figures; `None` before the first score.
    pub fn rolling(&self) -> Option<Rolling> {
        let first = self.window.front()?.value;
        let (mut sum, mut min, mut max) = (0.0, first, first);
        for scored in &self.window {
            sum += scored.value;
            min = f64::min(min, scored.value);
            max = f64::max(max, scored.value);
        }
        let count = self.window.len();
        Some(Rolling { count, avg: sum / count as f64, min, max })
    }

    /// The weighted mean of the window: first the mean of each source, then the mean of those by
    /// `weight`, so that posting more does not count more. `None` without scores or without weight.
    pub fn weighted_avg(&self, mut weight: impl FnMut(u32) -> f64) -> Option<f64> {
        let mut scores: Vec<(u32, f64)> = self.window.iter().map(|s| (s.source, s.value)).collect();
        scores.sort_by_key(|(source, _)| *source);
        let (mut weighted, mut total) = (0.0, 0.0);
        for of_source in scores.chunk_by(|a, b| a.0 == b.0) {
            let mean = of_source.iter().map(|(_, v)| v).sum::<f64>() / of_source.len() as f64;
            let weight = weight(of_source[0].0);
            if weight.is_finite() && weight > 0.0 {
                weighted += weight * mean;
                total += weight;
            }
        }
        (total > 0.0).then(|| weighted / total)
    }

    /// Scores since the start of the fold.
    pub fn events_total(&self) -> u64 {
        self.distribution.count()
    }

    /// Distribution since the start of the fold.
    pub fn distribution(&self) -> &Histogram {
        &self.distribution
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_nothing_before_the_first_score() {
        let stats = Stats::new(50);
        assert_eq!(stats.rolling(), None);
        assert_eq!(stats.weighted_avg(|_| 1.0), None);
        assert_eq!(stats.events_total(), 0);
    }

    #[test]
    fn volume_of_one_source_buys_nothing() {
        let mut stats = Stats::new(100);
        for _ in 0..99 {
            stats.push(1.5, 7);
        }
        stats.push(0.5, 8);
        assert_eq!(stats.weighted_avg(|_| 1.0), Some(1.0));
        assert_eq!(stats.weighted_avg(|s| if s == 7 { 0.0 } else { 1.0 }), Some(0.5));
        assert_eq!(stats.weighted_avg(|_| 0.0), None);
    }

    #[test]
    fn the_window_is_bounded() {
        assert_eq!(Stats::new(usize::MAX).capacity, MAX_WINDOW);
        assert_eq!(Stats::new(0).capacity, 1);
        let mut stats = Stats::new(3);
        (0..10).for_each(|i| stats.push(f64::from(i), 0));
        assert_eq!(stats.rolling(), Some(Rolling { count: 3, avg: 8.0, min: 7.0, max: 9.0 }));
        stats.set_window(2);
        assert_eq!(stats.rolling(), Some(Rolling { count: 2, avg: 8.5, min: 8.0, max: 9.0 }));
        assert_eq!(stats.events_total(), 10);
    }

    proptest! {
        #[test]
        fn agrees_with_the_last_values(
            window in 1usize..60, values in prop::collection::vec((0.0f64..1.5, 0u32..4), 1..200)
        ) {
            let mut stats = Stats::new(window);
            values.iter().for_each(|(v, s)| stats.push(*v, *s));
            let kept = &values[values.len().saturating_sub(window)..];
            let rolling = stats.rolling().expect("pushed");
            let avg = kept.iter().map(|v| v.0).sum::<f64>() / kept.len() as f64;
            prop_assert!((rolling.avg - avg).abs() < 1e-12);
            prop_assert_eq!(rolling.count, kept.len());
            prop_assert_eq!(rolling.min, kept.iter().map(|v| v.0).fold(f64::INFINITY, f64::min));
            prop_assert_eq!(rolling.max, kept.iter().map(|v| v.0).fold(f64::NEG_INFINITY, f64::max));

            let weight = |s: u32| f64::from(s) * 0.25;
            let (mut sum, mut total) = (0.0, 0.0);
            for source in 0..4 {
                let own: Vec<f64> = kept.iter().filter(|v| v.1 == source).map(|v| v.0).collect();
                if !own.is_empty() {
                    sum += weight(source) * own.iter().sum::<f64>() / own.len() as f64;
                    total += weight(source);
                }
            }
            match stats.weighted_avg(weight) {
                Some(avg) => prop_assert!((avg - sum / total).abs() < 1e-12),
                None => prop_assert_eq!(total, 0.0),
            }
        }
    }
}
