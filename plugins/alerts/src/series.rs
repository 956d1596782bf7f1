//! The series that are known: when each was last heard of, which rules look at it, which alerts it has.
//!
//! The rule: the table is bounded; the series that was silent for longest makes room, one with alerts never does.

use std::sync::Arc;

use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::alert::AlertId;
use crate::labels::Labels;
use crate::rules::NoiseCap;
use crate::sample::{Series, Severity};
use crate::time::Time;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeriesState {
    pub(crate) seen: Time,
    /// An alert about its silence could not start; it is tried again then.
    pub(crate) retry_at: Time,
    /// Starts of alerts within the noise cap's time, the oldest first.
    pub(crate) starts: Vec<Time>,
    /// Rules that look at it, by their place. Derived.
    #[serde(skip)]
    pub(crate) rules: Arc<[usize]>,
    /// Its alerts that are live or quiet. Derived.
    #[serde(skip)]
    pub(crate) active: Vec<Active>,
}

/// An alert of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) rule: usize,
    pub(crate) severity: Severity,
    pub(crate) id: AlertId,
}

impl SeriesState {
    pub(crate) fn active(&self, rule: usize, severity: Severity) -> Option<AlertId> {
        let found = self.active.iter().find(|a| a.rule == rule && a.severity == severity);
        found.map(|active| active.id)
    }

    /// Whether the series has started as many alerts as the cap allows.
    pub(crate) fn is_capped(&mut self, now: Time, cap: NoiseCap) -> bool {
        let since = now.before(cap.per);
        self.starts.retain(|start| *start > since);
        self.starts.len() >= cap.alerts
    }
}

/// Series by name.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    by_key: LruCache<String, SeriesState>,
    most: usize,
    key: String,
    evicted: u64,
}

impl SeriesTable {
    pub(crate) fn new(most: usize) -> Self {
        Self { by_key: LruCache::unbounded(), most, key: String::new(), evicted: 0 }
    }

    /// The series, now the one that was heard of last. `None` where the table is full of series with alerts.
    pub(crate) fn touch(
        &mut self,
        series: Series<'_>,
        now: Time,
        rules: impl FnOnce() -> Arc<[usize]>,
    ) -> Option<&mut SeriesState> {
        self.key.clear();
        write_key(&mut self.key, series);
        if !self.by_key.contains(self.key.as_str()) {
            if self.by_key.len() >= self.most && !self.evict() {
                return None;
            }
            let state = SeriesState {
                seen: now,
                retry_at: Time::MIN,
                starts: Vec::new(),
                rules: rules(),
                active: Vec::new(),
            };
            self.by_key.put(self.key.clone(), state);
        }
        let state = self.by_key.get_mut(self.key.as_str())?;
        state.seen = now;
        Some(state)
    }

    /// A series by the labels of its alerts, left where it stands in the order.
    pub(crate) fn of_labels(&mut self, labels: &Labels) -> Option<&mut SeriesState> {
        self.key.clear();
        write_key(&mut self.key, series_of(labels));
        self.by_key.peek_mut(self.key.as_str())
    }

    pub(crate) fn remove(&mut self, series: Series<'_>) {
        self.key.clear();
        write_key(&mut self.key, series);
        self.by_key.pop(self.key.as_str());
    }

    fn evict(&mut self) -> bool {
        // Those with alerts are passed over once and count as heard of, so the next search is short.
        for _ in 0..self.by_key.len() {
            let Some((key, state)) = self.by_key.pop_lru() else { return false };
            if state.active.is_empty() {
                self.evicted += 1;
                return true;
            }
            self.by_key.put(key, state);
        }
        false
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Names and states, the one that was silent for longest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Series<'_>, &SeriesState)> {
        self.by_key.iter().rev().map(|(key, state)| (read_key(key), state))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Series<'_>, &mut SeriesState)> {
        self.by_key.iter_mut().map(|(key, state)| (read_key(key), state))
    }

    /// Keys and states to keep, the one that was silent for longest first.
    pub(crate) fn to_vec(&self) -> Vec<(String, SeriesState)> {
        self.by_key.iter().rev().map(|(key, state)| (key.clone(), state.clone())).collect()
    }

    pub(crate) fn restore(series: Vec<(String, SeriesState)>, most: usize) -> Self {
        let mut table = Self::new(most);
        for (key, state) in series.into_iter().take(most) {
            table.by_key.put(key, state);
        }
        table
    }
}

/// The labels that name a series.
pub(crate) fn series_of(labels: &Labels) -> Series<'_> {
    Series {
        kind: labels.get("kind"),
        subject: labels.get("subject"),
        source: labels.get("source"),
    }
}

/// The labels of a series' name.
pub(crate) fn labels_of(series: Series<'_>) -> Labels {
    let mut labels = Labels::default();
    labels.set("kind", series.kind);
    labels.set("subject", series.subject);
    labels.set("source", series.source);
    labels
}

/// What a series is called in sentences.
pub(crate) const fn name_of<'a>(series: Series<'a>) -> &'a str {
    if series.subject.is_empty() { series.kind } else { series.subject }
}

fn write_key(key: &mut String, series: Series<'_>) {
    for part in [series.kind, "\0", series.subject, "\0", series.source] {
        key.push_str(part);
    }
}

fn read_key(key: &str) -> Series<'_> {
    let mut parts = key.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    Series { kind: next(), subject: next(), source: next() }
}
