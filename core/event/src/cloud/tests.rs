//! CloudEvents in both modes: what they become, and which attribute is wrong.

use serde_json::{Value, json};

use crate::{Batch, CloudHeaders, EventError, Limits, Parser, Receipt, TAIL, rfc3339};

const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_000_000_000,
    default_source: "default",
    origin: "n",
    unsigned: false,
};

type Shown = Result<Value, Vec<(String, String)>>;

fn finish(parsed: Result<crate::Event<'_>, EventError>) -> Shown {
    match parsed {
        Ok(event) => {
            let text = [event.head, b"1", TAIL].concat();
            Ok(serde_json::from_slice(&text).expect("JSON"))
        }
        Err(EventError::Invalid(errors)) => {
            Err(errors.into_iter().map(|e| (e.field.into_owned(), e.message)).collect())
        }
        Err(other) => panic!("{other}"),
    }
}

fn structured(body: &str) -> Shown {
    finish(Parser::default().parse_cloudevent(body.as_bytes(), &RECEIPT, &Limits::default()))
}

fn binary(headers: &[(&str, &str)], body: &str) -> Shown {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let headers = CloudHeaders::read(headers).expect("attributes");
    let mut parser = Parser::default();
    finish(parser.parse_cloudevent_binary(&headers, body.as_bytes(), &RECEIPT, &Limits::default()))
}

fn fields(shown: Shown) -> Vec<String> {
    shown.map_or_else(|errors| errors.into_iter().map(|(field, _)| field).collect(), |_| Vec::new())
}

