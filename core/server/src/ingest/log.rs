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
    /// Logs an accepted event unless the second already has `per_second` lines.
    pub(crate) fn accepted(&self, per_second: u32, id: &RequestId, event: &Event<'_>, seq: u64) {
        if !self.has_room(per_second) {
            return;
        }
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

    fn has_room(&self, per_second: u32) -> bool {
        let most = u64::from(per_second);
        // Looked at first, so that a flood does not contend for a counter that is already full.
        let room = self.written.load(Ordering::Relaxed) < most
            && self.written.fetch_add(1, Ordering::Relaxed) < most;
        if !room {
            self.silent.fetch_add(1, Ordering::Relaxed);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_the_rest_is_counted() {
        let log = IngestLog::default();
        assert_eq!((0..25).filter(|_| log.has_room(10)).count(), 10);
        assert_eq!(log.end_second(), Some(15));
        assert!(log.has_room(10));
        assert_eq!(log.end_second(), None);
        assert!(!log.has_room(0));
        assert_eq!(log.end_second(), Some(1));
    }
}
