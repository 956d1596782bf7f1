//! The distribution of beauty scores; counts are cumulative only when asked for.

/// Upper bounds of the buckets. Scores lie in `0.0..=1.5`, so a tenth each shows the whole range and
/// the last bound holds every valid score.
pub const UPPER_BOUNDS: [f64; 15] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5];

/// A histogram over [`UPPER_BOUNDS`] since the start of the fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    buckets: [u64; UPPER_BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Counts `value`. A bound belongs to its own bucket, as Prometheus' `le` wants.
    pub fn observe(&mut self, value: f64) {
        let bucket = UPPER_BOUNDS.partition_point(|bound| *bound < value);
        if let Some(n) = self.buckets.get_mut(bucket) {
            *n += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    /// How many values were seen, those beyond the last bound included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// `(upper bound, number of values at or below it)`, ascending; `+Inf` is [`Self::count`].
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + Clone + '_ {
        UPPER_BOUNDS.iter().zip(&self.buckets).scan(0, |below, (bound, n)| {
            *below += n;
            Some((*bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bound_counts_in_its_own_bucket() {
        let mut histogram = Histogram::default();
        for value in [0.0, 0.1, 0.1000001, 1.5, 9.0] {
            histogram.observe(value);
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative[0], (0.1, 2));
        assert_eq!(cumulative[1], (0.2, 3));
        assert_eq!(cumulative[14], (1.5, 4));
        assert_eq!(histogram.count(), 5);
    }

    proptest! {
        #[test]
        fn agrees_with_counting_each_bound(values in prop::collection::vec(-0.5f64..2.0, 0..200)) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|v| histogram.observe(*v));
            for (bound, n) in histogram.cumulative() {
                prop_assert_eq!(n, values.iter().filter(|v| **v <= bound).count() as u64);
            }
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert!((histogram.sum() - values.iter().sum::<f64>()).abs() < 1e-9);
        }
    }
}
