//! `/stream` and `/stream/sse`: every event once and in order, filtered, resumed, and what is missed is told.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::http::{Request, Wire, connect};
use crate::server::{TestServer, general, wait, wait_for};

pub(crate) struct Ws(WebSocket<TcpStream>);

impl Ws {
    pub(crate) fn open(server: &TestServer, path: &str) -> Self {
        let url = format!("ws://{}{path}", server.address);
        Self(tungstenite::client::client(url, connect(server.address)).expect("a handshake").0)
    }

    /// The next text message.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            match self.0.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message that is no heartbeat.
    fn event(&mut self) -> Value {
        loop {
            let message = self.next();
            if message["type"] != "heartbeat" {
                return message;
            }
        }
    }
}

/// One message of Server-Sent Events.
#[derive(Debug, Default)]
pub(crate) struct SseMessage {
    pub(crate) id: Option<u64>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

pub(crate) struct Sse {
    wire: Wire,
    text: String,
    pub(crate) comments: usize,
}

impl Sse {
    pub(crate) fn open(server: &TestServer, path: &str, last: Option<u64>) -> Self {
        let mut request = Request::new("GET", path).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", &last.to_string());
        }
        let mut wire = Wire::open(server.address);
        wire.write(&request.bytes());
        let head = wire.head_answer();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Self { wire, text: String::new(), comments: 0 }
    }

    /// The next message; comments are counted.
    pub(crate) fn next(&mut self) -> SseMessage {
        loop {
            let Some(end) = self.text.find("\n\n") else {
                let chunk = self.wire.chunk().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
                continue;
            };
            let block: String = self.text.drain(..end + 2).collect();
            let mut message = SseMessage::default();
            for line in block.lines().filter(|line| !line.is_empty()) {
                let (name, value) = line.split_once(':').expect("a field");
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "" => self.comments += 1,
                    "id" => message.id = Some(value.parse().expect("a sequence")),
                    "event" => message.event = value.to_owned(),
                    "data" => message.data = serde_json::from_str(value).expect("JSON"),
                    "retry" => {}
                    _ => panic!("{block}"),
                }
            }
            if !message.data.is_null() {
                return message;
            }
        }
    }
}

const EVENTS: u64 = 5_000;

fn post_all(server: &TestServer) {
    for batch in 0..EVENTS / 100 {
        let of = |i: u64| {
            let mut event =
                general(&format!("e{i}"), if i.is_multiple_of(2) { "even" } else { "odd" }, 1.0);
            event["subject"] = json!(format!("s{}", i % 10));
            event
        };
        server.ndjson((batch * 100 + 1..=batch * 100 + 100).map(of));
    }
}

#[test]
fn twenty_clients_get_each_event_once_and_in_order() {
    let server = TestServer::start();
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut ws = Ws::open(&server, "/stream");
            clients.push(scope.spawn(move || {
                for seq in 1..=EVENTS {
                    let event = ws.event();
                    assert_eq!(
                        (&event["seq"], &event["event_id"]),
                        (&seq.into(), &format!("e{seq}").into())
                    );
                }
            }));
            let mut sse = Sse::open(&server, "/stream/sse", None);
            clients.push(scope.spawn(move || {
                for seq in 1..=EVENTS {
                    let message = sse.next();
                    assert_eq!((message.id, &message.data["seq"]), (Some(seq), &seq.into()));
                    assert_eq!(message.data["event_id"], format!("e{seq}"));
                }
            }));
        }
        post_all(&server);
        for client in clients {
            client.join().unwrap();
        }
    });
    // What a stream shows is what the snapshot shows.
    let mut ws = Ws::open(&server, &format!("/stream?since_seq={}", EVENTS - 1));
    assert_eq!(ws.event(), server.json("/snapshot?limit=1")["events"][0]);
}

#[test]
fn filters_pass_exactly_what_they_name() {
    let server = TestServer::start();
    let mut even = Ws::open(&server, "/stream?kind=even&since_seq=0");
    let mut both = Sse::open(&server, "/stream/sse?kind=odd&subject=s3&source=default", None);
    let mut foreign = Ws::open(&server, "/stream?source=nobody&heartbeat=1");
    post_all(&server);
    for seq in (2..=EVENTS).step_by(2) {
        assert_eq!(even.event()["seq"], seq);
    }
    for seq in (3..=EVENTS).step_by(10) {
        assert_eq!(both.next().data["seq"], seq);
    }
    assert_eq!(foreign.next()["type"], "heartbeat");
}

