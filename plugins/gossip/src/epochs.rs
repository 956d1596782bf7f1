//! Which epochs this node counts in: one for its ring, one in each life for what it took from nobody in particular.
//!
//! The rule: the ring's epoch is the newest of the node's key. Everybody forgets the oldest epochs of a key first, so
//! nothing else that the node signs pushes out the log of its ring.

use std::time::SystemTime;

use shimmer_mesh::{MAX_EPOCHS, Node, Origin};

/// What the clock of this machine says now, Unix milliseconds: it jumps where the clock is set.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The epochs of a key that a node knows.
pub(crate) fn of(node: &Node, own: Origin) -> Vec<u64> {
    let logs = node.logs().map(|state| state.log);
    logs.filter(|log| log.origin == own).map(|log| log.epoch).collect()
}

/// Numbers that a new ring leaves below it, for packets that find no room among the older epochs.
const ROOM: u64 = 1 << 20;

/// The ring's epoch: the one that it had, or a new one where that is none, or not the newest of those that are `known`.
/// It is not either after the state came back from an older copy, or the clock had stood years behind.
pub(crate) fn of_ring(had: u64, known: &[u64], now_ms: u64) -> u64 {
    let newest = known.iter().max();
    if had > now_ms / 2 && newest.is_none_or(|newest| had >= *newest) {
        return had;
    }
    newest.map_or(now_ms, |newest| now_ms.max(newest + ROOM))
}

/// The epoch of packets that nobody signed, of a life that begins now: each life has its own, because none knows how far
/// the one before had counted. It is older than any ring, so that packets push out packets; only where there are as many
/// rings as anybody keeps, it is older than the newest alone.
pub(crate) fn of_packets(ring: u64, known: &[u64], now_ms: u64) -> u64 {
    let half = now_ms / 2;
    let all_rings = known.len() >= MAX_EPOCHS && known.iter().all(|epoch| *epoch > half);
    let below = if all_rings { ring } else { half + 1 };
    let before = known.iter().filter(|epoch| **epoch < below).max();
    let after = before.map_or(0, |before| before + 1);
    half.max(after).min(ring - 1)
}

#[cfg(test)]
mod tests {
    use shimmer_mesh::{Author, Config, Keys, Verified};

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn signed(epoch: u64, seq: u64) -> Verified {
        let mut author = Author::new(Keys::ed25519(&[1; 32]), epoch, seq, 1).expect("good numbers");
        author.sign("{}").expect("JSON")
    }

    fn known(node: &Node) -> Vec<u64> {
        of(node, Keys::ed25519(&[1; 32]).origin())
    }

    /// Lives of a node, each with an event of its ring and a packet, and a peer that hears them.
    fn live(here: &mut Node, there: &mut Node, had: u64, lives: std::ops::RangeInclusive<u64>) {
        let mut ring = had;
        for life in lives {
            let now_ms = NOW_MS + life * 5_000;
            let before = ring;
            ring = of_ring(ring, &known(here), now_ms);
            assert!(life == 1 || ring == before, "life {life}: it stays the same");
            for epoch in [ring, of_packets(ring, &known(here), now_ms)] {
                let envelope = signed(epoch, if epoch == ring { life } else { 1 });
                assert!(here.own(&envelope), "life {life}: {envelope:?}");
                assert_eq!(there.receive(&[envelope], 0).fresh.len(), 1, "life {life}");
            }
        }
    }

    #[test]
    fn packets_of_many_lives_leave_the_ring_its_log() {
        let [mut here, mut there] = [1, 2].map(|seed| Node::new(Config::default(), seed));
        live(&mut here, &mut there, 0, 1..=3 * MAX_EPOCHS as u64);
        // The ring's log is there from its first event on.
        assert!(here.logs().any(|state| state.log.epoch == NOW_MS + 5_000));
    }

    #[test]
    fn a_ring_that_was_pushed_out_begins_anew_and_stays() {
        let [mut here, mut there] = [1, 2].map(|seed| Node::new(Config::default(), seed));
        let ring = NOW_MS - 1_000_000;
        // As packets were counted once: each life later than the ring.
        for epoch in (ring..).take(MAX_EPOCHS + 3) {
            let envelope = signed(epoch, 1);
            assert!(here.own(&envelope));
            there.receive(&[envelope], 0);
        }
        assert!(!here.own(&signed(ring, 2)), "nobody takes its events any more");
        live(&mut here, &mut there, ring, 1..=3 * MAX_EPOCHS as u64);
    }

    #[test]
    fn a_ring_whose_log_is_not_the_newest_begins_anew() {
        let of = |had, known: &[u64]| of_ring(had, known, NOW_MS);
        assert_eq!(of(0, &[]), NOW_MS);
        assert_eq!(of(NOW_MS - 9, &[NOW_MS - 9, 7]), NOW_MS - 9);
        assert_eq!(of(NOW_MS - 9, &[]), NOW_MS - 9, "nothing was shared yet");
        assert_eq!(of(NOW_MS + 9, &[NOW_MS + 9]), NOW_MS + 9, "the clock was set back");
        assert_eq!(of(NOW_MS - 9, &[NOW_MS - 9, NOW_MS + 7]), NOW_MS + 7 + ROOM);
        assert_eq!(of(60_000, &[60_000]), NOW_MS, "the clock had stood at its beginning");
    }
}
