//! How much each source counts, and how a weight walks to where it was voted.
//!
//! The rule: every weight set is an entry of the log; between two of them no weight moves. Only what moves is looked
//! at, so time that passes over a resting weight costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fixed::Ratio;
use crate::key::Hash;
use crate::spec::Config;
use crate::text::Source;
use crate::time::Time;
use crate::vote::canonical;

/// All weights from some time on. Sources at the default are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightSet {
    /// 0 at the beginning, one more with each set.
    pub version: u64,
    /// From when.
    pub effective_at: Time,
    /// Weight by source.
    pub weights: Arc<BTreeMap<Source, Ratio>>,
    /// SHA-256 of the canonical text of the others.
    pub hash: Hash,
}

impl WeightSet {
    fn new(version: u64, effective_at: Time, weights: BTreeMap<Source, Ratio>) -> Self {
        #[derive(Serialize)]
        struct Hashed<'a> {
            effective_at: Time,
            version: u64,
            weights: &'a BTreeMap<Source, Ratio>,
        }
        let hash =
            Hash::of(canonical(&Hashed { effective_at, version, weights: &weights }).as_bytes());
        Self { version, effective_at, weights: Arc::new(weights), hash }
    }
}

/// Weights by source for those who weigh events: one hash and one comparison.
#[derive(Clone, Debug)]
pub struct Lookup {
    by_source: HashMap<Source, f64, foldhash::fast::RandomState>,
    default: f64,
}

impl Lookup {
    /// Of these weights, and this for every other source.
    #[must_use]
    pub fn new(set: &WeightSet, default: Ratio) -> Self {
        let by_source =
            set.weights.iter().map(|(source, weight)| (source.clone(), weight.as_f64()));
        Self { by_source: by_source.collect(), default: default.as_f64() }
    }

    /// The weight of `source`, 0 to 1.
    #[must_use]
    pub fn weight(&self, source: &str) -> f64 {
        self.by_source.get(source).copied().unwrap_or(self.default)
    }
}

/// Where a weight goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    /// There, until it is time to renew it.
    Voted(Ratio),
    /// Back.
    Default,
}

/// The way of one source's weight.
#[derive(Clone, Debug, PartialEq)]
struct Walk {
    weight: Ratio,
    goal: Goal,
    /// When it is looked at again.
    next: Time,
    /// When it turns back.
    renew_at: Time,
}

impl Walk {
    /// After a step at `at`; `None` when it is back at the default.
    fn stepped(&self, at: Time, config: &Config) -> Option<Self> {
        let goal = if at < self.renew_at { self.goal } else { Goal::Default };
        let aim = match goal {
            Goal::Voted(weight) => weight,
            Goal::Default => config.default_weight,
        };
        let weight = self.weight.towards(aim, config.max_step);
        let next = match goal {
            Goal::Voted(_) if weight == aim => self.renew_at,
            Goal::Voted(_) => at.after(config.epoch).min(self.renew_at),
            Goal::Default if weight == aim => return None,
            Goal::Default => at.after(config.epoch),
        };
        Some(Self { weight, goal, next, renew_at: self.renew_at })
    }
}

/// All weights and where they go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    walks: BTreeMap<Source, Walk>,
    /// The same by when they are looked at.
    schedule: BTreeSet<(Time, Source)>,
    /// When the default became another: then other sources are left out.
    restated_at: Option<Time>,
    set: WeightSet,
}

impl Weights {
    pub(crate) fn new(at: Time) -> Self {
        let set = WeightSet::new(0, at, BTreeMap::new());
        Self { walks: BTreeMap::new(), schedule: BTreeSet::new(), restated_at: None, set }
    }

    pub(crate) fn set(&self) -> &WeightSet {
        &self.set
    }

