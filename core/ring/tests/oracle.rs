//! Random operations against a model that is a queue.
//!
//! Rule: the model knows slots, texts, ids and cursors; what it cannot know exactly (how the arena's
//! end was skipped) it takes from the ring only as a bound that it checks.

#![cfg(not(any(loom, shuttle)))]

mod support;

use proptest::prelude::*;
use shimmer_ring::{
    ConsumerHandle, CopyBuf, Gate, Outcome, PublishError, Reserve, Ring, RingConfig, Start,
    Storage, SyncMode,
};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use support::{Sample, number, publish, spec};

#[derive(Clone, Debug)]
enum Op {
    /// Publish events with these numbers, which repeat often.
    Publish(Vec<u64>, Reserve),
    /// The gating consumer goes on by up to so many.
    Consume(u64),
    /// The lossy reader reads up to so many.
    Read(usize),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let numbers = proptest::collection::vec(0u64..400, 1..12);
    prop_oneof![
        6 => (numbers, any::<bool>()).prop_map(|(numbers, effects)| {
            Op::Publish(numbers, if effects { Reserve::Effects } else { Reserve::Ingest })
        }),
        4 => (1u64..20).prop_map(Op::Consume),
        2 => (1usize..30).prop_map(Op::Read),
        1 => Just(Op::Restart),
    ]
}

struct World {
    config: RingConfig,
    ring: Ring,
    gate: ConsumerHandle,
    cursor: u64,
    lossy: u64,
    last: u64,
    /// All events ever stored, as (sequence, number); the newest are what the ring may keep.
    stored: VecDeque<(u64, u64)>,
    ids: HashMap<u64, u64>,
}

fn open(config: &RingConfig, dir: &Path) -> (Ring, ConsumerHandle) {
    let storage = Storage::Journal { dir: dir.to_owned(), sync: SyncMode::Never, log_bytes: None };
    let (ring, recovery) = Ring::open(config, &storage).expect("a ring");
    assert_eq!((recovery.lost_events, recovery.cut_bytes, recovery.set_aside), (0, 0, None));
    let gate = ring.register(&spec("gate", Gate::Host, Start::Newest)).expect("registered");
    (ring, gate)
}

