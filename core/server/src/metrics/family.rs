//! Metric families that are made on the spot from figures that live elsewhere.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// A family under construction.
#[derive(Debug)]
pub(crate) struct Family {
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Family {
    /// A counter; its name ends in `_total`.
    pub(crate) fn counter(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(name.into(), help.into(), MetricType::COUNTER)
    }

    /// A gauge.
    pub(crate) fn gauge(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(name.into(), help.into(), MetricType::GAUGE)
    }

    /// A histogram.
    pub(crate) fn histogram(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(name.into(), help.into(), MetricType::HISTOGRAM)
    }

    /// Adds a sample of a counter or gauge.
    pub(crate) fn sample(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        let mut metric = Metric::from_label(pairs(labels));
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
        self
    }

    /// Adds a histogram with `(upper bound, cumulative count)` ascending, without `+Inf`.
    pub(crate) fn buckets(
        mut self,
        labels: &[(&str, &str)],
        cumulative: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) -> Self {
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(cumulative.into_iter().map(bucket).collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.metrics.push(metric);
        self
    }

    /// The finished family; `None` without a sample, as a name alone would be no valid exposition.
    pub(crate) fn finish(mut self) -> Option<MetricFamily> {
        if self.metrics.is_empty() {
            return None;
        }
        self.family.set_metric(self.metrics);
        Some(self.family)
    }

    fn new(name: String, help: String, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name);
        family.set_help(help);
        family.set_field_type(kind);
        Self { family, metrics: Vec::new() }
    }
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