#[test]
fn a_dropped_connection_goes_on_where_it_was() {
    let server = TestServer::start();
    let (mut seen, mut connections) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| post_all(&server));
        while seen < EVENTS {
            connections += 1;
            // Every connection breaks after some events, in the middle of the flow.
            if connections % 2 == 0 {
                let mut ws = Ws::open(&server, &format!("/stream?since_seq={seen}"));
                for _ in 0..487.min(EVENTS - seen) {
                    assert_eq!(ws.event()["seq"], seen + 1);
                    seen += 1;
                }
            } else {
                let mut sse = Sse::open(&server, "/stream/sse?since_seq=0", Some(seen));
                for _ in 0..487.min(EVENTS - seen) {
                    assert_eq!(sse.next().id, Some(seen + 1));
                    seen += 1;
                }
            }
        }
    });
    assert_eq!(connections, 11);
}

#[test]
fn what_cannot_be_resumed_is_told_as_a_gap() {
    let server = TestServer::with("[ring]\ncapacity = 256\nmax_events = 100\n");
    for i in 1..=1_000 {
        // So small a ring is full now and then until the node's own figures have caught up.
        wait("room", || server.event(&general(&format!("e{i}"), "k", 1.0)).status == 200);
    }
    // Streams reach over the whole ring, further than the snapshot.
    let mut ws = Ws::open(&server, "/stream?since_seq=10");
    let gap = ws.event();
    assert_eq!((&gap["type"], &gap["from"]), (&"gap".into(), &11.into()), "{gap}");
    let to = gap["to"].as_u64().unwrap();
    assert!((700..=760).contains(&to), "{gap}");
    for seq in to + 1..=1_000 {
        assert_eq!(ws.event()["seq"], seq);
    }
    let mut sse = Sse::open(&server, "/stream/sse", Some(10));
    let gap = sse.next();
    assert_eq!(
        (&gap.data["type"], &gap.data["from"], &gap.data["to"]),
        (&"gap".into(), &11.into(), &to.into())
    );
    assert_eq!(sse.next().id, Some(to + 1));
    // A sequence that does not exist yet: the client knows more than the node.
    for path in ["/stream?since_seq=5000", "/stream?since_seq=18446744073709551615"] {
        let mut ahead = Ws::open(&server, path);
        let gap = ahead.event();
        assert_eq!(gap["type"], "gap", "{gap}");
    }
    let mut ahead = Ws::open(&server, "/stream?since_seq=5000");
    assert_eq!(ahead.event()["type"], "gap");
    assert_eq!(server.general("after", "k", 1.0), 1_001);
    assert_eq!(ahead.event()["seq"], 1_001);
    // Nothing is missing for one who is just in time.
    let mut exact = Ws::open(&server, "/stream?since_seq=1001");
    server.general("next", "k", 1.0);
    assert_eq!(exact.event()["seq"], 1_002);
}

#[test]
fn a_client_that_lags_gets_each_event_or_a_gap_that_covers_it() {
    let server = TestServer::with("[ring]\ncapacity = 1024\n[log]\nlevel = 'warn'\n");
    let mut ws = Ws::open(&server, "/stream?since_seq=0");
    let mut sse = Sse::open(&server, "/stream/sse?since_seq=0", None);
    // Far more than sockets hold, while neither client reads.
    const ALL: u64 = 60_000;
    let padding = "p".repeat(600);
    for batch in 0..ALL / 200 {
        let of = |i: u64| {
            let mut event = general(&format!("e{i}"), "k", 1.0);
            event["data"] = json!({ "padding": padding });
            event.to_string()
        };
        let lines: Vec<String> = (batch * 200..batch * 200 + 200).map(of).collect();
        let lines = lines.join("\n");
        let media = "application/x-ndjson";
        wait("room", || server.post("/events", media, lines.clone()).status == 200);
    }
    let (mut next, mut gaps) = (1, 0);
    let mut follow = |message: Value| {
        if message["type"] == "gap" {
            assert_eq!(message["from"], next, "{message}");
            next = message["to"].as_u64().unwrap() + 1;
            gaps += 1;
        } else {
            assert_eq!(message["seq"], next);
            next += 1;
        }
        next <= ALL
    };
    while follow(ws.event()) {}
    assert!(gaps > 0, "it did not lag");
    let (mut next, mut gaps) = (1, 0);
    while next <= ALL {
        let SseMessage { id, data, .. } = sse.next();
        if data["type"] == "gap" {
            assert_eq!(data["from"], next, "{data}");
            next = data["to"].as_u64().unwrap();
            assert_eq!(id, Some(next), "where a browser would go on");
            gaps += 1;
        } else {
            assert_eq!((id, &data["seq"]), (Some(next), &next.into()));
        }
        next += 1;
    }
    assert!(gaps > 0, "it did not lag");
}

