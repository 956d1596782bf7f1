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
