//! Plain posts take a way of their own; nobody can tell by the answers.

use serde_json::json;

use crate::http::{Answer, Request, Wire};
use crate::server::{TOKEN, TestServer, general};

/// The request as it is, and the same on a connection that has asked for a page before.
fn both(server: &TestServer, request: &Request) -> [Answer; 2] {
    let plain = Wire::open(server.address).ask(request);
    let mut wire = Wire::open(server.address);
    assert_eq!(wire.ask(&Request::new("GET", "/health")).status, 200);
    [plain, wire.ask(request)]
}

#[test]
fn both_ways_answer_in_the_same_words() {
    let server = TestServer::with("[limits]\nevent_body_bytes = 20000\n");
    let post = |body: String| {
        let request = Request::new("POST", "/event").header("x-request-id", "mine");
        request.header("content-type", "application/json; charset=utf-8").body(body)
    };
    let mut long = general("long", "k", 1.0);
    long["data"] = json!({"pad": "p".repeat(5_000)});
    let good = general("good", "k", 1.0);
    assert_eq!(Wire::open(server.address).ask(&post(good.to_string()).token(TOKEN)).status, 200);
    let cloud = json!({
        "specversion": "1.0", "id": "c", "type": "k", "source": "s", "data": {"value": 1.0},
    });
    let structured = Request::new("POST", "/event").header("x-request-id", "mine");
    let structured = structured.header("content-type", "application/cloudevents+json");
    let structured = structured.body(cloud.to_string()).token(TOKEN);
    // What is stored is stored once, so all that follows are repetitions.
    assert_eq!(Wire::open(server.address).ask(&structured).status, 200);
    let cases = [
        (200, post(good.to_string()).token(TOKEN)),
        (400, post(general("", "K", 1.0).to_string()).token(TOKEN)),
        (400, post("{".into()).token(TOKEN)),
        (400, post(String::new()).token(TOKEN)),
        (413, post(long.to_string()).token(TOKEN)),
        (413, post(" ".repeat(20_001)).token(TOKEN)),
        (401, post(good.to_string())),
        (401, post(good.to_string()).token("no")),
        (415, post(good.to_string()).token(TOKEN).header("content-encoding", "gzip")),
        (421, post(good.to_string()).token(TOKEN).header("host", "evil.test")),
        (403, post(good.to_string()).token(TOKEN).header("origin", "http://evil.test")),
        (200, structured),
    ];
    for (status, request) in cases {
        let answers = both(&server, &request).map(|mut answer| {
            answer.headers.retain(|(name, _)| name != "date");
            answer.headers.sort();
            // A time of arrival has as many digits as it needs, and with it what is too long.
            let text = answer.text().replace(|c: char| c.is_ascii_digit(), "0");
            (answer.status, answer.headers.clone(), text)
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, status, "{answers:?}");
        let names = answers[0].1.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert!(names.contains(&"content-length") && names.contains(&"x-request-id"), "{names:?}");
    }
    let metrics = server.get("/metrics").text();
    let counted = "shimmer_http_requests_total{route=\"/event\",status=\"401\"} 4\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn both_ways_answer_batches_in_the_same_words() {
    let server = TestServer::with("[limits]\nbatch_bytes = 100000\nbatch_events = 400\n");
    let post = |media: &str, body: String| {
        let request = Request::new("POST", "/events").header("x-request-id", "mine");
        request.header("content-type", media).body(body)
    };
    let ndjson = "application/x-ndjson";
    let lines = |events: usize, padding: usize| {
        let line = |i| {
            let mut event = general(&format!("e{i}"), if i % 50 == 49 { "K" } else { "k" }, 1.0);
            event["data"] = json!({"pad": "p".repeat(padding)});
            format!("{event}\n")
        };
        (0..events).map(line).collect::<String>()
    };
    let array = format!("[{}]", lines(40, 10).trim_end().replace('\n', ","));
    // What is stored is stored once, so all that follows are repetitions.
    assert_eq!(
        Wire::open(server.address).ask(&post(ndjson, lines(300, 10)).token(TOKEN)).status,
        200
    );
    let cases = [
        (200, post(ndjson, lines(3, 10))),
        (200, post(ndjson, lines(300, 150))),
        (200, post("application/json", array)),
        (200, post(ndjson, String::new())),
        (400, post("application/json", "[".into())),
        (400, post("application/json", format!("[{}", " ".repeat(60_000)))),
        (413, post(ndjson, lines(401, 100))),
        (413, post(ndjson, " ".repeat(100_001))),
        (415, post("text/plain", lines(3, 10))),
    ];
    let cases = cases.map(|(status, request)| (status, request.token(TOKEN)));
    let stranger = (401, post(ndjson, lines(300, 100)).token("no"));
    for (status, request) in cases.into_iter().chain([stranger]) {
        let answers = both(&server, &request).map(|mut answer| {
            answer.headers.retain(|(name, _)| name != "date");
            answer.headers.sort();
            (answer.status, answer.headers.clone(), answer.text())
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, status, "{answers:?}");
    }
    let metrics = server.get("/metrics").text();
    let counted = "shimmer_http_requests_total{route=\"/events\",status=\"400\"} 4\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_batch_may_come_in_any_pieces_and_with_others() {
    let server = TestServer::start();
    let batch = |name: &str| {
        let line = |i| format!("{}\n", general(&format!("{name}-{i}"), "k", 1.0));
        let body = (0..700).map(line).collect::<String>();
        assert!(body.len() > 40_000);
        let request = Request::new("POST", "/events").token(TOKEN);
        request.header("content-type", "application/x-ndjson").body(body).bytes()
    };
    let event = Request::new("POST", "/event").token(TOKEN);
    let mut wire = Wire::open(server.address);
    for (turn, cut) in [1, 20, 300, 32_000, 33_000, 40_000].into_iter().enumerate() {
        let event = event.clone().body(general(&format!("one-{cut}"), "k", 1.0).to_string());
        let all = [batch(&format!("a{cut}")), batch(&format!("b{cut}")), event.bytes()].concat();
        for piece in [&all[..cut], &all[cut..cut + 1], &all[cut + 1..all.len() / 2]] {
            wire.write(piece);
            std::thread::yield_now();
        }
        wire.write(&all[all.len() / 2..]);
        for _ in 0..2 {
            assert_eq!(wire.answer().json()["accepted"], 700, "{cut}");
        }
        assert_eq!(wire.answer().json()["seq"], 1401 * (turn + 1), "{cut}");
    }
    let mut begun = Wire::open(server.address);
    begun.write(&batch("cut off")[..40_000]);
    drop(begun);
    assert_eq!(server.json("/snapshot")["next_seq"], 8406, "nothing of a batch that did not end");
}

#[test]
fn a_plain_post_may_come_in_any_pieces() {
    let server = TestServer::start();
    let event = |id: &str| {
        let event = general(id, "k", 1.0).to_string();
        Request::new("POST", "/event").token(TOKEN).body(event).bytes()
    };
    let whole = event("whole");
    let mut wire = Wire::open(server.address);
    let mut seq = 0;
    for cut in (1..whole.len()).step_by(7) {
        // The end of one and the beginning of the next come together.
        let bytes = [event(&format!("cut-{cut}")), event(&format!("next-{cut}"))].concat();
        let (begin, end) = bytes.split_at(cut);
        wire.write(begin);
        std::thread::yield_now();
        wire.write(end);
        for _ in 0..2 {
            seq += 1;
            assert_eq!(wire.answer().json()["seq"], seq, "{cut}");
        }
    }
}

#[test]
fn what_follows_plain_posts_is_answered_after_them() {
    let server = TestServer::start();
    let event = |id: &str| {
        Request::new("POST", "/event").token(TOKEN).body(general(id, "k", 1.0).to_string()).bytes()
    };
    let mut wire = Wire::open(server.address);
    let page = Request::new("GET", "/snapshot?limit=1").bytes();
    wire.write(
        &[event("a"), event("b"), page, event("c"), b"\x01 no request\r\n\r\n".to_vec()].concat(),
    );
    assert_eq!(wire.answer().json()["seq"], 1);
    assert_eq!(wire.answer().json()["seq"], 2);
    assert_eq!(wire.answer().json()["next_seq"], 2);
    assert_eq!(wire.answer().json()["seq"], 3);
    wire.answer().problem(400);
    assert_eq!(wire.rest(), "");
    // Without a page between them as well.
    let mut wire = Wire::open(server.address);
    wire.write(&[event("d"), b"\x01 no request\r\n\r\n".to_vec()].concat());
    assert_eq!(wire.answer().json()["seq"], 4);
    wire.answer().problem(400);
    assert_eq!(wire.rest(), "");
}

#[test]
fn posts_that_come_together_are_answered_as_if_each_had_come_alone() {
    let (together, alone) = (TestServer::start(), TestServer::start());
    let post = |body: String| Request::new("POST", "/event").token(TOKEN).body(body);
    let usual = |id: &str| post(general(id, "k", 1.0).to_string());
    let cloud = json!({"specversion": "1.0", "id": "c", "type": "k", "source": "s", "data": {"value": 1.0}});
    let mut requests: Vec<_> = (0..100).map(|i| usual(&format!("e{i}"))).collect();
    // Repetitions within and before, what is wrong, what is written otherwise, and others between them.
    requests.extend(["twice", "twice", "e7", "once"].map(usual));
    requests.push(post(general("", "k", 1.0).to_string()));
    requests.extend(["a", "b"].map(usual));
    requests.push(post(general("esc", "k", 1.0).to_string().replace("esc", "\\u0065sc")));
    requests.extend(["c", "d"].map(usual));
    requests.push(post(cloud.to_string()).header("content-type", "application/cloudevents+json"));
    requests.push(usual("e").header("content-type", "text/plain"));
    requests.extend(["esc", "f"].map(|id| usual(id).header("x-request-id", id)));
    let mut wire = Wire::open(together.address);
    wire.write(&requests.iter().flat_map(Request::bytes).collect::<Vec<_>>());
    for (number, request) in requests.iter().enumerate() {
        let told = |answer: Answer| {
            let id = answer.header("x-request-id").map(str::to_owned);
            (answer.status, answer.text(), id.filter(|id| id == "esc" || id == "f"))
        };
        assert_eq!(told(wire.answer()), told(Wire::open(alone.address).ask(request)), "{number}");
    }
    let counted = |server: &TestServer| {
        let text = server.get("/metrics").text();
        let of_ingest = |line: &&str| {
            line.starts_with("shimmer_ingest_events_total")
                || line.starts_with("shimmer_http_requests_total{route=\"/event\"")
        };
        text.lines().filter(of_ingest).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(counted(&together), counted(&alone));
}

#[test]
fn a_batch_that_stops_coming_is_408_and_gives_its_room_back() {
    let server =
        TestServer::with("[server]\nbody_timeout_ms = 2000\n[limits]\nwaiting_bytes = 100000\n");
    let batch = |name: &str| {
        let line = |i| format!("{}\n", general(&format!("{name}-{i}"), "k", 1.0));
        let request = Request::new("POST", "/events").token(TOKEN);
        let request = request.header("content-type", "application/x-ndjson");
        request.body((0..1000).map(line).collect::<String>())
    };
    let (stalled, other) = (batch("stalled").bytes(), batch("other"));
    assert!((70_000..100_000).contains(&stalled.len()), "{}", stalled.len());
    let event = Request::new("POST", "/event").token(TOKEN);
    let event = event.body(general("before", "k", 1.0).to_string()).bytes();
    let mut slow = Wire::open(server.address);
    // Read together, so that the batch has its room when the event is answered.
    slow.write(&[&event, &stalled[..20_000]].concat());
    assert_eq!(slow.answer().status, 200);
    let post = || Wire::open(server.address).ask(&other);
    post().problem(503);
    let timeout = slow.answer();
    timeout.problem(408);
    assert_eq!(timeout.header("connection"), Some("close"));
    assert_eq!(slow.rest(), "");
    assert_eq!(post().status, 200);
    let text = server.get("/metrics").text();
    let counted = "shimmer_http_requests_total{route=\"/events\",status=\"408\"} 1\n";
    assert!(text.contains(counted), "{text}");
}
