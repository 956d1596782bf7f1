//! How far a stretch of rows is from a fair sample of all stretches before it.
//!
//! The rule: the sample is uniform over what was seen, of fixed size, and drawn with a generator
//! that starts the same way for every series, so that the same rows give the same answer.

use crate::tape::{Keep, Tape};

/// Stretches in the sample.
const SAMPLE: usize = 256;
/// The answer is the distance to this neighbour, nearest first.
const RANK: usize = 4;

/// A reservoir of stretches of `rows` rows (Vitter, Random sampling with a reservoir, 1985).
#[derive(Clone, Debug)]
pub(crate) struct Neighbours {
    rows: usize,
    recent: Vec<f32>,
    /// One lane of the sample after another: `points[row * SAMPLE + k]`.
    points: Vec<f32>,
    seen: u64,
    random: u64,
}

impl Neighbours {
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            rows,
            recent: Vec::new(),
            points: vec![f32::INFINITY; rows * SAMPLE],
            seen: 0,
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Distance of the newest stretch to its neighbour, in the units of the series, then
    /// perhaps keeps it. `None` until there is a sample.
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        self.recent.push(x as f32);
        if self.recent.len() < self.rows {
            return None;
        }
        if self.recent.len() > self.rows {
            self.recent.remove(0);
        }
        let mut distances = [0.0_f32; SAMPLE];
        for (lane, &mine) in self.points.as_chunks::<SAMPLE>().0.iter().zip(&self.recent) {
            for (distance, theirs) in distances.iter_mut().zip(lane) {
                *distance += (mine - theirs) * (mine - theirs);
            }
        }
        let nearest = *distances.select_nth_unstable_by(RANK - 1, f32::total_cmp).1;
        self.keep();
        // Infinite is a place of the sample that is free; what is no number has to be seen.
        (nearest != f32::INFINITY).then(|| f64::from(nearest / self.rows as f32).sqrt())
    }

    fn keep(&mut self) {
        let slot =
            if self.seen < SAMPLE as u64 { self.seen } else { self.next() % (self.seen + 1) };
        self.seen += 1;
        if slot < SAMPLE as u64 {
            for (row, &x) in self.recent.iter().enumerate() {
                self.points[row * SAMPLE + slot as usize] = x;
            }
        }
    }

    /// Marsaglia's xorshift64.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Keep for Neighbours {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.list(&mut self.recent, 0.0, self.rows);
        self.points.keep(tape);
        self.seen.keep(tape);
        self.random.keep(tape);
    }
}