impl World {
    fn publish(&mut self, numbers: &[u64], reserve: Reserve) {
        match publish(&self.ring.producer(), numbers, reserve) {
            Ok(outcomes) => {
                // Ids are looked up before the submission makes room for its own.
                let before = self.last;
                for (n, outcome) in numbers.iter().zip(outcomes) {
                    let known = self.ids.get(n).copied();
                    let known = known.filter(|seq| seq + self.config.dedup_window > before);
                    match outcome {
                        Outcome::Stored(seq) => {
                            assert_eq!(known, None, "{n} is remembered");
                            assert_eq!(seq, self.last + 1);
                            self.last = seq;
                            self.ids.insert(*n, seq);
                            self.stored.push_back((seq, *n));
                        }
                        Outcome::Duplicate(seq) => assert_eq!(known, Some(seq)),
                        Outcome::NamesFull => panic!("there are names for all"),
                    }
                }
                let limit = self.config.capacity;
                assert!(self.last - self.cursor <= limit, "an event was overwritten");
            }
            // Nothing is refused when nobody is behind, and slots alone only when they are short.
            Err(PublishError::Full) => {
                assert!(self.last > self.cursor, "refused with all the room there is");
                let events = self.last - self.cursor + numbers.len() as u64;
                let slots = events > self.ingest_slots();
                let bytes = events * 2 * 480 > self.config.text_bytes;
                assert!(slots || bytes, "refused with room to spare");
            }
            Err(PublishError::TooLarge) => {
                let events = numbers.len() as u64;
                let slots = events > self.ingest_slots();
                assert!(slots || events * 480 > self.config.text_bytes);
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(self.ring.published(), self.last);
    }

    fn ingest_slots(&self) -> u64 {
        let capacity = self.config.capacity;
        (capacity - capacity / 8).min(capacity - 1)
    }

    fn number_of(&self, seq: u64) -> u64 {
        let first = self.stored.front().expect("stored").0;
        self.stored[(seq - first) as usize].1
    }

    fn compare(&self, buf: &CopyBuf) {
        for i in 0..buf.len() {
            let seq = buf.first + i as u64;
            let n = number(buf.text_of(i));
            assert_eq!(n, self.number_of(seq));
            assert_eq!(buf.text_of(i), Sample::new(n).text(seq).as_bytes());
            assert_eq!(buf.time_ns[i], Sample::new(n).entry().time_ns);
            let mut kind = Vec::new();
            assert!(self.ring.reader().name(buf.kind[i], &mut kind));
            assert_eq!(kind, Sample::new(n).kind.as_bytes());
        }
    }

    fn consume(&mut self, max: u64) {
        let mut buf = CopyBuf::default();
        let copied = self.ring.reader().copy(self.cursor, max as usize, usize::MAX, &mut buf);
        assert_eq!(copied.missed, None, "a gate protects what it has not seen");
        assert_eq!(copied.cursor, self.last.min(self.cursor + max));
        self.compare(&buf);
        self.gate.advance(copied.cursor).expect("forward");
        self.cursor = copied.cursor;
    }

    fn read(&mut self, max: usize) {
        let mut buf = CopyBuf::default();
        let copied = self.ring.reader().copy(self.lossy, max, usize::MAX, &mut buf);
        if let Some(missed) = &copied.missed {
            assert_eq!(*missed.start(), self.lossy + 1);
            assert!(*missed.end() < self.ring.oldest());
        }
        self.compare(&buf);
        self.lossy = copied.cursor;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn the_ring_is_a_bounded_queue(
        start in prop_oneof![Just(1u64), Just((1 << 32) - 20), Just((1 << 63) - 20)],
        capacity_log in 1u32..6,
        text in 8u64..80,
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let capacity = 1 << capacity_log;
        let config = RingConfig {
            capacity,
            text_bytes: text * 64,
            names: 32.max(capacity * 4 + 8),
            dedup_window: capacity * 3,
            start_seq: start,
        };
        let dir = tempfile::tempdir().expect("a directory");
        let (ring, gate) = open(&config, dir.path());
        let last = start - 1;
        let mut world = World {
            config, ring, gate, cursor: last, lossy: last, last,
            stored: VecDeque::new(), ids: HashMap::new(),
        };
        for op in ops {
            match op {
                Op::Publish(numbers, reserve) => world.publish(&numbers, reserve),
                Op::Consume(max) => world.consume(max),
                Op::Read(max) => world.read(max),
                Op::Restart => {
                    let World { config, ring, gate, cursor, lossy, last, stored, ids } = world;
                    drop((gate, ring));
                    let (ring, gate) = open(&config, dir.path());
                    prop_assert_eq!(gate.cursor(), cursor);
                    prop_assert_eq!(ring.published(), last);
                    world = World { config, ring, gate, cursor, lossy, last, stored, ids };
                }
            }
        }
        world.consume(1 << 20);
    }
}

/// At the bound of the name table: names that kept events carry stay, others make room.
#[test]
fn names_make_room_when_no_kept_event_carries_them() {
    let config =
        RingConfig { capacity: 8, text_bytes: 4096, names: 8, dedup_window: 16, start_seq: 1 };
    let (ring, _) = Ring::open(&config, &Storage::Memory).expect("a ring");
    assert_eq!(ring.reader().name_id("steady"), None);
    let producer = ring.producer();
    let mut outcomes = Vec::new();
    let mut seen = (0, 0);
    for n in 0..2_000u64 {
        // A steady subject goes on when no name is left, and lets the others die.
        let subject =
            if n.is_multiple_of(3) { "steady".to_owned() } else { format!("subject-{}", n / 2) };
        let sample = Sample::new(n);
        let mut entry = sample.entry();
        (entry.kind, entry.source, entry.subject) = ("k", "s", &subject);
        let entries = [entry];
        let submission =
            shimmer_ring::Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
        producer.publish(&submission, &mut outcomes).expect("room");
        match outcomes[0] {
            Outcome::Stored(seq) => {
                seen.0 += 1;
                let meta = ring.reader().meta(seq).expect("kept");
                let mut name = Vec::new();
                assert!(ring.reader().name(meta.subject, &mut name));
                assert_eq!(name, subject.as_bytes());
                assert_eq!(ring.reader().name_id(&subject), Some(meta.subject));
            }
            Outcome::NamesFull => seen.1 += 1,
            Outcome::Duplicate(_) => panic!("all ids differ"),
        }
        for seq in ring.oldest()..=ring.published() {
            let mut name = Vec::new();
            let meta = ring.reader().meta(seq).expect("kept");
            assert!(ring.reader().name(meta.subject, &mut name), "a kept event lost its name");
        }
    }
    assert!(seen.0 > 700 && seen.1 > 10, "names are refused and evicted: {seen:?}");
}
