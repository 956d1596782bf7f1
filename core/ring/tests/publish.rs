//! What one thread sees when it publishes and reads.
//!
//! Rule: every test ends with a look at the whole ring, not only at the part it changed.

#![cfg(not(any(loom, shuttle)))]

mod support;

use shimmer_ring::{
    CopyBuf, FLAG_LOST, Gate, Outcome, PublishError, Reserve, Ring, RingConfig, Start, Storage,
    Values,
};
use support::{Sample, publish, small, spec};

fn memory(config: &RingConfig) -> Ring {
    Ring::open(config, &Storage::Memory).expect("a ring in memory").0
}

/// Checks that the ring shows exactly these numbers, the last one under sequence `last`.
fn shows(ring: &Ring, last: u64, numbers: &[u64]) {
    let reader = ring.reader();
    let mut buf = CopyBuf::default();
    assert_eq!(reader.published(), last);
    let first = last + 1 - numbers.len() as u64;
    reader.copy(first - 1, usize::MAX, usize::MAX, &mut buf);
    assert_eq!(buf.len(), numbers.len());
    for (i, n) in numbers.iter().enumerate() {
        let (sample, seq) = (Sample::new(*n), first + i as u64);
        let entry = sample.entry();
        assert_eq!(std::str::from_utf8(buf.text_of(i)).expect("text"), sample.text(seq));
        assert_eq!(buf.time_ns[i], entry.time_ns);
        assert_eq!(buf.received_ns[i], entry.received_ns);
        assert_eq!(buf.value[i].to_bits(), entry.value.to_bits());
        assert_eq!(buf.flags[i], entry.flags);
        for (id, name) in [
            (buf.kind[i], entry.kind),
            (buf.subject[i], entry.subject),
            (buf.source[i], entry.source),
            (buf.origin[i], entry.origin),
        ] {
            let mut found = Vec::new();
            assert!(reader.name(id, &mut found));
            assert_eq!(found, name.as_bytes());
            assert_eq!(reader.name_id(name), Some(id));
        }
        let data = buf.data_start[i] as usize..(buf.data_start[i] + buf.data_len[i]) as usize;
        assert!(buf.text_of(i)[data].starts_with(b"{\"n\":"));
        let id = buf.id_start[i] as usize..(buf.id_start[i] + buf.id_len[i]) as usize;
        assert_eq!(&buf.text_of(i)[id], entry.id.as_bytes());
    }
}

#[test]
fn stores_and_shows() {
    let ring = memory(&small(16));
    let producer = ring.producer();
    let outcomes = publish(&producer, &[1, 2, 3], Reserve::Ingest).expect("room");
    assert_eq!(outcomes, [Outcome::Stored(1), Outcome::Stored(2), Outcome::Stored(3)]);
    shows(&ring, 3, &[1, 2, 3]);
    for n in 4..=100 {
        publish(&producer, &[n], Reserve::Ingest).expect("nobody holds the writer back");
    }
    assert!(ring.oldest() >= 85);
    let kept: Vec<u64> = (ring.oldest()..=100).collect();
    shows(&ring, 100, &kept);
}

#[test]
fn duplicates_are_told_their_first_sequence() {
    let ring = memory(&small(16));
    let producer = ring.producer();
    let outcomes = publish(&producer, &[1, 2, 1], Reserve::Ingest).expect("room");
    assert_eq!(outcomes, [Outcome::Stored(1), Outcome::Stored(2), Outcome::Duplicate(1)]);
    let outcomes = publish(&producer, &[2, 3], Reserve::Ingest).expect("room");
    assert_eq!(outcomes, [Outcome::Duplicate(2), Outcome::Stored(3)]);
    shows(&ring, 3, &[1, 2, 3]);
}

#[test]
fn what_is_emitted_unasked_leaves_half_of_the_ring() {
    let ring = memory(&small(16));
    let producer = ring.producer();
    let gate = ring.register(&spec("g", Gate::Host, Start::Newest)).expect("registered");
    for n in 1..=8 {
        publish(&producer, &[n], Reserve::Unasked).expect("room");
    }
    assert!(matches!(publish(&producer, &[9], Reserve::Unasked), Err(PublishError::Full)));
    publish(&producer, &[9, 10, 11, 12, 13, 14], Reserve::Ingest).expect("room");
    publish(&producer, &[15, 16], Reserve::Effects).expect("the reserved eighth");
    gate.advance(9).expect("forward");
    publish(&producer, &[17], Reserve::Unasked).expect("room");
    assert!(matches!(publish(&producer, &[18], Reserve::Unasked), Err(PublishError::Full)));
}

#[test]
fn a_gate_fills_the_ring_and_an_eighth_is_for_effects() {
    let ring = memory(&small(16));
    let producer = ring.producer();
    let gate = ring.register(&spec("g", Gate::Host, Start::Newest)).expect("registered");
    for n in 1..=14 {
        publish(&producer, &[n], Reserve::Ingest).expect("room");
    }
    assert!(matches!(publish(&producer, &[15], Reserve::Ingest), Err(PublishError::Full)));
    assert!(matches!(publish(&producer, &[15, 16, 17], Reserve::Effects), Err(PublishError::Full)));
    publish(&producer, &[15, 16], Reserve::Effects).expect("the reserved eighth");
    assert!(matches!(publish(&producer, &[17], Reserve::Effects), Err(PublishError::Full)));
    // What is remembered is answered even then.
    let outcomes = publish(&producer, &[3], Reserve::Ingest).expect("a duplicate needs no room");
    assert_eq!(outcomes, [Outcome::Duplicate(3)]);
    shows(&ring, 16, &(1..=16).collect::<Vec<_>>());
    gate.advance(5).expect("forward");
    publish(&producer, &[17, 18, 19], Reserve::Ingest).expect("room");
    assert!(matches!(publish(&producer, &[20], Reserve::Ingest), Err(PublishError::Full)));
    gate.release();
    publish(&producer, &[20, 21, 22, 23], Reserve::Ingest).expect("no gate");
}

#[test]
fn values_are_those_of_the_events_or_say_that_they_are_gone() {
    let ring = memory(&small(16));
    let producer = ring.producer();
    let (reader, mut values) = (ring.reader(), Values::default());
    assert_eq!(reader.values(0, 100, &mut values), 0);
    for n in 1..=40 {
        publish(&producer, &[n], Reserve::Ingest).expect("nobody holds the writer back");
    }
    assert_eq!(reader.values(30, 7, &mut values), 7);
    assert_eq!((values.first, values.value.len()), (31, 7));
    let mut buf = CopyBuf::default();
    reader.copy(30, 7, usize::MAX, &mut buf);
    assert_eq!((&values.value, &values.flags), (&buf.value, &buf.flags));
    assert_eq!(
        [&values.kind, &values.subject, &values.source],
        [&buf.kind, &buf.subject, &buf.source]
    );
    // Sixteen are kept; those before are marked and no more.
    assert_eq!(reader.values(20, 100, &mut values), 20);
    let gone = values.flags.iter().map(|flags| flags & FLAG_LOST != 0);
    assert!(gone.eq((21..=40).map(|seq| seq <= 24)));
}
