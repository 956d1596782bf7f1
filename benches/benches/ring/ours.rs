//! The event ring.
//!
//! The rule: it does all that it does in the server: interning, the sequence in the text and, unless
//! the case says otherwise, the remembered ids and the journal. Its consumer reads as a plugin's process
//! does, runs of columns borrowed from a mapping of its own, behind a gate, but it spins where a plugin
//! sleeps, as the consumer of `disruptor` does.

#![allow(unsafe_code, reason = "borrowing from the ring is a promise to hold the gate")]

use crate::pipe::{CAPACITY, Count, Mode, Pipe, Publish, Seen, fold};
use crate::process::{Child, serve};
use shimmer_benches::Load;
use shimmer_ring::{
    ConsumerHandle, ConsumerSpec, ControlPage, Entry, FLAG_LOST, Gate, Outcome, Producer,
    PublishError, ReadMapping, Reserve, Ring, RingConfig, Run, Start, Storage, Submission,
    SyncMode, WakeTarget,
};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Most events that the consumer reads before it moves its cursor, as a plugin's worker does.
const RUN: usize = 1_024;
/// Name of the consumer's kind.
pub(crate) const ROLE: &str = "ring";

/// What a case leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: the defaults.
    Journal,
    /// The journal.
    Memory,
    /// The journal and the remembered ids.
    NoIds,
}

struct Ours<T> {
    producer: Producer,
    outcomes: Vec<Outcome>,
    /// Kept until the last producer is gone.
    _held: Arc<T>,
}

/// The consumer's thread.
struct Reading {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Removed after the ring, of which it is a part.
    _dir: tempfile::TempDir,
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Relaxed: it carries no data.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the consumer does not panic");
        }
    }
}

/// A ring with `producers` producers and a gating consumer in a thread.
pub(crate) fn pipe(kind: Kind, producers: usize, load: Load) -> Pipe {
    let (ring, dir) = open(kind);
    let seen = Arc::new(Seen::default());
    let stop = Arc::new(AtomicBool::new(false));
    let thread = read(&ring, Count::new(&seen), Arc::clone(&stop));
    let reading = Arc::new(Reading { stop, thread: Some(thread), _dir: dir });
    Pipe::new(seen, publishers(&ring, producers, &reading), load)
}

/// The same with its consumer in a process of its own, as a plugin's is.
pub(crate) fn to_process(kind: Kind, producers: usize, load: Load) -> Pipe {
    let (ring, dir) = open(kind);
    let page = Arc::new(ControlPage::create().expect("a page"));
    let consumer = register(&ring, Gate::Page, WakeTarget::Control(Arc::clone(&page)));
    let path = |fd: BorrowedFd<'_>| format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
    let child = Child::start(&[ROLE, &path(ring.segment_fd()), &path(page.fd())]);
    let held = Arc::new((consumer, page, dir));
    Pipe::to_process(child, publishers(&ring, producers, &held), load)
}

/// The consumer's process.
pub(crate) fn consume(ring: &str, page: &str) {
    let open = |path: &str, write| -> OwnedFd {
        OpenOptions::new().read(true).write(write).open(path).expect("the parent's file").into()
    };
    let mapping = ReadMapping::from_fd(open(ring, false)).expect("the ring's own layout");
    let page = ControlPage::from_fd(open(page, true)).expect("a control page");
    let mut cursor = page.cursor();
    serve(|count, wanted| {
        while count.words()[0] < wanted {
            // SAFETY: the gate lies at the page's cursor, which moves below, after the run.
            let run = unsafe { mapping.run(cursor, RUN) };
            if run.is_empty() {
                std::hint::spin_loop();
                continue;
            }
            take(&run, count);
            cursor += run.len() as u64;
            page.set_progress(cursor, count.words()[0]);
        }
    });
}

fn open(kind: Kind) -> (Ring, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let storage = match kind {
        Kind::Journal => {
            Storage::Journal { dir: dir.path().to_owned(), sync: SyncMode::Second, log_bytes: None }
        }
        Kind::Memory | Kind::NoIds => Storage::Memory,
    };
    let mut config = RingConfig::default();
    assert_eq!(config.capacity, CAPACITY as u64);
    if kind == Kind::NoIds {
        config.dedup_window = 0;
    }
    let (ring, _) = Ring::open(&config, &storage).expect("a ring");
    (ring, dir)
}

/// Producers that hold on to what the consumer needs.
fn publishers<T: Send + Sync + 'static>(
    ring: &Ring,
    producers: usize,
    held: &Arc<T>,
) -> Vec<Box<dyn Publish>> {
    let publisher = |_| {
        let (producer, held) = (ring.producer(), Arc::clone(held));
        Box::new(Ours { producer, outcomes: Vec::new(), _held: held }) as Box<dyn Publish>
    };
    (0..producers).map(publisher).collect()
}

fn register(ring: &Ring, gate: Gate, wake: WakeTarget) -> ConsumerHandle {
    let (key, durable, start) = ("bench", false, Start::Newest);
    ring.register(&ConsumerSpec { key, durable, gate, start, wake }).expect("a consumer")
}

fn read(ring: &Ring, mut count: Count, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let consumer = register(ring, Gate::Host, WakeTarget::Silent);
    let fd = ring.segment_fd().try_clone_to_owned().expect("a handle");
    let mapping = ReadMapping::from_fd(fd).expect("the ring's own layout");
    std::thread::spawn(move || {
        let mut cursor = consumer.cursor();
        let stopped = || stop.load(Ordering::Relaxed);
        while !stopped() {
            // SAFETY: the consumer's gate lies at the cursor, which moves below, after the run.
            let run = unsafe { mapping.run(cursor, RUN) };
            if run.is_empty() {
                std::hint::spin_loop();
                continue;
            }
            take(&run, &mut count);
            cursor += run.len() as u64;
            consumer.advance(cursor).expect("a cursor goes forward");
            count.tell();
        }
    })
}

fn take(run: &Run<'_>, count: &mut Count) {
    for i in 0..run.len() {
        assert_eq!(run.flags[i] & FLAG_LOST, 0, "nothing is lost");
        let spans = [run.data_start[i], run.data_len[i], run.id_start[i], run.id_len[i]];
        let columns = fold(run.time_ns[i], run.received_ns[i], run.value[i], run.flags[i], spans);
        std::hint::black_box([run.kind[i], run.subject[i], run.source[i], run.origin[i]]);
        count.take(columns, run.text(i));
    }
}

impl<T: Send + Sync> Publish for Ours<T> {
    fn publish(&mut self, entries: &[Entry<'_>], mode: Mode) {
        match mode {
            Mode::Batch => self.submit(entries),
            Mode::Single => entries.chunks(1).for_each(|entry| self.submit(entry)),
        }
    }
}

impl<T> Ours<T> {
    fn submit(&mut self, entries: &[Entry<'_>]) {
        let submission = Submission { entries, cursor: None, reserve: Reserve::Ingest };
        loop {
            match self.producer.publish(&submission, &mut self.outcomes) {
                Ok(()) => break,
                Err(PublishError::Full) => std::hint::spin_loop(),
                Err(error) => panic!("{error}"),
            }
        }
        debug_assert!(self.outcomes.iter().all(|o| matches!(o, Outcome::Stored(_))));
    }
}
