//! What peers have to answer for, forgiven slowly.
//!
//! The rule: a penalty halves in five minutes; whoever reaches the ban stays out until half of it is forgiven.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

/// Penalty at which a peer is banned. A frame that is plainly forged costs 10, see `mesh`.
pub(crate) const BAN: f64 = 100.0;
/// Penalty at which a ban ends.
const FORGIVEN: f64 = BAN / 2.0;
/// Penalties do not grow above this, so that every ban ends: after ten minutes.
const MOST: f64 = 2.0 * BAN;
/// Time in which half is forgiven.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// Peers remembered.
const PEERS: usize = 1_024;

/// Penalties by peer.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    by_peer: HashMap<PeerId, Penalty>,
}

#[derive(Clone, Copy, Debug)]
struct Penalty {
    value: f64,
    at: Instant,
    banned: bool,
}

impl Penalties {
    /// Adds to a peer's penalty.
    pub(crate) fn add(&mut self, peer: PeerId, weight: f64, now: Instant) {
        if !self.by_peer.contains_key(&peer) {
            self.make_room(now);
        }
        let penalty =
            self.by_peer.entry(peer).or_insert(Penalty { value: 0.0, at: now, banned: false });
        penalty.value = (penalty.at(now) + weight.max(0.0)).min(MOST);
        penalty.at = now;
        penalty.banned |= penalty.value >= BAN;
    }

    /// Adds to a peer's penalty, but not above `most`: for what may be others' doing.
    pub(crate) fn add_up_to(&mut self, peer: PeerId, weight: f64, most: f64, now: Instant) {
        let room = most - self.of(&peer, now);
        if room > 0.0 {
            self.add(peer, weight.min(room), now);
        }
    }

    /// The penalty as it is now; 0 for an unknown peer.
    pub(crate) fn of(&self, peer: &PeerId, now: Instant) -> f64 {
        self.by_peer.get(peer).map_or(0.0, |penalty| penalty.at(now))
    }

    /// Whether the peer is to stay out.
    pub(crate) fn is_banned(&mut self, peer: &PeerId, now: Instant) -> bool {
        let Some(penalty) = self.by_peer.get_mut(peer) else { return false };
        penalty.banned &= penalty.at(now) > FORGIVEN;
        penalty.banned
    }

    /// Forgets the one that has least to answer for.
    fn make_room(&mut self, now: Instant) {
        if self.by_peer.len() < PEERS {
            return;
        }
        let least = self
            .by_peer
            .iter()
            .min_by(|(_, a), (_, b)| a.at(now).total_cmp(&b.at(now)))
            .map(|(peer, _)| *peer);
        if let Some(peer) = least {
            self.by_peer.remove(&peer);
        }
    }
}

impl Penalty {
    fn at(&self, now: Instant) -> f64 {
        let halves = now.saturating_duration_since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.value * (-halves).exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_add_up_to_a_ban_that_ends() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut penalties = Penalties::default();
        penalties.add(peer, 60.0, start);
        assert!(!penalties.is_banned(&peer, start));
        penalties.add(peer, 60.0, start);
        assert!(penalties.is_banned(&peer, start));
        let almost = start + HALF_LIFE;
        assert!(penalties.is_banned(&peer, almost), "60 is above half of the ban");
        assert!(!penalties.is_banned(&peer, start + 2 * HALF_LIFE));
        assert!(!penalties.is_banned(&PeerId::random(), start));
        penalties.add(peer, f64::MAX, start);
        assert!(!penalties.is_banned(&peer, start + 2 * HALF_LIFE), "no ban without an end");
        penalties.add(peer, -1e9, start);
        assert!(penalties.of(&peer, start) >= BAN, "nothing is forgiven but by time");
    }

    #[test]
    fn what_may_be_others_doing_bans_nobody() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut penalties = Penalties::default();
        for _ in 0..10_000 {
            penalties.add_up_to(peer, 0.3, 15.0, start);
        }
        assert!((penalties.of(&peer, start) - 15.0).abs() < 1e-9);
        penalties.add(peer, 50.0, start);
        penalties.add_up_to(peer, 50.0, 15.0, start);
        assert!((penalties.of(&peer, start) - 65.0).abs() < 1e-9, "no more, and no less");
    }

    #[test]
    fn the_worst_are_remembered() {
        let start = Instant::now();
        let mut penalties = Penalties::default();
        let worst = PeerId::random();
        penalties.add(worst, BAN, start);
        for _ in 0..2 * PEERS {
            penalties.add(PeerId::random(), 1.0, start);
        }
        assert_eq!(penalties.by_peer.len(), PEERS);
        assert!(penalties.is_banned(&worst, start));
    }
}
