//! The peers: what else carries events from threads to a thread.
//!
//! The rule: a slot holds the same columns as the ring and the text in a buffer of its own. Names
//! come as numbers, nothing is interned, no id is remembered and no sequence is written. Only the case
//! `disruptor_same` fills its slots with what the ring's hold: the numbers of the four names, looked up,
//! and a text with its sequence.

use crate::pipe::{CAPACITY, Count, Mode, Pipe, Publish, Seen, fold, spans};
use disruptor::{BusySpin, Producer, Sequence, build_multi_producer, build_single_producer};
use iceoryx2::prelude::ZeroCopySend;
use shimmer_benches::{BATCH, Load};
use shimmer_ring::Entry;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Room for a text.
const TEXT_BYTES: usize = 384;

/// An event as the peers carry it.
#[derive(Debug, Clone, ZeroCopySend)]
#[repr(C)]
pub(crate) struct Slot {
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

    pub(crate) fn read(&self, count: &mut Count) {
        let columns = fold(self.time_ns, self.received_ns, self.value, self.flags, self.spans);
        std::hint::black_box([self.kind, self.subject, self.source, self.origin]);
        count.take(columns, &self.text[..self.text_len as usize]);
    }
}

/// What a slot of `disruptor` is filled with.
pub(crate) trait Fill: Default + Send + 'static {
    fn fill(&mut self, slot: &mut Slot, entry: &Entry<'_>);
}

/// Columns and text as they come.
#[derive(Default)]
struct Plain;

impl Fill for Plain {
    fn fill(&mut self, slot: &mut Slot, entry: &Entry<'_>) {
        slot.fill(entry);
    }
}

/// The numbers of the names, and the text with its sequence.
///
/// Each producer has numbers and sequences of its own, so that two are faster than they could be if
/// their events had to make sense together.
#[derive(Default)]
pub(crate) struct Same {
    names: hashbrown::HashMap<String, u32>,
    seq: u64,
}

impl Same {
    fn number(&mut self, name: &str) -> u32 {
        let next = self.names.len() as u32;
        *self.names.entry_ref(name).or_insert(next)
    }
}

impl Fill for Same {
    fn fill(&mut self, slot: &mut Slot, entry: &Entry<'_>) {
        slot.fill(entry);
        slot.kind = self.number(entry.kind);
        slot.subject = self.number(entry.subject);
        slot.source = self.number(entry.source);
        slot.origin = self.number(entry.origin);
        self.seq += 1;
        let mut digits = itoa::Buffer::new();
        let mut at = entry.head.len();
        for part in [digits.format(self.seq).as_bytes(), entry.tail] {
            slot.text[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        slot.text_len = at as u32;
    }
}

/// `disruptor`: slots are filled in place, the consumer spins.
struct Disruptor<P, F>(P, F);

impl<P: Producer<Slot> + Send, F: Fill> Publish for Disruptor<P, F> {
    fn publish(&mut self, entries: &[Entry<'_>], mode: Mode) {
        let Self(producer, fill) = self;
        match mode {
            Mode::Batch => producer.batch_publish(entries.len(), |slots| {
                for (slot, entry) in slots.zip(entries) {
                    fill.fill(slot, entry);
                }
            }),
            Mode::Single => {
                for entry in entries {
                    producer.publish(|slot| fill.fill(slot, entry));
                }
            }
        }
    }
}

pub(crate) fn disruptor(producers: usize, _: Mode, load: Load) -> Pipe {
    disruptors::<Plain>(producers, load)
}

pub(crate) fn disruptor_same(producers: usize, _: Mode, load: Load) -> Pipe {
    disruptors::<Same>(producers, load)
}

fn disruptors<F: Fill>(producers: usize, load: Load) -> Pipe {
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
        vec![Box::new(Disruptor(builder.handle_events_with(read).build(), F::default()))]
    } else {
        let builder = build_multi_producer(CAPACITY, Slot::empty, BusySpin);
        let first = builder.handle_events_with(read).build();
        let producer = |_| Box::new(Disruptor(first.clone(), F::default())) as Box<dyn Publish>;
        (0..producers).map(producer).collect()
    };
    Pipe::new(seen, producers, load)
}

/// `crossbeam-channel`: bounded, waiting threads sleep; it takes one event at a time.
impl Publish for crossbeam_channel::Sender<Slot> {
    fn publish(&mut self, entries: &[Entry<'_>], _: Mode) {
        for entry in entries {
            self.send(Slot::of(entry)).expect("the consumer lives");
        }
    }
}

pub(crate) fn crossbeam(producers: usize, _: Mode, load: Load) -> Pipe {
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
    fn publish(&mut self, entries: &[Entry<'_>], _: Mode) {
        while self.sender.len() > self.room {
            std::thread::yield_now();
        }
        for entry in entries {
            assert!(self.sender.send(Slot::of(entry)).is_ok(), "the consumer lives");
        }
    }
}

pub(crate) fn tokio(producers: usize, _: Mode, load: Load) -> Pipe {
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