#[test]
fn heartbeats_come_as_often_as_asked_or_configured() {
    let server = TestServer::with("[stream]\nheartbeat_seconds = 1\n");
    let begun = Instant::now();
    let mut ws = Ws::open(&server, "/stream");
    for _ in 0..3 {
        let beat = ws.next();
        assert_eq!(beat["type"], "heartbeat");
        assert!(
            beat["ts"].as_str().is_some_and(|ts| ts.contains('T') && ts.ends_with('Z')),
            "{beat}"
        );
    }
    let elapsed = begun.elapsed();
    // Three beats of the default would take half a minute.
    let expected = Duration::from_secs(2)..Duration::from_secs(25);
    assert!(expected.contains(&elapsed), "{elapsed:?}");
    let server = TestServer::start();
    let mut sse = Sse::open(&server, "/stream/sse?heartbeat=1", None);
    let begun = Instant::now();
    // Comments alone do not end the wait, the event after them does.
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let message = sse.next();
            (message.id, sse.comments)
        });
        wait_for("two heartbeats", || {
            (begun.elapsed() > Duration::from_millis(2_500)).then_some(())
        });
        server.general("e", "k", 1.0);
        let (id, comments) = reading.join().unwrap();
        assert_eq!(id, Some(1));
        assert!(comments >= 2, "{comments}");
    });
}

fn handshake(server: &TestServer, path: &str, name: &str, value: &str) -> crate::http::Answer {
    let request = Request::new("GET", path)
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.header(name, value).send(server.address)
}

#[test]
fn bad_handshakes_are_refused() {
    let server = TestServer::with("[server]\norigins = ['https://ui.example']\n");
    let own = format!("http://{}", server.address);
    let host = server.address.to_string();
    for path in ["/stream", "/stream/sse"] {
        handshake(&server, path, "origin", "http://evil.example").problem(403);
        handshake(&server, path, "origin", "null").problem(403);
        handshake(&server, path, "host", "rebound.example").problem(421);
        for query in ["heartbeat=0", "heartbeat=61", "heartbeat=x", "since_seq=x", "since_seq=-1"] {
            handshake(&server, &format!("{path}?{query}"), "x-none", "x").problem(400);
        }
    }
    Request::new("GET", "/health")
        .header("host", "rebound.example")
        .send(server.address)
        .problem(421);
    assert_eq!(handshake(&server, "/stream", "x-none", "x").status, 101);
    let page = |origin: &str| {
        Request::new("GET", "/stream")
            .header("host", &host)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin)
            .send(server.address)
    };
    assert_eq!(page(&own).status, 101);
    assert_eq!(page("https://ui.example").status, 101);
    let plain = server.get("/stream");
    plain.problem(426);
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let bad = Request::new("GET", "/stream/sse").header("last-event-id", "x").send(server.address);
    bad.problem(400);
}

#[test]
fn a_stopping_node_says_goodbye_to_its_streams() {
    let mut server = TestServer::start();
    let mut ws = Ws::open(&server, "/stream");
    let mut sse = Sse::open(&server, "/stream/sse", None);
    server.general("e", "k", 1.0);
    assert_eq!(ws.event()["seq"], 1);
    assert_eq!(sse.next().id, Some(1));
    let begun = Instant::now();
    server.signal(Signal::TERM);
    let close = loop {
        match ws.0.read().expect("a close frame") {
            Message::Close(frame) => break frame,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(close.expect("a reason").code, CloseCode::Away);
    assert_eq!(server.ended(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
