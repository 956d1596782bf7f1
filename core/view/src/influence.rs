//! How much each source counts: an average over sources that no source can bend alone.
//!
//! The rule: first the mean of each source, so that volume buys nothing, then one figure over those means, in which no
//! source has more than its share and the outermost part of all shares does not count. Everything is counted in
//! integers of 1e-15, so whoever folds the same events, in whatever order of reading, has the same bits.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Most sources whose values are kept; the one that was silent longest makes room.
pub const MAX_SOURCES: usize = 16_384;
/// Most values that are kept of all sources: with longer windows there is room for fewer sources.
pub const MAX_VALUES: usize = 1 << 22;
/// Most values of one source that may be kept.
pub const MAX_SOURCE_WINDOW: usize = 1_024;
/// Most sources that may have a weight of their own.
pub const MAX_WEIGHTS: usize = 65_536;

/// One, in the units of this fold.
const ONE: i64 = 1_000_000_000_000_000;
/// Values are clamped to what a beauty score may be.
const LARGEST_VALUE: f64 = 1.5;

/// How the means of sources become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The mean of what is left when [`Rule::trim`] of all shares is cut off at either end.
    TrimmedMean,
    /// The mean at which half of all shares lies on either side.
    Median,
}

/// The rule of an [`Influence`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How means become one figure.
    pub method: Method,
    /// Share of all shares that is cut off at either end, `0.0..0.5`.
    pub trim: f64,
    /// Most that one source may have of all shares, `0.0..=1.0`, not 0. Of fewer sources than would fill the whole
    /// with such shares, each has the same.
    pub share_cap: f64,
    /// Newest values of a source that make its mean, `1..=`[`MAX_SOURCE_WINDOW`].
    pub window: usize,
    /// Weight of a source without one of its own, `0.0..=1.0`.
    pub default_weight: f64,
}

/// Why a rule or a weight was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfluenceRefused {
    /// Not within the range that its documentation names.
    OutOfRange,
    /// [`MAX_WEIGHTS`] sources have one already.
    Full,
}

/// What is known of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceShare<'a> {
    /// Its name.
    pub source: &'a str,
    /// Its weight, or the default.
    pub weight: f64,
    /// Its part of all shares; they add up to 1 unless nobody has a weight.
    pub share: f64,
    /// The mean of its newest values.
    pub avg: f64,
    /// Its values since the start of the fold.
    pub events: u64,
}

/// Values of sources, their weights, and the figure that both make.
#[derive(Clone, Debug)]
pub struct Influence {
    rule: Rule,
    weights: HashMap<Box<str>, i64>,
    places: HashMap<Box<str>, usize>,
    sources: Vec<Source>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Source {
    name: Box<str>,
    window: VecDeque<i64>,
    sum: i64,
    events: u64,
    last: u64,
}

impl Rule {
    fn check(&self) -> Result<(), InfluenceRefused> {
        let good = (0.0..0.5).contains(&self.trim)
            && self.share_cap > 0.0
            && self.share_cap <= 1.0
            && (1..=MAX_SOURCE_WINDOW).contains(&self.window)
            && (0.0..=1.0).contains(&self.default_weight);
        if good { Ok(()) } else { Err(InfluenceRefused::OutOfRange) }
    }
}

/// The weighted mean of the sources' means: nothing is trimmed, and nobody is capped.
impl Default for Rule {
    fn default() -> Self {
        Self {
            method: Method::TrimmedMean,
            trim: 0.0,
            share_cap: 1.0,
            window: 50,
            default_weight: 1.0,
        }
    }
}

impl Default for Influence {
    fn default() -> Self {
        Self::with(Rule::default())
    }
}

impl Influence {
    /// Without values and weights.
    ///
    /// # Errors
    ///
    /// [`InfluenceRefused::OutOfRange`] for a rule that breaks its own documentation.
    pub fn new(rule: Rule) -> Result<Self, InfluenceRefused> {
        rule.check().map(|()| Self::with(rule))
    }

