//! Answers as bytes, for those that hyper does not write.
//!
//! The rule: they look as hyper's do: small names, and a length, an id and a date in each.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::{Answer, RequestId, request_id};

/// A date as HTTP writes it (RFC 9110, 5.6.7).
pub(super) type Date = [u8; 29];

/// What the head of an answer says beside the answer's own fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Top<'a> {
    pub(super) id: &'a RequestId,
    pub(super) date: &'a Date,
    /// Whether the answer could be another for another origin.
    pub(super) varies: bool,
    /// Whether it is the last of its connection.
    pub(super) closing: bool,
}

thread_local! {
    /// The date of a second, so that it is written once.
    static DATE: Cell<(u64, Date)> = const { Cell::new((0, *b"Thu, 01 Jan 1970 00:00:00 GMT")) };
}

/// The date of `now`; a clock before 1970 is taken for 1970.
pub(super) fn date(now: SystemTime) -> Date {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (known, mut date) = DATE.get();
    if known != second {
        let text = httpdate::fmt_http_date(now.max(UNIX_EPOCH));
        if let Some(bytes) = text.as_bytes().first_chunk() {
            date = *bytes;
            DATE.set((second, date));
        }
    }
    date
}

/// Appends 200 with JSON.
pub(super) fn put_json(out: &mut Vec<u8>, top: Top<'_>, body: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    put_rest(out, top, body);
}

/// Appends any answer.
pub(super) fn put(out: &mut Vec<u8>, top: Top<'_>, answer: &Answer) {
    let reason = answer.status.canonical_reason().unwrap_or("Error");
    put_all(out, &[b"HTTP/1.1 ", answer.status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    out.extend_from_slice(b"\r\n");
    let stated = [http::header::CONTENT_LENGTH, http::header::CONNECTION];
    for (name, value) in answer.headers.iter().filter(|(name, _)| !stated.contains(name)) {
        put_all(out, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    put_rest(out, top, &answer.body);
}

fn put_rest(out: &mut Vec<u8>, top: Top<'_>, body: &[u8]) {
    let id = top.id.as_str().as_bytes();
    let name = request_id::HEADER;
    if top.closing {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if top.varies {
        out.extend_from_slice(b"vary: origin\r\n");
    }
    put_all(out, &[name.as_str().as_bytes(), b": ", id, b"\r\ncontent-length: "]);
    put_all(out, &[itoa::Buffer::new().format(body.len()).as_bytes(), b"\r\ndate: ", top.date]);
    put_all(out, &[b"\r\n\r\n", body]);
}

fn put_all(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Problem, RequestIds};
    use std::time::Duration;

    #[test]
    fn answers_are_whole_and_say_what_they_must() {
        let id = RequestIds::new(1).of_value(None);
        let date = date(UNIX_EPOCH + Duration::from_secs(784_111_777));
        let top = Top { id: &id, date: &date, varies: false, closing: false };
        let mut out = Vec::new();
        put_json(&mut out, top, b"{}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             x-request-id: 00000001000000000001\r\ncontent-length: 2\r\n\
             date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{}"
        );
        let busy = Problem::busy("full").closing().into_answer();
        let mut out = Vec::new();
        put(&mut out, Top { varies: true, closing: true, ..top }, &busy);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        for line in ["retry-after: 1", "connection: close", "vary: origin"] {
            assert_eq!(head.matches(line).count(), 1, "{head}");
        }
        assert_eq!(head.matches("content-length: ").count(), 1);
        assert!(head.contains(&format!("content-length: {}", body.len())));
    }
}
