//! Events become samples: each goes to the detector of its series, and what that says goes with it.
//!
//! The rule: alerts are never watched, whoever emits them, so that an alert raises no alert.

use shimmer_alerts::{Expected, Manager, Sample, Series, Time, Verdict};
use shimmer_detect::{Detector, Detectors, Limits, Range};
use shimmer_sdk::Event;

use crate::config::Tiers;
use crate::tell::Outbox;

/// Kind of the events that alerts are.
const ALERT: &str = "alert";
/// Between the parts of a series' key; no part holds it.
const BORDER: char = '\0';

/// Detectors by series, and which tier a new one gets.
#[derive(Debug)]
pub(crate) struct Watch {
    tiers: Tiers,
    detectors: Detectors<String>,
    key: String,
    /// Events that the alert manager did not take: a name of their series holds what parts the names of a key.
    refused: u64,
}

impl Watch {
    pub(crate) fn new(tiers: Tiers, limits: Limits) -> Self {
        Self { tiers, detectors: Detectors::new(limits), key: String::new(), refused: 0 }
    }

    /// Takes one event, received by `now`; changes of alerts go to `out`.
    pub(crate) fn take(
        &mut self,
        event: &Event<'_>,
        now: Time,
        wants_budget: bool,
        manager: &mut Manager,
        out: &mut Outbox,
    ) {
        let series =
            Series { kind: event.kind(), subject: event.subject(), source: event.source() };
        if series.kind == ALERT {
            return;
        }
        let verdict = self.judge(series, event.time_ns(), event.value());
        let sample = Sample {
            series,
            at: Time::from_ns(event.time_ns()),
            value: event.value(),
            budget: if wants_budget { budget(event) } else { None },
            verdict: verdict.as_ref().map(|verdict| Verdict {
                score: verdict.score,
                expected: verdict.expected.map_or_else(Expected::default, expected),
                method: verdict.method.as_str(),
                reduced_sensitivity: verdict.reduced_sensitivity,
            }),
        };
        match manager.observe(Time::from_ns(event.received_ns()).min(now), &sample) {
            Ok(changes) => out.extend(changes),
            Err(_) => self.refused += 1,
        }
    }

    fn judge(
        &mut self,
        series: Series<'_>,
        time_ns: i64,
        value: f64,
    ) -> Option<shimmer_detect::Verdict> {
        let Series { kind, subject, source } = series;
        self.key.clear();
        self.key.extend([kind, "\0", subject, "\0", source]);
        let tier = self.tiers.of(kind, subject, source);
        self.detectors.push(&self.key, tier, time_ns, value).ok()
    }

    /// Puts a saved detector back, unless its series is to have another tier now.
    pub(crate) fn insert(&mut self, key: String, detector: Detector) {
        let mut parts = key.splitn(3, BORDER);
        let mut part = || parts.next().unwrap_or_default();
        if self.tiers.of(part(), part(), part()) == detector.tier() {
            self.detectors.insert(key, detector);
        }
    }

    pub(crate) const fn detectors(&self) -> &Detectors<String> {
        &self.detectors
    }

    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }
}

fn budget(event: &Event<'_>) -> Option<f64> {
    #[derive(serde::Deserialize)]
    struct Budget {
        budget: Option<f64>,
    }
    if !event.data().contains("\"budget\"") {
        return None;
    }
    event.parse_data::<Budget>().ok()?.budget
}

fn expected(range: Range) -> Expected {
    let finite = |limit: f64| limit.is_finite().then_some(limit);
    Expected { low: finite(range.low), high: finite(range.high) }
}
