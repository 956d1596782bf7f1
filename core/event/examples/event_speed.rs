//! How long an event takes on this machine: `cargo run --release -p shimmer-event --example event_speed`.

use std::{hint::black_box, time::Instant};

use shimmer_event::{Batch, Limits, Parser, Receipt};

const BEAUTY: &str = r#"{"event_id":"evt_123456","timestamp":"2025-10-21T04:30:00Z","beauty_score":0.92,"chaos_fingerprint":"ab12cd34","dance_sequence":"shimmer→dissolve→diverge","wisdom":"Trust the process"}"#;
const GENERAL: &str = r#"{"event_id":"evt_123456","timestamp":"2025-10-21T04:30:00.123Z","kind":"cpu.load","subject":"web-1","value":12.625,"source":"agent-7"}"#;
const DATA: &str = r#"{"event_id":"evt_123456","timestamp":"2025-10-21T04:30:00.123Z","kind":"cpu.load","subject":"web-1","value":12.625,"source":"agent-7","data":{"core": 3, "tags": ["a", "b"], "unit": "load"}}"#;
const ROUNDS: u32 = 2_000_000;

fn main() {
    let receipt = Receipt {
        received_ns: 1_760_000_000_123_456_789,
        default_source: "default",
        origin: "node-1",
        unsigned: false,
    };
    let limits = Limits::default();
    let mut parser = Parser::default();
    for (name, body) in [("beauty", BEAUTY), ("general", GENERAL), ("data", DATA)] {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let event = parser.parse(black_box(body.as_bytes()), &receipt, &limits);
            black_box(event.expect("a good event").head.len());
        }
        report(&format!("parse/single/{name}"), start, ROUNDS);
    }
    let lines = [GENERAL; 1000].join("\n");
    let array = format!("[{}]", [GENERAL; 1000].join(","));
    let mut batch = Batch::default();
    let start = Instant::now();
    for _ in 0..ROUNDS / 1000 {
        batch.parse_ndjson(black_box(lines.as_bytes()), &receipt, &limits).expect("good lines");
        black_box(batch.events().len());
    }
    report("parse/ndjson/1000", start, ROUNDS);
    let start = Instant::now();
    for _ in 0..ROUNDS / 1000 {
        batch.parse_array(black_box(array.as_bytes()), &receipt, &limits).expect("a good array");
        black_box(batch.events().len());
    }
    report("parse/array/1000", start, ROUNDS);
}

fn report(name: &str, start: Instant, events: u32) {
    let ns = start.elapsed().as_nanos() as f64 / f64::from(events);
    println!("{name:24} {ns:8.1} ns/event");
}
