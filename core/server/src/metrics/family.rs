//! The families of a scrape, said one after the other: names, labels and values in one pass.
//!
//! The rule: while the names and labels are those of the scrape before, nothing but values is noted;
//! where one differs, the pass is made again and everything is learned anew.

use std::ops::Range;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::plugins::{PluginSeries, Series};

/// Ends a part of the key; no text holds this byte, which UTF-8 never does.
const END: u8 = 0xff;
/// What the parts that follow stand for.
const FAMILY: &[u8] = &[0xfe];
const SAMPLE: &[u8] = &[0xfd];
const BUCKETS: &[u8] = &[0xfc];
const PLUGIN: &[u8] = &[0xfb];

/// What a scrape says.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// In the order in which they were said.
    values: Vec<f64>,
    /// Everything that the text depends on, values excepted, as it was learned last.
    key: Vec<u8>,
    /// Series whose address is in the key: an address is nobody else's while its owner lives.
    held: Vec<PluginSeries>,
    pass: Pass,
}

#[derive(Debug)]
enum Pass {
    /// The key is known up to `at`, unless something differs.
    Compare { at: usize, differs: bool },
    /// The key is written, and what it says is kept as families.
    Learn(Vec<Learned>),
}

/// A family with the places of its values.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) family: MetricFamily,
    metrics: Vec<Metric>,
    pub(super) values: Range<usize>,
}

/// A family that is being said.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    sheet: &'a mut Sheet,
    kind: MetricType,
}

impl Default for Pass {
    fn default() -> Self {
        Self::Compare { at: 0, differs: false }
    }
}

impl Sheet {
    /// A counter; its name ends in `_total`.
    pub(crate) fn counter(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// A gauge.
    pub(crate) fn gauge(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// A histogram.
    pub(crate) fn histogram(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    /// A family as the registry gathered it.
    pub(super) fn gathered(&mut self, family: &MetricFamily) {
        let kind = family.get_field_type();
        let mut said = self.family(family.name(), family.help(), kind);
        for metric in family.get_metric() {
            said.metric(metric);
        }
    }

    /// What a plugin declared itself, as `shimmer_<plugin>_<name>`.
    pub(super) fn plugin(&mut self, plugin: PluginSeries) {
        self.part(PLUGIN);
        self.part(plugin.plugin.as_bytes());
        self.part(&plugin.series.as_ptr().addr().to_le_bytes());
        self.part(&plugin.series.len().to_le_bytes());
        if let Pass::Learn(families) = &mut self.pass {
            let mut rest = &plugin.values[..];
            for series in plugin.series.iter() {
                let first = self.values.len() + plugin.values.len() - rest.len();
                let (values, behind) = rest.split_at(series.samples.len().min(rest.len()));
                families.push(Learned::of_plugin(&plugin.plugin, series, values, first));
                rest = behind;
            }
        }
        self.values.extend_from_slice(&plugin.values);
        if matches!(self.pass, Pass::Learn(_)) {
            self.held.push(plugin);
        }
    }

    /// Begins a pass that only compares.
    pub(super) fn compare(&mut self) {
        self.values.clear();
        self.pass = Pass::default();
    }

    /// Whether that pass said exactly what was learned.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.pass, Pass::Compare { at, differs: false } if at == self.key.len())
    }

    /// Begins a pass that learns.
    pub(super) fn learn(&mut self) {
        self.forget();
        self.values.clear();
        self.pass = Pass::Learn(Vec::new());
    }

    /// The families of that pass in the order of the page: sorted, each name once, none without a sample, as a name
    /// alone would be no valid exposition.
    pub(super) fn learned(&mut self) -> Vec<Learned> {
        let Pass::Learn(mut families) = std::mem::take(&mut self.pass) else { return Vec::new() };
        families.retain(|learned| !learned.metrics.is_empty());
        families.sort_by(|a, b| a.family.name().cmp(b.family.name()));
        families.dedup_by(|b, a| a.family.name() == b.family.name());
        for learned in &mut families {
            learned.family.set_metric(std::mem::take(&mut learned.metrics));
        }
        families
    }

    /// Makes the next comparison fail.
    pub(super) fn forget(&mut self) {
        self.key.clear();
        self.held.clear();
    }

    /// The values of the last pass.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        self.part(FAMILY);
        self.part(name.as_bytes());
        if let Pass::Learn(families) = &mut self.pass {
            families.push(Learned::new(name.to_owned(), help.to_owned(), kind, self.values.len()));
        }
        Family { sheet: self, kind }
    }

    #[inline]
    fn part(&mut self, part: &[u8]) {
        match &mut self.pass {
            Pass::Learn(_) => {
                self.key.extend_from_slice(part);
                self.key.push(END);
            }
            Pass::Compare { at, differs } => {
                let end = *at + part.len();
                let known = self.key.get(*at..end) == Some(part);
                *differs |= !known || self.key.get(end) != Some(&END);
                *at = end + 1;
            }
        }
    }

    /// Notes the values of a metric, and the metric itself in a pass that learns.
    fn note(&mut self, values: impl IntoIterator<Item = f64>, metric: impl FnOnce() -> Metric) {
        self.values.extend(values);
        if let Pass::Learn(families) = &mut self.pass
            && let Some(learned) = families.last_mut()
        {
            learned.metrics.push(metric());
            learned.values.end = self.values.len();
        }
    }
}

impl Family<'_> {
    /// Says a sample of a counter or gauge.
    pub(crate) fn sample(self, labels: &[(&str, &str)], value: f64) -> Self {
        self.sheet.part(SAMPLE);
        labels.iter().for_each(|(_, value)| self.sheet.part(value.as_bytes()));
        let kind = self.kind;
        self.sheet.note([value], || simple(kind, pairs(labels), value));
        self
    }

