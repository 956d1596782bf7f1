//! A pipe: producers, a queue between, and one consumer that reads every column and every byte.
//!
//! The rule: every kind of pipe does the same work for the same events, and all of it counts: a run
//! ends when the consumer has read the last event.

use crate::process::Child;
use shimmer_benches::{BATCH, Load};
use shimmer_ring::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Slots of every queue.
pub(crate) const CAPACITY: usize = 65_536;

/// How producers hand events over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One call an event.
    Single,
    /// One call for [`BATCH`] events, where the queue can.
    Batch,
}

/// A way into a queue, for one thread.
pub(crate) trait Publish: Send {
    /// Hands all `entries` over, waiting for room where there is none.
    fn publish(&mut self, entries: &[Entry<'_>], mode: Mode);
}

/// What the consumer has read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    events: AtomicU64,
    columns: AtomicU64,
}

/// The consumer's side of [`Seen`].
#[derive(Debug, Default)]
pub(crate) struct Count {
    seen: Arc<Seen>,
    events: u64,
    columns: u64,
    text: u64,
}

impl Count {
    pub(crate) fn new(seen: &Arc<Seen>) -> Self {
        Self { seen: Arc::clone(seen), ..Self::default() }
    }

    /// How many events it took, and what their columns fold to.
    pub(crate) fn words(&self) -> [u64; 2] {
        std::hint::black_box(self.text);
        [self.events, self.columns]
    }

    /// Takes one event: its columns, folded, and its text, of which every byte counts.
    pub(crate) fn take(&mut self, columns: u64, text: &[u8]) {
        self.events += 1;
        self.columns = self.columns.wrapping_add(columns);
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            self.text = self.text.wrapping_add(u64::from_ne_bytes(*word));
        }
        for byte in rest {
            self.text = self.text.wrapping_add(u64::from(*byte));
        }
    }

    /// Says how far it came.
    pub(crate) fn tell(&self) {
        std::hint::black_box(self.text);
        self.seen.columns.store(self.columns, Ordering::Relaxed);
        // Release: pairs with the Acquire in `Pipe::run`.
        self.seen.events.store(self.events, Ordering::Release);
    }
}

/// Where the consumer lives.
enum Consumer {
    /// In a thread of the queue.
    Thread(Arc<Seen>),
    /// In a process of its own.
    Process(Child),
}

/// Producers, the queue behind them, and its consumer.
pub(crate) struct Pipe {
    consumer: Consumer,
    producers: Vec<Box<dyn Publish>>,
    load: Load,
    /// Batches that each producer has published.
    sent: usize,
    /// What the columns of one batch fold to.
    fold: u64,
}

impl Pipe {
    pub(crate) fn new(seen: Arc<Seen>, producers: Vec<Box<dyn Publish>>, load: Load) -> Self {
        Self::over(Consumer::Thread(seen), producers, load)
    }

    pub(crate) fn to_process(child: Child, producers: Vec<Box<dyn Publish>>, load: Load) -> Self {
        Self::over(Consumer::Process(child), producers, load)
    }

    fn over(consumer: Consumer, producers: Vec<Box<dyn Publish>>, load: Load) -> Self {
        let fold = load.entries().iter().map(fold_entry).fold(0, u64::wrapping_add);
        Self { consumer, producers, load, sent: 0, fold }
    }

    /// Publishes `batches` batches, shared among the producers, and waits for the consumer.
    pub(crate) fn run(&mut self, batches: usize, mode: Mode) -> Duration {
        let count = self.producers.len();
        let each = batches.div_ceil(count);
        let (load, from) = (self.load, self.sent);
        // Every producer has its own part of the load, so that no id comes back while it may still
        // be remembered, however unevenly they run.
        let part = load.batches() / count;
        let publish = |producer: &mut Box<dyn Publish>, index: usize| {
            let mut refill = load.refill();
            for batch in from..from + each {
                producer.publish(refill.batch(index * part + batch % part), mode);
            }
        };
        self.sent += each;
        let wanted = (self.sent * count * BATCH) as u64;
        let begun = Instant::now();
        if let Consumer::Process(child) = &mut self.consumer {
            child.ask(wanted);
        }
        match &mut self.producers[..] {
            [alone] => publish(alone, 0),
            several => std::thread::scope(|scope| {
                for (index, producer) in several.iter_mut().enumerate() {
                    scope.spawn(move || publish(producer, index));
                }
            }),
        }
        let columns = self.consumer.finish(wanted);
        let took = begun.elapsed();
        let fold = self.fold.wrapping_mul((self.sent * count) as u64);
        assert_eq!(columns, fold, "every event arrived, once");
        took
    }
}

impl Consumer {
    /// Waits until it has read `wanted` events; what their columns fold to.
    fn finish(&mut self, wanted: u64) -> u64 {
        match self {
            Self::Thread(seen) => {
                // Acquire: pairs with the Release in `Count::tell`.
                while seen.events.load(Ordering::Acquire) < wanted {
                    std::thread::yield_now();
                }
                seen.columns.load(Ordering::Relaxed)
            }
            Self::Process(child) => {
                let [events, columns] = child.wait();
                assert_eq!(events, wanted);
                columns
            }
        }
    }
}

/// Folds the columns that every pipe carries.
pub(crate) fn fold(time_ns: i64, received_ns: i64, value: f64, flags: u32, spans: [u32; 4]) -> u64 {
    let spans = spans.into_iter().fold(0u64, |sum, span| sum + u64::from(span));
    (time_ns ^ received_ns).cast_unsigned() ^ value.to_bits() ^ u64::from(flags) ^ (spans << 40)
}

fn fold_entry(entry: &Entry<'_>) -> u64 {
    fold(entry.time_ns, entry.received_ns, entry.value, entry.flags, spans(entry))
}

/// Start and length of the data and of the id.
pub(crate) fn spans(entry: &Entry<'_>) -> [u32; 4] {
    let (data, id) = (&entry.data, &entry.id_span);
    [data.start, data.end - data.start, id.start, id.end - id.start]
}
