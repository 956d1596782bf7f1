//! What events of other nodes may take of the names.
//!
//! Rule: whatever they bring, and however often the ring is opened again, half of the names are for events of this
//! node.

#![cfg(not(any(loom, shuttle)))]

mod support;

use shimmer_ring::{Outcome, Reserve, Ring, RingConfig, Storage, Submission, SyncMode};
use support::Sample;

const NAMES: u64 = 64;
/// Events that are kept; more than there are names.
const CAPACITY: u64 = 256;

fn config() -> RingConfig {
    RingConfig {
        capacity: CAPACITY,
        text_bytes: CAPACITY * 320,
        names: NAMES,
        dedup_window: 0,
        start_seq: 1,
    }
}

/// Whether an event with this subject was taken; its other names are always the same.
fn take(ring: &Ring, subject: &str, reserve: Reserve) -> bool {
    let sample = Sample::new(0);
    let entries = [shimmer_ring::Entry { subject, ..sample.entry() }];
    let mut outcomes = Vec::new();
    let submission = Submission { entries: &entries, cursor: None, reserve };
    ring.producer().publish(&submission, &mut outcomes).expect("room");
    match outcomes[..] {
        [Outcome::Stored(_)] => true,
        [Outcome::NamesFull] => false,
        _ => panic!("{outcomes:?}"),
    }
}

/// How many of 100 events with a subject each were taken.
fn flood(ring: &Ring, prefix: &str, reserve: Reserve) -> usize {
    (0..100).filter(|n| take(ring, &format!("{prefix}-{n}"), reserve)).count()
}

/// Lets everything die that is not used by the events that are posted here all the time.
fn turn(ring: &Ring) {
    for _ in 0..CAPACITY {
        assert!(take(ring, "", Reserve::Ingest), "known names need no room");
    }
}

#[test]
fn events_of_other_nodes_leave_half_of_the_names() {
    let (ring, _) = Ring::open(&config(), &Storage::Memory).expect("a ring");
    assert!(take(&ring, "known", Reserve::Ingest));
    // Kind, source and origin are names, too.
    let theirs = NAMES as usize / 2 - 4;
    assert_eq!(flood(&ring, "theirs", Reserve::Relayed), theirs);
    assert!(take(&ring, "known", Reserve::Relayed), "what is in use here costs nothing");
    assert!(take(&ring, "theirs-0", Reserve::Relayed));
    assert!(!take(&ring, "one-more", Reserve::Relayed));
    // The first slot stands for no name.
    assert_eq!(flood(&ring, "ours", Reserve::Ingest), NAMES as usize / 2 - 1);
    turn(&ring);
    assert_eq!(flood(&ring, "again", Reserve::Relayed), NAMES as usize / 2 - 3);
    // Names whose events are gone, but which nothing has replaced, do not come back beside them.
    assert_eq!(flood(&ring, "ours", Reserve::Relayed), 0);
    assert!(flood(&ring, "ours", Reserve::Ingest) > 0);
}

#[test]
fn a_restart_gives_them_no_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let storage =
        Storage::Journal { dir: dir.path().to_owned(), sync: SyncMode::Never, log_bytes: None };
    let mut taken = 0;
    for round in 0..4 {
        let (ring, _) = Ring::open(&config(), &storage).expect("a ring");
        taken += flood(&ring, &format!("round-{round}"), Reserve::Relayed);
    }
    assert_eq!(taken, NAMES as usize / 2 - 3);
    let (ring, _) = Ring::open(&config(), &storage).expect("a ring");
    assert_eq!(flood(&ring, "ours", Reserve::Ingest), NAMES as usize / 2 - 1);
}
