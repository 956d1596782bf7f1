//! `POST /event` with one JSON object: fields, both forms, duplicates, who may post.

use serde_json::{Value, json};

use crate::http::{Request, Wire};
use crate::server::{TOKEN, TestServer, beauty, general};

/// Nothing was stored: the next event is the first.
#[track_caller]
fn nothing_stored(server: &TestServer) {
    let snapshot = server.json("/snapshot");
    assert_eq!((&snapshot["count"], &snapshot["next_seq"]), (&0.into(), &0.into()), "{snapshot}");
    assert_eq!(server.general("the-first", "probe", 1.0), 1);
}

#[test]
fn a_beauty_event_is_shown_as_posted_with_what_the_node_adds() {
    let server = TestServer::start();
    let posted = json!({
        "event_id": "evt_1", "timestamp": "2025-10-21T06:30:00.123456789+02:00", "beauty_score": 0.92,
        "chaos_fingerprint": "é".repeat(32), "dance_sequence": "d".repeat(64),
        "wisdom": "w\"\n".repeat(66), "subject": "lake", "source": "node-a", "type": "dropped", "extra": 1,
    });
    let answer = server.event(&posted);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(
        answer.json(),
        json!({"status": "ok", "event_id": "evt_1", "seq": 1, "duplicate": false})
    );
    let mut shown = server.json("/snapshot")["events"][0].clone();
    let members = shown.as_object_mut().unwrap();
    assert!(members.remove("received_at").unwrap().as_str().unwrap().ends_with('Z'));
    assert_eq!(members.remove("origin").unwrap(), server.json("/health")["node_id"]);
    let mut expected = posted.clone();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("type");
    fields.remove("extra");
    fields.insert("timestamp".into(), "2025-10-21T04:30:00.123456789Z".into());
    fields.insert("kind".into(), "beauty".into());
    fields.insert("value".into(), 0.92.into());
    fields.insert("seq".into(), 1.into());
    // A beauty event may carry data too; without any it is shown as empty or not at all.
    members.remove("data");
    assert_eq!(shown, expected);
}

#[test]
fn a_general_event_is_shown_as_posted() {
    let server = TestServer::start();
    let mut posted = general("g", "sensor.temp_1-a", -1.5e300);
    posted["data"] = json!({"nested": {"list": [1, "two", null, true]}, "é": "ü"});
    posted["subject"] = "s".repeat(128).into();
    assert_eq!(server.event(&posted).status, 200);
    let shown = server.json("/snapshot")["events"][0].clone();
    for field in ["event_id", "kind", "value", "subject", "data", "timestamp"] {
        assert_eq!(shown[field], posted[field], "{field}");
    }
    assert_eq!(shown["source"], "default");
    assert_eq!(shown.get("beauty_score"), None);
    let both = json!({"event_id": "both", "timestamp": "2025-10-21T04:30:00Z", "kind": "beauty",
                      "value": 0.5, "beauty_score": 0.5});
    assert_eq!(server.event(&both).status, 200);
}

