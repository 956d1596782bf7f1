//! What must hold whatever is sent to the port: a property for a fuzz target and for tests to call.
//!
//! The rule: a connection ends soon after its client has said all, with whole answers of HTTP and nothing else; plain
//! posts are answered in the same words in the lane and by hyper; and the node goes on answering others.
//!
//! The first byte of an input says into which pieces the rest is cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use httparse::{EMPTY_HEADER, Status};
use tempfile::TempDir;

use super::plain::{Begin, Head};
use crate::config::{Config, Secret, Storage};
use crate::ingest::Form;
use crate::property::cut_off;
use crate::{Running, Server};

/// The token that posts need.
const TOKEN: &str = "t";
const DEADLINE: Duration = Duration::from_secs(20);
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Most answers on one connection that are told apart.
const ANSWERS: usize = 64;

/// A node of small bounds.
pub struct Bench {
    node: Running,
    _folder: TempDir,
}

/// An answer, without what differs from one time to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// How an answer's body ends.
enum Body {
    /// After so many bytes.
    Length(usize),
    Chunked,
    /// The connection is something else from here on, or ends with it.
    Rest,
}

impl Default for Bench {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.server.port = 0;
        config.auth.token = Secret::new(TOKEN);
        config.ring.storage = Storage::Memory;
        config.ring.capacity = 1024;
        config.ring.max_events = 256;
        config.ring.text_bytes = 1 << 20;
        config.ring.event_bytes = 4096;
        config.ring.names = 8192;
        config.dedup.window_events = 4096;
        config.limits.event_body_bytes = 4096;
        config.limits.batch_bytes = 16_384;
        config.limits.batch_events = 64;
        config.stream.shards = 1;
        config.fractal.threads = 1;
        config.fractal.max_pixels = 4096;
        config.fractal.max_steps = 1 << 20;
        config.fractal.time_limit_ms = 500;
        config.log.ingest_per_second = 0;
        // Nothing is installed beside it.
        config.plugins.bundled.clear();
        let node = Server::start(config, None).expect("the node starts");
        Self { node, _folder: folder }
    }
}

impl Bench {
    /// Panics unless all properties hold for these bytes.
    pub fn holds(&self, data: &[u8]) {
        let Some((step, bytes)) = data.split_first() else { return };
        let plain = plain_posts(bytes);
        if plain > 0 {
            let once = [&bytes[..plain], LAST].concat();
            // What is stored is stored once, so all that follows are repetitions.
            self.ask(&once, once.len());
            let lane = self.ask(&once, once.len()).map(|said| answers(&said));
            let hyper = self.ask(&[HEALTH, &once].concat(), usize::MAX).map(|said| answers(&said));
            if let (Some(lane), Some(mut hyper)) = (lane, hyper) {
                assert_eq!(hyper.remove(0).status, 200);
                assert_eq!(lane, hyper);
            }
        }
        if let Some(said) = self.ask(bytes, usize::from(*step).max(1) * 8) {
            assert!(is_whole(&said, ANSWERS), "{:?}", String::from_utf8_lossy(&said));
        }
        let health = self.ask(LAST, LAST.len()).map(|said| answers(&said));
        assert!(health.is_some_and(|all| all.len() == 1 && all[0].status == 200), "it lives");
    }

    /// Sends `bytes` in pieces of `step`, says that this was all, and gives what came until the end; `None` when the
    /// server cut it off, which may take answers with it.
    fn ask(&self, bytes: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut client = TcpStream::connect(self.node.address()).expect("the node accepts");
        client.set_nodelay(true).expect("a socket");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        // It may have been refused already, which shows in the answer.
        let _ = bytes.chunks(step).try_for_each(|piece| client.write_all(piece));
        if !bytes.ends_with(LAST) {
            let _ = client.shutdown(Shutdown::Write);
        }
        let mut said = Vec::new();
        let read = client.read_to_end(&mut said);
        cut_off(client);
        match read {
            Ok(_) => Some(said),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("neither answered nor closed: {error}"),
        }
    }
}

