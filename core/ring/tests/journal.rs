//! What a restart finds.
//!
//! Rule: each test opens the ring again on the same directory and compares everything.

#![cfg(not(any(loom, shuttle)))]

mod support;

use shimmer_ring::{
    CopyBuf, FLAG_LOST, Gate, OpenError, Outcome, Recovery, Reserve, Ring, RingConfig, Start,
    Storage, SyncMode,
};
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::{Sample, number, publish, small, spec};

fn storage(dir: &Path) -> Storage {
    Storage::Journal { dir: dir.to_owned(), sync: SyncMode::Never, log_bytes: None }
}

fn open(dir: &Path, config: &RingConfig) -> (Ring, Recovery) {
    Ring::open(config, &storage(dir)).expect("a ring with journal")
}

/// The numbers of the kept events by sequence; lost ones are `None`. Checks every text.
fn kept(ring: &Ring) -> Vec<(u64, Option<u64>)> {
    let mut buf = CopyBuf::default();
    ring.reader().copy(ring.oldest() - 1, usize::MAX, usize::MAX, &mut buf);
    (0..buf.len())
        .map(|i| {
            let seq = buf.first + i as u64;
            if buf.flags[i] & FLAG_LOST != 0 {
                assert!(buf.text_of(i).is_empty());
                return (seq, None);
            }
            let n = number(buf.text_of(i));
            let sample = Sample::new(n);
            assert_eq!(buf.text_of(i), sample.text(seq).as_bytes());
            assert_eq!(buf.value[i].to_bits(), sample.entry().value.to_bits());
            let mut subject = Vec::new();
            assert!(ring.reader().name(buf.subject[i], &mut subject));
            assert_eq!(subject, sample.subject.as_bytes());
            (seq, Some(n))
        })
        .collect()
}

fn log_start(config: &RingConfig) -> u64 {
    (8192 + 128 * 256 + config.dedup_window * 32).next_multiple_of(4096)
}

#[test]
fn a_restart_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = small(16);
    let mut expected = Vec::new();
    let mut next = 1;
    for round in 0..40u64 {
        let (ring, recovery) = open(dir.path(), &config);
        assert_eq!(recovery.last, next - 1);
        assert_eq!(recovery.lost_events + recovery.cut_bytes, 0);
        assert_eq!(kept(&ring), expected);
        let consumer = ring.register(&spec("c", Gate::Host, Start::Oldest)).expect("registered");
        assert_eq!(consumer.cursor(), next - 1);
        for _ in 0..round % 9 {
            let outcomes = publish(&ring.producer(), &[next], Reserve::Ingest).expect("room");
            assert_eq!(outcomes, [Outcome::Stored(next)]);
            next += 1;
        }
        if next > 1 {
            let outcomes = publish(&ring.producer(), &[next - 1], Reserve::Ingest).expect("room");
            assert_eq!(outcomes, [Outcome::Duplicate(next - 1)]);
        }
        consumer.advance(next - 1).expect("forward");
        expected = kept(&ring);
    }
}

#[test]
fn ids_are_remembered_beyond_the_ring() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = small(4);
    let (ring, _) = open(dir.path(), &config);
    for n in 1..=20 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    drop(ring);
    let (ring, recovery) = open(dir.path(), &config);
    assert_eq!(recovery.ids, 16);
    for n in 5..=20 {
        let outcomes = publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
        assert_eq!(outcomes, [Outcome::Duplicate(n)]);
    }
    let outcomes = publish(&ring.producer(), &[4], Reserve::Ingest).expect("room");
    assert_eq!(outcomes, [Outcome::Stored(21)]);
}

#[test]
fn a_large_record_is_found_whichever_way_it_took_into_the_file() {
    // Records, and the ids of one, large enough to be put together in memory; log and table end amid a submission, and
    // most ids are in the table alone.
    let config = RingConfig { dedup_window: 700, text_bytes: 1 << 16, ..small(256) };
    for sync in [SyncMode::Never, SyncMode::Second, SyncMode::Always] {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || {
            let dir = dir.path().to_owned();
            let storage = Storage::Journal { dir, sync, log_bytes: Some(50_000) };
            Ring::open(&config, &storage).expect("a ring with journal")
        };
        let mut next = 1;
        let mut expected = Vec::new();
        for _ in 0..12 {
            let (ring, recovery) = open();
            assert_eq!(recovery.lost_events + recovery.cut_bytes, 0);
            assert_eq!((recovery.last, recovery.ids), (next - 1, 700.min(next - 1)));
            let found = kept(&ring);
            assert!(expected.ends_with(&found) && found.len() >= expected.len().min(120));
            let known: Vec<_> = (next.saturating_sub(700).max(1)..next).collect();
            let seqs: Vec<_> = known.iter().map(|n| Outcome::Duplicate(*n)).collect();
            let outcomes = publish(&ring.producer(), &known, Reserve::Ingest).expect("room");
            assert_eq!(outcomes, seqs);
            for _ in 0..2 {
                let new: Vec<_> = (next..next + 120).collect();
                publish(&ring.producer(), &new, Reserve::Ingest).expect("room");
                next += 120;
            }
            expected = kept(&ring);
        }
    }
}

