//! The event ring.
//!
//! The rule: it does all that it does in the server: interning, the sequence in the text and, unless
//! the case says otherwise, the remembered ids and the journal. Its consumer reads as a plugin's process
//! does, runs of columns borrowed from a mapping of its own, behind a gate, but it spins where a plugin
//! sleeps, as the consumer of `disruptor` does.

#![allow(unsafe_code, reason = "borrowing from the ring is a promise to hold the gate")]

use crate::pipe::{CAPACITY, Count, Mode, Pipe, Publish, Seen, fold};
use shimmer_benches::Load;
use shimmer_ring::{
    ConsumerSpec, Entry, FLAG_LOST, Gate, Outcome, Producer, PublishError, ReadMapping, Reserve,
    Ring, RingConfig, Run, Start, Storage, Submission, SyncMode, WakeTarget,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Most events that the consumer reads before it moves its cursor, as a plugin's worker does.
const RUN: usize = 1_024;

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

struct Ours {
    producer: Producer,
    outcomes: Vec<Outcome>,
    /// Kept until the last producer is gone.
    _reader: Arc<Reading>,
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

/// A ring with `producers` producers and a gating consumer.
pub(crate) fn pipe(kind: Kind, producers: usize, load: Load) -> Pipe {
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
    let seen = Arc::new(Seen::default());
    let stop = Arc::new(AtomicBool::new(false));
    let thread = read(&ring, Count::new(&seen), Arc::clone(&stop));
    let reading = Arc::new(Reading { stop, thread: Some(thread), _dir: dir });
    let producers = (0..producers).map(|_| {
        let (producer, reader) = (ring.producer(), Arc::clone(&reading));
        Box::new(Ours { producer, outcomes: Vec::new(), _reader: reader }) as Box<dyn Publish>
    });
    Pipe::new(seen, producers.collect(), load)
}

fn read(ring: &Ring, mut count: Count, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let consumer = ring
        .register(&ConsumerSpec {
            key: "bench",
            durable: false,
            gate: Gate::Host,
            start: Start::Newest,
            wake: WakeTarget::Silent,
        })
        .expect("a consumer");
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

impl Publish for Ours {
    fn publish(&mut self, entries: &[Entry<'_>], mode: Mode) {
        match mode {
            Mode::Batch => self.submit(entries),
            Mode::Single => entries.chunks(1).for_each(|entry| self.submit(entry)),
        }
    }
}

impl Ours {
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
