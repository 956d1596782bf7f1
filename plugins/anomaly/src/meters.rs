//! What the plugin tells of itself on `/metrics`, as `shimmer_anomaly_*`.
//!
//! The rule: a number is sent when it changed, and counters go on where they stood before a restart.

use shimmer_alerts::{Counters, Manager};
use shimmer_sdk::{Counter, Error, Gauge, Host};

use crate::tell::Outbox;
use crate::watch::Watch;

pub(crate) struct Meters {
    alerts: Gauge,
    series: Gauge,
    detectors: Gauge,
    detector_bytes: Gauge,
    silences: Gauge,
    pending: Gauge,
    rules_loaded: Gauge,
    fired: Counter,
    refused: Counter,
    series_evicted: Counter,
    delivered: Counter,
    failed: Counter,
    lost: Counter,
    samples_refused: Counter,
    last: Last,
}

/// Counts that were sent already.
#[derive(Clone, Copy, Default)]
struct Last {
    alerts: Counters,
    evicted: u64,
    lost: u64,
    samples_refused: u64,
}

impl Meters {
    pub(crate) fn declare(host: &Host) -> Result<Self, Error> {
        let gauge = |name, help| host.gauge(name, help, &[]);
        let counter = |name, help| host.counter(name, help, &[]);
        Ok(Self {
            alerts: host.gauge("alerts", "Alerts that are kept, by state", &["state"])?,
            series: gauge("series", "Series that the rules look at")?,
            detectors: gauge("detectors", "Series that have a detector")?,
            detector_bytes: gauge("detector_bytes", "Memory of detectors at most, in bytes")?,
            silences: gauge("silences", "Silences that mute or will")?,
            pending: gauge("notifications_pending", "Notifications that are out or wait")?,
            rules_loaded: gauge(
                "rules_loaded",
                "1 when the rules of the file hold, 0 when it has an error and older ones do",
            )?,
            fired: counter("alerts_fired_total", "Alerts that began to fire")?,
            refused: host.counter(
                "alerts_refused_total",
                "Alerts that were not started, by reason",
                &["reason"],
            )?,
            series_evicted: counter(
                "series_evicted_total",
                "Series whose detector made room for another",
            )?,
            delivered: counter("notifications_delivered_total", "Notifications that arrived")?,
            failed: counter("notifications_failed_total", "Attempts to notify that failed")?,
            lost: counter("changes_lost_total", "Changes of alerts that became no event")?,
            samples_refused: counter(
                "samples_refused_total",
                "Values that no rule looked at, because a name of their series holds NUL",
            )?,
            last: Last::default(),
        })
    }

    pub(crate) fn rules_loaded(&self, good: bool) {
        self.rules_loaded.set(&[], f64::from(u8::from(good)));
    }

    /// Starts counting from what a restored state says, which was told by the process before.
    pub(crate) fn begin_at(&mut self, manager: &Manager, outbox: &Outbox) {
        self.last = Last { alerts: manager.counters(), lost: outbox.lost(), ..Last::default() };
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
    pub(crate) fn tell(&mut self, manager: &Manager, watch: &Watch, outbox: &Outbox) {
        let (sizes, counts) = (manager.sizes(), manager.counters());
        for (state, count) in manager.counts() {
            self.alerts.set(&[state.as_str()], count as f64);
        }
        for (gauge, value) in [
            (&self.series, sizes.series),
            (&self.detectors, watch.detectors().len()),
            (&self.detector_bytes, watch.detectors().bytes()),
            (&self.silences, sizes.silences),
            (&self.pending, sizes.notifications),
        ] {
            gauge.set(&[], value as f64);
        }
        let was = self.last;
        self.last = Last {
            alerts: counts,
            evicted: watch.detectors().evicted(),
            lost: outbox.lost(),
            samples_refused: watch.refused(),
        };
        let none: &[&str] = &[];
        for (counter, labels, now, before) in [
            (&self.fired, none, counts.fired, was.alerts.fired),
            (&self.refused, &["full"], counts.refused, was.alerts.refused),
            (&self.refused, &["noise_cap"], counts.capped, was.alerts.capped),
            (&self.refused, &["series"], counts.series_refused, was.alerts.series_refused),
            (&self.series_evicted, none, self.last.evicted, was.evicted),
            (&self.delivered, none, counts.delivered, was.alerts.delivered),
            (&self.failed, none, counts.failed, was.alerts.failed),
            (&self.lost, none, self.last.lost, was.lost),
            (&self.samples_refused, none, self.last.samples_refused, was.samples_refused),
        ] {
            counter.add(labels, now.saturating_sub(before) as f64);
        }
    }
}
