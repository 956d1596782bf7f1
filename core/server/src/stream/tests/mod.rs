//! Streams against real clients over loopback. Rule: every wait has a deadline and waits for a condition.

mod client;
mod deflate;
mod events;
mod protocol;
mod topics;

use super::*;
use shimmer_ring::{Entry, Outcome, Producer, Reserve, Ring, RingConfig, Storage, Submission};
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);
const CHUNKED: Protocol = Protocol::Sse { chunked: true };
const PLAIN: Protocol = Protocol::Sse { chunked: false };

/// A ring, a hub and a way to connect to it.
struct Rig {
    ring: Ring,
    producer: Producer,
    hub: StreamHub,
    listener: TcpListener,
    /// Number of events asked for; held while one is published.
    published: Mutex<u64>,
}

fn rig(capacity: u64, change: impl FnOnce(&mut StreamConfig)) -> Rig {
    rig_with(RingConfig { capacity, text_bytes: 16 << 20, ..RingConfig::default() }, change)
}

fn rig_with(ring: RingConfig, change: impl FnOnce(&mut StreamConfig)) -> Rig {
    let (ring, _) = Ring::open(&ring, &Storage::Memory).unwrap();
    let mut config = StreamConfig { flush_ms: 2, ..StreamConfig::default() };
    change(&mut config);
    let hub = StreamHub::start(&ring, &config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Rig { producer: ring.producer(), ring, hub, listener, published: Mutex::new(0) }
}

/// Waits for a condition.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

fn subscription(protocol: Protocol) -> Subscription {
    Subscription {
        protocol,
        filter: Filter::default(),
        since_seq: None,
        heartbeat: Duration::from_secs(60),
        request_id: "test".into(),
        slot: None,
    }
}

fn filter(kind: &str, subject: &str, source: &str) -> Filter {
    let given = |text: &str| (text != "*").then(|| text.to_owned());
    Filter { kind: given(kind), subject: given(subject), source: given(source) }
}

impl Rig {
    /// Both ends of a connection: the client's, then the server's.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (server, _) = self.listener.accept().unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.set_write_timeout(Some(DEADLINE)).unwrap();
        (client, server)
    }

    fn attach(&self, subscription: Subscription) -> TcpStream {
        let (client, server) = self.pair();
        self.hub.attach(server, Vec::new(), subscription).unwrap();
        client
    }

    fn ws(&self, change: impl FnOnce(&mut Subscription)) -> Ws {
        let mut wanted = subscription(Protocol::Ws);
        change(&mut wanted);
        Ws(WebSocket::from_raw_socket(self.attach(wanted), Role::Client, None))
    }

    fn sse(&self, protocol: Protocol, change: impl FnOnce(&mut Subscription)) -> Sse {
        let mut wanted = subscription(protocol);
        change(&mut wanted);
        Sse::new(self.attach(wanted), protocol)
    }

    /// Publishes one event of these names and answers its sequence.
    fn put(&self, kind: &str, subject: &str, source: &str, data: &str) -> u64 {
        self.put_with(|_| kind, subject, source, data)
    }

    /// The same with a kind that depends on the sequence.
    fn put_with<'a>(
        &self,
        kind: impl FnOnce(u64) -> &'a str,
        subject: &str,
        source: &str,
        data: &str,
    ) -> u64 {
        let mut count = self.published.lock().unwrap();
        *count += 1;
        let kind = kind(self.ring.published() + 1);
        let id = format!("id-{}", *count);
        let head = format!(r#"{{"kind":"{kind}","data":"{data}","seq":"#);
        let entry = Entry {
            time_ns: 0,
            received_ns: 0,
            value: 0.5,
            kind,
            subject,
            source,
            origin: "node",
            id: &id,
            flags: 0,
            head: head.as_bytes(),
            tail: b"}",
            data: 0..0,
            id_span: 0..0,
        };
        let mut outcomes = Vec::new();
        let submission = Submission { entries: &[entry], cursor: None, reserve: Reserve::Ingest };
        self.producer.publish(&submission, &mut outcomes).unwrap();
        match outcomes[..] {
            [Outcome::Stored(seq)] => seq,
            ref other => panic!("not stored: {other:?}"),
        }
    }

    /// Publishes `count` events; even sequences are `beauty`, odd ones `alert`.
    fn put_many(&self, count: u64, data: &str) -> u64 {
        let kind = |seq: u64| if seq.is_multiple_of(2) { "beauty" } else { "alert" };
        let mut last = self.ring.published();
        for _ in 0..count {
            last = self.put_with(kind, "", "s", data);
        }
        last
    }
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Event(u64),
    Gap(u64, u64),
    Heartbeat,
    /// A topic message: SSE event name and text.
    Other(String, String),
    /// The close code of WebSocket; 0 for the orderly end of an SSE body.
    End(u16),
}