    fn with(rule: Rule) -> Self {
        let (weights, places) = (HashMap::new(), HashMap::new());
        Self { rule, weights, places, sources: Vec::new(), clock: 0 }
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Folds one value of `source`; what is no number is not folded.
    pub fn push(&mut self, source: &str, value: f64) {
        if value.is_nan() {
            return;
        }
        self.clock += 1;
        let place = match self.places.get(source) {
            Some(place) => *place,
            None => self.admit(source),
        };
        let source = &mut self.sources[place];
        if source.window.len() == self.rule.window {
            source.sum -= source.window.pop_front().unwrap_or_default();
        }
        let value = fixed(value.clamp(0.0, LARGEST_VALUE));
        source.window.push_back(value);
        source.sum += value;
        source.events += 1;
        source.last = self.clock;
    }

    fn admit(&mut self, name: &str) -> usize {
        let new = Source {
            name: name.into(),
            window: VecDeque::new(),
            sum: 0,
            events: 0,
            last: self.clock,
        };
        let place = if self.sources.len() < MAX_SOURCES.min(MAX_VALUES / self.rule.window) {
            self.sources.push(new);
            self.sources.len() - 1
        } else {
            let silent = self.sources.iter().enumerate().min_by_key(|(_, source)| source.last);
            let place = silent.map_or(0, |(place, _)| place);
            let old = std::mem::replace(&mut self.sources[place], new);
            self.places.remove(&old.name);
            place
        };
        self.places.insert(name.into(), place);
        place
    }

    /// What is kept of each source, the one that was silent longest first: name, values in their order, and how many
    /// there were.
    pub fn windows(&self) -> impl Iterator<Item = (&str, Vec<f64>, u64)> {
        let mut order: Vec<&Source> = self.sources.iter().collect();
        order.sort_by_key(|source| source.last);
        let window = |source: &Source| source.window.iter().copied().map(float).collect();
        order.into_iter().map(move |source| (&*source.name, window(source), source.events))
    }

    /// Takes back one of [`Self::windows`].
    pub fn restore(&mut self, source: &str, values: &[f64], events: u64) {
        values.iter().for_each(|value| self.push(source, *value));
        if let Some(place) = self.places.get(source) {
            self.sources[*place].events = events;
        }
    }

    /// Sets the weight of `source`, `0.0..=1.0`; one that sends nothing yet may have one too.
    ///
    /// # Errors
    ///
    /// Either of [`InfluenceRefused`].
    pub fn set_weight(&mut self, source: &str, weight: f64) -> Result<(), InfluenceRefused> {
        if !(0.0..=1.0).contains(&weight) {
            return Err(InfluenceRefused::OutOfRange);
        }
        if let Some(known) = self.weights.get_mut(source) {
            *known = fixed(weight);
        } else if self.weights.len() < MAX_WEIGHTS {
            self.weights.insert(source.into(), fixed(weight));
        } else {
            return Err(InfluenceRefused::Full);
        }
        Ok(())
    }

    /// Sets the weight of every source without one of its own, `0.0..=1.0`; another one does not count.
    pub fn set_default_weight(&mut self, weight: f64) {
        if (0.0..=1.0).contains(&weight) {
            self.rule.default_weight = weight;
        }
    }

    /// Sets these weights and no others; those out of range or beyond [`MAX_WEIGHTS`] do not count.
    pub fn set_weights<'a>(&mut self, weights: impl Iterator<Item = (&'a str, f64)>) {
        self.weights.clear();
        for (source, weight) in weights {
            let _ = self.set_weight(source, weight);
        }
    }

    /// The weight of `source`.
    #[must_use]
    pub fn weight(&self, source: &str) -> f64 {
        float(self.fixed_weight(source))
    }

    fn fixed_weight(&self, source: &str) -> i64 {
        self.weights.get(source).copied().unwrap_or_else(|| fixed(self.rule.default_weight))
    }

