//! What became of posted events.

use http::StatusCode;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The counters.
#[derive(Debug)]
pub(crate) struct IngestMetrics {
    stored: IntCounter,
    duplicate: IntCounter,
    rejected: IntCounter,
    full: IntCounter,
}

impl IngestMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events = IntCounterVec::new(
            Opts::new(
                "shimmer_ingest_events_total",
                "Posted events by result; a request that failed as a whole counts as one.",
            ),
            &["result"],
        )?;
        registry.register(Box::new(events.clone()))?;
        let of = |result: &str| events.with_label_values(&[result]);
        Ok(Self {
            stored: of("stored"),
            duplicate: of("duplicate"),
            rejected: of("rejected"),
            full: of("full"),
        })
    }

    /// Counts the items of a request that was answered 200.
    pub(crate) fn took(&self, stored: u64, duplicate: u64, rejected: u64) {
        // Adding nothing would still take the counter away from the other threads.
        let all =
            [(&self.stored, stored), (&self.duplicate, duplicate), (&self.rejected, rejected)];
        for (counter, events) in all.into_iter().filter(|(_, events)| *events > 0) {
            counter.inc_by(events);
        }
    }

    /// Counts a request that failed.
    pub(crate) fn refused(&self, status: StatusCode) {
        if status == StatusCode::SERVICE_UNAVAILABLE {
            self.full.inc();
        } else {
            self.rejected.inc();
        }
    }
}
