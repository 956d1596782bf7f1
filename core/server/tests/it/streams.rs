//! `/stream` and `/stream/sse`: the handshakes and the way of the socket to the shards.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::http::{Request, Wire, connect};
use crate::node::Node;

fn ws(node: &Node, query: &str) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/stream{query}", node.address);
    tungstenite::client::client(url, connect(node.address)).expect("a handshake").0
}

fn next(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        match socket.read().expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_websocket_gets_what_it_asks_for() {
    let node = Node::start();
    let mut all = ws(&node, "");
    let mut filtered = ws(&node, "?kind=load");
    node.beauty("a", 0.5);
    node.event("b", "load", 2.0);
    assert_eq!(next(&mut all)["event_id"], "a");
    assert_eq!(next(&mut all)["event_id"], "b");
    assert_eq!(next(&mut filtered)["event_id"], "b");
    let mut resumed = ws(&node, "?since_seq=1");
    assert_eq!(next(&mut resumed)["seq"], 2);
    let mut beats = ws(&node, "?heartbeat=1");
    assert_eq!(next(&mut beats)["type"], "heartbeat");
}

#[test]
fn bad_handshakes_are_refused_before_they_are_answered() {
    let node = Node::start();
    let plain = node.get("/stream");
    plain.problem(426);
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let handshake = |path: &str, origin: Option<&str>| {
        let request = Request::new("GET", path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
        .send(node.address)
    };
    assert_eq!(handshake("/stream", None).status, 101);
    assert_eq!(handshake("/stream", Some("http://localhost")).status, 101);
    handshake("/stream", Some("http://evil.example")).problem(403);
    handshake("/stream?heartbeat=0", None).problem(400);
    handshake("/stream?since_seq=x", None).problem(400);
    node.get("/stream/sse?heartbeat=61").problem(400);
    let request = format!("ws://{}/stream", node.address).into_client_request();
    assert!(request.is_ok());
}

#[test]
fn streams_beyond_the_bound_are_503() {
    let node = Node::with(|config| config.stream.max_clients = 1);
    let mut one = ws(&node, "");
    node.beauty("a", 0.5);
    assert_eq!(next(&mut one)["event_id"], "a");
    let refused = node.get("/stream/sse");
    refused.problem(503);
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn server_sent_events_leave_http_after_the_head() {
    let node = Node::start();
    node.beauty("a", 0.5);
    let mut wire = Wire::open(node.address);
    wire.write(&Request::new("GET", "/stream/sse").header("last-event-id", "0").bytes());
    let head = wire.head_answer();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-encoding"), None);
    assert!(head.header("x-request-id").is_some());
    node.beauty("b", 0.6);
    let mut text = String::new();
    while !text.contains("\"b\"") {
        text.push_str(&String::from_utf8(wire.chunk().expect("a chunk")).unwrap());
    }
    let ids: Vec<_> = text.lines().filter(|line| line.starts_with("id:")).collect();
    assert_eq!(ids, ["id: 1", "id: 2"], "{text}");
}

#[test]
fn a_stopping_node_says_goodbye() {
    let mut node = Node::start();
    let mut socket = ws(&node, "");
    node.beauty("a", 0.5);
    assert_eq!(next(&mut socket)["event_id"], "a");
    let running = node.running.take().unwrap();
    let stopping = std::thread::spawn(move || running.shutdown());
    let goodbye = loop {
        match socket.read() {
            Ok(Message::Close(frame)) => break frame,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(goodbye.map(|frame| frame.code), Some(CloseCode::Away));
    stopping.join().unwrap();
    let timeout = Duration::from_secs(1);
    assert!(TcpStream::connect_timeout(&node.address, timeout).is_err());
}
