//! `POST /event` and `POST /events`: what is taken, what is refused, and with which status.

use serde_json::json;
use shimmer_server::config::{Secret, TokenTable};

use crate::http::{Request, Wire};
use crate::node::{Node, TOKEN};

const BEAUTY: &str = r#"{"event_id":"evt_1","timestamp":"2025-10-21T06:30:00+02:00","beauty_score":0.92,"wisdom":"Trust"}"#;

#[test]
fn an_accepted_event_is_in_the_snapshot() {
    let node = Node::start();
    let answer = node.post("/event", "application/json", BEAUTY);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-length").is_some());
    assert!(answer.header("x-request-id").is_some());
    let expected = json!({"status": "ok", "event_id": "evt_1", "seq": 1, "duplicate": false});
    assert_eq!(answer.json(), expected);

    let snapshot = node.json("/snapshot");
    assert_eq!(snapshot["count"], 1);
    assert_eq!(snapshot["next_seq"], 1);
    assert_eq!(snapshot["dropped_before"], 1);
    let event = &snapshot["events"][0];
    assert_eq!(event["timestamp"], "2025-10-21T04:30:00Z");
    assert_eq!(event["beauty_score"], 0.92);
    assert_eq!(event["kind"], "beauty");
    assert_eq!(event["value"], 0.92);
    assert_eq!(event["source"], "default");
    assert_eq!(event["wisdom"], "Trust");
    assert_eq!(event["seq"], 1);
    assert_eq!(event["origin"], node.running.as_ref().unwrap().node_id());
    assert!(event["received_at"].is_string());
}

#[test]
fn a_repeated_event_is_stored_once() {
    let node = Node::start();
    node.post("/event", "application/json", BEAUTY);
    let again = node.post("/event", "application/json", BEAUTY).json();
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["seq"], 1);
    assert_eq!(node.json("/snapshot")["count"], 1);
}

