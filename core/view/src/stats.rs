//! Rolling statistics of the beauty scores; a read recomputes the window, so nothing drifts.

use std::collections::VecDeque;

use crate::Histogram;

/// Largest window that [`Stats::new`] gives.
pub const MAX_WINDOW: usize = 1 << 20;

/// The newest scores, their distribution since the start and how many there were.
#[derive(Clone, Debug)]
pub struct Stats {
    capacity: usize,
    window: VecDeque<f64>,
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

impl Stats {
    /// Statistics over the newest `window` scores; `1..=`[`MAX_WINDOW`], nearer end otherwise.
    pub fn new(window: usize) -> Self {
        let capacity = window.clamp(1, MAX_WINDOW);
        Self { capacity, window: VecDeque::new(), distribution: Histogram::default() }
    }

    /// Folds one score.
    pub fn push(&mut self, value: f64) {
        if self.window.len() == self.capacity {
            self.window.pop_front();
        }
        self.window.push_back(value);
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
        let first = *self.window.front()?;
        let (mut sum, mut min, mut max) = (0.0, first, first);
        for value in &self.window {
            sum += value;
            min = min.min(*value);
            max = max.max(*value);
        }
        let count = self.window.len();
        Some(Rolling { count, avg: sum / count as f64, min, max })
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
        assert_eq!(stats.events_total(), 0);
    }

    #[test]
    fn the_window_is_bounded() {
        assert_eq!(Stats::new(usize::MAX).capacity, MAX_WINDOW);
        assert_eq!(Stats::new(0).capacity, 1);
        let mut stats = Stats::new(3);
        (0..10).for_each(|i| stats.push(f64::from(i)));
        assert_eq!(stats.rolling(), Some(Rolling { count: 3, avg: 8.0, min: 7.0, max: 9.0 }));
        stats.set_window(2);
        assert_eq!(stats.rolling(), Some(Rolling { count: 2, avg: 8.5, min: 8.0, max: 9.0 }));
        assert_eq!(stats.events_total(), 10);
    }

    proptest! {
        #[test]
        fn agrees_with_the_last_values(
            window in 1usize..60, values in prop::collection::vec(0.0f64..1.5, 1..200)
        ) {
            let mut stats = Stats::new(window);
            values.iter().for_each(|v| stats.push(*v));
            let kept = &values[values.len().saturating_sub(window)..];
            let rolling = stats.rolling().expect("pushed");
            let avg = kept.iter().sum::<f64>() / kept.len() as f64;
            prop_assert!((rolling.avg - avg).abs() < 1e-12);
            prop_assert_eq!(rolling.count, kept.len());
            prop_assert_eq!(rolling.min, kept.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(rolling.max, kept.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
    }
}
