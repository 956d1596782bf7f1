//! How many peers the fast path sends to: the degree of gossipsub's mesh.
//!
//! The rule: loss raises the degree, because each further peer is another chance; load lowers it, because each further
//! peer is another copy; and a change needs several beats that agree, so that the mesh does not flutter.

/// The least degree.
pub const LOW: usize = 2;
/// The greatest degree.
pub const HIGH: usize = 6;
/// The degree to begin with: the source's "up to 3 peers".
pub const START: usize = 3;

/// Beats that must agree before the degree changes by one.
const AGREEING: i32 = 3;
/// The share of envelopes that anti-entropy had to bring, above which the fast path loses too much.
const LOSSY: f64 = 0.02;
/// ... and below which it loses nothing to speak of.
const CLEAN: f64 = 0.005;
/// How much an observation weighs against those before it.
const WEIGHT: f64 = 0.3;
/// Fewer envelopes than these say nothing of loss.
const FEW: f64 = 5.0;

/// What was seen since the last beat.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beat {
    /// New envelopes that the fast path brought.
    pub pushed: u64,
    /// New envelopes that anti-entropy had to bring, those of a catch-up after a connection not counted.
    pub repaired: u64,
    /// How busy the way out is, from 0 to 1: what was sent of what may be sent, or the fullness of the queues.
    pub load: f64,
}

/// The degree, adapted beat by beat (gossipsub's heartbeat of 1 s).
#[derive(Clone, Debug)]
pub struct Fanout {
    degree: usize,
    loss: f64,
    load: f64,
    /// Beats in a row that ask for more, or below zero for less.
    wish: i32,
}

impl Default for Fanout {
    fn default() -> Self {
        Self { degree: START, loss: 0.0, load: 0.0, wish: 0 }
    }
}

impl Fanout {
    /// Takes a beat and returns the degree to aim at.
    pub fn beat(&mut self, beat: Beat) -> usize {
        let fresh = beat.pushed as f64 + beat.repaired as f64;
        if fresh >= FEW {
            let loss = beat.repaired as f64 / fresh;
            self.loss += WEIGHT * (loss - self.loss);
        }
        let load = if beat.load.is_finite() { beat.load.clamp(0.0, 1.0) } else { 1.0 };
        self.load += WEIGHT * (load - self.load);
        let wish = self.wish();
        self.wish =
            if wish == 0 || wish.signum() != self.wish.signum() { wish } else { self.wish + wish };
        if self.wish >= AGREEING && self.degree < HIGH {
            (self.degree, self.wish) = (self.degree + 1, 0);
        } else if self.wish <= -AGREEING && self.degree > LOW {
            (self.degree, self.wish) = (self.degree - 1, 0);
        }
        self.wish = self.wish.clamp(-AGREEING, AGREEING);
        self.degree
    }

    /// 1 for more, -1 for less.
    fn wish(&self) -> i32 {
        // A way out that is nearly full loses by itself: more copies would make it worse.
        if self.load > 0.8 {
            return -1;
        }
        match (self.loss > LOSSY, self.loss < CLEAN) {
            (true, _) if self.load < 0.6 => 1,
            (_, true) if self.degree > START => -1,
            // Below the usual degree only load keeps it.
            (_, true) if self.degree < START && self.load < 0.5 => 1,
            _ => 0,
        }
    }

    /// The degree to aim at.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The smoothed share that the fast path lost, from 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(fanout: &mut Fanout, beats: usize, beat: Beat) -> usize {
        (0..beats).map(|_| fanout.beat(beat)).last().expect("a beat")
    }

    #[test]
    fn loss_raises_and_quiet_lowers() {
        let mut fanout = Fanout::default();
        let quiet = Beat { pushed: 100, repaired: 0, load: 0.1 };
        let lossy = Beat { pushed: 90, repaired: 10, load: 0.1 };
        assert_eq!(after(&mut fanout, 100, quiet), START);
        assert_eq!(after(&mut fanout, 30, lossy), HIGH);
        assert_eq!(after(&mut fanout, 60, quiet), START);
        // Nobody publishes: nothing is learnt.
        assert_eq!(after(&mut fanout, 30, Beat { repaired: 2, ..Beat::default() }), START);
    }

    #[test]
    fn load_lowers_even_when_there_is_loss() {
        let mut fanout = Fanout::default();
        let full = Beat { pushed: 50, repaired: 50, load: 1.0 };
        assert_eq!(after(&mut fanout, 30, full), LOW);
        assert_eq!(after(&mut fanout, 60, Beat { pushed: 100, repaired: 0, load: 0.1 }), START);
        assert_eq!(after(&mut fanout, 30, Beat { load: f64::NAN, ..Beat::default() }), LOW);
    }

    #[test]
    fn one_odd_beat_changes_nothing() {
        let mut fanout = Fanout::default();
        let quiet = Beat { pushed: 100, repaired: 0, load: 0.1 };
        for _ in 0..50 {
            assert_eq!(after(&mut fanout, 9, quiet), START);
            assert_eq!(fanout.beat(Beat { repaired: 6, ..quiet }), START);
        }
    }

    proptest! {
        #[test]
        fn the_degree_stays_in_its_bounds_and_moves_by_one(
            beats in prop::collection::vec((0_u64..200, 0_u64..200, -1.0..2.0), 1..200)) {
            let mut fanout = Fanout::default();
            let mut before = START;
            for (pushed, repaired, load) in beats {
                let degree = fanout.beat(Beat { pushed, repaired, load });
                prop_assert!((LOW..=HIGH).contains(&degree) && degree.abs_diff(before) <= 1);
                before = degree;
            }
        }
    }
}
