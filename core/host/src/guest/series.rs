//! The plugin's own metrics: declared once, bounded, sent to the host as absolute values.
//!
//! The rule: names and labels are sent when a series is added, after that only the values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use shimmer_abi::{MAX_LABELS, MetricKind, Status};

use crate::wire::{FromGuest, Series};

/// Most metrics of a plugin.
pub(crate) const MAX_METRICS: usize = 256;
/// Most samples over all metrics.
pub(crate) const MAX_SAMPLES: usize = 4_096;
/// Longest label value in bytes.
const MAX_LABEL_BYTES: usize = 256;

#[derive(Default)]
struct Inner {
    metrics: Vec<Metric>,
    samples: usize,
    /// A value changed since the last report.
    changed: bool,
    /// A series was declared or a sample added since the last report.
    grown: bool,
}

struct Metric {
    name: String,
    help: String,
    counter: bool,
    labels: Vec<String>,
    values: BTreeMap<Vec<String>, f64>,
}

/// How a value is applied.
#[derive(Clone, Copy)]
pub(crate) enum Update {
    Set(f64),
    Add(f64),
}

/// The registry of one plugin.
#[derive(Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
}

impl Registry {
    /// Declares a metric or finds the equal declaration.
    pub(crate) fn declare(
        &self,
        kind: MetricKind,
        name: &str,
        help: &str,
        labels: Vec<String>,
    ) -> Result<u32, Status> {
        let counter = kind == MetricKind::COUNTER;
        let good = counter || kind == MetricKind::GAUGE;
        if !good || !declarable(name, help, counter, &labels) {
            return Err(Status::INVALID);
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = inner.metrics.iter().position(|metric| metric.name == name) {
            let metric = &inner.metrics[index];
            let same = metric.counter == counter && metric.labels == labels;
            return if same { Ok(index as u32) } else { Err(Status::INVALID) };
        }
        if inner.metrics.len() == MAX_METRICS || labels.len() > MAX_LABELS {
            return Err(Status::LIMIT);
        }
        inner.metrics.push(Metric {
            name: name.to_owned(),
            help: help.to_owned(),
            counter,
            labels,
            values: BTreeMap::new(),
        });
        inner.grown = true;
        Ok((inner.metrics.len() - 1) as u32)
    }

    /// Applies a value to the sample with these label values.
    pub(crate) fn update(&self, id: u32, labels: Vec<String>, update: Update) -> Status {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let Some(metric) = inner.metrics.get_mut(id as usize) else { return Status::INVALID };
        let good = match update {
            Update::Set(value) => !metric.counter && !value.is_nan(),
            Update::Add(value) => value.is_finite() && (!metric.counter || value >= 0.0),
        };
        if !good || !fits(&labels, &metric.labels) {
            return Status::INVALID;
        }
        let new = !metric.values.contains_key(&labels);
        if new && inner.samples == MAX_SAMPLES {
            return Status::LIMIT;
        }
        inner.samples += usize::from(new);
        inner.grown |= new;
        let place = metric.values.entry(labels).or_insert(0.0);
        match update {
            Update::Set(value) => *place = value,
            Update::Add(value) => *place += value,
        }
        inner.changed = true;
        Status::OK
    }

    /// What the host has to be told, if anything changed since the last call.
    pub(crate) fn report(&self) -> Option<FromGuest> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut inner.changed) {
            return None;
        }
        let values = inner.metrics.iter().flat_map(|metric| metric.values.values().copied());
        let values = values.collect();
        if !std::mem::take(&mut inner.grown) {
            return Some(FromGuest::Values(values));
        }
        let series = |metric: &Metric| Series {
            name: metric.name.clone(),
            help: metric.help.clone(),
            counter: metric.counter,
            labels: metric.labels.clone(),
            samples: metric.values.keys().cloned().collect(),
        };
        Some(FromGuest::Series { series: inner.metrics.iter().map(series).collect(), values })
    }
}

/// Whether these could have come from a registry: who goes around it could write lines of its own into the page that
/// Prometheus reads, or samples that make it refuse the page.
pub(crate) fn well_formed(series: &[Series]) -> bool {
    let names: BTreeSet<&str> = series.iter().map(|one| one.name.as_str()).collect();
    let good = |one: &Series| {
        declarable(&one.name, &one.help, one.counter, &one.labels)
            && one.labels.len() <= MAX_LABELS
            && one.samples.iter().all(|values| fits(values, &one.labels))
            && one.samples.is_sorted_by(|a, b| a < b)
    };
    names.len() == series.len() && series.len() <= MAX_METRICS && series.iter().all(good)
}