#[test]
fn the_token_comes_before_the_body() {
    let node = Node::start();
    let post = |token: Option<&str>| {
        let request = Request::new("POST", "/event").header("content-type", "application/json");
        let request = match token {
            Some(token) => request.token(token),
            None => request,
        };
        request.body("not json").send(node.address)
    };
    for token in [None, Some("wrong"), Some("")] {
        let refused = post(token);
        refused.problem(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    post(Some(TOKEN)).problem(400);
    // Not a byte of the body is needed for the answer.
    let mut wire = Wire::open(node.address);
    wire.write(b"POST /event HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n");
    assert_eq!(wire.answer().status, 401);
}

#[test]
fn every_wrong_field_is_named() {
    let node = Node::start();
    let body = r#"{"event_id":"","timestamp":"yesterday","beauty_score":1.6}"#;
    let problem = node.post("/event", "application/json", body).problem(400);
    let fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(fields, ["event_id", "timestamp", "beauty_score"]);
    assert_eq!(node.json("/snapshot")["count"], 0);
}

#[test]
fn bounds_of_bodies_and_events_are_413_and_415() {
    let node = Node::with(|config| {
        config.limits.event_body_bytes = 8192;
        config.limits.batch_bytes = 10_000;
        config.limits.batch_events = 3;
    });
    node.post("/event", "application/json", vec![b' '; 8193]).problem(413);
    node.post("/events", "application/x-ndjson", vec![b'\n'; 10_001]).problem(413);
    node.post("/events", "application/x-ndjson", "{}\n{}\n{}\n{}\n").problem(413);
    let long = json!({
        "event_id": "e", "timestamp": "2025-10-21T04:30:00Z", "kind": "a", "value": 1,
        "data": {"text": "x".repeat(5000)},
    });
    node.post("/event", "application/json", long.to_string()).problem(413);
    node.post("/event", "text/plain", BEAUTY).problem(415);
    node.post("/events", "application/cloudevents+json", "{}").problem(415);
    // A chunked body has no stated length; it is bounded all the same.
    let mut wire = Wire::open(node.address);
    let head = format!(
        "POST /event HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    wire.write(head.as_bytes());
    wire.write(format!("{:x}\r\n{}\r\n0\r\n\r\n", 9000, " ".repeat(9000)).as_bytes());
    assert_eq!(wire.answer().status, 413);
}

#[test]
fn a_batch_is_answered_item_by_item() {
    let node = Node::start();
    let good = |id: &str| {
        json!({
            "event_id": id, "timestamp": "2025-10-21T04:30:00Z", "kind": "load", "value": 1.5,
        })
    };
    let lines = format!("{}\nnot json\n{}\n\n{}\n", good("a"), good("b"), good("a"));
    let answer = node.post("/events", "application/x-ndjson", lines);
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-length").is_some());
    let answer = answer.json();
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(1)));
    assert_eq!(answer["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(answer["rejected"][0]["index"], 1);
    assert!(answer["rejected"][0]["errors"][0]["message"].is_string());

    let array = json!([good("c"), {"event_id": "d"}]).to_string();
    let answer = node.post("/events", "application/json", array).json();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["rejected"][0]["index"], 1);
    node.post("/events", "application/json", "[{}").problem(400);
    assert_eq!(node.post("/events", "application/json", "[]").json()["accepted"], 0);
    assert_eq!(node.json("/snapshot")["count"], 3);
}

#[test]
fn cloudevents_come_in_three_modes() {
    let node = Node::start();
    let structured = json!({
        "specversion": "1.0", "id": "s", "source": "lab", "type": "load",
        "time": "2025-10-21T04:30:00Z", "data": {"value": 2, "unit": "kW"},
    });
    let post = |content_type, body: String| node.post("/event", content_type, body);
    assert_eq!(post("application/cloudevents+json", structured.to_string()).status, 200);
    let binary = Request::new("POST", "/event")
        .token(TOKEN)
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-id", "b")
        .header("ce-source", "lab")
        .header("ce-type", "load")
        .body(r#"{"value":3}"#)
        .send(node.address);
    assert_eq!(binary.status, 200, "{}", binary.text());
    let batch = json!([structured]).to_string();
    let batch = node.post("/events", "application/cloudevents-batch+json", batch).json();
    assert_eq!(batch["duplicates"], 1, "{batch}");
    let events = node.json("/snapshot?source=lab");
    assert_eq!(events["events"][0]["data"], json!({"unit": "kW"}));
    assert_eq!(events["events"][1]["value"], 3.0);
}

#[test]
fn a_named_token_is_kept_to_its_sources() {
    let node = Node::with(|config| {
        config.auth.tokens.push(TokenTable {
            name: "sensor".into(),
            token: Secret::new("sensor-token"),
            sources: vec!["a-*".into()],
            ..TokenTable::default()
        });
    });
    let event = |id: &str, source: &str| {
        json!({
            "event_id": id, "timestamp": "2025-10-21T04:30:00Z", "kind": "k", "value": 1, "source": source,
        })
    };
    let post = |path: &str, body: String| {
        Request::new("POST", path)
            .token("sensor-token")
            .header("content-type", "application/json")
            .body(body)
            .send(node.address)
    };
    assert_eq!(post("/event", event("1", "a-1").to_string()).status, 200);
    assert_eq!(
        post("/event", event("2", "b-1").to_string()).problem(403)["errors"][0]["field"],
        "source"
    );
    let batch = post("/events", json!([event("3", "a-2"), event("4", "b")]).to_string()).json();
    assert_eq!(batch["accepted"], 1);
    assert_eq!(batch["rejected"][0]["index"], 1);
    post("/api/reload", String::new()).problem(403);
}

#[test]
fn the_rate_is_limited_where_it_is_set() {
    let node = Node::with(|config| config.limits.events_per_second = 2);
    node.event("1", "k", 1.0);
    node.event("2", "k", 1.0);
    let third = node.post("/event", "application/json", BEAUTY);
    third.problem(429);
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(third.header(name).is_some(), "{name}");
    }
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let node = Node::start();
    let mut wire = Wire::open(node.address);
    let mut bytes = Vec::new();
    for i in 0..50 {
        let body = BEAUTY.replace("evt_1", &format!("evt_{i}"));
        bytes.extend(
            Request::new("POST", "/event")
                .token(TOKEN)
                .header("content-type", "application/json")
                .body(body)
                .bytes(),
        );
    }
    wire.write(&bytes);
    for i in 0..50 {
        let answer = wire.answer().json();
        assert_eq!(answer["event_id"], format!("evt_{i}"));
        assert_eq!(answer["seq"], i + 1);
    }
}
