//! Counts what dispatch allocates: nothing, once its buffers have grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use shimmer_abi as abi;
use shimmer_ring::{
    ConsumerSpec, ControlPage, CopyBuf, Entry, Gate, ReadMapping, Reserve, Ring, RingConfig, Start,
    Storage, Submission, WakeTarget,
};

use super::api::Table;
use super::desk::{Desk, Link};
use super::selection::Selection;
use super::worker::{Events, Position, Runner};
use crate::effects::EmitRules;
use crate::loader::Instance;
use crate::wire::{Begin, FromGuest};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nowhere;

impl Link for Nowhere {
    fn send(&self, _message: FromGuest) {}
}

unsafe extern "C" fn sum(_plugin: *const abi::Plugin, batch: *const abi::Batch) -> abi::Status {
    // SAFETY: the runner lends a batch for the call.
    let batch = unsafe { &*batch };
    // SAFETY: a column has `len` values.
    let values = unsafe { std::slice::from_raw_parts(batch.value, batch.len as usize) };
    std::hint::black_box(values.iter().sum::<f64>());
    abi::Status::OK
}

unsafe extern "C" fn destroy(_plugin: *const abi::Plugin) {}

fn runner(ring: &Ring, borrow: bool) -> Runner {
    let plugin: &'static abi::Plugin = Box::leak(Box::new(abi::Plugin {
        data: std::ptr::null_mut(),
        start: None,
        process: Some(sum),
        tick: None,
        stop: None,
        destroy: Some(destroy),
        get_extension: None,
    }));
    let control = Arc::new(ControlPage::create().unwrap());
    let fd = ring.segment_fd().try_clone_to_owned().unwrap();
    let mapping = Arc::new(ReadMapping::from_fd(fd).unwrap());
    let spec = ConsumerSpec {
        key: "plugin:p",
        durable: false,
        gate: Gate::Page,
        start: Start::Newest,
        wake: WakeTarget::Control(Arc::clone(&control)),
    };
    // The gate lives as long as the test's process.
    std::mem::forget(ring.register(&spec).unwrap());
    let desk = Arc::new(Desk::new(Box::new(Nowhere), Box::new(|| {})));
    let rules = EmitRules {
        plugin: "p".into(),
        node: "n".into(),
        permissions: crate::Permissions::default(),
        limits: shimmer_event::Limits::default(),
        emitter: 1,
    };
    Runner {
        instance: Instance::over(plugin),
        table: Arc::new(Table::new(Arc::clone(&desk), rules, String::new(), Box::new(|_| None))),
        desk,
        events: Events { mapping, control, borrow },
        selection: Selection::new(vec!["kind".into()], 1),
        tick_interval: None,
        state_interval: Duration::from_secs(5),
        copy_buffer: CopyBuf::default(),
        name: Vec::new(),
    }
}

fn publish(ring: &Ring, from: u64, count: u64) {
    let ids: Vec<_> = (from..from + count).map(|n| n.to_string()).collect();
    let entries: Vec<_> = ids
        .iter()
        .map(|id| Entry {
            time_ns: 1,
            received_ns: 1,
            value: 1.0,
            kind: if id.ends_with('7') { "other" } else { "kind" },
            subject: "subject",
            source: "source",
            origin: "n",
            id,
            flags: 0,
            head: br#"{"event_id":"x","seq":"#,
            tail: b"}",
            data: 0..0,
            id_span: 13..14,
        })
        .collect();
    let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
    ring.producer().publish(&submission, &mut Vec::new()).unwrap();
}

#[test]
fn dispatch_allocates_nothing_once_warm() {
    for borrow in [true, false] {
        let (ring, _) = Ring::open(&RingConfig::default(), &Storage::Memory).unwrap();
        let mut runner = runner(&ring, borrow);
        runner.table.adopt_worker();
        let mut position = Position::at(Begin::default(), None);
        let mut published = 0;
        let mut rounds = |runner: &mut Runner, position: &mut Position, count: u64| {
            for _ in 0..count {
                publish(&ring, published, 500);
                published += 500;
                let before = ALLOCATIONS.get();
                while runner.deliver(position).unwrap() {}
                if ALLOCATIONS.get() > before {
                    return Some(ALLOCATIONS.get() - before);
                }
            }
            None
        };
        rounds(&mut runner, &mut position, 1);
        // Past the wrap of the ring, where runs are cut.
        let allocated = rounds(&mut runner, &mut position, 150);
        assert_eq!(allocated, None, "borrow {borrow}: allocations in a batch");
    }
}
