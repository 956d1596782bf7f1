//! HTTP as nobody should speak it, and corners that few do: an answer or a closed connection, never a hang or a fall.

use crate::http::{Request, Wire};
use crate::server::{TOKEN, TestServer, general};

fn head(path: &str, version: &str, more: &str) -> String {
    format!(
        "POST {path} {version}\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n"
    )
}

/// What comes back for these bytes until the server closes; the client says that it is done.
fn sent(server: &TestServer, bytes: &[u8]) -> String {
    let mut wire = Wire::open(server.address);
    wire.try_write(bytes);
    wire.done();
    wire.rest()
}

#[test]
fn broken_requests_are_refused_and_nothing_is_stored() {
    let server = TestServer::start();
    let event = general("smuggled", "k", 1.0).to_string();
    let chunked = head("/event", "HTTP/1.1", "transfer-encoding: chunked\r\n");
    let twice = head("/event", "HTTP/1.1", "content-length: 5\r\ncontent-length: 7\r\n");
    let negative = head("/event", "HTTP/1.1", "content-length: -1\r\n");
    let cut = head("/event", "HTTP/1.1", "content-length: 9999\r\n");
    for (what, bytes) in [
        ("a chunk size that is none", format!("{chunked}ZZ\r\n{event}\r\n0\r\n\r\n")),
        ("a chunk size beyond all bounds", format!("{chunked}ffffffffffffffffff\r\n{event}")),
        ("a chunk longer than it says", format!("{chunked}3\r\n{event}\r\n0\r\n\r\n")),
        ("a body cut off", format!("{cut}{event}")),
        ("chunks cut off", format!("{chunked}{:x}\r\n{event}\r\n", event.len())),
        ("two lengths", format!("{twice}{event}")),
        ("a negative length", format!("{negative}{event}")),
        ("no HTTP", "\u{1}\u{2}\u{3} nothing\r\n\r\n".to_owned()),
        ("a version from the future", "GET / HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned()),
        ("a head cut off", "GET /health HTTP/1.1\r\nhost: loc".to_owned()),
        ("a zero in a header", "GET / HTTP/1.1\r\nhost: localhost\r\na: \0\r\n\r\n".to_owned()),
    ] {
        let answer = sent(&server, bytes.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        assert_eq!(server.json("/snapshot")["next_seq"], 0, "{what}");
    }
}

#[test]
fn what_is_no_request_is_answered_with_a_problem() {
    let server = TestServer::start();
    let post = |more: &str| head("/event", "HTTP/1.1", more);
    let get = |more: &str| format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    for (what, bytes, status) in [
        ("no HTTP", "\u{1}\u{2} nothing\r\n\r\n".to_owned(), 400),
        ("a version from the future", get("").replace("1.1", "9.9"), 400),
        ("a zero in a header", get("a: \0\r\n"), 400),
        ("a blank in a name", get("a b: c\r\n"), 400),
        ("two lengths", post("content-length: 5\r\ncontent-length: 7\r\n") + "hello", 400),
        ("a negative length", post("content-length: -1\r\n") + "hello", 400),
        ("a coding that nobody knows", post("transfer-encoding: gzip\r\n") + "hello", 400),
        (
            "a coding within the chunks",
            post("transfer-encoding: gzip, chunked\r\n") + "0\r\n\r\n",
            501,
        ),
        ("a coding after the chunks", post("transfer-encoding: chunked, gzip\r\n"), 400),
        (
            "chunks before there were any",
            head("/event", "HTTP/1.0", "transfer-encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        ("a long head", get(&format!("a: {}\r\n", "x".repeat(70_000))), 431),
        ("more than fits", get(&format!("a: {}\r\n", "x".repeat(900_000))), 431),
        ("many headers", get(&"h: x\r\n".repeat(200)), 431),
    ] {
        // What came before on the connection is answered, too.
        for before in [String::new(), get("")] {
            let mut wire = Wire::open(server.address);
            wire.try_write(format!("{before}{bytes}").as_bytes());
            if !before.is_empty() {
                assert_eq!(wire.answer().status, 200, "before {what}");
            }
            let answer = wire.answer();
            assert_eq!(answer.status, status, "{what}");
            answer.problem(status);
            assert_eq!(answer.header("connection"), Some("close"), "{what}");
            wire.done();
            assert_eq!(wire.rest(), "", "{what}");
        }
    }
}

#[test]
fn the_last_answer_of_a_connection_does_not_hang_on_what_follows_it() {
    let server = TestServer::start();
    let mut wire = Wire::open(server.address);
    wire.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\nGET /");
    assert_eq!(wire.answer().status, 200);
    assert_eq!(wire.rest(), "");
    // Both lengths: the chunks count, and nothing behind them is taken for a request.
    let event = general("both", "k", 1.0).to_string();
    let chunks = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    for (i, both) in [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunks.len() + 9),
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wire = Wire::open(server.address);
        let smuggled = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
        wire.write((head("/event", "HTTP/1.1", &both) + &chunks + smuggled).as_bytes());
        let answer = wire.answer();
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &(i > 0).into()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(wire.rest(), "");
    }
}

#[test]
fn a_request_names_its_host_once() {
    let server = TestServer::start();
    for (head, status) in [
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        ("GET http://localhost/health HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        ("GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\n\r\n", 421),
        ("GET /health HTTP/1.0\r\n\r\n", 200),
    ] {
        let mut wire = Wire::open(server.address);
        wire.write(head.as_bytes());
        assert_eq!(wire.answer().status, status, "{head}");
    }
}

#[test]
fn heads_beyond_the_bound_are_431() {
    let server = TestServer::start();
    let long =
        format!("GET /health HTTP/1.1\r\nhost: localhost\r\na: {}\r\n\r\n", "x".repeat(200_000));
    let many: String = (0..2_000).map(|i| format!("h{i}: x\r\n")).collect();
    let many = format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    for bytes in [long, many] {
        let answer = sent(&server, bytes.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let path = format!("/{}", "p".repeat(20_000));
    assert!(matches!(server.get(&path).status, 404 | 414));
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_slow_client_is_told_or_closed_and_nobody_waits_for_it() {
    let server = TestServer::with("[server]\nheader_timeout_ms = 300\nbody_timeout_ms = 300\n");
    let mut body = Wire::open(server.address);
    body.write(head("/event", "HTTP/1.1", "content-length: 100\r\n").as_bytes());
    body.write(b"{");
    let mut head = Wire::open(server.address);
    head.write(b"GET /health HTTP/1.1\r\nhost: ");
    let idle = &mut Wire::open(server.address);
    assert_eq!(server.general("meanwhile", "k", 1.0), 1);
    let answer = body.answer();
    answer.problem(408);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(body.rest(), "");
    let told = head.rest();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    assert_eq!(idle.rest(), "");
}

#[test]
fn sixteen_requests_in_one_go_are_answered_in_their_order() {
    let server = TestServer::start();
    let mut wire = Wire::open(server.address);
    let mut bytes = Vec::new();
    for i in 0..16 {
        let event = general(&format!("e{i}"), "k", 1.0).to_string();
        bytes.extend(Request::new("POST", "/event").token(TOKEN).body(event).bytes());
        bytes.extend(Request::new("GET", "/snapshot?limit=1").bytes());
    }
    wire.write(&bytes);
    for i in 0..16 {
        let posted = wire.answer().json();
        assert_eq!(
            (&posted["event_id"], &posted["seq"]),
            (&format!("e{i}").into(), &(i + 1).into())
        );
        assert_eq!(wire.answer().json()["next_seq"], i + 1, "visible when it was answered");
    }
}

#[test]
fn old_and_polite_clients_are_served() {
    let server = TestServer::start();
    let event = |id: &str| general(id, "k", 1.0).to_string();
    // HTTP/1.0: the connection ends with the answer.
    let old = event("old");
    let length = format!("content-length: {}\r\n", old.len());
    let mut wire = Wire::open(server.address);
    wire.write(format!("{}{old}", head("/event", "HTTP/1.0", &length)).as_bytes());
    assert_eq!(wire.answer().json()["seq"], 1);
    assert_eq!(wire.rest(), "");
    // Expect: 100-continue: asked for the body only when it is wanted.
    let polite = event("polite");
    let length = format!("content-length: {}\r\nexpect: 100-continue\r\n", polite.len());
    let mut wire = Wire::open(server.address);
    wire.write(head("/event", "HTTP/1.1", &length).as_bytes());
    assert_eq!(wire.answer().status, 100);
    wire.write(polite.as_bytes());
    assert_eq!(wire.answer().json()["seq"], 2);
    let mut wire = Wire::open(server.address);
    wire.write(b"POST /event HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n");
    assert_eq!(wire.answer().status, 401);
    // Chunks, in pieces.
    let pieces = event("pieces");
    let (a, b) = pieces.split_at(10);
    let mut wire = Wire::open(server.address);
    wire.write(head("/event", "HTTP/1.1", "transfer-encoding: chunked\r\n").as_bytes());
    wire.write(format!("{:x}\r\n{a}\r\n", a.len()).as_bytes());
    wire.write(format!("{:x};x=y\r\n{b}\r\n0\r\ntrailer: t\r\n\r\n", b.len()).as_bytes());
    assert_eq!(wire.answer().json()["seq"], 3);
    // HEAD is GET without the body; the connection goes on.
    let mut wire = Wire::open(server.address);
    for path in ["/health", "/ready", "/snapshot", "/metrics", "/", "/api/metrics", "/openapi.json"]
    {
        wire.write(&Request::new("HEAD", path).bytes());
        assert_eq!(wire.head_answer().status, 200, "{path}");
    }
    assert_eq!(wire.ask(&Request::new("GET", "/health")).status, 200);
    assert_eq!(Request::new("HEAD", "/event").send(server.address).status, 405);
}

#[test]
fn connections_beyond_the_bound_are_told_to_come_again() {
    let server = TestServer::with("[server]\nmax_connections = 2\n");
    let place = || {
        // The place of a connection that was closed a moment ago may not be free yet.
        crate::server::wait_for("a place", || {
            let mut wire = Wire::open(server.address);
            wire.try_write(&Request::new("GET", "/health").bytes());
            wire.first_line().starts_with("HTTP/1.1 200").then_some(wire)
        })
    };
    let (first, second) = (place(), place());
    let third = Wire::open(server.address).rest();
    assert!(third.starts_with("HTTP/1.1 503") && third.contains("retry-after"), "{third}");
    drop(first);
    drop(place());
    drop(second);
}
