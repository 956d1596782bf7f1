//! Too large, too fast, and a ring that a plugin holds full: refused with the right status, and nothing half-accepted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{Request, Wire};
use crate::server::{TOKEN, TestServer, general, plugin_table};

#[test]
fn each_limit_of_size_is_413() {
    let server = TestServer::with("[limits]\nbatch_bytes = 100000\nbatch_events = 3\n");
    let padded = |pad: usize| {
        let mut event = general("padded", "k", 1.0);
        event["data"] = json!({"pad": "p".repeat(pad)});
        event
    };
    // The canonical form: at most 4 KiB, names and times included.
    server.event(&padded(4_096)).problem(413);
    let batch = server.post("/events", "application/x-ndjson", padded(4_096).to_string()).json();
    assert_eq!((&batch["accepted"], &batch["rejected"][0]["index"]), (&0.into(), &0.into()));
    // Bodies, by their stated and by their real length.
    server.event(&padded(70_000)).problem(413);
    server.post("/events", "application/x-ndjson", " ".repeat(100_001)).problem(413);
    let mut wire = Wire::open(server.address);
    let head = format!(
        "POST /event HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    wire.write(head.as_bytes());
    wire.write(format!("{:x}\r\n{}\r\n0\r\n\r\n", 65_537, " ".repeat(65_537)).as_bytes());
    wire.answer().problem(413);
    let four = |n: usize| {
        let lines: Vec<_> =
            (0..n).map(|i| general(&format!("e{i}"), "k", 1.0).to_string()).collect();
        server.post("/events", "application/x-ndjson", lines.join("\n"))
    };
    four(4).problem(413);
    assert_eq!(server.json("/snapshot")["next_seq"], 0);
    assert_eq!(four(3).json()["accepted"], 3);
    assert_eq!(server.event(&padded(3_500)).status, 200);
}

#[test]
fn too_fast_is_429_with_the_time_to_wait() {
    let server = TestServer::with("[limits]\nevents_per_second = 3\n");
    let mut stored = 0;
    let begun = Instant::now();
    let refused = loop {
        let answer = server.event(&general(&format!("e{stored}"), "k", 1.0));
        if answer.status == 429 {
            break answer;
        }
        stored += 1;
        assert!(begun.elapsed() < Duration::from_secs(30), "never refused");
    };
    assert!(stored >= 3);
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").is_some(), "{:?}", refused.headers);
    assert!(refused.header("ratelimit-policy").is_some(), "{:?}", refused.headers);
    assert_eq!(server.json("/snapshot")["next_seq"], stored);
    // Reading is not limited, and a refused token is not charged.
    assert_eq!(server.get("/snapshot").status, 200);
}

#[test]
fn a_batch_without_room_is_503_and_comes_again() {
    let server = TestServer::with("[limits]\nwaiting_bytes = 100000\n");
    let lines = |name: &str| {
        // Longer than what is read at once, which needs no room.
        let event = |i| {
            let mut event = general(&format!("{name}-{i}"), "k", 1.0);
            event["data"] = json!({"pad": "p".repeat(2_500)});
            event.to_string()
        };
        (0..30).map(event).collect::<Vec<_>>().join("\n")
    };
    let (first, second) = (lines("first"), lines("second"));
    let mut slow = Wire::open(server.address);
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         expect: 100-continue\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        first.len()
    );
    slow.write(head.as_bytes());
    // It is asked for its body when it has room for it.
    assert_eq!(slow.answer().status, 100);
    let post = || server.post("/events", "application/x-ndjson", second.clone());
    let refused = post();
    refused.problem(503);
    assert!(refused.header("retry-after").is_some());
    // What is short needs no room.
    assert_eq!(server.general("short", "k", 1.0), 1);
    slow.write(first.as_bytes());
    assert_eq!(slow.answer().json()["accepted"], 30);
    assert_eq!(post().json()["accepted"], 30);
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("shimmer_ingest_events_total{result=\"full\"} 1\n"), "{metrics}");
}

#[test]
fn the_own_statistics_never_hold_the_ring_full() {
    let server = TestServer::with("[ring]\ncapacity = 64\nmax_events = 64\n");
    let mut wire = Wire::open(server.address);
    for turn in 0..20 {
        // All at once, so that nobody else gets to do anything between them.
        let batch = |number| {
            let line = |i| format!("{}\n", general(&format!("e{turn}-{number}-{i}"), "k", 1.0));
            let request = Request::new("POST", "/events").token(TOKEN);
            let request = request.header("content-type", "application/x-ndjson");
            request.body((0..40).map(line).collect::<String>()).bytes()
        };
        wire.write(&(0..15).flat_map(batch).collect::<Vec<_>>());
        for _ in 0..15 {
            let answer = wire.answer();
            assert_eq!(answer.status, 200, "{turn}: {}", answer.text());
        }
    }
}

#[test]
fn a_ring_that_a_plugin_holds_full_is_503_and_takes_nothing() {
    let table = plugin_table("hang");
    let server = TestServer::with(&format!("[ring]\ncapacity = 64\nmax_events = 64\n{table}"));
    let mut poison = general("poison", "k", 1.0);
    poison["data"] = json!({"poison": true});
    assert_eq!(server.event(&poison).status, 200);
    let (mut stored, mut slowest) = (1, Duration::ZERO);
    let full = loop {
        let begun = Instant::now();
        let answer = server.event(&general(&format!("e{stored}"), "k", 1.0));
        slowest = slowest.max(begun.elapsed());
        if answer.status != 200 {
            break answer;
        }
        stored += 1;
        assert!(stored <= 64, "the ring holds 64");
    };
    full.problem(503);
    assert!(full.header("retry-after").is_some());
    let lines: Vec<_> = (0..20).map(|i| general(&format!("b{i}"), "k", 1.0).to_string()).collect();
    let batch = server.post("/events", "application/x-ndjson", lines.join("\n"));
    batch.problem(503);
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    assert_eq!(server.json("/snapshot")["next_seq"], stored);
    // The refused are not remembered as duplicates.
    assert_eq!(server.operate("/api/plugin/hang/disable").status, 200);
    let lines = lines.join("\n");
    crate::server::wait("room", || {
        let answer = server.post("/events", "application/x-ndjson", lines.clone());
        answer.status == 200 && {
            assert_eq!(answer.json()["accepted"], 20);
            true
        }
    });
    let request = Request::new("GET", "/snapshot?limit=1").send(server.address).json();
    assert_eq!(request["next_seq"], stored + 20);
}