fn understand(name: &str, text: &str) -> Told {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else {
        return Told::Other(name.into(), text.into());
    };
    let number = |key: &str| json[key].as_u64();
    match json["type"].as_str() {
        Some("gap") => Told::Gap(number("from").unwrap(), number("to").unwrap()),
        Some("heartbeat") => {
            shimmer_event::rfc3339::parse(json["ts"].as_str().unwrap()).unwrap();
            Told::Heartbeat
        }
        _ => match number("seq") {
            Some(seq) => Told::Event(seq),
            None => Told::Other(name.into(), text.into()),
        },
    }
}

/// A client that listens.
trait Listen {
    fn next(&mut self) -> Told;

    /// Everything up to and with the event `last`.
    fn to(&mut self, last: u64) -> Vec<Told> {
        let mut told = Vec::new();
        while told.last() != Some(&Told::Event(last)) {
            told.push(self.next());
        }
        told
    }
}

struct Ws(WebSocket<TcpStream>);

impl Listen for Ws {
    fn next(&mut self) -> Told {
        loop {
            match self.0.read().expect("a message before the deadline") {
                Message::Text(text) => return understand("", &text),
                Message::Close(frame) => return Told::End(frame.map_or(1005, |f| f.code.into())),
                Message::Pong(_) | Message::Ping(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

struct Sse {
    lines: BufReader<Box<dyn Read + Send>>,
    last_id: Option<u64>,
}

impl Sse {
    fn new(socket: TcpStream, protocol: Protocol) -> Self {
        let body: Box<dyn Read + Send> = match protocol {
            CHUNKED => Box::new(Chunks { socket: BufReader::new(socket), left: 0 }),
            _ => Box::new(socket),
        };
        Self { lines: BufReader::new(body), last_id: None }
    }
}

impl Listen for Sse {
    /// One event as the standard's parser would dispatch it, or a comment.
    fn next(&mut self) -> Told {
        let (mut name, mut data) = (String::new(), Vec::<String>::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a line before the deadline") == 0 {
                return Told::End(0);
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ").unwrap_or((line, "")) {
                ("", "heartbeat") => {
                    let mut blank = String::new();
                    self.lines.read_line(&mut blank).unwrap();
                    assert_eq!(blank, "\n");
                    return Told::Heartbeat;
                }
                ("", "") if data.is_empty() => {}
                ("", "") => {
                    let told = understand(&name, &data.join("\n"));
                    if let Told::Event(seq) = told {
                        assert_eq!(self.last_id, Some(seq));
                    }
                    if let Told::Gap(..) = told {
                        assert_eq!(name, "gap");
                    }
                    return told;
                }
                ("id", id) => self.last_id = Some(id.parse().unwrap()),
                ("event", event) => name = event.into(),
                ("data", text) => data.push(text.into()),
                other => panic!("unexpected line {other:?}"),
            }
        }
    }
}

/// Takes the chunks of an HTTP/1.1 body apart, strictly.
struct Chunks {
    socket: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            self.socket.read_line(&mut size)?;
            let size = size.strip_suffix("\r\n").expect("a chunk size, not a cut body");
            self.left = usize::from_str_radix(size, 16).unwrap();
            if self.left == 0 {
                let mut end = Vec::new();
                self.socket.read_to_end(&mut end)?;
                assert_eq!(end, b"\r\n", "nothing after the last chunk");
                return Ok(0);
            }
        }
        let want = self.left.min(out.len());
        let read = self.socket.read(&mut out[..want])?;
        assert!(read > 0, "cut in a chunk");
        self.left -= read;
        if self.left == 0 {
            let mut end = [0; 2];
            self.socket.read_exact(&mut end)?;
            assert_eq!(&end, b"\r\n");
        }
        Ok(read)
    }
}
