//! The peers: what else carries events from threads to a thread.
//!
//! The rule: a slot holds the same columns as the ring and the text in a buffer of its own. Names
//! come as numbers, nothing is interned, no id is remembered and no sequence is written: only the
//! ring does that.

use crate::pipe::{CAPACITY, Count, Mode, Pipe, Publish, Seen, fold, spans};
use disruptor::{BusySpin, Producer, Sequence, build_multi_producer, build_single_producer};
use shimmer_benches::{BATCH, Load};
use shimmer_ring::Entry;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Room for a text.
const TEXT_BYTES: usize = 384;

/// An event as the peers carry it.
#[derive(Clone)]
struct Slot {
    time_ns: i64,
    received_ns: i64,
    value: f64,
    kind: u32,
    subject: u32,
    source: u32,
    origin: u32,
    flags: u32,
    spans: [u32; 4],
    text_len: u32,
    text: [u8; TEXT_BYTES],
}

impl Slot {
    fn empty() -> Self {
        Self {
            time_ns: 0,
            received_ns: 0,
            value: 0.0,
            kind: 0,
            subject: 0,
            source: 0,
            origin: 0,
            flags: 0,
            spans: [0; 4],
            text_len: 0,
            text: [0; TEXT_BYTES],
        }
    }

    fn fill(&mut self, entry: &Entry<'_>) {
        self.time_ns = entry.time_ns;
        self.received_ns = entry.received_ns;
        self.value = entry.value;
        (self.kind, self.subject, self.source, self.origin) = (1, 2, 3, 4);
        self.flags = entry.flags;
        self.spans = spans(entry);
        let (head, tail) = (entry.head.len(), entry.tail.len());
        self.text[..head].copy_from_slice(entry.head);
        self.text[head..head + tail].copy_from_slice(entry.tail);
        self.text_len = (head + tail) as u32;
    }

    fn of(entry: &Entry<'_>) -> Self {
        let mut slot = Self::empty();
        slot.fill(entry);
        slot
    }

    fn read(&self, count: &mut Count) {
        let columns = fold(self.time_ns, self.received_ns, self.value, self.flags, self.spans);
        std::hint::black_box([self.kind, self.subject, self.source, self.origin]);
        count.take(columns, &self.text[..self.text_len as usize]);
    }
}

/// `disruptor`: slots are filled in place, the consumer spins.
struct Disruptor<P>(P);

impl<P: Producer<Slot> + Send> Publish for Disruptor<P> {
    fn publish(&mut self, entries: &'static [Entry<'static>], mode: Mode) {
        match mode {
            Mode::Batch => self.0.batch_publish(entries.len(), |slots| {
                for (slot, entry) in slots.zip(entries) {
                    slot.fill(entry);
                }
            }),
            Mode::Single => {
                for entry in entries {
                    self.0.publish(|slot| slot.fill(entry));
                }
            }
        }
    }
}

pub(crate) fn disruptor(producers: usize, load: Load) -> Pipe {
    let seen = Arc::new(Seen::default());
    let mut count = Count::new(&seen);
    let read = move |slot: &Slot, _: Sequence, last: bool| {
        slot.read(&mut count);
        if last {
            count.tell();
        }
    };
    let producers: Vec<Box<dyn Publish>> = if producers == 1 {
        let builder = build_single_producer(CAPACITY, Slot::empty, BusySpin);
        vec![Box::new(Disruptor(builder.handle_events_with(read).build()))]
    } else {
        let builder = build_multi_producer(CAPACITY, Slot::empty, BusySpin);
        let first = builder.handle_events_with(read).build();
        (0..producers).map(|_| Box::new(Disruptor(first.clone())) as Box<dyn Publish>).collect()
    };
    Pipe::new(seen, producers, load)
}

/// `crossbeam-channel`: bounded, waiting threads sleep; it takes one event at a time.
impl Publish for crossbeam_channel::Sender<Slot> {
    fn publish(&mut self, entries: &'static [Entry<'static>], _: Mode) {
        for entry in entries {
            self.send(Slot::of(entry)).expect("the consumer lives");
        }
    }
}

pub(crate) fn crossbeam(producers: usize, load: Load) -> Pipe {
    let seen = Arc::new(Seen::default());
    let mut count = Count::new(&seen);
    let (sender, receiver) = crossbeam_channel::bounded::<Slot>(CAPACITY);
    std::thread::spawn(move || {
        while let Ok(slot) = receiver.recv() {
            slot.read(&mut count);
            if receiver.is_empty() {
                count.tell();
            }
        }
    });
    let producers = (0..producers).map(|_| Box::new(sender.clone()) as Box<dyn Publish>);
    Pipe::new(seen, producers.collect(), load)
}

/// `tokio::sync::broadcast`: it overwrites what was not read, and so the producer looks for room
/// before every batch; it takes one event at a time.
struct Broadcast {
    sender: broadcast::Sender<Slot>,
    room: usize,
}

impl Publish for Broadcast {
    fn publish(&mut self, entries: &'static [Entry<'static>], _: Mode) {
        while self.sender.len() > self.room {
            std::thread::yield_now();
        }
        for entry in entries {
            assert!(self.sender.send(Slot::of(entry)).is_ok(), "the consumer lives");
        }
    }
}

pub(crate) fn tokio(producers: usize, load: Load) -> Pipe {
    let seen = Arc::new(Seen::default());
    let mut count = Count::new(&seen);
    let (sender, mut receiver) = broadcast::channel::<Slot>(CAPACITY);
    std::thread::spawn(move || {
        while let Ok(slot) = receiver.blocking_recv() {
            slot.read(&mut count);
            if receiver.is_empty() {
                count.tell();
            }
        }
    });
    let room = CAPACITY - producers * BATCH;
    let producers = (0..producers)
        .map(|_| Box::new(Broadcast { sender: sender.clone(), room }) as Box<dyn Publish>);
    Pipe::new(seen, producers.collect(), load)
}