fn declarable(name: &str, help: &str, counter: bool, labels: &[String]) -> bool {
    valid_name(name)
        && counter == name.ends_with("_total")
        && help.chars().count() <= 256
        && labels.iter().all(|label| valid_name(label) && label != "plugin")
}

fn fits(values: &[String], labels: &[String]) -> bool {
    values.len() == labels.len() && values.iter().all(|value| value.len() <= MAX_LABEL_BYTES)
}

fn valid_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_bounded_and_counters_only_rise() {
        let registry = Registry::default();
        let id =
            registry.declare(MetricKind::COUNTER, "seen_total", "h", vec!["k".into()]).unwrap();
        assert_eq!(registry.update(id, vec!["a".into()], Update::Add(-1.0)), Status::INVALID);
        assert_eq!(registry.update(id, vec!["a".into()], Update::Set(1.0)), Status::INVALID);
        assert_eq!(registry.update(id, vec![], Update::Add(1.0)), Status::INVALID);
        for i in 0..MAX_SAMPLES {
            assert_eq!(registry.update(id, vec![i.to_string()], Update::Add(1.0)), Status::OK);
        }
        assert_eq!(registry.update(id, vec!["new".into()], Update::Add(1.0)), Status::LIMIT);
        let Some(FromGuest::Series { series, values }) = registry.report() else {
            panic!("the host does not know them yet")
        };
        assert_eq!((series[0].samples.len(), values.len()), (MAX_SAMPLES, MAX_SAMPLES));
        assert!(registry.report().is_none(), "nothing changed since");
    }

    #[test]
    fn names_are_told_only_when_one_was_added() {
        let registry = Registry::default();
        let id = registry.declare(MetricKind::GAUGE, "level", "h", vec!["k".into()]).unwrap();
        assert!(registry.report().is_none(), "a declaration alone shows nothing");
        let set = |label: &str, value| registry.update(id, vec![label.into()], Update::Set(value));
        let values = |report| match report {
            Some(FromGuest::Series { series, values }) => (Some(series[0].samples.len()), values),
            Some(FromGuest::Values(values)) => (None, values),
            _ => panic!("no report"),
        };
        set("b", 1.0);
        assert_eq!(values(registry.report()), (Some(1), vec![1.0]));
        set("b", 2.0);
        assert_eq!(values(registry.report()), (None, vec![2.0]));
        set("a", 3.0);
        assert_eq!(values(registry.report()), (Some(2), vec![3.0, 2.0]), "in the order of labels");
        set("b", 4.0);
        assert_eq!(values(registry.report()), (None, vec![3.0, 4.0]));
    }

    #[test]
    fn what_no_registry_would_say_is_not_well_formed() {
        let one = |change: fn(&mut Series)| {
            let mut series = Series {
                name: "level".into(),
                help: "h".into(),
                counter: false,
                labels: vec!["k".into()],
                samples: vec![vec!["a".into()], vec!["b".into()]],
            };
            change(&mut series);
            well_formed(&[series])
        };
        assert!(one(|_| {}));
        assert!(!one(|series| series.name = "level 1\nshimmer_up".into()));
        assert!(!one(|series| series.help = "h".repeat(257)));
        assert!(!one(|series| series.counter = true));
        assert!(!one(|series| series.labels[0] = "plugin".into()));
        assert!(!one(|series| series.samples[1] = vec!["a".into()]), "a sample twice");
        assert!(!one(|series| series.samples[1] = vec![]));
        assert!(!one(|series| series.samples[1] = vec!["b".repeat(257)]));
    }

    #[test]
    fn a_declaration_is_found_again_and_a_contradiction_refused() {
        let registry = Registry::default();
        let id = registry.declare(MetricKind::GAUGE, "level", "h", vec![]).unwrap();
        assert_eq!(registry.declare(MetricKind::GAUGE, "level", "h", vec![]), Ok(id));
        assert!(registry.declare(MetricKind::GAUGE, "level", "h", vec!["x".into()]).is_err());
        assert!(registry.declare(MetricKind::COUNTER, "level", "h", vec![]).is_err());
        assert!(registry.declare(MetricKind::GAUGE, "a b", "h", vec![]).is_err());
        for i in 1..MAX_METRICS {
            registry.declare(MetricKind::GAUGE, &format!("m{i}"), "h", vec![]).unwrap();
        }
        assert_eq!(registry.declare(MetricKind::GAUGE, "last", "h", vec![]), Err(Status::LIMIT));
    }
}
