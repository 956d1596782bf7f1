//! `iceoryx2`: the peer that carries events to another process through shared memory.
//!
//! The rule: what `disruptor_same` puts into its slots is written here into a sample in shared memory:
//! one slot for each call, or the slots of a whole batch in one sample. Both sides spin.

#![allow(unsafe_code, reason = "slots are filled where they lie, in shared memory")]

use crate::peers::{Fill, Same, Slot};
use crate::pipe::{CAPACITY, Mode, Pipe, Publish};
use crate::process::{Child, serve};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use shimmer_benches::{BATCH, Load};
use shimmer_ring::Entry;
use std::sync::atomic::{AtomicU32, Ordering};

/// Name of the consumer's kind.
pub(crate) const ROLE: &str = "iceoryx2";

/// One producer with all that belongs to it.
struct Sender {
    publisher: Publisher<ipc::Service, [Slot], ()>,
    fill: Same,
    _service: PortFactory<ipc::Service, [Slot], ()>,
    _node: Node<ipc::Service>,
}

// SAFETY: whatever counts references without atomics in these ports and in their node is counted by
// the members of this struct alone, which move together.
unsafe impl Send for Sender {}

fn slots(mode: Mode) -> usize {
    match mode {
        Mode::Single => 1,
        Mode::Batch => BATCH,
    }
}

fn service(name: &str, mode: Mode) -> (Node<ipc::Service>, PortFactory<ipc::Service, [Slot], ()>) {
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new().create::<ipc::Service>().expect("a node");
    let service = node
        .service_builder(&name.try_into().expect("a name"))
        .publish_subscribe::<[Slot]>()
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(CAPACITY / slots(mode))
        .subscriber_max_borrowed_samples(2)
        .max_publishers(2)
        .max_subscribers(1)
        .max_nodes(4)
        .open_or_create()
        .expect("a service");
    (node, service)
}

/// A queue with `producers` producers to a consumer in a process of its own.
pub(crate) fn pipe(producers: usize, mode: Mode, load: Load) -> Pipe {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let name = format!("shimmer-bench-{}-{number}", std::process::id());
    let senders: Vec<_> = (0..producers).map(|_| Sender::new(&name, mode)).collect();
    let child = Child::start(&[ROLE, &name, if mode == Mode::Single { "single" } else { "batch" }]);
    let senders = senders.into_iter().map(|sender| Box::new(sender) as Box<dyn Publish>);
    Pipe::to_process(child, senders.collect(), load)
}

/// The consumer's process.
pub(crate) fn consume(name: &str, mode: &str) {
    let mode = if mode == "single" { Mode::Single } else { Mode::Batch };
    let (_node, service) = service(name, mode);
    let subscriber = service.subscriber_builder().create().expect("a subscriber");
    serve(|count, wanted| {
        while count.words()[0] < wanted {
            match subscriber.receive().expect("the connection stands") {
                Some(sample) => sample.payload().iter().for_each(|slot| slot.read(count)),
                None => std::hint::spin_loop(),
            }
        }
    });
}

impl Sender {
    fn new(name: &str, mode: Mode) -> Self {
        let (node, service) = service(name, mode);
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(slots(mode))
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .expect("a publisher");
        Self { publisher, fill: Same::default(), _service: service, _node: node }
    }

    fn send(&mut self, entries: &[Entry<'_>]) {
        let mut sample = self.publisher.loan_slice_uninit(entries.len()).expect("room");
        for (slot, entry) in sample.payload_mut().iter_mut().zip(entries) {
            // SAFETY: shared memory holds zeros or what was in it before, and every pattern of bits is
            // a slot: it consists of numbers and bytes.
            let slot = unsafe { slot.assume_init_mut() };
            self.fill.fill(slot, entry);
        }
        // SAFETY: as above, and every slot of the sample was filled.
        let sample = unsafe { sample.assume_init() };
        let reached = sample.send().expect("the consumer lives");
        assert_eq!(reached, 1, "the consumer is connected");
    }
}

impl Publish for Sender {
    fn publish(&mut self, entries: &[Entry<'_>], mode: Mode) {
        entries.chunks(slots(mode)).for_each(|part| self.send(part));
    }
}
