//! The store on the disk beside the one in memory, and what crashes and strangers leave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use shimmer_mesh::{Author, Config, Keys, MAX_EPOCHS, MemoryStore, Node};

use super::*;

fn author(key: u8, epoch: u64) -> Author {
    Author::new(Keys::ed25519(&[key; 32]), epoch, 1, 9).unwrap()
}

fn signed(author: &mut Author, count: usize) -> Vec<Verified> {
    (0..count).map(|n| author.sign(&format!("{{\"n\":{n}}}")).unwrap()).collect()
}

fn sorted(mut logs: Vec<LogState>) -> Vec<LogState> {
    logs.sort_by_key(|state| state.log);
    logs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_does_what_the_store_in_memory_does(
        steps in prop::collection::vec((0_u8..4, 0_usize..3, 0_usize..12, 1_usize..8), 1..30)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let (mut disk, _) = Disk::open(&path).unwrap();
        let mut memory = MemoryStore::default();
        let logs: Vec<Vec<Verified>> = [(1, 1), (1, 2), (2, 1)]
            .into_iter()
            .map(|(key, epoch)| signed(&mut author(key, epoch), 20))
            .collect();
        for (what, log, at, count) in steps {
            match what {
                0 | 1 => {
                    disk.put(&logs[log][at..at + count]).unwrap();
                    let Ok(()) = memory.put(&logs[log][at..at + count]);
                }
                2 => {
                    let bytes = memory.bytes() * at as u64 / 12;
                    let gone = disk.prune(bytes).unwrap();
                    let Ok(expected) = memory.prune(bytes);
                    let sort = |mut spans: Vec<Span>| {
                        spans.sort_by_key(|span| (span.log, span.low));
                        spans
                    };
                    prop_assert_eq!(sort(gone), sort(expected));
                }
                _ => {
                    drop(disk);
                    disk = Disk::open(&path).unwrap().0;
                }
            }
            let span = Span { log: logs[log][0].id.log, low: at as u64, high: (at + count) as u64 };
            let (mut read, mut expected) = (Vec::new(), Vec::new());
            disk.read(span, 400, &mut read).unwrap();
            let Ok(()) = memory.read(span, 400, &mut expected);
            prop_assert_eq!(read, expected);
            prop_assert_eq!((disk.count(), disk.bytes()), (memory.count(), memory.bytes()));
            let Ok(states) = memory.logs();
            prop_assert_eq!(sorted(disk.logs().unwrap()), sorted(states));
        }
    }
}

#[test]
fn a_copy_of_the_file_after_a_flush_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (mut disk, _) = Disk::open(&path).unwrap();
    let envelopes = signed(&mut author(1, 1), 100);
    disk.put(&envelopes).unwrap();
    disk.flush().unwrap();
    // What a process that is killed leaves behind is what is in the file now.
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    let (after, aside) = Disk::open(&copy).unwrap();
    assert_eq!((after.count(), aside), (100, None));
    assert_eq!(after.recent(3).unwrap(), envelopes[97..]);
}

/// Rows about logs, rows about what was dropped of them, and logs in memory.
fn rows(disk: &Disk) -> [u64; 3] {
    let read = disk.database.begin_read().unwrap();
    let logs = read.open_table(LOGS).unwrap().len().unwrap();
    let dropped = read.open_table(DROPPED).unwrap().len().unwrap();
    [logs, dropped, disk.index().numbers.len() as u64]
}

#[test]
fn thousands_of_epochs_of_a_key_leave_no_more_than_the_last() {
    const EPOCHS: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (mut disk, _) = Disk::open(&path).unwrap();
    let mut node = Node::new(Config::default(), 1);
    let keep = |node: &mut Node, disk: &mut Disk, envelope: Verified| {
        let (id, weight) = (envelope.id, envelope.weight() as u64);
        disk.put(&[envelope]).unwrap();
        node.stored([id], 0);
        disk.forget(&node.take_forgotten()).unwrap();
        weight
    };
    let mut late = Vec::new();
    for epoch in 1..=EPOCHS {
        let mut author = author(1, epoch);
        let [first, second] = [author.sign("{}").unwrap(), author.sign("{}").unwrap()];
        assert_eq!(node.receive(&[first.clone(), second.clone()], 0).fresh.len(), 2);
        late.push(second);
        let weight = keep(&mut node, &mut disk, first);
        // The disk takes it when its log is gone already.
        if epoch > MAX_EPOCHS as u64 {
            keep(&mut node, &mut disk, late.remove(0));
        }
        if epoch % 100 == 0 {
            node.pruned(disk.prune(40 * weight).unwrap());
        }
    }
    let most = MAX_EPOCHS as u64;
    let [logs, dropped, in_memory] = rows(&disk);
    assert!(logs <= most && dropped <= most && in_memory <= most, "{:?}", rows(&disk));
    assert_eq!(disk.count(), 40, "what belongs to no log is kept as long as all else");

    drop(disk);
    let (mut disk, _) = Disk::open(&path).unwrap();
    assert_eq!(rows(&disk), [logs, dropped, logs]);
    // Nor does a new log take anything over.
    let new = signed(&mut author(2, 1), 5);
    disk.put(&new).unwrap();
    assert_eq!(disk.count(), 45);
    let span = Span { log: new[0].id.log, low: 0, high: u64::MAX };
    disk.prune(new.iter().map(|one| one.weight() as u64).sum()).unwrap();
    let mut read = Vec::new();
    disk.read(span, usize::MAX, &mut read).unwrap();
    assert_eq!((read, disk.count()), (new, 5));
}

#[test]
fn a_file_that_is_something_else_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, b"not a store at all, but long enough to be looked at").unwrap();
    let (disk, aside) = Disk::open(&path).unwrap();
    assert_eq!(disk.count(), 0);
    let aside = aside.unwrap();
    assert!(std::fs::read(aside).unwrap().starts_with(b"not a store"));
}

#[test]
fn a_store_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let _first = Disk::open(&path).unwrap();
    assert!(Disk::open(&path).is_err(), "it is open already");
}

#[test]
fn ids_without_a_signature_are_remembered_up_to_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (disk, _) = Disk::open(&path).unwrap();
    let ids: Vec<_> = (0..10).map(|n| [n; 16]).collect();
    disk.put_unsigned(&ids, 4).unwrap();
    disk.put_unsigned(&[[99; 16]], 4).unwrap();
    drop(disk);
    let (disk, _) = Disk::open(&path).unwrap();
    assert_eq!(disk.unsigned().unwrap(), [[7; 16], [8; 16], [9; 16], [99; 16]]);
}
