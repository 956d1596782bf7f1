//! The buffers that bands are computed in.
//!
//! The rule: a few sets for all callers; who finds none free waits for one, so that the device's memory
//! is bounded however many ask.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use shimmer_fractal::{Control, RenderError};
use wgpu::{Buffer, BufferUsages};

use crate::device::{Device, locked};
use crate::kernel::{OUTCOME_WORDS, PARAMS_WORDS};

/// Sets in use at once: one is computed in while another is read out.
const SETS: usize = 3;
/// How long a waiting call goes without a look at its cancel flag.
const LOOK: Duration = Duration::from_millis(5);

/// Buffers for a band.
pub(crate) struct Set {
    pixels: u32,
    state_words: u64,
    pub(crate) params: Buffer,
    pub(crate) lists: [Buffer; 2],
    pub(crate) states: Buffer,
    pub(crate) outcomes: Buffer,
    /// What is read of the length of a list and of the outcomes.
    pub(crate) len_read: Buffer,
    pub(crate) outcomes_read: Buffer,
}

impl Set {
    fn new(device: &Device, pixels: u32, state_words: u64) -> Result<Self, RenderError> {
        let bytes = |words: u64| 4 * u64::from(pixels) * words;
        let storage = BufferUsages::STORAGE;
        let list = || {
            let usage = storage | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
            device.buffer("list", 4 + bytes(1), usage)
        };
        let read = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let outcomes = bytes(OUTCOME_WORDS as u64);
        Ok(Self {
            pixels,
            state_words,
            params: device.buffer(
                "params",
                4 * PARAMS_WORDS as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            )?,
            lists: [list()?, list()?],
            states: device.buffer("states", bytes(state_words), storage)?,
            outcomes: device.buffer("outcomes", outcomes, storage | BufferUsages::COPY_SRC)?,
            len_read: device.buffer("length read back", 4, read)?,
            outcomes_read: device.buffer("outcomes read back", outcomes, read)?,
        })
    }

    fn holds(&self, pixels: u32, state_words: u64) -> bool {
        self.pixels >= pixels && self.state_words >= state_words
    }
}

/// All sets.
#[derive(Default)]
pub(crate) struct Room {
    shelf: Mutex<Shelf>,
    returned: Condvar,
}

#[derive(Default)]
struct Shelf {
    in_use: usize,
    free: Vec<Set>,
}

/// A set in use; it goes back when this is dropped.
pub(crate) struct Loan<'a> {
    room: &'a Room,
    set: Option<Set>,
}

impl Room {
    /// A set for some pixels.
    pub(crate) fn take(
        &self,
        device: &Device,
        pixels: u32,
        state_words: u64,
        control: &Control<'_>,
    ) -> Result<Loan<'_>, RenderError> {
        let mut shelf = locked(&self.shelf);
        while shelf.in_use == SETS {
            control.check()?;
            shelf =
                self.returned.wait_timeout(shelf, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        shelf.in_use += 1;
        let found = shelf.free.iter().position(|set| set.holds(pixels, state_words));
        // One that is too small makes room for the larger one.
        let old = found.or(shelf.free.len().checked_sub(1)).map(|at| shelf.free.swap_remove(at));
        drop(shelf);
        let mut loan = Loan { room: self, set: old };
        if found.is_none() {
            loan.set = None;
            loan.set = Some(Set::new(device, pixels, state_words)?);
        }
        Ok(loan)
    }
}

impl Loan<'_> {
    pub(crate) fn set(&self) -> &Set {
        self.set.as_ref().expect("a loan that was handed out holds a set")
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut shelf = locked(&self.room.shelf);
        shelf.in_use -= 1;
        shelf.free.extend(self.set.take());
        drop(shelf);
        self.room.returned.notify_one();
    }
}