    /// Sources that have a weight of their own.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.walks.keys()
    }

    /// When the next set is due.
    pub(crate) fn next(&self) -> Option<Time> {
        let first = self.schedule.first().map(|(at, _)| *at);
        first.into_iter().chain(self.restated_at).min()
    }

    /// Sends a source's weight to where it was voted; the first step is due at once.
    pub(crate) fn steer(&mut self, source: &Source, voted: Ratio, at: Time, config: &Config) {
        let weight = self.walks.get(source).map_or(config.default_weight, |walk| walk.weight);
        let renew_at = at.after(config.renew);
        self.replace(source, Some(Walk { weight, goal: Goal::Voted(voted), next: at, renew_at }));
    }

    /// Takes note that the default is another.
    pub(crate) fn restate(&mut self, at: Time) {
        self.restated_at = Some(at);
    }

    /// The set that is due at `at`.
    pub(crate) fn due(&self, at: Time, config: &Config) -> WeightSet {
        let weight = |walk: &Walk| {
            if walk.next > at {
                Some(walk.weight)
            } else {
                walk.stepped(at, config).map(|walk| walk.weight)
            }
        };
        let listed = self.walks.iter().filter_map(|(source, walk)| {
            let weight = weight(walk).filter(|weight| *weight != config.default_weight)?;
            Some((source.clone(), weight))
        });
        WeightSet::new(self.set.version + 1, at, listed.collect())
    }

    /// Takes the set that was due.
    pub(crate) fn take(&mut self, set: WeightSet, config: &Config) {
        let at = set.effective_at;
        while let Some((_, source)) = self.schedule.first().filter(|(next, _)| *next <= at).cloned()
        {
            let walk = self.walks[&source].stepped(at, config);
            self.replace(&source, walk);
        }
        self.restated_at = None;
        self.set = set;
    }

    fn replace(&mut self, source: &Source, walk: Option<Walk>) {
        if let Some(old) = self.walks.remove(source) {
            self.schedule.remove(&(old.next, source.clone()));
        }
        if let Some(walk) = walk {
            self.schedule.insert((walk.next, source.clone()));
            self.walks.insert(source.clone(), walk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Auto;
    use crate::time::Span;

    fn at(s: i64) -> Time {
        Time::from_s(s).expect("a time")
    }

    fn ratio(value: f64) -> Ratio {
        Ratio::from_f64(value).expect("a ratio")
    }

    fn config() -> Config {
        Config {
            id: "d".parse().expect("an id"),
            auto: Auto::On,
            default_weight: Ratio::ONE,
            max_step: ratio(0.25),
            epoch: Span::from_s(10),
            renew: Span::from_s(100),
        }
    }

    /// Every set up to `until`: seconds, and the weight of `a`.
    fn walked(weights: &mut Weights, until: i64) -> Vec<(i64, f64)> {
        let mut seen = Vec::new();
        while let Some(next) = weights.next().filter(|next| *next <= at(until)) {
            let set = weights.due(next, &config());
            let weight = set.weights.get("a").map_or(1.0, |weight| weight.as_f64());
            seen.push((next.as_ns() / 1_000_000_000, weight));
            weights.take(set, &config());
        }
        seen
    }

    #[test]
    fn a_weight_walks_there_and_back() {
        let mut weights = Weights::new(at(0));
        weights.steer(&"a".parse().expect("a source"), ratio(0.4), at(1_000), &config());
        let there = [(1_000, 0.75), (1_010, 0.5), (1_020, 0.4)];
        let back = [(1_100, 0.65), (1_110, 0.9), (1_120, 1.0)];
        assert_eq!(walked(&mut weights, 1_000_000_000), [there, back].concat());
        assert_eq!((weights.walks.len(), weights.set.version), (0, 6));
    }

    #[test]
    fn a_weight_turns_back_in_time_on_its_way() {
        let mut weights = Weights::new(at(0));
        let config = Config { renew: Span::from_s(25), ..config() };
        weights.steer(&"a".parse().expect("a source"), Ratio::ZERO, at(1_000), &config);
        let seen = walked(&mut weights, 2_000);
        let there = [(1_000, 0.75), (1_010, 0.5), (1_020, 0.25)];
        assert_eq!(seen, [&there[..], &[(1_025, 0.5), (1_035, 0.75), (1_045, 1.0)]].concat());
    }

    #[test]
    fn a_renewed_weight_stays() {
        let mut weights = Weights::new(at(0));
        let source: Source = "a".parse().expect("a source");
        weights.steer(&source, ratio(0.4), at(1_000), &config());
        walked(&mut weights, 1_099);
        weights.steer(&source, ratio(0.4), at(1_099), &config());
        assert_eq!(walked(&mut weights, 1_198), [(1_099, 0.4)]);
        assert_eq!(walked(&mut weights, 1_199), [(1_199, 0.65)]);
        weights.steer(&source, ratio(0.0), at(1_200), &config());
        assert_eq!(walked(&mut weights, 1_210), [(1_200, 0.4), (1_210, 0.15)]);
    }

    #[test]
    fn sources_at_the_default_are_left_out() {
        let mut weights = Weights::new(at(0));
        for (name, goal) in [("a", 0.9), ("b", 1.0)] {
            weights.steer(&name.parse().expect("a source"), ratio(goal), at(10), &config());
        }
        assert_eq!(walked(&mut weights, 50), [(10, 0.9)]);
        assert_eq!(weights.set.weights.len(), 1);
        let lookup = Lookup::new(&weights.set, Ratio::ONE);
        assert_eq!((lookup.weight("a"), lookup.weight("b"), lookup.weight("c")), (0.9, 1.0, 1.0));
    }
}
