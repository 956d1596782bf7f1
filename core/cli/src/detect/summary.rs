//! What a back-test found, as one JSON object.
//!
//! The rule: it counts everything and lists the first alarms, so that its size has a bound.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shimmer_detect::{Severity, Tier, Verdict};

use super::rows::SeriesRow;

/// Alarms that are listed.
const MAX_LISTED: usize = 1000;

/// Counts, and the first alarms.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    tier: Tier,
    rows: u64,
    warnings: u64,
    criticals: u64,
    by_method: BTreeMap<&'static str, u64>,
    highest: f64,
    reduced: bool,
    first: Option<String>,
    last: Option<String>,
    listed: Vec<Value>,
}

impl Summary {
    pub(super) fn new(tier: Tier) -> Self {
        Self {
            tier,
            rows: 0,
            warnings: 0,
            criticals: 0,
            by_method: BTreeMap::new(),
            highest: 0.0,
            reduced: false,
            first: None,
            last: None,
            listed: Vec::new(),
        }
    }

    pub(super) fn tier(&self) -> Tier {
        self.tier
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn warnings(&self) -> u64 {
        self.warnings
    }

    pub(super) fn criticals(&self) -> u64 {
        self.criticals
    }

    pub(super) fn alarms(&self) -> u64 {
        self.warnings + self.criticals
    }

    /// Takes a row with its score and severity as printed.
    pub(super) fn take(
        &mut self,
        row: &SeriesRow,
        verdict: &Verdict,
        score: f64,
        severity: Severity,
    ) {
        self.rows += 1;
        self.highest = self.highest.max(score);
        self.reduced |= verdict.reduced_sensitivity;
        if self.first.is_none() {
            self.first = Some(row.timestamp.clone());
        }
        self.last.get_or_insert_default().clone_from(&row.timestamp);
        match severity {
            Severity::Info => return,
            Severity::Warning => self.warnings += 1,
            Severity::Critical => self.criticals += 1,
        }
        *self.by_method.entry(verdict.method.as_str()).or_default() += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(json!({
                "line": row.line,
                "timestamp": row.timestamp,
                "value": row.value,
                "anomaly_score": score,
                "severity": severity.as_str(),
                "method": verdict.method.as_str(),
                "expected": verdict.expected,
            }));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "rows": self.rows,
            "tier": self.tier,
            "first": self.first,
            "last": self.last,
            "warning": self.warnings,
            "critical": self.criticals,
            "highest_score": self.highest,
            "by_method": self.by_method,
            "reduced_sensitivity": self.reduced,
            "alarms": self.listed,
            "alarms_not_listed": self.alarms() - self.listed.len() as u64,
        })
    }
}
