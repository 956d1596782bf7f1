//! The event ring.
//!
//! The rule: it does all that it does in the server: interning, deduplication, the sequence in the
//! text and, unless the case says otherwise, the journal.

use crate::pipe::{CAPACITY, Count, Mode, Pipe, Publish, Seen, fold};
use shimmer_benches::Load;
use shimmer_ring::{
    ConsumerSpec, Entry, Gate, Outcome, Producer, PublishError, Reserve, Ring, RingConfig, Start,
    Storage, Submission, SyncMode, WakeTarget,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most events that the consumer reads before it moves its cursor, as a plugin's worker does.
const RUN: usize = 1_024;
const RUN_BYTES: usize = 1 << 20;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a case leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: the defaults.
    Journal,
    /// The journal.
    Memory,
    /// The journal and, but for the last event's, the remembered ids.
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
        config.dedup_window = 1;
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
            wake: WakeTarget::Local,
        })
        .expect("a consumer");
    let mut reader = ring.reader();
    std::thread::spawn(move || {
        let mut cursor = consumer.cursor();
        let stopped = || stop.load(Ordering::Relaxed);
        while !stopped() {
            let copied = reader.scan(
                cursor,
                RUN,
                RUN_BYTES,
                |_| true,
                |meta, text| {
                    let spans = [meta.data_start, meta.data_len, meta.id_start, meta.id_len];
                    let columns =
                        fold(meta.time_ns, meta.received_ns, meta.value, meta.flags, spans);
                    count.take(columns, text);
                },
            );
            assert_eq!(copied.missed, None, "a gate is not passed");
            if copied.cursor == cursor {
                consumer.wait(cursor + 1, LOOK_AGAIN, &stopped);
                continue;
            }
            cursor = copied.cursor;
            consumer.advance(cursor).expect("a cursor goes forward");
            count.tell();
        }
    })
}

impl Publish for Ours {
    fn publish(&mut self, entries: &'static [Entry<'static>], mode: Mode) {
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
