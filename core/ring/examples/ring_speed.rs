//! How long an event takes: `cargo run --release -p shimmer-ring --example ring_speed`.
//!
//! Rule: journal on, every id new, texts of about 250 bytes; the figures are of warmed-up rings.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shimmer_ring::{CopyBuf, Entry, Reserve, Ring, RingConfig, Storage, Submission, SyncMode};
use std::time::Instant;

const EVENTS: u64 = 1_000_000;

fn entry<'a>(id: &'a str, head: &'a [u8]) -> Entry<'a> {
    Entry {
        time_ns: 1,
        received_ns: 2,
        value: 0.5,
        kind: "beauty",
        subject: "canvas",
        source: "camera-1",
        origin: "node-a",
        id,
        flags: 1,
        head,
        tail: b"}",
        data: 0..0,
        id_span: 0..0,
    }
}

fn publish(ring: &Ring, batch: usize, from: u64, events: u64) -> f64 {
    let producer = ring.producer();
    let head = vec![b'x'; 240];
    let mut outcomes = Vec::new();
    let mut spent = 0;
    let mut at = from;
    while at < from + events {
        // Ids are made outside of the measurement.
        let ids: Vec<String> = (at..at + 1000).map(|n| format!("id-{n:012}")).collect();
        let entries: Vec<Entry<'_>> = ids.iter().map(|id| entry(id, &head)).collect();
        let start = cpu_ns();
        for batch in entries.chunks(batch) {
            let submission = Submission { entries: batch, cursor: None, reserve: Reserve::Ingest };
            producer.publish(&submission, &mut outcomes).expect("nobody holds the writer back");
        }
        spent += cpu_ns() - start;
        at += 1000;
    }
    spent as f64 / events as f64
}

/// Time that this thread has run: other programs on the machine do not count.
fn cpu_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn main() {
    let dir = std::env::temp_dir().join(format!("shimmer-ring-speed-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    for (name, ids, storage) in [
        ("no ids", 0, Storage::Memory),
        ("memory", 262_144, Storage::Memory),
        (
            "journal",
            262_144,
            Storage::Journal { dir: dir.clone(), sync: SyncMode::Never, log_bytes: None },
        ),
    ] {
        if std::env::args().nth(1).is_some_and(|only| only != name) {
            continue;
        }
        let config = RingConfig { dedup_window: ids, ..RingConfig::default() };
        let (ring, _) = Ring::open(&config, &storage).expect("a ring");
        let mut from = 0;
        publish(&ring, 100, from, EVENTS / 2);
        for batch in [1, 10, 100, 1000] {
            from += EVENTS;
            println!("{name}: batch {batch}: {:.0} ns/event", publish(&ring, batch, from, EVENTS));
        }
        for threads in [2u64, 4] {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let (ring, from) = (&ring, from + (thread + 1) * 10 * EVENTS);
                    scope.spawn(move || publish(ring, 1, from, EVENTS / 4));
                }
            });
            from += 100 * EVENTS;
            let each = start.elapsed().as_nanos() as f64 / (threads * EVENTS / 4) as f64;
            println!("{name}: {threads} threads, single: {each:.0} ns/event (ids included)");
        }
        let reader = ring.reader();
        let mut buf = CopyBuf::default();
        let start = Instant::now();
        let mut cursor = ring.oldest() - 1;
        let mut copied = 0;
        while cursor < ring.published() {
            cursor = reader.copy(cursor, 256, 1 << 20, &mut buf).cursor;
            copied += buf.len();
        }
        let each = start.elapsed().as_nanos() as f64 / copied as f64;
        println!("{name}: copy: {each:.0} ns/event");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}
