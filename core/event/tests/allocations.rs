//! Once warm, a parser and a batch allocate nothing for good events: a counting allocator says so.

#![allow(unsafe_code, reason = "a global allocator that counts can only be written with it")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use shimmer_event::{Batch, EventDraft, Limits, Parser, Receipt};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged; counting touches only a thread-local that needs
// neither allocation nor destruction.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BODIES: [&str; 3] = [
    r#"{"event_id":"evt_123","timestamp":"2025-10-21T04:30:00Z","beauty_score":0.92,"chaos_fingerprint":"ab12cd34",
        "dance_sequence":"shimmer→dissolve→diverge","wisdom":"Trust the \"process\"\n"}"#,
    r#"{"event_id":"\u0061b","timestamp":"2025-10-21T04:30:00.5+02:00","kind":"cpu.load","subject":"web\t1","value":1e-7,
        "source":"s","data":{ "a" : [ 1 , { "b" : [[[[ "x" ]]]] } ] },"unknown":{"deep":[[[[1]]]]}}"#,
    r#"{"event_id":"c","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":3}"#,
];

/// Allocations of this thread in the second of two calls.
fn when_warm(mut work: impl FnMut()) -> u64 {
    work();
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn good_events_allocate_nothing() {
    let receipt = Receipt {
        received_ns: 1_760_000_000_123_456_789,
        default_source: "d",
        origin: "node",
        unsigned: false,
    };
    let limits = Limits::default();
    let mut parser = Parser::default();
    let single = when_warm(|| {
        for body in BODIES.iter().cycle().take(300) {
            let event = parser.parse(body.as_bytes(), &receipt, &limits).expect("good");
            assert!(!event.head.is_empty());
        }
    });
    assert_eq!(single, 0);

    let cloud =
        r#"{"specversion":"1.0","id":"a","source":"/s","type":"k","data":{"value":1, "x":[ 2 ]}}"#;
    let draft = EventDraft {
        event_id: "d",
        kind: "k",
        data_json: r#"{"a": "b"}"#,
        ..EventDraft::default()
    };
    let others = when_warm(|| {
        parser.parse_cloudevent(cloud.as_bytes(), &receipt, &limits).expect("good");
        parser.draft(&draft, &receipt, &limits).expect("good");
    });
    assert_eq!(others, 0);

    let lines = BODIES.map(|body| body.replace('\n', "")).join("\n") + "\n";
    let lines = lines.repeat(100);
    let array = format!("[{}]", BODIES.join(","));
    let mut batch = Batch::default();
    let batched = when_warm(|| {
        batch.parse_ndjson(lines.as_bytes(), &receipt, &limits).expect("lines");
        assert_eq!(batch.events().filter(|(_, event)| !event.head.is_empty()).count(), 300);
        batch.parse_array(array.as_bytes(), &receipt, &limits).expect("an array");
        assert_eq!(batch.events().len(), 3);
    });
    assert_eq!(batched, 0);
}

#[test]
fn the_counter_counts() {
    assert_eq!(when_warm(|| drop(std::hint::black_box(Box::new(1)))), 1);
}
