//! The power goes: of what was written since the last synchronisation the disk may have any page, in any order.
//!
//! Rule: what a synchronisation covered is there, once, under its sequence, and its id is known; of the rest nothing
//! wrong is shown, and no sequence that the disk has seen is given out again.
//!
//! The journal's file is looked at between all steps of writing. What a loss of power leaves is put together from what
//! was seen: for each page its content at the last synchronisation or at any moment since, and for some pages a mixture
//! of sectors. `SHIMMER_RING_CUTS` sets how often the power goes, `SHIMMER_RING_SEED` when and with which pages.

use super::{config, entry, spec};
use crate::fail::{self, Point, Seen};
use crate::{
    ConsumerHandle, CopyBuf, Entry, FLAG_LOST, Outcome, Reserve, Ring, Storage, Submission,
    SyncMode,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
/// Sequences whose ids are asked for again: all of these are remembered.
const ASKED: u64 = 200;

/// Numbers that a seed decides (SplitMix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// The disk under the journal's file.
struct Disk {
    file: File,
    /// What it holds for certain.
    certain: Vec<u8>,
    /// What it may hold instead: contents of each page since, oldest first.
    later: Vec<Vec<Vec<u8>>>,
    dice: Dice,
    /// Points until the power goes.
    left: usize,
    /// What it held then.
    cut: Option<Vec<u8>>,
}

impl Disk {
    fn new(file: File, certain: Vec<u8>, mut dice: Dice) -> Self {
        let (later, left) = (vec![Vec::new(); certain.len() / PAGE], dice.below(400));
        Self { file, certain, later, dice, left, cut: None }
    }

    fn seen(&mut self, seen: &Seen) {
        if self.cut.is_some() {
            return;
        }
        self.look();
        if let Seen::Synced(bytes) = seen {
            let end = (bytes.end as usize).div_ceil(PAGE);
            for page in bytes.start as usize / PAGE..end {
                if let Some(newest) = self.later[page].pop() {
                    self.certain[page * PAGE..][..PAGE].copy_from_slice(&newest);
                    self.later[page].clear();
                }
            }
        }
        // What follows a move of the hint is rare, and worth a look.
        if matches!(seen, Seen::Point(Point::HintMoved)) && self.dice.below(2) == 0 {
            self.left = self.left.min(self.dice.below(8));
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.go_dark(),
        }
    }

    /// Notes what the file's pages hold now.
    fn look(&mut self) {
        let mut now = vec![0; self.certain.len()];
        self.file.read_exact_at(&mut now, 0).expect("the whole file");
        for (page, bytes) in now.chunks_exact(PAGE).enumerate() {
            let known = self.later[page].last().map(Vec::as_slice);
            if known.unwrap_or(&self.certain[page * PAGE..][..PAGE]) != bytes {
                self.later[page].push(bytes.to_vec());
            }
        }
    }

    /// The power goes.
    fn go_dark(&mut self) {
        let mut left = self.certain.clone();
        for (page, later) in self.later.iter().enumerate().filter(|(_, later)| !later.is_empty()) {
            let place = &mut left[page * PAGE..][..PAGE];
            let mixes = self.dice.below(4) == 0;
            for sectors in place.chunks_mut(if mixes { SECTOR } else { PAGE }).enumerate() {
                let (at, bytes) = (sectors.0 * SECTOR, sectors.1);
                let newest = match self.dice.below(3) {
                    0 => continue,
                    1 => later.len() - 1,
                    _ => self.dice.below(later.len()),
                };
                bytes.copy_from_slice(&later[newest][at..][..bytes.len()]);
            }
        }
        self.cut = Some(left);
    }
}

/// What is known of the history when the power goes.
#[derive(Default)]
struct Known {
    /// The number that each sequence was given to, told to anybody or not.
    written: BTreeMap<u64, u64>,
    /// Sequences that are on the disk.
    durable: BTreeSet<u64>,
    /// What was kept at the end, at least.
    oldest: u64,
    next: u64,
}

fn publish(ring: &Ring, numbers: &[u64], effect: Option<(&ConsumerHandle, u64)>) -> Vec<Outcome> {
    let ids: Vec<String> = numbers.iter().map(|n| format!("id-{n}")).collect();
    // Texts of 20 to 300 bytes, so that records begin and end anywhere in pages.
    let pad = |n: &u64| "x".repeat((n * 37 % 281) as usize);
    let heads: Vec<String> = numbers.iter().map(|n| format!("{{{n},{},", pad(n))).collect();
    let entries: Vec<Entry<'_>> = numbers
        .iter()
        .zip(ids.iter().zip(&heads))
        .map(|(n, (id, head))| entry(id, head, *n))
        .collect();
    let cursor = effect.map(|(consumer, to)| (consumer.id(), to));
    let submission = Submission { entries: &entries, cursor, reserve: Reserve::Ingest };
    let mut outcomes = Vec::new();
    ring.producer().publish(&submission, &mut outcomes).expect("room");
    outcomes
}

impl Known {
    /// Compares what the ring shows after the cut with what is known, and goes on from there.
    fn check(&mut self, ring: &Ring, mode: SyncMode, dice: &mut Dice) {
        let mut buf = CopyBuf::default();
        ring.reader().copy(ring.oldest() - 1, usize::MAX, usize::MAX, &mut buf);
        let shown: BTreeSet<u64> = (0..buf.len())
            .filter(|i| buf.flags[*i] & FLAG_LOST == 0)
            .map(|i| {
                let seq = buf.first + i as u64;
                let text = std::str::from_utf8(buf.text_of(i)).expect("text");
                let number = text[1..].split(',').next().and_then(|n| n.parse().ok());
                assert_eq!(number, self.written.get(&seq).copied(), "{text} at {seq}");
                assert!(text.ends_with(&format!(",{seq}}}")), "{text} at {seq}");
                seq
            })
            .collect();
        let durable = self.durable.range(self.oldest.max(1)..);
        let missing: Vec<_> = durable.filter(|seq| !shown.contains(seq)).collect();
        assert!(missing.is_empty(), "{missing:?} were on the disk; shown: {shown:?}");
        let last = self.durable.last().copied().unwrap_or(0);
        assert!(ring.published() >= last, "{last} would be given out again");
        self.durable.extend(shown.iter());
        self.ask_again(ring, mode, dice);
        // What was given out and is nowhere may be given out again.
        self.written.retain(|seq, _| *seq <= ring.published());
    }

    /// Posts some of the events again, as clients do that had no answer.
    fn ask_again(&mut self, ring: &Ring, mode: SyncMode, dice: &mut Dice) {
        let from = ring.published().saturating_sub(ASKED);
        let recent: Vec<_> =
            self.written.range(from..).map(|(seq, number)| (*seq, *number)).collect();
        for _ in 0..8.min(recent.len()) {
            let (seq, number) = recent[dice.below(recent.len())];
            if self.written.get(&seq) != Some(&number) {
                // The sequence was never on the disk, and another event has it by now.
                continue;
            }
            match publish(ring, &[number], None)[..] {
                [Outcome::Duplicate(first)] => {
                    assert_eq!(
                        self.written.get(&first),
                        Some(&number),
                        "{number} at {seq}, now {first}"
                    );
                    let gone = first < ring.oldest().max(self.oldest);
                    assert!(
                        gone || self.durable.contains(&first),
                        "{number} at {first} is lost and cannot be sent again"
                    );
                }
                [Outcome::Stored(again)] => {
                    // With less than `always` the disk need not know what was let go since.
                    let counts = mode == SyncMode::Always || seq >= self.oldest;
                    let known = counts && self.durable.contains(&seq);
                    assert!(!known, "{number} at {seq} was stored again");
                    self.written.remove(&seq);
                    self.written.insert(again, number);
                    self.durable.insert(again);
                }
                ref other => panic!("{other:?}"),
            }
        }
    }

    /// Publishes until the power goes; what the disk has then.
    fn live(&mut self, ring: &Ring, mode: SyncMode, disk: &Rc<RefCell<Disk>>) -> Vec<u8> {
        let consumer = ring.register(&spec("effects")).expect("registered");
        assert!(consumer.cursor() <= ring.published(), "a cursor beyond the stream");
        consumer.release();
        let watched = Rc::clone(disk);
        fail::watch(Some(Box::new(move |seen| watched.borrow_mut().seen(seen))));
        let mut told = Vec::new();
        let mut dice = Dice(disk.borrow().dice.0 ^ 1);
        for _ in 0..70 {
            let numbers: Vec<u64> = (self.next..).take(1 + dice.below(3)).collect();
            self.next += numbers.len() as u64;
            let first = ring.published() + 1;
            self.written.extend((first..).zip(numbers.iter().copied()));
            let effect = (dice.below(3) == 0).then(|| (&consumer, ring.published()));
            publish(ring, &numbers, effect);
            if disk.borrow().cut.is_some() {
                break;
            }
            told.extend((first..).take(numbers.len()));
            if mode == SyncMode::Second && dice.below(12) == 0 {
                ring.checkpoint_cursors();
                ring.sync().expect("synchronised");
                let all = disk.borrow().certain.len() as u64;
                fail::synced(0..all);
            } else if mode != SyncMode::Always {
                continue;
            }
            if disk.borrow().cut.is_none() {
                self.durable.extend(told.drain(..));
            }
        }
        fail::watch(None);
        self.oldest = ring.oldest();
        let mut disk = disk.borrow_mut();
        if disk.cut.is_none() {
            disk.look();
            disk.go_dark();
        }
        disk.cut.take().expect("the power went")
    }
}

/// One history through many losses of power.
fn history(mode: SyncMode) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cuts = number("SHIMMER_RING_CUTS").unwrap_or(600);
    let seed = number("SHIMMER_RING_SEED").unwrap_or(1);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.journal");
    let mut dice = Dice(seed);
    let mut known = Known { next: 1, oldest: 1, ..Known::default() };
    let (mut shown, mut lost) = (0, 0);
    for cut in 0..cuts {
        let storage = Storage::Journal { dir: dir.path().into(), sync: mode, log_bytes: None };
        let (ring, recovery) = Ring::open(&config(), &storage).expect("a ring with journal");
        assert_eq!(recovery.set_aside, None, "cut {cut}");
        shown += recovery.events;
        lost += recovery.lost_events;
        known.check(&ring, mode, &mut dice);
        let file = File::open(&path).expect("the journal");
        let certain = std::fs::read(&path).expect("the journal");
        let disk =
            Rc::new(RefCell::new(Disk::new(file, certain, Dice(dice.below(1 << 40) as u64))));
        let left = known.live(&ring, mode, &disk);
        drop(ring);
        std::fs::write(&path, left).expect("written");
    }
    eprintln!("{mode:?}: {cuts} cuts, {} events, {shown} read, {lost} lost", known.next);
    assert!(known.next > cuts * 20, "the ring went round: {}", known.next);
}

