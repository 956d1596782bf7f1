//! Clients that keep what they were given for as long as they may: slots, memory and time are bounded for each.

use crate::http::{Request, Wire};
use crate::server::{TOKEN, TestServer, general, plugin_table, wait, wait_for};

/// A connection that got a place and an answer, which was read no further than its first line.
fn answered(server: &TestServer, request: &Request) -> Option<Wire> {
    let mut wire = Wire::open(server.address);
    wire.try_write(&request.bytes());
    wire.first_line().starts_with("HTTP/1.1 200").then_some(wire)
}

#[test]
fn who_takes_no_answer_is_given_up() {
    let server = TestServer::with("[server]\nmax_connections = 1\nsend_timeout_ms = 500\n");
    let post = Request::new("POST", "/event").token(TOKEN);
    let post = post.header("content-type", "application/json");
    let post = post.body(general("again", "k", 1.0).to_string());
    for (what, request) in [("pages", Request::new("GET", "/openapi.json")), ("the lane", post)] {
        let mut deaf = wait_for("the only place", || answered(&server, &request));
        // Nobody takes the answers, so that no more requests are taken.
        deaf.fill(&request.bytes().repeat(64));
        wait(what, || answered(&server, &Request::new("GET", "/health")).is_some());
    }
}

#[test]
fn a_body_for_a_plugin_comes_in_time_or_is_408() {
    let server =
        TestServer::with(&("[server]\nbody_timeout_ms = 300\n".to_owned() + &plugin_table("http")));
    let open = |method: &str, path: &str| {
        let mut wire = Wire::open(server.address);
        let auth = format!("host: localhost\r\nauthorization: Bearer {TOKEN}");
        wire.write(
            format!("{method} {path} HTTP/1.1\r\n{auth}\r\ncontent-length: 9\r\n\r\nx").as_bytes(),
        );
        wire
    };
    open("POST", "/x/http/secret").answer().problem(408);
    // A question has no body that anybody would wait for.
    assert_eq!(open("GET", "/x/http/echo/a").answer().status, 200);
}

#[test]
fn bodies_for_plugins_share_the_room_of_all_bodies() {
    let server = TestServer::with(
        &("[limits]\nwaiting_bytes = 1048576\n".to_owned() + &plugin_table("http")),
    );
    let begin = |more: &str| {
        let mut wire = Wire::open(server.address);
        let head = "POST /x/http/secret HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000";
        wire.write(format!("{head}\r\n{more}authorization: Bearer {TOKEN}\r\n\r\n").as_bytes());
        wire
    };
    // Asked to go on, it has its room.
    let mut first = begin("expect: 100-continue\r\n");
    assert_eq!(first.answer().status, 100);
    begin("").answer().problem(503);
    first.write(&[b'x'; 900_000]);
    assert_eq!(first.answer().status, 200);
}

#[test]
fn a_stream_has_a_slot_among_the_connections() {
    let server = TestServer::with("[server]\nmax_connections = 2\n");
    let (health, sse) = (Request::new("GET", "/health"), Request::new("GET", "/stream/sse"));
    let stream = || wait_for("a slot", || answered(&server, &sse));
    let (first, second) = (stream(), stream());
    assert!(answered(&server, &health).is_none());
    drop(first);
    wait("the slot of the first", || answered(&server, &health).is_some());
    drop(second);
}
