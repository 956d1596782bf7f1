//! `POST /events`: NDJSON and arrays, answered per item; good items are kept when others are bad.

use serde_json::{Value, json};

use crate::server::{TestServer, beauty, general, wait};

fn indices(answer: &Value) -> Vec<u64> {
    let rejected = answer["rejected"].as_array().unwrap();
    rejected.iter().map(|item| item["index"].as_u64().unwrap()).collect()
}

#[test]
fn good_lines_are_kept_and_bad_ones_are_told_by_index() {
    let server = TestServer::start();
    let lines = [
        general("a", "k", 1.0).to_string(),
        "{broken".to_owned(),
        beauty("b", 1.0).to_string(),
        String::new(),
        json!({"event_id": "", "timestamp": "x", "beauty_score": 3}).to_string(),
        general("a", "k", 1.0).to_string(),
        "[]".to_owned(),
        general("c", "k", 3.0).to_string(),
    ];
    let answer = server.post("/events", "application/x-ndjson", lines.join("\r\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-length").is_some() && answer.header("x-request-id").is_some());
    let told = answer.json();
    assert_eq!((&told["accepted"], &told["duplicates"]), (&3.into(), &1.into()), "{told}");
    // Blank lines are no items.
    assert_eq!(indices(&told), [1, 3, 5]);
    assert_eq!(told["rejected"][0]["errors"][0]["field"], "body");
    let errors = told["rejected"][1]["errors"].as_array().unwrap();
    let fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["event_id", "timestamp", "beauty_score"]);
    let shown = server.json("/snapshot");
    let ids: Vec<_> =
        shown["events"].as_array().unwrap().iter().map(|event| &event["event_id"]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(shown["next_seq"], 3);
}

#[test]
fn an_array_is_taken_item_by_item_and_a_broken_one_not_at_all() {
    let server = TestServer::start();
    let good = json!([general("a", "k", 1.0), 7, beauty("b", 0.1)]);
    let told = server.post("/events", "application/json", good.to_string()).json();
    assert_eq!((&told["accepted"], &told["duplicates"]), (&2.into(), &0.into()));
    assert_eq!(indices(&told), [1]);
    let event = general("c", "k", 1.0);
    for broken in [
        format!("[{event}"),
        format!("[{event},]"),
        format!("[{event}] x"),
        format!("{event}"),
        String::new(),
        "null".to_owned(),
    ] {
        let refused = server.post("/events", "application/json", broken.clone());
        assert_eq!(refused.bad_fields(), ["body"], "{broken}");
    }
    assert_eq!(server.json("/snapshot")["next_seq"], 2);
    assert_eq!(server.general("c", "k", 1.0), 3);
    let empty = json!({"accepted": 0, "duplicates": 0, "rejected": []});
    assert_eq!(server.post("/events", "application/json", "[]").json(), empty);
    assert_eq!(server.post("/events", "application/x-ndjson", "").json(), empty);
}

#[test]
fn ten_thousand_events_are_one_batch() {
    let server = TestServer::start();
    let lines: Vec<String> =
        (0..10_000).map(|i| general(&format!("e{i}"), "k", f64::from(i)).to_string()).collect();
    let all = json!({"accepted": 10_000, "duplicates": 0, "rejected": []});
    assert_eq!(server.post("/events", "application/x-ndjson", lines.join("\n")).json(), all);
    let again = json!({"accepted": 0, "duplicates": 10_000, "rejected": []});
    assert_eq!(server.post("/events", "application/x-ndjson", lines.join("\n")).json(), again);
    let one_more = format!("{}\n{}", lines.join("\n"), general("more", "k", 1.0));
    server.post("/events", "application/x-ndjson", one_more).problem(413);
    assert_eq!(server.json("/snapshot")["next_seq"], 10_000);
    // A line for each of the first events of a second, one for all others.
    wait("the summary", || server.home.log().contains("further events"));
    let lines = server.home.log().lines().filter(|line| line.contains("event_id=")).count();
    assert!(lines <= 40, "{lines} lines");
}
