//! CloudEvents 1.0: binary, structured, batch.

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{TOKEN, TestServer};

fn envelope() -> Value {
    json!({
        "specversion": "1.0", "id": "e1", "source": "/sensors/a", "type": "com.example.cpu",
        "time": "2025-10-21T06:30:00+02:00", "subject": "web-1",
        "data": {"value": 0.5, "unit": "load"}, "traceparent": "00-x",
    })
}

fn newest(server: &TestServer) -> Value {
    server.json("/snapshot?limit=1")["events"][0].clone()
}

fn assert_mapped(event: &Value) {
    for (field, value) in [
        ("event_id", json!("e1")),
        ("source", json!("/sensors/a")),
        ("kind", json!("com.example.cpu")),
        ("timestamp", json!("2025-10-21T04:30:00Z")),
        ("subject", json!("web-1")),
        ("value", json!(0.5)),
        ("data", json!({"unit": "load"})),
    ] {
        assert_eq!(event[field], value, "{field} of {event}");
    }
}

#[test]
fn structured_mode_is_mapped_onto_the_event() {
    let server = TestServer::start();
    let media = "application/cloudevents+json; charset=utf-8";
    let answer = server.post("/event", media, envelope().to_string());
    assert_eq!(answer.json()["event_id"], "e1", "{}", answer.text());
    assert_mapped(&newest(&server));
    let mut wrong = envelope();
    wrong["id"] = "".into();
    wrong["specversion"] = "0.3".into();
    wrong["data"]["value"] = "x".into();
    let mut fields = server.post("/event", media, wrong.to_string()).bad_fields();
    fields.sort();
    assert_eq!(fields, ["data.value", "id", "specversion"]);
    assert_eq!(server.json("/snapshot")["next_seq"], 1);
}

#[test]
fn binary_mode_has_its_attributes_in_headers() {
    let server = TestServer::start();
    let request = |id: &str| {
        Request::new("POST", "/event")
            .token(TOKEN)
            .header("content-type", "application/json")
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/sensors/a")
            .header("ce-type", "com.example.cpu")
            .header("ce-time", "2025-10-21T06:30:00+02:00")
            .header("ce-subject", "web-1")
            .body(r#"{"value":0.5,"unit":"load"}"#)
    };
    let answer = request("e1").send(server.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_mapped(&newest(&server));
    assert_eq!(request("").send(server.address).bad_fields(), ["ce-id"]);
    assert_eq!(request("e1").send(server.address).json()["duplicate"], true);
}

#[test]
fn a_batch_is_answered_per_item_and_beauty_carries_itself() {
    let server = TestServer::start();
    let media = "application/cloudevents-batch+json";
    let beauty = json!({
        "specversion": "1.0", "id": "b", "source": "s", "type": "beauty",
        "data": {"event_id": "b", "timestamp": "2025-10-21T04:30:00Z", "beauty_score": 1.25,
                 "wisdom": "w"},
    });
    let batch = json!([envelope(), {"specversion": "1.0"}, beauty]);
    let answer = server.post("/events", media, batch.to_string()).json();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&2.into(), &1.into()));
    let event = newest(&server);
    assert_eq!((&event["kind"], &event["beauty_score"]), (&"beauty".into(), &1.25.into()));
    assert_eq!((&event["wisdom"], &event["source"]), (&"w".into(), &"s".into()));
    let cut = batch.to_string();
    server.post("/events", media, &cut[..cut.len() - 1]).problem(400);
    assert_eq!(server.json("/snapshot")["next_seq"], 2);
}