#[test]
fn each_bad_field_is_named() {
    let server = TestServer::start();
    let with = |base: &Value, field: &str, value: Value| {
        let mut event = base.clone();
        event[field] = value;
        event
    };
    let (score, plain) = (beauty("b", 0.5), general("g", "k", 1.0));
    for (event, field) in [
        (with(&score, "beauty_score", 1.5001.into()), "beauty_score"),
        (with(&score, "beauty_score", (-0.1).into()), "beauty_score"),
        (with(&score, "beauty_score", "1".into()), "beauty_score"),
        (with(&score, "chaos_fingerprint", "c".repeat(33).into()), "chaos_fingerprint"),
        (with(&score, "dance_sequence", "d".repeat(65).into()), "dance_sequence"),
        (with(&score, "wisdom", "w".repeat(201).into()), "wisdom"),
        (with(&score, "event_id", "".into()), "event_id"),
        (with(&score, "event_id", "i".repeat(129).into()), "event_id"),
        (with(&score, "event_id", "é".repeat(65).into()), "event_id"),
        (with(&score, "event_id", "a\u{7}".into()), "event_id"),
        (with(&score, "event_id", 7.into()), "event_id"),
        (with(&score, "timestamp", "yesterday".into()), "timestamp"),
        (with(&score, "timestamp", "2025-02-30T00:00:00Z".into()), "timestamp"),
        (with(&score, "timestamp", "2025-10-21 04:30".into()), "timestamp"),
        (with(&score, "kind", "other".into()), "kind"),
        (with(&score, "value", 0.6.into()), "value"),
        (with(&plain, "kind", "UPPER".into()), "kind"),
        (with(&plain, "kind", "".into()), "kind"),
        (with(&plain, "kind", "k".repeat(65).into()), "kind"),
        (with(&plain, "subject", "s".repeat(129).into()), "subject"),
        (with(&plain, "source", "s".repeat(129).into()), "source"),
        (with(&plain, "value", "x".into()), "value"),
        (with(&plain, "data", json!([1])), "data"),
        (with(&general("g", "beauty", 1.6), "subject", "s".into()), "value"),
    ] {
        assert_eq!(server.event(&event).bad_fields(), [field], "{event}");
    }
    let no = |event: &Value, field: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(field);
        event
    };
    for (event, field) in [
        (no(&score, "event_id"), "event_id"),
        (no(&score, "timestamp"), "timestamp"),
        (no(&score, "beauty_score"), "beauty_score"),
        (no(&plain, "kind"), "kind"),
        (no(&plain, "value"), "value"),
    ] {
        assert_eq!(server.event(&event).bad_fields(), [field], "{event}");
    }
    for body in ["", "{", "null", "[]", "\"text\"", "{\"a\":NaN}", "\u{0}", "{\"event_id\":\"a\"}x"]
    {
        assert_eq!(
            server.post("/event", "application/json", body).bad_fields(),
            ["body"],
            "{body}"
        );
    }
    let huge = r#"{"event_id":"h","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1e999}"#;
    assert_eq!(server.post("/event", "application/json", huge).bad_fields(), ["value"]);
    nothing_stored(&server);
}

#[test]
fn all_errors_of_an_event_come_at_once() {
    let server = TestServer::start();
    let wrong = json!({"event_id": "", "timestamp": "no", "beauty_score": 9, "wisdom": "w".repeat(201),
                       "dance_sequence": 1, "chaos_fingerprint": "c".repeat(33)});
    let mut fields = server.event(&wrong).bad_fields();
    fields.sort();
    assert_eq!(
        fields,
        ["beauty_score", "chaos_fingerprint", "dance_sequence", "event_id", "timestamp", "wisdom"]
    );
    nothing_stored(&server);
}

#[test]
fn a_repeated_event_is_answered_with_its_first_sequence() {
    let server = TestServer::with("[ring]\nmax_events = 3\n");
    assert_eq!(server.general("first", "k", 1.0), 1);
    for i in 0..10 {
        server.general(&format!("e{i}"), "k", 1.0);
    }
    // Its content does not matter, nor that it has left the snapshot.
    let again = server.event(&general("first", "other", 2.0));
    assert_eq!(again.status, 200);
    assert_eq!(
        again.json(),
        json!({"status": "ok", "event_id": "first", "seq": 1, "duplicate": true})
    );
    // The same id of another source is another event.
    let mut other = general("first", "k", 1.0);
    other["source"] = "elsewhere".into();
    assert_eq!(server.event(&other).json()["seq"], 12);
    assert_eq!(server.json("/snapshot")["next_seq"], 12);
}

#[test]
fn the_token_is_asked_before_the_body() {
    let server = TestServer::start();
    for (name, value) in [
        ("x-none", "x"),
        ("authorization", "Bearer wrong"),
        ("authorization", "Bearer "),
        ("authorization", &format!("Basic {TOKEN}")),
        ("authorization", TOKEN),
    ] {
        for path in ["/event", "/events"] {
            let request = Request::new("POST", path).header(name, value).body("not json");
            let refused = request.send(server.address);
            refused.problem(401);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            assert!(refused.header("content-length").is_some());
        }
    }
    // The answer comes while the body is still owed.
    let mut wire = Wire::open(server.address);
    wire.write(b"POST /event HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{");
    assert_eq!(wire.answer().status, 401);
    nothing_stored(&server);
}

