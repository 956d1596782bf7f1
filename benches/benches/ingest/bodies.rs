//! Requests that are made once and only get new ids.
//!
//! The rule: every event has an id of its own, written in place, so that the generator costs little
//! and no event is a repetition.

use shimmer_benches::{BATCH, TOKEN, ndjson};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hexadecimal digits of an id.
const ID_BYTES: usize = 16;
/// The digits that stand for an id in a body that is not sent yet.
const PLACE: &str = "################";

/// One write: one request or several, pipelined.
#[derive(Debug, Clone)]
pub(crate) struct Shot {
    pub(crate) bytes: Vec<u8>,
    ids: Vec<usize>,
    /// Requests in it.
    pub(crate) requests: usize,
    /// Events in each of them.
    pub(crate) events: usize,
}

/// How the events of a batch are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// NDJSON of beauty events.
    Beauty,
    /// NDJSON of general events with data.
    General,
    /// A JSON array of the same.
    Array,
    /// The same as others may write it: members in another order, spaces, escapes.
    Otherwise,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Shot {
    /// `depth` requests `POST /event` in one write.
    pub(crate) fn single(address: SocketAddr, depth: usize) -> Self {
        let line = placed(&ndjson(0, 1));
        let one = request(address, "/event", "application/json", line.trim_end());
        Self::of(one.repeat(depth), depth, 1)
    }

    /// One request `POST /events` with [`BATCH`] events.
    pub(crate) fn batch(address: SocketAddr, form: Form) -> Self {
        let (media, body) = match form {
            Form::Beauty => ("application/x-ndjson", beauty()),
            Form::General => ("application/x-ndjson", placed(&ndjson(0, BATCH))),
            Form::Otherwise => ("application/x-ndjson", otherwise()),
            Form::Array => {
                let lines = placed(&ndjson(0, BATCH));
                let items: Vec<_> = lines.lines().collect();
                ("application/json", format!("[{}]", items.join(",\n")))
            }
        };
        Self::of(request(address, "/events", media, &body), 1, BATCH)
    }

    fn of(text: String, requests: usize, events: usize) -> Self {
        let ids: Vec<_> = text.match_indices(PLACE).map(|(at, _)| at).collect();
        assert_eq!(ids.len(), requests * events, "every event has an id");
        Self { bytes: text.into_bytes(), ids, requests, events }
    }

    /// Gives every event a new id.
    pub(crate) fn renew(&mut self) {
        // Relaxed: only uniqueness matters.
        let first = NEXT.fetch_add(self.ids.len() as u64, Ordering::Relaxed);
        for (id, at) in (first..).zip(&self.ids) {
            for (digit, place) in self.bytes[*at..][..ID_BYTES].iter_mut().enumerate() {
                *place = b"0123456789abcdef"[(id >> (4 * (ID_BYTES - 1 - digit))) as usize & 15];
            }
        }
    }
}

fn request(address: SocketAddr, path: &str, media: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The lines with a place where each id is.
fn placed(lines: &str) -> String {
    let mut out = String::with_capacity(lines.len());
    for line in lines.lines() {
        let (before, id) = line.split_once("\"event_id\":\"").expect("the lines have ids");
        let (_, after) = id.split_once('"').expect("the id ends");
        // Writing to a string does not fail.
        let _ = writeln!(out, "{before}\"event_id\":\"{PLACE}\"{after}");
    }
    out
}

fn beauty() -> String {
    let mut out = String::with_capacity(BATCH * 180);
    for i in 0..BATCH {
        let (score, second) = ((i % 1_500) as f64 / 1e3, i % 60);
        let _ = writeln!(
            out,
            "{{\"event_id\":\"{PLACE}\",\"timestamp\":\"2026-01-01T04:30:{second:02}Z\",\
             \"beauty_score\":{score},\"chaos_fingerprint\":\"{i:08x}\",\
             \"dance_sequence\":\"spiral-wave-{}\"}}",
            i % 7
        );
    }
    out
}

/// The same events, written in another way.
fn otherwise() -> String {
    let mut out = String::with_capacity(BATCH * 250);
    for i in 0..BATCH {
        let (value, subject) = (20.0 + (i % 97) as f64 / 8.0, i % 8);
        let _ = writeln!(
            out,
            "{{ \"value\": {value}, \"data\": {{ \"unit\": \"\\u00b0C\", \"battery\": 0.93, \
             \"ok\": true }}, \"source\": \"sensor\", \"kind\": \"temperature\", \
             \"subject\": \"room-\\u003{subject}\", \"timestamp\": \"2026-01-01T01:00:00+01:00\", \
             \"event_id\": \"{PLACE}\" }}"
        );
    }
    out
}