    /// What is known of every source that sent a value, by name.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceShare<'_>> {
        let rows = self.shared().map(|(source, weight, share)| SourceShare {
            source: &source.name,
            weight: float(weight),
            share: float(share),
            avg: float(source.mean()),
            events: source.events,
        });
        rows.collect()
    }

    /// The figure; `None` without values or where no source that sent one has a weight.
    #[must_use]
    pub fn average(&self) -> Option<f64> {
        self.figure(self.shared().map(|(source, _, share)| (source.mean(), share)).collect())
    }

    /// The figure that other means of sources make by these weights and this rule. Each source is named once.
    #[must_use]
    pub fn average_of<'a>(&self, means: impl IntoIterator<Item = (&'a str, f64)>) -> Option<f64> {
        let mut means: Vec<_> = means.into_iter().filter(|(_, mean)| mean.is_finite()).collect();
        means.sort_by_key(|(source, _)| *source);
        let weights: Vec<i64> = means.iter().map(|(source, _)| self.fixed_weight(source)).collect();
        let shares = shares(&weights, fixed(self.rule.share_cap));
        let means = means.iter().map(|(_, mean)| fixed(mean.clamp(0.0, LARGEST_VALUE)));
        self.figure(means.zip(shares).collect())
    }

    fn figure(&self, mut means: Vec<(i64, i64)>) -> Option<f64> {
        means.retain(|(_, share)| *share > 0);
        means.sort_unstable();
        let figure = match self.rule.method {
            Method::TrimmedMean => trimmed(&means, fixed(self.rule.trim)),
            Method::Median => median(&means),
        };
        figure.map(float)
    }

    /// The sources by name, each with its weight and its share.
    fn shared(&self) -> impl Iterator<Item = (&Source, i64, i64)> {
        let mut order: Vec<&Source> = self.sources.iter().collect();
        order.sort_by(|a, b| a.name.cmp(&b.name));
        let weights: Vec<i64> = order.iter().map(|s| self.fixed_weight(&s.name)).collect();
        let shares = shares(&weights, fixed(self.rule.share_cap));
        order
            .into_iter()
            .zip(weights)
            .zip(shares)
            .map(|((source, weight), share)| (source, weight, share))
    }
}

impl Source {
    fn mean(&self) -> i64 {
        let count = i64::try_from(self.window.len()).unwrap_or(i64::MAX).max(1);
        (self.sum + count / 2) / count
    }
}

#[expect(clippy::cast_possible_truncation, reason = "callers hold it to 0.0..=1.5")]
fn fixed(number: f64) -> i64 {
    (number * ONE as f64).round() as i64
}

fn float(number: i64) -> f64 {
    number as f64 / ONE as f64
}

/// Shares in proportion to `weights`, none above `cap`: what would go to one above it goes to the others by their
/// weights, until nobody is above. They add up to [`ONE`], or to nothing where there is no weight.
fn shares(weights: &[i64], cap: i64) -> Vec<i64> {
    let mut order: Vec<usize> = (0..weights.len()).filter(|i| weights[*i] > 0).collect();
    let mut shares = vec![0; weights.len()];
    let Ok(count) = i64::try_from(order.len()) else { return shares };
    if count == 0 {
        return shares;
    }
    order.sort_by_key(|i| (std::cmp::Reverse(weights[*i]), *i));
    let cap = cap.max((ONE + count - 1) / count);
    let mut weight: i128 = order.iter().map(|i| i128::from(weights[*i])).sum();
    let mut left = i128::from(ONE);
    let mut rest = &order[..];
    while let [first, others @ ..] = rest
        && i128::from(weights[*first]) * left > i128::from(cap) * weight
    {
        shares[*first] = cap;
        left -= i128::from(cap);
        weight -= i128::from(weights[*first]);
        rest = others;
    }
    // Each takes its part of what is left, so that roundings cannot add up to more or less than all of it.
    for i in rest {
        let part = i128::from(weights[*i]) * left / weight;
        shares[*i] = i64::try_from(part).unwrap_or(0);
        left -= part;
        weight -= i128::from(weights[*i]);
    }
    shares
}

/// The mean of `means` (each with its share, sorted) without the outermost `trim` at either end.
fn trimmed(means: &[(i64, i64)], trim: i64) -> Option<i64> {
    let total: i64 = means.iter().map(|(_, share)| share).sum();
    let (from, to) = (trim, total - trim);
    let (mut below, mut sum, mut kept) = (0, 0_i128, 0_i128);
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for (mean, share) in means {
        let part = (below + share).min(to) - below.max(from);
        below += share;
        if part > 0 {
            sum += i128::from(*mean) * i128::from(part);
            kept += i128::from(part);
            (least, most) = (least.min(*mean), most.max(*mean));
        }
    }
    if kept == 0 {
        return None;
    }
    i64::try_from((sum + kept / 2) / kept).ok().map(|mean| mean.clamp(least, most))
}

/// The mean of `means` (each with its share, sorted) with half of all shares on either side.
fn median(means: &[(i64, i64)]) -> Option<i64> {
    let total: i64 = means.iter().map(|(_, share)| share).sum();
    let mut below = 0;
    for (i, (mean, share)) in means.iter().enumerate() {
        below += share;
        if below * 2 > total {
            return Some(*mean);
        }
        if below * 2 == total {
            return means.get(i + 1).map(|(next, _)| i64::midpoint(*mean, *next));
        }
    }
    None
}

#[cfg(test)]
mod tests;