/// A good envelope with some members changed; null takes one out.
fn envelope(changes: Value) -> String {
    let mut envelope = json!({
        "specversion": "1.0", "id": "e1", "source": "/sensors/a", "type": "com.example.cpu",
        "time": "2025-10-21T06:30:00+02:00", "subject": "web-1", "data": {"value": 0.5, "unit": "load"},
        "traceparent": "00-x", "dataschema": "http://x",
    });
    for (name, value) in changes.as_object().expect("members") {
        let members = envelope.as_object_mut().expect("an object");
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    envelope.to_string()
}

const HEADERS: [(&str, &str); 6] = [
    ("Ce-Specversion", "1.0"),
    ("Ce-Id", "e%31"),
    ("Ce-Source", "/sensors/a"),
    ("Ce-Type", "com.example.cpu"),
    ("Ce-Time", "2025-10-21T06:30:00+02:00"),
    ("Ce-Subject", "\"web-1\""),
];

#[test]
fn a_general_event_in_all_modes() {
    let expected = json!({
        "event_id": "e1", "timestamp": "2025-10-21T04:30:00Z", "kind": "com.example.cpu", "subject": "web-1",
        "source": "/sensors/a", "value": 0.5, "data": {"unit": "load"},
        "received_at": "2025-10-09T08:53:20Z", "origin": "n", "seq": 1,
    });
    assert_eq!(structured(&envelope(json!({}))), Ok(expected.clone()));
    assert_eq!(binary(&HEADERS, r#"{"value":0.5,"unit":"load"}"#), Ok(expected.clone()));
    let mut batch = Batch::default();
    let body = format!("[{0},{{\"id\":1}},{0}]", envelope(json!({})));
    batch.parse_cloudevents_batch(body.as_bytes(), &RECEIPT, &Limits::default()).expect("an array");
    let shown: Vec<_> = batch.events().map(|(index, event)| (index, finish(Ok(event)))).collect();
    assert_eq!(shown, [(0, Ok(expected.clone())), (2, Ok(expected))]);
    assert_eq!(batch.rejected()[0].0, 1);
}

#[test]
fn the_rest_of_the_data_keeps_its_order_and_text() {
    let body = r#"{"type":"k","source":"s","specversion":"1.0","id":"i",
        "data":{ "z" : 1.50 , "v\u0061lue" : 2e0, "a" : { "value" : [ ] } , "b":"x y" }}"#;
    let mut parser = Parser::default();
    let event =
        parser.parse_cloudevent(body.as_bytes(), &RECEIPT, &Limits::default()).expect("good");
    let data = &event.head[event.data.start as usize..event.data.end as usize];
    assert_eq!(data, br#"{"z":1.50,"a":{"value":[]},"b":"x y"}"#);
    assert_eq!((event.value, event.time_ns), (2.0, RECEIPT.received_ns));
    let shown = structured(&envelope(json!({"data": {"value": 1}}))).expect("good");
    assert_eq!(shown.get("data"), None);
}

#[test]
fn attributes_are_checked() {
    let rows = [
        (json!({"time": null}), vec![]),
        (json!({"subject": null}), vec![]),
        (json!({"datacontenttype": "application/json; charset=utf-8"}), vec![]),
        (json!({"datacontenttype": "application/vnd.x+json"}), vec![]),
        (json!({"specversion": null}), vec!["specversion"]),
        (json!({"specversion": "0.3"}), vec!["specversion"]),
        (json!({"specversion": 1.0}), vec!["specversion"]),
        (json!({"id": null}), vec!["id"]),
        (json!({"id": ""}), vec!["id"]),
        (json!({"id": 5}), vec!["id"]),
        (json!({"source": null}), vec!["source"]),
        (json!({"source": ""}), vec!["source"]),
        (json!({"source": "s".repeat(129)}), vec!["source"]),
        (json!({"type": null}), vec!["type"]),
        (json!({"type": "Com.Example"}), vec!["type"]),
        (json!({"time": "yesterday"}), vec!["time"]),
        (json!({"subject": "s".repeat(129)}), vec!["subject"]),
        (json!({"datacontenttype": "text/plain"}), vec!["datacontenttype"]),
        (json!({"datacontenttype": 1}), vec!["datacontenttype"]),
        (json!({"data": null}), vec!["data.value"]),
        (json!({"data": {}}), vec!["data.value"]),
        (json!({"data": {"value": "1"}}), vec!["data.value"]),
        (json!({"data": {"value": null, "x": 1}}), vec!["data.value"]),
        (json!({"data": 5}), vec!["data"]),
        (json!({"data": null, "data_base64": "eA=="}), vec!["data_base64"]),
        (
            json!({"id": null, "source": null, "type": null, "specversion": null, "data": null}),
            vec!["specversion", "source", "id", "type", "data.value"],
        ),
    ];
    for (changes, wrong) in rows {
        let body = envelope(changes);
        assert_eq!(fields(structured(&body)), wrong, "{body}");
    }
    for name in ["id", "specversion", "data", "time"] {
        let body = envelope(json!({})).replacen('{', &format!("{{\"{name}\":null,"), 1);
        assert_eq!(fields(structured(&body)), [name], "{body}");
    }
    let body = envelope(json!({})).replace(r#""value":0.5"#, r#""value":0.5,"value":0.5"#);
    assert_eq!(fields(structured(&body)), ["data.value"]);
}

#[test]
fn data_is_bounded_without_its_value() {
    for (json, wrong) in [
        (r#"{"value":1e999}"#, "data.value"),
        (r#"{"value":1,"n":1e999}"#, "data"),
        (r#"{"value":1,"n":"\ud800"}"#, "data"),
        (r#"{"value":1,"\ud800":1}"#, "data"),
        (&format!(r#"{{"value":1,"n":{}1{}}}"#, "[".repeat(64), "]".repeat(64)), "data"),
    ] {
        assert_eq!(fields(binary(&HEADERS, json)), [wrong], "{json}");
    }
    let fits = format!(r#"{{"value":1,"n":{}1{}}}"#, "[".repeat(63), "]".repeat(63));
    assert!(binary(&HEADERS, &fits).is_ok());
}

#[test]
fn headers_are_named_as_headers() {
    let changed = |name: &str, value: Option<&'static str>| {
        let kept = HEADERS.into_iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name));
        let mut headers: Vec<_> = kept.collect();
        let name: &'static str =
            HEADERS.iter().find(|h| h.0.eq_ignore_ascii_case(name)).map_or("Content-Type", |h| h.0);
        headers.extend(value.map(|value| (name, value)));
        headers
    };
    let body = r#"{"value":1}"#;
    for (name, value) in [
        ("ce-specversion", None),
        ("ce-specversion", Some("1.1")),
        ("ce-id", None),
        ("ce-id", Some("%zz")),
        ("ce-source", None),
        ("ce-source", Some("%ff")),
        ("ce-source", Some("")),
        ("ce-type", None),
        ("ce-type", Some("%20")),
        ("ce-time", Some("now")),
        ("content-type", Some("text/plain")),
    ] {
        let shown = binary(&changed(name, value), body);
        assert_eq!(fields(shown), [name], "{name} {value:?}");
    }
    for name in ["ce-id", "ce-source", "ce-specversion"] {
        let mut headers = HEADERS.to_vec();
        headers.push((name, "1.0"));
        let errors = binary(&headers, body).expect_err("twice");
        assert_eq!(errors, [(name.to_owned(), "is given more than once".to_owned())]);
    }
    assert_eq!(fields(binary(&HEADERS, "")), ["data.value"]);
    assert_eq!(fields(binary(&HEADERS, "[]")), ["data"]);
    let headers = CloudHeaders::read(HEADERS.map(|(n, v)| (n, v.as_bytes()))).expect("attributes");
    for body in ["{", "{}}", "\u{1}"] {
        let mut parser = Parser::default();
        let parsed =
            parser.parse_cloudevent_binary(&headers, body.as_bytes(), &RECEIPT, &Limits::default());
        assert!(matches!(parsed, Err(EventError::Malformed { .. })), "{body}");
    }
}

#[test]
fn a_beauty_event_is_carried_whole() {
    let body = envelope(json!({"type": "beauty", "subject": null, "time": null, "data": {
        "event_id": "e1", "timestamp": "2025-10-21T04:30:00Z", "beauty_score": 1.25, "wisdom": "w",
        "subject": "inner", "source": "/sensors/a", "kind": "beauty", "value": 1.25, "x": 1, "data": {"value": 3}}}));
    let expected = json!({
        "event_id": "e1", "timestamp": "2025-10-21T04:30:00Z", "kind": "beauty", "subject": "inner",
        "source": "/sensors/a", "value": 1.25, "beauty_score": 1.25, "wisdom": "w", "data": {"value": 3},
        "received_at": "2025-10-09T08:53:20Z", "origin": "n", "seq": 1,
    });
    assert_eq!(structured(&body), Ok(expected));
    let shown =
        structured(&envelope(json!({"type": "beauty", "time": null, "data": {"beauty_score": 1}})));
    assert_eq!(shown.expect("good")["timestamp"], rfc3339::format(RECEIPT.received_ns));
    let same_instant = json!({"beauty_score": 1, "timestamp": "2025-10-21T05:30:00+01:00"});
    assert!(structured(&envelope(json!({"type": "beauty", "data": same_instant}))).is_ok());
    assert!(structured(&envelope(json!({"type": "beauty", "data": {"value": 1}}))).is_ok());
}

#[test]
fn a_beauty_event_agrees_with_its_envelope() {
    for (data, wrong) in [
        (json!({}), "data.beauty_score"),
        (json!({"beauty_score": 2}), "data.beauty_score"),
        (json!({"beauty_score": 1, "value": 0.5}), "data.value"),
        (json!({"value": 1.6}), "data.value"),
        (json!({"beauty_score": 1, "event_id": "other"}), "data.event_id"),
        (json!({"beauty_score": 1, "event_id": 7}), "data.event_id"),
        (json!({"beauty_score": 1, "timestamp": "2025-10-21T04:30:01Z"}), "data.timestamp"),
        (json!({"beauty_score": 1, "timestamp": "x"}), "data.timestamp"),
        (json!({"beauty_score": 1, "kind": "cpu"}), "data.kind"),
        (json!({"beauty_score": 1, "source": "b"}), "data.source"),
        (json!({"beauty_score": 1, "subject": "b"}), "data.subject"),
        (json!({"beauty_score": 1, "wisdom": "w".repeat(201)}), "data.wisdom"),
        (json!({"beauty_score": 1, "data": 1}), "data.data"),
        (json!([]), "data"),
    ] {
        let body = envelope(json!({"type": "beauty", "data": data}));
        assert_eq!(fields(structured(&body)), [wrong], "{body}");
    }
    let lone = envelope(
        json!({"type": "beauty", "time": null, "data": {"beauty_score": 1, "timestamp": "x"}}),
    );
    assert_eq!(fields(structured(&lone)), ["data.timestamp"]);
    for name in ["beauty_score", "event_id", "wisdom"] {
        let body = envelope(json!({"type": "beauty", "data": {"beauty_score": 1}}))
            .replace(r#""data":{"#, &format!(r#""data":{{"{name}":null,"{name}":null,"#));
        let wrong = format!("data.{name}");
        assert_eq!(fields(structured(&body)), [wrong], "{body}");
    }
}
