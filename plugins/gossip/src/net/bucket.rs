//! A token bucket: how much of something may pass in a while.
//!
//! The rule: over any span, no more passes than the burst and the rate times the span.

use std::time::Instant;

/// How much passes per second, and how much at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Units per second.
    pub(crate) per_s: f64,
    /// Units at once.
    pub(crate) burst: f64,
}

/// What is left of a [`Rate`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.burst, at: now }
    }

    /// Takes `units` if there are as many; otherwise takes none.
    pub(crate) fn take(&mut self, units: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.rate.per_s).min(self.rate.burst);
        self.at = self.at.max(now);
        let fits = units <= self.left;
        if fits {
            self.left -= units;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(Rate { per_s: 10.0, burst: 5.0 }, start);
        let taken = |bucket: &mut Bucket, at| (0..100).filter(|_| bucket.take(1.0, at)).count();
        assert_eq!(taken(&mut bucket, start), 5);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(300)), 3);
        assert_eq!(taken(&mut bucket, start), 0, "a clock that stands earns nothing");
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(60)), 5, "never above the burst");
        assert!(!bucket.take(6.0, start + Duration::from_secs(600)), "never more than the burst");
    }
}
