//! Publishing allocates nothing.
//!
//! Rule: the only test in its file, since the counter counts every thread of the process.

#![cfg(not(any(loom, shuttle)))]
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

mod support;

use shimmer_ring::{
    Entry, Gate, Outcome, Reserve, Ring, RingConfig, Start, Storage, Submission, SyncMode,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Sample, small, spec};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's obligations are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

#[test]
fn publishing_allocates_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage =
        Storage::Journal { dir: dir.path().to_owned(), sync: SyncMode::Never, log_bytes: None };
    let config = RingConfig { names: 32, ..small(64) };
    let (ring, _) = Ring::open(&config, &storage).expect("a ring");
    let producer = ring.producer();
    let handle = ring.register(&spec("c", Gate::Host, Start::Newest)).expect("registered");
    let samples: Vec<Sample> = (0..1200).map(Sample::new).collect();
    let entries: Vec<Entry<'_>> = samples.iter().map(Sample::entry).collect();
    let mut outcomes = Vec::new();
    let mut store = |entries: &[Entry<'_>], cursor| {
        let submission = Submission { entries, cursor, reserve: Reserve::Ingest };
        producer.publish(&submission, &mut outcomes).expect("room");
        let Some(Outcome::Stored(seq)) = outcomes.last() else { panic!("{outcomes:?}") };
        *seq
    };
    // Once around everything: names, ids, log and hints.
    for batch in entries[..400].chunks(4) {
        let seq = store(batch, None);
        handle.advance(seq).expect("forward");
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut cursor = 400;
    for batch in entries[400..].chunks(4) {
        let seq = store(batch, Some((handle.id(), cursor)));
        cursor = seq;
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
