//! Handles on the plugin's own metrics. Rule: a metric never fails the work that it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shimmer_abi::LogLevel;

use crate::Error;
use crate::gate::Gate;

/// A number that only grows.
#[derive(Clone)]
pub struct Counter {
    series: Arc<Series>,
}

impl Counter {
    pub(crate) fn new(gate: Arc<Gate>, id: u32, name: &str) -> Self {
        Self { series: Series::new(gate, id, name) }
    }

    /// Adds one; `labels` are the label values, as many as declared.
    pub fn inc(&self, labels: &[&str]) {
        self.add(labels, 1.0);
    }

    /// Adds `amount`, 0 and above.
    pub fn add(&self, labels: &[&str], amount: f64) {
        self.series.note(self.series.gate.metric_add(self.series.id, labels, amount));
    }
}

/// A number that goes anywhere.
#[derive(Clone)]
pub struct Gauge {
    series: Arc<Series>,
}

impl Gauge {
    pub(crate) fn new(gate: Arc<Gate>, id: u32, name: &str) -> Self {
        Self { series: Series::new(gate, id, name) }
    }

    /// Sets the value; `labels` are the label values, as many as declared.
    pub fn set(&self, labels: &[&str], value: f64) {
        self.series.note(self.series.gate.metric_set(self.series.id, labels, value));
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, labels: &[&str], amount: f64) {
        self.series.note(self.series.gate.metric_add(self.series.id, labels, amount));
    }
}

struct Series {
    gate: Arc<Gate>,
    id: u32,
    name: String,
    refused: AtomicBool,
}

impl Series {
    fn new(gate: Arc<Gate>, id: u32, name: &str) -> Arc<Self> {
        Arc::new(Self { gate, id, name: name.to_owned(), refused: AtomicBool::new(false) })
    }

    /// Logs the first refusal; the operator needs one line, not one for each event.
    fn note(&self, outcome: Result<(), Error>) {
        let Err(why) = outcome else { return };
        // Relaxed: pairs with nothing, the flag only keeps a line from being written twice.
        if why != Error::Gone && !self.refused.swap(true, Ordering::Relaxed) {
            self.gate.log(LogLevel::WARN, &format!("metric {}: {why}", self.name));
        }
    }
}