#[test]
fn a_hint_that_is_older_than_the_log_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage =
        Storage::Journal { dir: dir.path().into(), sync: SyncMode::Second, log_bytes: None };
    let path = dir.path().join("ring.journal");
    let hint = |path: &Path| std::fs::read(path).expect("the journal")[PAGE..2 * PAGE].to_vec();
    let (ring, _) = Ring::open(&config(), &storage).expect("a ring with journal");
    for n in 1..=150 {
        publish(&ring, &[n], None);
    }
    let before = hint(&path);
    for n in 151..=200 {
        publish(&ring, &[n], None);
    }
    let oldest = ring.oldest();
    drop(ring);
    assert_ne!(hint(&path), before, "it moved meanwhile");
    let file = File::options().write(true).open(&path).expect("the journal");
    file.write_all_at(&before, PAGE as u64).expect("written");
    let (ring, recovery) = Ring::open(&config(), &storage).expect("a ring with journal");
    assert_eq!((recovery.lost_events, recovery.last), (0, 200));
    for n in 1..=200 {
        assert_eq!(publish(&ring, &[n], None), [Outcome::Duplicate(n)], "let go or not");
    }
    let mut buf = CopyBuf::default();
    ring.reader().copy(oldest - 1, usize::MAX, usize::MAX, &mut buf);
    assert!((0..buf.len()).all(|i| buf.flags[i] & FLAG_LOST == 0), "all that was kept is there");
}

#[test]
fn always_loses_nothing_that_was_acknowledged() {
    history(SyncMode::Always);
}

#[test]
fn second_loses_nothing_that_was_synchronised() {
    history(SyncMode::Second);
}

#[test]
fn never_shows_nothing_wrong() {
    history(SyncMode::Never);
}
