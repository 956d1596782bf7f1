//! Events whose every column and text follow from one number, so that any tear shows.
//!
//! Rule: what `Sample` writes, `check` can recompute from the sequence-independent number alone.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "shared between test crates")]

use shimmer_ring::{
    ConsumerSpec, Entry, Gate, Outcome, Producer, PublishError, Reserve, RingConfig, Start,
    Submission, WakeTarget,
};

/// The strings of the event with one number.
#[derive(Clone, Debug)]
pub struct Sample {
    pub n: u64,
    pub kind: String,
    pub subject: String,
    pub source: String,
    pub id: String,
    pub head: String,
    data: std::ops::Range<u32>,
    id_span: std::ops::Range<u32>,
}

pub const ORIGIN: &str = "node-a";

impl Sample {
    pub fn new(n: u64) -> Self {
        let kind = format!("kind{}", n % 5);
        let subject = if n.is_multiple_of(3) { String::new() } else { format!("subject{}", n % 7) };
        let source = format!("source{}", n % 3);
        let id = format!("id-{n}");
        let data = format!("{{\"n\":{n},\"fill\":\"{}\"}}", "x".repeat((n % 61) as usize));
        let mut head = "{\"event_id\":\"".to_owned();
        let id_start = head.len() as u32;
        head.push_str(&id);
        let id_span = id_start..head.len() as u32;
        head.push_str(&format!("\",\"kind\":\"{kind}\",\"value\":{}.5,\"data\":", n));
        let data_start = head.len() as u32;
        head.push_str(&data);
        let data = data_start..head.len() as u32;
        head.push_str(",\"seq\":");
        Self { n, kind, subject, source, id, head, data, id_span }
    }

    pub fn entry(&self) -> Entry<'_> {
        Entry {
            time_ns: self.n.cast_signed().wrapping_mul(3),
            received_ns: self.n.cast_signed().wrapping_mul(5),
            value: self.n as f64 + 0.5,
            kind: &self.kind,
            subject: &self.subject,
            source: &self.source,
            origin: ORIGIN,
            id: &self.id,
            flags: (self.n as u32) & 0xffff,
            head: self.head.as_bytes(),
            tail: b"}",
            data: self.data.clone(),
            id_span: self.id_span.clone(),
        }
    }

    pub fn text(&self, seq: u64) -> String {
        format!("{}{seq}}}", self.head)
    }
}

/// Publishes the events with these numbers together.
pub fn publish(
    producer: &Producer,
    numbers: &[u64],
    reserve: Reserve,
) -> Result<Vec<Outcome>, PublishError> {
    let samples: Vec<Sample> = numbers.iter().map(|n| Sample::new(*n)).collect();
    let entries: Vec<Entry<'_>> = samples.iter().map(Sample::entry).collect();
    let mut outcomes = Vec::new();
    let submission = Submission { entries: &entries, cursor: None, reserve };
    producer.publish(&submission, &mut outcomes)?;
    Ok(outcomes)
}

pub fn small(capacity: u64) -> RingConfig {
    RingConfig {
        capacity,
        text_bytes: capacity * 320,
        names: 64,
        dedup_window: capacity * 4,
        start_seq: 1,
    }
}

pub fn spec(key: &str, gate: Gate, start: Start) -> ConsumerSpec<'_> {
    ConsumerSpec { key, durable: true, gate, start, wake: WakeTarget::Local }
}

/// The number of the event that a text belongs to.
pub fn number(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).expect("texts are UTF-8");
    let digits = text.split("\"n\":").nth(1).and_then(|rest| rest.split(',').next());
    digits.expect("a number").parse().expect("digits")
}