#[test]
fn a_named_token_posts_its_own_sources_only() {
    let server = TestServer::with(
        "[[auth.tokens]]\nname = 'sensors'\ntoken = 'sensor-token'\nsources = ['a-*']\n",
    );
    let post = |path: &str, event: &Value| {
        let request = Request::new("POST", path).token("sensor-token");
        let media = if path == "/event" { "application/json" } else { "application/x-ndjson" };
        request.header("content-type", media).body(event.to_string()).send(server.address)
    };
    let mut foreign = general("x", "k", 1.0);
    foreign["source"] = "b-1".into();
    let refused = post("/event", &foreign);
    assert_eq!(refused.problem(403)["errors"][0]["field"], "source");
    let batch = post("/events", &foreign).json();
    assert_eq!(batch["accepted"], 0);
    assert_eq!(batch["rejected"][0]["errors"][0]["field"], "source");
    let mut own = general("y", "k", 1.0);
    own["source"] = "a-1".into();
    assert_eq!(post("/event", &own).json()["seq"], 1);
    assert_eq!(post("/event", &general("z", "k", 1.0)).json()["seq"], 2);
    assert_eq!(server.json("/snapshot")["events"][1]["source"], "sensors");
    // Neither may it change the node.
    let reload = Request::new("POST", "/api/reload").token("sensor-token").body("");
    reload.send(server.address).problem(403);
}

#[test]
fn paths_methods_and_types_that_are_not_served_are_problems() {
    let server = TestServer::start();
    server.get("/nothing").problem(404);
    for (method, path, allow) in [
        ("GET", "/event", "POST"),
        ("PUT", "/event", "POST"),
        ("GET", "/events", "POST"),
        ("POST", "/snapshot", "GET"),
        ("DELETE", "/metrics", "GET"),
        ("PATCH", "/api/reload", "POST"),
    ] {
        let answer = Request::new(method, path).send(server.address);
        answer.problem(405);
        assert!(answer.header("allow").is_some_and(|a| a.contains(allow)), "{method} {path}");
    }
    let event = general("e", "k", 1.0).to_string();
    for (path, media) in [
        ("/event", "text/plain"),
        ("/event", "application/x-ndjson"),
        ("/event", "application/cloudevents-batch+json"),
        ("/events", "text/csv"),
        ("/events", "application/cloudevents+json"),
    ] {
        server.post(path, media, event.clone()).problem(415);
    }
    let packed = Request::new("POST", "/event").token(TOKEN).header("content-encoding", "gzip");
    packed.body(event).send(server.address).problem(415);
    nothing_stored(&server);
}

#[test]
fn a_request_keeps_its_own_id_and_the_log_has_it() {
    let server = TestServer::start();
    let own = Request::new("POST", "/event").token(TOKEN).header("x-request-id", "trace-77");
    let answer = own.body(general("logged", "k", 1.0).to_string()).send(server.address);
    assert_eq!(answer.header("x-request-id"), Some("trace-77"));
    let line = |text: &str| server.home.log().lines().find(|l| l.contains(text)).map(str::to_owned);
    crate::server::wait("the log line", || line("trace-77").is_some_and(|l| l.contains("logged")));
    assert!(!server.home.log().contains(TOKEN), "tokens never appear");
}

#[test]
fn of_the_same_event_at_once_one_is_stored() {
    let server = TestServer::start();
    for round in 0..20 {
        let event = general(&format!("same-{round}"), "k", 1.0);
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let posts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| server.event(&event).json())).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| answer["seq"] == round + 1), "{answers:?}");
        let first = answers.iter().filter(|answer| answer["duplicate"] == false).count();
        assert_eq!(first, 1, "{answers:?}");
    }
    assert_eq!(server.json("/snapshot")["next_seq"], 20);
}
