//! What plugins used over the last hour; every figure is derived from the kept samples on reading.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept per plugin: an hour of one every five seconds.
pub const MAX_SAMPLES: usize = 720;
/// Newest samples that are shown one by one.
pub const FINE_POINTS: usize = 60;
/// Plugins whose history is kept at once.
pub const MAX_HISTORIES: usize = 256;

const MINUTE_NS: i64 = 60_000_000_000;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const MINUTES: usize = 60;

/// One look at a plugin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Unix time in nanoseconds.
    pub at_ns: i64,
    /// Processor use, 100 = one core.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Events processed so far.
    pub event_count: u64,
}

/// The samples of one plugin, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
}

/// Mean, smallest and largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// Arithmetic mean.
    pub avg: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

/// Aggregates of the last hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregates {
    /// Processor use in percent.
    pub cpu_percent: Aggregate,
    /// Resident memory in bytes.
    pub memory_bytes: Aggregate,
    /// How many samples these are of.
    pub samples: usize,
}

/// The mean of one minute's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinuteMean {
    /// Start of the minute, Unix time in nanoseconds.
    pub start_ns: i64,
    /// Mean processor use in percent.
    pub cpu_percent: f64,
    /// Mean resident memory in bytes.
    pub memory_bytes: f64,
    /// Events processed by the minute's end.
    pub event_count: u64,
}

impl History {
    /// Takes a sample and forgets those older than an hour. Those that are not older than it are forgotten, too: the
    /// clock was set back, perhaps by years, and time in a history only goes forward.
    pub fn push(&mut self, sample: Sample) {
        while self.samples.back().is_some_and(|last| last.at_ns >= sample.at_ns) {
            self.samples.pop_back();
        }
        while self.samples.front().is_some_and(|first| {
            self.samples.len() == MAX_SAMPLES || first.at_ns <= sample.at_ns - HOUR_NS
        }) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The newest [`FINE_POINTS`] samples, oldest first.
    pub fn fine(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.range(self.samples.len().saturating_sub(FINE_POINTS)..)
    }

    /// Means of the last 60 minutes that have samples, oldest first.
    pub fn minutes(&self) -> Vec<MinuteMean> {
        let samples: Vec<Sample> = self.samples.iter().copied().collect();
        let mut means: Vec<MinuteMean> = samples
            .chunk_by(|a, b| a.at_ns.div_euclid(MINUTE_NS) == b.at_ns.div_euclid(MINUTE_NS))
            .map(|minute| {
                let n = minute.len() as f64;
                let last = minute[minute.len() - 1];
                MinuteMean {
                    start_ns: last.at_ns.div_euclid(MINUTE_NS) * MINUTE_NS,
                    cpu_percent: minute.iter().map(|s| s.cpu_percent).sum::<f64>() / n,
                    memory_bytes: minute.iter().map(|s| s.memory_bytes as f64).sum::<f64>() / n,
                    event_count: last.event_count,
                }
            })
            .collect();
        // An hour that starts inside a minute touches 61 of them.
        means.drain(..means.len().saturating_sub(MINUTES));
        means
    }

    /// Aggregates of the kept hour; `None` without samples.
    pub fn aggregates(&self) -> Option<Aggregates> {
        Some(Aggregates {
            cpu_percent: aggregate(self.samples.iter().map(|s| s.cpu_percent))?,
            memory_bytes: aggregate(self.samples.iter().map(|s| s.memory_bytes as f64))?,
            samples: self.samples.len(),
        })
    }
}

/// The histories of all plugins by name.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    by_plugin: BTreeMap<String, History>,
}

impl Histories {
    /// Takes a sample of `plugin`. Beyond [`MAX_HISTORIES`] plugins a new one is not recorded.
    pub fn push(&mut self, plugin: &str, sample: Sample) {
        if let Some(history) = self.by_plugin.get_mut(plugin) {
            history.push(sample);
        } else if self.by_plugin.len() < MAX_HISTORIES {
            self.by_plugin.entry(plugin.to_owned()).or_default().push(sample);
        }
    }

