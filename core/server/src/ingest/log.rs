//! The log of accepted events: each one while they are few, one summary a second when they are many.

use std::sync::atomic::{AtomicU64, Ordering};

use shimmer_event::Event;

use crate::http::RequestId;

/// Counts accepted events and decides which get a line of their own.
#[derive(Debug, Default)]
pub(crate) struct IngestLog {
    /// Lines written in the running second.
    written: AtomicU64,
    /// Events of the running second without a line.
    silent: AtomicU64,
}

impl IngestLog {
    /// Takes lines for `events` accepted together, as many as the running second still has of its `per_second`; the
    /// other events are counted as silent.
    pub(crate) fn lines(&self, per_second: u32, events: u64) -> u64 {
        let most = u64::from(per_second);
        // Looked at first, so that a flood does not contend for a counter that is already full.
        let taken = self.written.load(Ordering::Relaxed);
        let lines = if taken < most {
            let taken = self.written.fetch_add(events, Ordering::Relaxed);
            most.saturating_sub(taken).min(events)
        } else {
            0
        };
        if lines < events {
            self.silent.fetch_add(events - lines, Ordering::Relaxed);
        }
        lines
    }

    /// Writes the line of an accepted event.
    pub(crate) fn line(id: &RequestId, event: &Event<'_>, seq: u64) {
        let request_id = id.as_str();
        if event.kind == shimmer_event::BEAUTY_KIND {
            tracing::info!(
                event_id = event.id,
                beauty_score = event.value,
                seq,
                request_id,
                "event"
            );
        } else {
            tracing::info!(
                event_id = event.id,
                kind = event.kind,
                value = event.value,
                seq,
                request_id,
                "event"
            );
        }
    }

    /// Ends a second; `Some(n)` when `n` events had no line.
    pub(crate) fn end_second(&self) -> Option<u64> {
        // Relaxed, here and above: counts of a log, which order nothing.
        self.written.store(0, Ordering::Relaxed);
        Some(self.silent.swap(0, Ordering::Relaxed)).filter(|n| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_the_rest_is_counted() {
        let log = IngestLog::default();
        assert_eq!((0..25).map(|_| log.lines(10, 1)).sum::<u64>(), 10);
        assert_eq!(log.end_second(), Some(15));
        assert_eq!(log.lines(10, 7), 7);
        assert_eq!(log.lines(10, 7), 3, "those of a batch up to the bound");
        assert_eq!(log.lines(10, 1000), 0);
        assert_eq!(log.end_second(), Some(1004));
        assert_eq!(log.lines(10, 10), 10);
        assert_eq!(log.end_second(), None);
        assert_eq!(log.lines(0, 1), 0);
        assert_eq!(log.end_second(), Some(1));
    }
}
