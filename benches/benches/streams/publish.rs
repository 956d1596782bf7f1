//! Who publishes: one connection, events at an even rate, each with its number and the time it was made.
//!
//! The rule: what is late is sent at once, so the rate holds over the whole case.

use crate::dialect::{Dialect, Role, TOPIC, masked, mqtt_publish};
use rustix::time::{ClockId, clock_gettime};
use shimmer_benches::TOKEN;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How events leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Events a second.
    pub(crate) rate: u64,
    /// Events of one request, or of one write to a peer.
    pub(crate) batch: u64,
}

/// The time that events carry, in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The number of an event, as its id says it.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    digits(text.strip_prefix(b"{\"event_id\":\"")?)
}

/// When an event was made.
pub(crate) fn sent_ns(text: &[u8]) -> Option<u64> {
    let key = b"\"sent_ns\":";
    digits(&text[memchr::memmem::find(text, key)? + key.len()..])
}

fn digits(bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    (end > 0).then(|| bytes[..end].iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
}

/// An event as it is posted: up to its data and its data.
fn event(out: &mut String, number: u64) {
    let (value, subject) = (20.0 + (number % 97) as f64 / 8.0, number % 8);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{{\"event_id\":\"{number:016}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\
         \"kind\":\"temperature\",\"subject\":\"room-{subject}\",\"source\":\"sensor\",\
         \"value\":{value},\"data\":{{\"unit\":\"C\",\"battery\":0.93,\"ok\":true,\
         \"sent_ns\":{}}}",
        now_ns()
    );
}

/// Publishes from number 1 until `stop`, but at most `most` events; gives the last number.
pub(crate) fn publish(
    dialect: Dialect,
    address: SocketAddr,
    pace: Pace,
    most: u64,
    stop: &AtomicBool,
) -> u64 {
    let mut stream = match dialect {
        Dialect::Nats | Dialect::Mqtt => {
            dialect.connect(address, Role::Publishes).expect("a connection").0
        }
        _ => TcpStream::connect(address).expect("a connection"),
    };
    stream.set_nodelay(true).expect("a socket");
    let begun = Instant::now();
    let mut sent = 0;
    let mut text = String::new();
    let mut heard = vec![0; 1 << 16];
    // Relaxed: it carries no data.
    while sent < most && !stop.load(Ordering::Relaxed) {
        let due = begun + Duration::from_nanos(sent * 1_000_000_000 / pace.rate);
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait); // the pace of a load, not a wait for anything
        }
        let batch = pace.batch.min(most - sent);
        match dialect {
            Dialect::Ws | Dialect::Deflate | Dialect::Sse => {
                post(&mut stream, &mut text, &mut heard, sent + 1, batch);
            }
            Dialect::Nats | Dialect::Mqtt => {
                tell(&mut stream, dialect, &mut text, sent + 1, batch);
            }
        }
        sent += batch;
    }
    sent
}

fn post(stream: &mut TcpStream, text: &mut String, heard: &mut [u8], first: u64, batch: u64) {
    text.clear();
    for number in first..first + batch {
        event(text, number);
        text.push_str("}\n");
    }
    let (path, media) = match batch {
        1 => ("/event", "application/json"),
        _ => ("/events", "application/x-ndjson"),
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {media}\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all(&[head.as_bytes(), text.as_bytes()].concat()).expect("the program reads");
    // The answer is short and comes in one piece; its length is not needed to know that it is whole.
    let mut len = 0;
    while !heard[..len].ends_with(b"}") {
        let read = stream.read(&mut heard[len..]).expect("an answer");
        assert!(read > 0, "the program closed its connection");
        len += read;
    }
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard[..len]));
}

fn tell(stream: &mut TcpStream, dialect: Dialect, text: &mut String, first: u64, batch: u64) {
    let mut packets = Vec::new();
    for number in first..first + batch {
        text.clear();
        event(text, number);
        // What we add to an event, so that all send the same.
        let _ = write!(
            text,
            ",\"received_at\":\"2026-01-01T00:00:00.123456789Z\",\"origin\":\"node-0001abcd\",\
             \"seq\":{number}}}"
        );
        if dialect == Dialect::Nats {
            packets
                .extend_from_slice(format!("PUB {TOPIC} {}\r\n{text}\r\n", text.len()).as_bytes());
        } else {
            mqtt_publish(&mut packets, text.as_bytes());
        }
    }
    stream.write_all(&masked(&packets)).expect("the server reads");
}
