//! The page through which a plugin process tells its cursor and sleeps.
//!
//! Rule: the child writes here what it likes; the host reads every word once and believes nothing
//! it has not checked against what it knows itself.

#![allow(unsafe_code, reason = "the page is raw shared memory")]

use crate::error::MapError;
use crate::gate::Cursor;
use crate::hot::Line;
use crate::mapping::{Access, Mapping, memfd, seal_size, sealed_len};
use crate::sync::{AtomicU64, Ordering, Scope};
use crate::wait::{Wait, WaitCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Size of the page in bytes.
const PAGE_BYTES: u64 = 4096;

/// What lies in the page; each line is written by one side only while things go well.
#[repr(C)]
struct Words {
    /// Written by the child.
    cursor: Line<Cursor>,
    /// Written by both.
    wait: Line<WaitCell>,
    /// Written by the child.
    life: Line<Life>,
    /// Written by the child, in turn: the event count that belongs to a cursor.
    progress: [Line<Progress>; 2],
}

#[repr(C)]
struct Progress {
    cursor: AtomicU64,
    events: AtomicU64,
}

#[repr(C)]
struct Life {
    heartbeat: AtomicU64,
    calls: AtomicU64,
    processing: AtomicU64,
    missed: AtomicU64,
    busy_ns: AtomicU64,
    durations: [AtomicU64; DURATION_BOUNDS_NS.len() + 1],
}

/// Upper bounds in nanoseconds of the buckets that count how long calls took; a last one is open.
pub const DURATION_BOUNDS_NS: [u64; 7] =
    [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

const _: () = {
    assert!(std::mem::offset_of!(Words, cursor) == 0);
    assert!(std::mem::offset_of!(Words, wait) == 128);
    assert!(std::mem::offset_of!(Words, life) == 256);
    assert!(std::mem::offset_of!(Words, progress) == 384);
    assert!(size_of::<Words>() as u64 <= PAGE_BYTES);
};

/// A control page, shared between the host and one plugin process.
#[derive(Debug)]
pub struct ControlPage {
    mapping: Mapping,
    fd: OwnedFd,
}

impl ControlPage {
    /// Makes a page of zeros whose size nobody can change.
    ///
    /// # Errors
    /// When the system refuses the memory.
    pub fn create() -> Result<Self, MapError> {
        let fd = memfd("shimmer-control", PAGE_BYTES)?;
        seal_size(&fd)?;
        Ok(Self { mapping: Mapping::new(&fd, PAGE_BYTES, Access::Write)?, fd })
    }

    /// Maps a page received from the host.
    ///
    /// # Errors
    /// When the file is not a sealed page or cannot be mapped.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, MapError> {
        if sealed_len(&fd)? != PAGE_BYTES {
            return Err(MapError::Foreign("the size of a control page"));
        }
        Ok(Self { mapping: Mapping::new(&fd, PAGE_BYTES, Access::Write)?, fd })
    }

    /// The file behind the page, to be sent to the child.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn words(&self) -> &Words {
        // SAFETY: the page is mapped as long as `self`, is large enough and aligned (checked by
        // `at`), and all of its words are atomics, so that any content is valid.
        unsafe { self.mapping.at::<Words>(0).as_ref() }
    }

    /// [child] States that everything up to `seq` is processed and no longer borrowed.
    pub fn set_cursor(&self, seq: u64) {
        self.words().cursor.0.set(seq);
    }

    /// The cursor as it stands in the page: unchecked on the host's side.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.words().cursor.0.get()
    }

    /// [child] As [`set_cursor`](Self::set_cursor), and that `events` were delivered so far: whenever the
    /// child dies, the count that belongs to its cursor can be read.
    pub fn set_progress(&self, seq: u64, events: u64) {
        let slots = &self.words().progress;
        let spare = usize::from(slots[0].0.cursor.load(Ordering::Relaxed) == self.cursor());
        slots[spare].0.events.store(events, Ordering::Relaxed);
        // Release: pairs with the Acquire in `events_at`; who sees this cursor sees its count.
        slots[spare].0.cursor.store(seq, Ordering::Release);
        self.set_cursor(seq);
    }

    /// The count of delivered events that belongs to `cursor`, if the page has one.
    #[must_use]
    pub fn events_at(&self, cursor: u64) -> Option<u64> {
        // Acquire: pairs with the Release in `set_progress`.
        let slot = self
            .words()
            .progress
            .iter()
            .find(|slot| slot.0.cursor.load(Ordering::Acquire) == cursor)?;
        Some(slot.0.events.load(Ordering::Relaxed))
    }

    /// [child] Names the first event of the batch that it is about to process; 0 = it is done.
    pub fn set_processing(&self, first: u64) {
        self.words().life.0.processing.store(first, Ordering::Relaxed);
    }

    /// First event of the batch that the child was processing when it was last heard of, 0 if none.
    #[must_use]
    pub fn processing(&self) -> u64 {
        self.words().life.0.processing.load(Ordering::Relaxed)
    }

    /// [child] Counts events that were overwritten before it read them.
    pub fn add_missed(&self, events: u64) {
        self.words().life.0.missed.fetch_add(events, Ordering::Relaxed);
    }

    /// Events that the child says it missed.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.words().life.0.missed.load(Ordering::Relaxed)
    }

    /// [child] Counts a call by how long it took.
    pub fn record_call(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = DURATION_BOUNDS_NS.partition_point(|bound| *bound < ns);
        let life = &self.words().life.0;
        life.durations[bucket].fetch_add(1, Ordering::Relaxed);
        life.busy_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Calls by how long they took, not cumulated, and the nanoseconds of all; as the child says.
    #[must_use]
    pub fn durations(&self) -> ([u64; DURATION_BOUNDS_NS.len() + 1], u64) {
        let life = &self.words().life.0;
        let counts = std::array::from_fn(|i| life.durations[i].load(Ordering::Relaxed));
        (counts, life.busy_ns.load(Ordering::Relaxed))
    }

    /// [child] Marks the start of a call into the plugin: the heartbeat is odd until `leave_call`.
    pub fn enter_call(&self) {
        let life = &self.words().life.0;
        life.calls.fetch_add(1, Ordering::Relaxed);
        life.heartbeat.store(self.heartbeat() | 1, Ordering::Relaxed);
    }

    /// [child] Marks the end of a call into the plugin.
    pub fn leave_call(&self) {
        let next = (self.heartbeat() | 1).wrapping_add(1);
        self.words().life.0.heartbeat.store(next, Ordering::Relaxed);
    }

    /// [child] Shows that the child lives while it has nothing to do.
    pub fn beat(&self) {
        self.words().life.0.heartbeat.fetch_add(2, Ordering::Relaxed);
    }

    /// Changes as long as the child lives; odd while it is in a call.
    #[must_use]
    pub fn heartbeat(&self) -> u64 {
        self.words().life.0.heartbeat.load(Ordering::Relaxed)
    }

    /// Calls into the plugin so far, as the child says.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.words().life.0.calls.load(Ordering::Relaxed)
    }

    /// [child] Waits until `wanted` is published in `ring`, `ready` holds, the host wakes the
    /// child, or `timeout` has passed.
    pub fn wait(
        &self,
        ring: &crate::ReadMapping,
        wanted: u64,
        timeout: Duration,
        ready: &dyn Fn() -> bool,
    ) -> Wait {
        let published = ring.segment().hot().published_word();
        self.words().wait.0.wait(published, wanted, timeout, Scope::Shared, ready)
    }

    /// Wakes the child, whatever it waits for.
    pub fn wake(&self) {
        self.words().wait.0.wake(Scope::Shared);
    }

    pub(crate) fn wait_cell(&self) -> &WaitCell {
        &self.words().wait.0
    }
}
