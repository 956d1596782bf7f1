//! Where a series is now against where it was.
//!
//! The rule: two averages of different memory; their distance is told over its own usual size.

use crate::average::{Average, Relative};
use crate::tape::{Keep, Tape, kept};

/// Rows after which the usual distance forgets.
const MEMORY_ROWS: f64 = 2000.0;

/// Distance of a fast and a slow exponentially weighted average.
#[derive(Clone, Debug)]
pub(crate) struct Drift {
    fast: Average,
    slow: Average,
    usual: Relative,
}

impl Drift {
    pub(crate) fn new(fast: f64, slow: f64) -> Self {
        Self {
            fast: Average::new(fast),
            slow: Average::new(slow),
            usual: Relative::new(MEMORY_ROWS),
        }
    }

    pub(crate) fn push(&mut self, x: f64) -> f64 {
        self.usual.push((self.fast.push(x) - self.slow.push(x)).abs())
    }
}

/// Distance of the mean of the newest rows from the mean of the rows before them.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    near: Window,
    far: Window,
    usual: Relative,
}

impl Shift {
    /// The newest `near` rows against the `far` rows before them.
    pub(crate) fn new(near: usize, far: usize) -> Self {
        let usual = Relative::new(MEMORY_ROWS);
        Self { near: Window::new(near), far: Window::new(far), usual }
    }

    /// `None` until there are rows enough.
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        let old = self.near.push(x)?;
        self.far.push(old);
        let enough = self.far.rows.len() >= self.near.capacity;
        enough.then(|| self.usual.push((self.near.mean() - self.far.mean()).abs()))
    }
}

/// The newest rows and their sum.
#[derive(Clone, Debug)]
struct Window {
    capacity: usize,
    rows: Vec<f32>,
    next: usize,
    sum: f64,
}

impl Window {
    fn new(capacity: usize) -> Self {
        Self { capacity, rows: Vec::new(), next: 0, sum: 0.0 }
    }

    /// Takes a row; gives the one that it pushed out.
    fn push(&mut self, x: f64) -> Option<f64> {
        let x = x as f32;
        if self.rows.len() < self.capacity {
            self.rows.push(x);
            self.sum += f64::from(x);
            return None;
        }
        let old = std::mem::replace(&mut self.rows[self.next], x);
        self.next += 1;
        self.sum += f64::from(x) - f64::from(old);
        if self.next == self.capacity {
            // Once a round the sum is made afresh, or its rounding errors would add up for ever.
            self.next = 0;
            self.sum = self.rows.iter().map(|&x| f64::from(x)).sum();
        }
        Some(f64::from(old))
    }

    fn mean(&self) -> f64 {
        self.sum / self.rows.len() as f64
    }
}

kept!(Drift: fast, slow, usual);
kept!(Shift: near, far, usual);

impl Keep for Window {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        tape.list(&mut self.rows, 0.0, self.capacity);
        tape.index(&mut self.next, self.capacity);
        self.sum.keep(tape);
    }
}
