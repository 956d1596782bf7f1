//! What the routes show, kept up to date by the hub and read by the thread of the host.
//!
//! The rule: nothing here is decided upon; a lock is held for a copy and no longer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shimmer_mesh::heatmap::Heatmap;
use shimmer_mesh::{Counters, Labels, Reason};

use crate::net::PeerId;
use crate::weighed::Weighed;

/// Beauty events over which the node's average is taken, as `stats.rolling_window` has it by default.
const WINDOW: usize = 50;
/// Peers about which something is remembered.
const MAX_NOTES: usize = 1_024;

/// Shared between the hub and the routes.
#[derive(Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<State>>);

/// What is shown.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) counters: Counters,
    /// Of the gateway: packets without a signature.
    pub(crate) unsigned: Unsigned,
    /// What was turned away at the gateway's door, by [`Reason::index`].
    pub(crate) door: [u64; Reason::ALL.len()],
    /// Own events that have no form in which they could be signed.
    pub(crate) unshared: u64,
    /// Own events for which there is no place in the node's log.
    pub(crate) homeless: u64,
    pub(crate) heatmap: Heatmap,
    pub(crate) labels: Labels,
    pub(crate) weighed: Weighed,
    pub(crate) notes: HashMap<PeerId, Note>,
    pub(crate) degree: usize,
    beauty: VecDeque<f64>,
}

/// What became of packets without a signature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unsigned {
    pub(crate) total: u64,
    pub(crate) duplicates: u64,
}

/// About a peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// When it last sent events, Unix milliseconds.
    pub(crate) last_gossip_ms: Option<u64>,
}

/// Least, mean and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Beauty {
    pub(crate) avg: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Shown {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the beauty of a new event.
    pub(crate) fn feel(&mut self, beauty: f64) {
        if self.beauty.len() == WINDOW {
            self.beauty.pop_front();
        }
        self.beauty.push_back(beauty);
    }

    /// Of the newest beauty events that the node knows, its own and others'.
    pub(crate) fn beauty(&self) -> Option<Beauty> {
        if self.beauty.is_empty() {
            return None;
        }
        let sum: f64 = self.beauty.iter().sum();
        let fold = |f: fn(f64, f64) -> f64, from| self.beauty.iter().copied().fold(from, f);
        Some(Beauty {
            avg: sum / self.beauty.len() as f64,
            min: fold(f64::min, f64::INFINITY),
            max: fold(f64::max, f64::NEG_INFINITY),
        })
    }

    /// The note on a peer; beyond the bound those that are forgotten are any.
    pub(crate) fn note(&mut self, peer: PeerId) -> &mut Note {
        if self.notes.len() >= MAX_NOTES
            && !self.notes.contains_key(&peer)
            && let Some(any) = self.notes.keys().next().copied()
        {
            self.notes.remove(&any);
        }
        self.notes.entry(peer).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beauty_is_that_of_the_newest() {
        let mut state = State::default();
        assert_eq!(state.beauty(), None);
        (0..60).for_each(|n| state.feel(f64::from(n)));
        assert_eq!(state.beauty(), Some(Beauty { avg: 34.5, min: 10.0, max: 59.0 }));
    }

    #[test]
    fn notes_are_bounded() {
        let mut state = State::default();
        (0..MAX_NOTES + 10).for_each(|_| state.note(PeerId::random()).last_gossip_ms = Some(1));
        assert_eq!(state.notes.len(), MAX_NOTES);
    }
}