#[test]
fn other_sizes_keep_what_fits() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ring, _) = open(dir.path(), &small(64));
    for n in 1..=60 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    let consumer = ring.register(&spec("c", Gate::Host, Start::After(50))).expect("registered");
    drop((consumer, ring));
    for capacity in [256, 16, 4, 128] {
        let (ring, recovery) = open(dir.path(), &small(capacity));
        assert!(recovery.rebuilt && recovery.set_aside.is_none());
        assert_eq!(recovery.last, 60);
        let kept = kept(&ring);
        assert_eq!(kept.last(), Some(&(60, Some(60))), "capacity {capacity}");
        assert!(kept.iter().all(|(seq, n)| *n == Some(*seq)));
        let consumer = ring.register(&spec("c", Gate::Host, Start::Oldest)).expect("registered");
        assert!(consumer.cursor() >= 50);
        let outcomes = publish(&ring.producer(), &[59], Reserve::Ingest).expect("room");
        assert_eq!(outcomes, [Outcome::Duplicate(59)]);
    }
}

#[test]
fn foreign_and_truncated_files_are_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.journal");
    let config = small(16);
    let mut aside = 0;
    let mut check = |reason: &str| {
        aside += 1;
        let (ring, recovery) = open(dir.path(), &config);
        let (to, why) = recovery.set_aside.expect("set aside");
        assert_eq!(to, dir.path().join(format!("ring.journal.damaged-{aside}")));
        assert!(why.contains(reason), "{why}");
        assert!(to.exists() && recovery.last == 0);
        publish(&ring.producer(), &[1, 2], Reserve::Ingest).expect("room");
    };
    std::fs::write(&path, b"hello").expect("written");
    check("short");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the journal");
    file.set_len(100_000).expect("cut");
    check("bytes");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the journal");
    file.write_all_at(b"X", 3).expect("written");
    check("no journal");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the journal");
    file.write_all_at(&[9], 8).expect("written");
    check("version 9");
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("the journal");
    // A byte of the random key: whatever it is, it changes.
    let mut byte = [0];
    file.read_exact_at(&mut byte, 40).expect("read");
    file.write_all_at(&[!byte[0]], 40).expect("written");
    check("damaged");
}

#[test]
fn damage_costs_what_it_touches() {
    let config = small(64);
    for damaged in [1u64, 7, 20] {
        let dir = tempfile::tempdir().expect("a directory");
        let (ring, _) = open(dir.path(), &config);
        for n in 1..=20 {
            publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
        }
        drop(ring);
        let path = dir.path().join("ring.journal");
        let bytes = std::fs::read(&path).expect("the journal");
        let text = Sample::new(damaged).text(damaged).into_bytes();
        let at = bytes.windows(text.len()).position(|part| part == text).expect("its text");
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the journal");
        file.write_all_at(b"#", at as u64 + 5).expect("written");
        let (ring, recovery) = open(dir.path(), &config);
        assert_eq!(recovery.last, 20, "sequences are not given out again");
        for (seq, n) in kept(&ring) {
            assert_eq!(n, (seq != damaged).then_some(seq));
        }
        // What is lost can be sent again, what is not is a duplicate.
        let outcomes = publish(&ring.producer(), &[damaged, 2], Reserve::Ingest).expect("room");
        assert_eq!(outcomes, [Outcome::Stored(21), Outcome::Duplicate(2)]);
        assert_eq!(recovery.lost_events, 1);
        let expected = kept(&ring);
        drop(ring);
        let (ring, _) = open(dir.path(), &config);
        assert_eq!(kept(&ring), expected);
    }
}

#[test]
fn a_log_of_rubbish_never_brings_down_the_start() {
    let config = small(16);
    let dir = tempfile::tempdir().expect("a directory");
    for round in 0..20u64 {
        let (ring, _) = open(dir.path(), &config);
        for n in 0..10 {
            publish(&ring.producer(), &[round * 10 + n + 1], Reserve::Ingest).expect("room");
        }
        drop(ring);
        let path = dir.path().join("ring.journal");
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the journal");
        let mut state = round + 1;
        for _ in 0..50 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = 4096 + (state >> 20) % (log_start(&config) + 4096);
            file.write_all_at(&state.to_le_bytes(), at).expect("written");
        }
    }
    let (ring, _) = open(dir.path(), &config);
    kept(&ring);
}

#[test]
fn a_full_disk_is_said_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = RingConfig { capacity: 16, ..small(16) };
    let too_large = Storage::Journal {
        dir: dir.path().to_owned(),
        sync: SyncMode::Never,
        log_bytes: Some(1 << 40),
    };
    let error = Ring::open(&config, &too_large).expect_err("a tebibyte");
    assert!(matches!(error, OpenError::NoSpace { .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0, "nothing is left over");
}

#[test]
fn ids_can_be_remembered_or_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let without = RingConfig { dedup_window: 0, ..small(64) };
    let (ring, _) = open(dir.path(), &without);
    for _ in 0..2 {
        let outcomes = publish(&ring.producer(), &[1, 2], Reserve::Ingest).expect("room");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    }
    drop(ring);
    let (ring, recovery) = open(dir.path(), &without);
    assert_eq!((recovery.last, recovery.ids, recovery.rebuilt), (4, 0, false));
    drop(ring);
    // From now on they are; those of before were never known.
    let (ring, recovery) = open(dir.path(), &small(64));
    assert_eq!((recovery.last, recovery.ids, recovery.rebuilt), (4, 0, true));
    for expected in [Outcome::Stored(5), Outcome::Duplicate(5)] {
        let outcomes = publish(&ring.producer(), &[1], Reserve::Ingest).expect("room");
        assert_eq!(outcomes, [expected]);
    }
}
