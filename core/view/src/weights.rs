//! How much each source counts; a source without a weight counts fully.

use std::collections::HashMap;

/// Most sources that may have a weight of their own.
pub const MAX_WEIGHTS: usize = 65_536;

/// Weights by source.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    by_source: HashMap<Box<str>, f64>,
}

/// Why a weight was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightRefused {
    /// Not a number in `0.0..=1.0`.
    OutOfRange,
    /// [`MAX_WEIGHTS`] sources have one already.
    Full,
}

impl Weights {
    /// Sets the weight of `source`, `0.0..=1.0`.
    pub fn set(&mut self, source: &str, weight: f64) -> Result<(), WeightRefused> {
        if !(0.0..=1.0).contains(&weight) {
            return Err(WeightRefused::OutOfRange);
        }
        if let Some(known) = self.by_source.get_mut(source) {
            *known = weight;
        } else if self.by_source.len() < MAX_WEIGHTS {
            self.by_source.insert(source.into(), weight);
        } else {
            return Err(WeightRefused::Full);
        }
        Ok(())
    }

    /// The weight of `source`; 1 where none was set.
    pub fn get(&self, source: &str) -> f64 {
        self.by_source.get(source).copied().unwrap_or(1.0)
    }

    /// Whether no weight was ever set: then nobody weighs, and there is no weighted average.
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_sources_count_fully_and_nonsense_is_refused() {
        let mut weights = Weights::default();
        assert!(weights.is_empty());
        assert_eq!(weights.get("a"), 1.0);
        assert_eq!(weights.set("a", 0.25), Ok(()));
        assert_eq!(weights.get("a"), 0.25);
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(weights.set("a", bad), Err(WeightRefused::OutOfRange));
        }
        assert_eq!(weights.get("a"), 0.25);
    }

    #[test]
    fn the_table_is_bounded_and_known_sources_still_change() {
        let mut weights = Weights::default();
        for i in 0..MAX_WEIGHTS {
            assert_eq!(weights.set(&i.to_string(), 0.5), Ok(()));
        }
        assert_eq!(weights.set("one more", 0.5), Err(WeightRefused::Full));
        assert_eq!(weights.set("0", 0.75), Ok(()));
        assert_eq!(weights.get("0"), 0.75);
    }
}