/// Bytes of the whole plain posts at the beginning of `bytes`, each of which is held against httparse.
fn plain_posts(bytes: &[u8]) -> usize {
    let mut done = 0;
    let mut before: Option<(Head<'_>, &[u8])> = None;
    loop {
        let rest = &bytes[done..];
        let begin = Begin::of(rest);
        if let Some((head, text)) = before {
            assert_eq!(Begin::after(&head, text, rest), begin, "as without the one before");
        }
        let Begin::Plain(head) = begin else { return done };
        is_what_httparse_says(&head, rest);
        if head.body(rest).is_none() {
            return done;
        }
        before = Some((head, rest));
        done += head.bytes + head.length;
    }
}

fn is_what_httparse_says(head: &Head<'_>, bytes: &[u8]) {
    let mut room = [EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut room);
    assert_eq!(request.parse(bytes), Ok(Status::Complete(head.bytes)));
    let path = match head.asks.form {
        Form::One => "/event",
        Form::Many => "/events",
    };
    let line = (request.method, request.path, request.version);
    assert_eq!(line, (Some("POST"), Some(path), Some(1)));
    let only = |name: &str| {
        let mut given =
            request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let value = given.next().map(|field| field.value);
        assert!(given.next().is_none(), "{name} twice");
        value
    };
    let length = head.length.to_string();
    let digits = only("content-length").expect("a length");
    assert_eq!(digits.trim_ascii_start(), digits);
    assert_eq!(
        std::str::from_utf8(digits).map(|it| it.trim_start_matches('0')),
        Ok(length.trim_start_matches('0'))
    );
    assert_eq!(only("host"), Some(head.asks.host.as_bytes()));
    assert_eq!(only("authorization"), head.asks.authorization);
    assert_eq!(only("content-type"), head.asks.content_type);
    assert_eq!(only("x-request-id"), head.request_id);
    for name in ["transfer-encoding", "content-encoding", "expect", "upgrade", "origin", "ce-id"] {
        assert_eq!(only(name), None, "{name}");
    }
    for end in [head.bytes / 2, head.bytes - 1] {
        assert_eq!(Begin::of(&bytes[..end]), Begin::Unknown, "a part of it may become it");
    }
}

/// Reads the head of an answer; `None` if it is no answer of HTTP.
fn answer(bytes: &[u8]) -> Option<(Answer, Body, usize)> {
    let mut room = [EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut room);
    let Ok(Status::Complete(head)) = response.parse(bytes) else { return None };
    let status = response.code?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), text(field.value)))
        .collect();
    headers.sort();
    let is = |name: &str, word: &str| headers.iter().any(|(n, v)| n == name && v.contains(word));
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let body = match length.map(|(_, digits)| digits.parse()) {
        _ if status == 101 || is("content-type", "text/event-stream") => Body::Rest,
        _ if matches!(status, 100..200 | 204 | 304) => Body::Length(0),
        Some(length) => Body::Length(length.ok()?),
        None if is("transfer-encoding", "chunked") => Body::Chunked,
        None => Body::Rest,
    };
    Some((Answer { status, headers, body: String::new() }, body, head))
}

/// Whether `bytes` are whole answers and nothing else. An answer to HEAD has a length and no body, and what was asked
/// is not known here, so that both are tried.
fn is_whole(bytes: &[u8], most: usize) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let (Some((_, body, head)), 1..) = (answer(bytes), most) else { return false };
    let rest = &bytes[head..];
    let after = |length| rest.get(length..).is_some_and(|rest| is_whole(rest, most - 1));
    match body {
        Body::Rest => true,
        Body::Length(length) => after(length) || length > 0 && after(0),
        Body::Chunked => chunked(rest).is_some_and(after) || after(0),
    }
}

/// Bytes of a chunked body.
fn chunked(bytes: &[u8]) -> Option<usize> {
    let mut done = 0;
    loop {
        let rest = bytes.get(done..)?;
        let Ok(Status::Complete((line, length))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        done += line + usize::try_from(length).ok()?;
        if bytes.get(done..done + 2)? != b"\r\n" {
            return None;
        }
        done += 2;
        if length == 0 {
            return Some(done);
        }
    }
}

/// The answers to posts, without what differs from one time to the next.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (mut answer, body, head) = answer(bytes).expect("an answer of HTTP");
        let Body::Length(length) = body else { panic!("a length: {answer:?}") };
        let (body, rest) = bytes[head..].split_at_checked(length).expect("a whole answer");
        bytes = rest;
        let is_own = |id: &str| id.len() == 20 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let own = answer.headers.iter().find(|(name, id)| name == "x-request-id" && is_own(id));
        let own = own.map_or_else(String::new, |(_, id)| id.clone());
        // Lengths go with the digits of times and numbers.
        let text = String::from_utf8_lossy(body);
        let text = if own.is_empty() { text.into_owned() } else { text.replace(&own, "own") };
        answer.body = text.replace(|c: char| c.is_ascii_digit(), "");
        answer.headers.retain(|(name, id)| {
            name != "date" && name != "content-length" && (name != "x-request-id" || !is_own(id))
        });
        all.push(answer);
    }
    all
}

#[cfg(test)]
mod tests;