    /// Says a histogram with `(upper bound, cumulative count)` ascending, without `+Inf`.
    pub(crate) fn buckets(
        self,
        labels: &[(&str, &str)],
        cumulative: impl IntoIterator<Item = (f64, u64), IntoIter: Clone>,
        count: u64,
        sum: f64,
    ) -> Self {
        let cumulative = cumulative.into_iter();
        self.sheet.part(BUCKETS);
        labels.iter().for_each(|(_, value)| self.sheet.part(value.as_bytes()));
        let values = cumulative.clone().map(|(bound, below)| (bound, below as f64));
        for (bound, _) in values.clone() {
            self.sheet.part(&bound.to_bits().to_le_bytes());
        }
        let values = values.map(|(_, below)| below).chain([count as f64, sum, count as f64]);
        self.sheet.note(values, || histogram(pairs(labels), cumulative, count, sum));
        self
    }

    /// Says a metric that the registry gathered.
    fn metric(&mut self, metric: &Metric) {
        let buckets = match self.kind {
            MetricType::HISTOGRAM => metric.get_histogram().get_bucket(),
            _ => &[],
        };
        self.sheet.part(if self.kind == MetricType::HISTOGRAM { BUCKETS } else { SAMPLE });
        metric.get_label().iter().for_each(|label| self.sheet.part(label.value().as_bytes()));
        for bucket in buckets {
            self.sheet.part(&bucket.upper_bound().to_bits().to_le_bytes());
        }
        let learn = || metric.clone();
        match self.kind {
            MetricType::COUNTER => self.sheet.note([metric.get_counter().get_value()], learn),
            MetricType::GAUGE => self.sheet.note([metric.get_gauge().get_value()], learn),
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let count = histogram.get_sample_count() as f64;
                let below = buckets.iter().map(|bucket| bucket.cumulative_count() as f64);
                self.sheet.note(below.chain([count, histogram.get_sample_sum(), count]), learn);
            }
            // Nothing of ours is; its lines would be more than its values, and the page is not kept then.
            _ => self.sheet.note([], learn),
        }
    }
}

impl Learned {
    fn new(name: String, help: String, kind: MetricType, first: usize) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name);
        family.set_help(help);
        family.set_field_type(kind);
        Self { family, metrics: Vec::new(), values: first..first }
    }

    fn of_plugin(plugin: &str, series: &Series, values: &[f64], first: usize) -> Self {
        let name = format!("shimmer_{}_{}", plugin.replace('-', "_"), series.name);
        let kind = if series.counter { MetricType::COUNTER } else { MetricType::GAUGE };
        let mut learned = Self::new(name, series.help.clone(), kind, first);
        learned.values.end = first + values.len();
        let names = || series.labels.iter().map(String::as_str);
        learned.metrics = series
            .samples
            .iter()
            .zip(values)
            .map(|(labels, value)| {
                let labels: Vec<_> = names().zip(labels.iter().map(String::as_str)).collect();
                simple(kind, pairs(&labels), *value)
            })
            .collect();
        learned
    }
}

fn simple(kind: MetricType, labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut metric = Metric::from_label(labels);
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn histogram(
    labels: Vec<LabelPair>,
    cumulative: impl Iterator<Item = (f64, u64)>,
    count: u64,
    sum: f64,
) -> Metric {
    let bucket = |(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(cumulative.map(bucket).collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    let mut metric = Metric::from_label(labels);
    metric.set_histogram(histogram);
    metric
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}