    /// The history of `plugin`.
    pub fn get(&self, plugin: &str) -> Option<&History> {
        self.by_plugin.get(plugin)
    }

    /// Forgets plugins that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.by_plugin.retain(|plugin, _| keep(plugin));
    }
}

fn aggregate(values: impl Iterator<Item = f64>) -> Option<Aggregate> {
    let (mut n, mut sum, mut min, mut max) = (0u32, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        n += 1;
        sum += value;
        min = f64::min(min, value);
        max = f64::max(max, value);
    }
    (n > 0).then(|| Aggregate { avg: sum / f64::from(n), min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEP_NS: i64 = 5_000_000_000;

    fn sample(i: i64) -> Sample {
        Sample {
            at_ns: i * STEP_NS,
            cpu_percent: i as f64,
            memory_bytes: (i as u64) << 20,
            event_count: i as u64,
        }
    }

    #[test]
    fn keeps_an_hour_and_shows_sixty_points() {
        let mut history = History::default();
        assert_eq!(history.aggregates(), None);
        (0..2_000).for_each(|i| history.push(sample(i)));
        assert_eq!(history.samples.len(), MAX_SAMPLES);
        assert_eq!(history.fine().len(), FINE_POINTS);
        assert_eq!(history.fine().next(), Some(&sample(1_940)));
        let aggregates = history.aggregates().expect("has samples");
        assert_eq!(aggregates.samples, 720);
        assert_eq!(aggregates.cpu_percent, Aggregate { avg: 1_639.5, min: 1_280.0, max: 1_999.0 });
        assert_eq!(history.minutes().len(), 60);
    }

    #[test]
    fn a_clock_that_goes_back_forgets_what_has_not_happened_yet() {
        let mut history = History::default();
        for at in [1, 10, 10, 11, 3, 4] {
            history.push(sample(at));
        }
        assert_eq!(history.fine().collect::<Vec<_>>(), [&sample(1), &sample(3), &sample(4)]);
    }

    #[test]
    fn a_pause_of_an_hour_forgets_all_before() {
        let mut history = History::default();
        history.push(sample(1));
        history.push(sample(721));
        assert_eq!(history.samples.len(), 1);
    }

    #[test]
    fn plugins_are_bounded_and_can_be_forgotten() {
        let mut histories = Histories::default();
        (0..=MAX_HISTORIES).for_each(|i| histories.push(&format!("p{i}"), sample(1)));
        assert_eq!(histories.by_plugin.len(), MAX_HISTORIES);
        histories.retain(|name| name == "p1");
        assert!(histories.get("p0").is_none());
        assert!(histories.get("p1").is_some());
    }

    proptest! {
        #[test]
        fn minute_means_agree_with_a_naive_grouping(steps in prop::collection::vec(1i64..40, 1..300)) {
            let mut history = History::default();
            let mut naive: Vec<Sample> = Vec::new();
            let mut at = 0;
            for step in steps {
                at += step;
                history.push(sample(at));
                naive.push(sample(at));
                naive.retain(|s| s.at_ns > at * STEP_NS - HOUR_NS);
            }
            let mut groups: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
            naive.iter().for_each(|s| groups.entry(s.at_ns / MINUTE_NS).or_default().push(*s));
            let skip = groups.len().saturating_sub(60);
            let minutes = history.minutes();
            prop_assert_eq!(minutes.len(), groups.len() - skip);
            for (mean, (minute, of)) in minutes.iter().zip(groups.iter().skip(skip)) {
                prop_assert_eq!(mean.start_ns, minute * MINUTE_NS);
                let cpu = of.iter().map(|s| s.cpu_percent).sum::<f64>() / of.len() as f64;
                prop_assert!((mean.cpu_percent - cpu).abs() < 1e-9);
            }
        }
    }
}
