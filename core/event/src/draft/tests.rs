//! What plugins emit meets the same limits as what is posted.

use serde_json::{Value, json};
use shimmer_abi::flags;

use super::{AlertDraft, BeautyTexts, EventDraft};
use crate::{Event, EventError, Limits, Parser, Receipt, TAIL};

const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_000_000_000,
    default_source: "anomaly",
    origin: "n",
    unsigned: false,
};

const DRAFT: EventDraft<'static> = EventDraft {
    event_id: "d1",
    time_ns: 1_761_021_000_000_000_000,
    kind: "cpu",
    subject: "web",
    source: "",
    value: 0.5,
    beauty: BeautyTexts { chaos_fingerprint: "", dance_sequence: "", wisdom: "w" },
    data_json: r#" { "a" : 1 } "#,
    hops: 1,
};

fn fields(parsed: Result<Event<'_>, EventError>) -> Vec<String> {
    match parsed {
        Ok(_) => Vec::new(),
        Err(EventError::Invalid(errors)) => {
            errors.into_iter().map(|e| e.field.into_owned()).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

fn shown(event: &Event<'_>) -> Value {
    serde_json::from_slice(&[event.head, b"1", TAIL].concat()).expect("JSON")
}

#[test]
fn a_draft_reads_as_the_same_event_posted() {
    let mut parser = Parser::default();
    let event = parser.draft(&DRAFT, &RECEIPT, &Limits::default()).expect("good");
    assert_eq!(event.flags, flags::DERIVED | 1 << flags::HOPS_SHIFT);
    assert_eq!((event.source, event.subject), ("anomaly", "web"));
    let posted = r#"{"event_id":"d1","timestamp":"2025-10-21T04:30:00Z","kind":"cpu","subject":"web",
        "value":0.5,"data":{"a":1},"wisdom":"w"}"#;
    let mut other = Parser::default();
    let posted = other.parse(posted.as_bytes(), &RECEIPT, &Limits::default()).expect("good");
    assert_eq!(event.head, posted.head);
    assert_eq!(event, Event { flags: event.flags, ..posted });
}

#[test]
fn a_beauty_draft_keeps_its_texts() {
    let draft = EventDraft { kind: "beauty", hops: 0, source: "peer", ..DRAFT };
    let mut parser = Parser::default();
    let event = parser.draft(&draft, &RECEIPT, &Limits::default()).expect("good");
    assert_eq!(event.flags, flags::BEAUTY | flags::DERIVED);
    let json = shown(&event);
    assert_eq!(
        (&json["wisdom"], &json["beauty_score"], &json["source"]),
        (&json!("w"), &json!(0.5), &json!("peer"))
    );
    assert_eq!(json.get("dance_sequence"), None);
}

#[test]
fn drafts_keep_the_limits() {
    let long = "x".repeat(300);
    let beauty = BeautyTexts { wisdom: &long, ..BeautyTexts::default() };
    for (draft, wrong) in [
        (EventDraft { event_id: "", ..DRAFT }, "event_id"),
        (EventDraft { event_id: "a\n", ..DRAFT }, "event_id"),
        (EventDraft { kind: "", ..DRAFT }, "kind"),
        (EventDraft { kind: "K", ..DRAFT }, "kind"),
        (EventDraft { subject: &long, ..DRAFT }, "subject"),
        (EventDraft { source: &long, ..DRAFT }, "source"),
        (EventDraft { value: f64::NAN, ..DRAFT }, "value"),
        (EventDraft { value: f64::NEG_INFINITY, ..DRAFT }, "value"),
        (EventDraft { value: 1.6, kind: "beauty", ..DRAFT }, "value"),
        (EventDraft { beauty, kind: "beauty", ..DRAFT }, "wisdom"),
        (EventDraft { data_json: "[]", ..DRAFT }, "data_json"),
        (EventDraft { data_json: "{", ..DRAFT }, "data_json"),
        (EventDraft { data_json: "{} x", ..DRAFT }, "data_json"),
        (EventDraft { data_json: " ", ..DRAFT }, "data_json"),
        (EventDraft { data_json: r#"{"a":1e999}"#, ..DRAFT }, "data_json"),
        (EventDraft { hops: 5, ..DRAFT }, "hops"),
    ] {
        let mut parser = Parser::default();
        assert_eq!(
            fields(parser.draft(&draft, &RECEIPT, &Limits::default())),
            [wrong],
            "{draft:?}"
        );
    }
    for draft in [EventDraft { hops: 4, ..DRAFT }, EventDraft { data_json: "", ..DRAFT }] {
        assert!(Parser::default().draft(&draft, &RECEIPT, &Limits::default()).is_ok());
    }
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4096));
    let draft = EventDraft { data_json: &large, ..DRAFT };
    let mut parser = Parser::default();
    let parsed = parser.draft(&draft, &RECEIPT, &Limits::default());
    assert!(matches!(parsed, Err(EventError::TooLarge { .. })));
}

const ALERT: AlertDraft<'static> = AlertDraft {
    event_id: "al1",
    time_ns: 1_761_021_000_000_000_000,
    subject: "web",
    source: "",
    severity: "critical",
    score: 0.95,
    description: "load is \"high\"",
    data_json: r#"{ "fingerprint" : "00ff" }"#,
    hops: 2,
};

#[test]
fn an_alert_is_an_event() {
    let mut parser = Parser::default();
    let event = parser.draft_alert(&ALERT, &RECEIPT, &Limits::default()).expect("good");
    assert_eq!((event.kind, event.value), ("alert", 0.95));
    assert_eq!(event.flags, flags::DERIVED | 2 << flags::HOPS_SHIFT);
    let data = &event.head[event.data.start as usize..event.data.end as usize];
    let expected =
        r#"{"severity":"critical","description":"load is \"high\"","fingerprint":"00ff"}"#;
    assert_eq!(String::from_utf8_lossy(data), expected);
    for none in ["", "{}", " { } "] {
        let alert = AlertDraft { data_json: none, ..ALERT };
        let event = parser.draft_alert(&alert, &RECEIPT, &Limits::default()).expect("good");
        let json = shown(&event);
        assert_eq!(
            json["data"],
            json!({"severity": "critical", "description": "load is \"high\""})
        );
    }
}

#[test]
fn alerts_keep_the_limits() {
    let (max, over) = ("é".repeat(1000), "é".repeat(1001));
    for (alert, wrong) in [
        (AlertDraft { description: &max, ..ALERT }, None),
        (AlertDraft { description: &over, ..ALERT }, Some("description")),
        (AlertDraft { severity: "fatal", ..ALERT }, Some("severity")),
        (AlertDraft { score: 1.01, ..ALERT }, Some("score")),
        (AlertDraft { score: f64::NAN, ..ALERT }, Some("score")),
        (AlertDraft { event_id: "", ..ALERT }, Some("event_id")),
        (AlertDraft { data_json: "7", ..ALERT }, Some("data_json")),
        (AlertDraft { data_json: "{", ..ALERT }, Some("data_json")),
        (AlertDraft { data_json: r#"{"severity":1}"#, ..ALERT }, Some("data_json")),
        (AlertDraft { data_json: r#"{"a":1,"d\u0065scription":1}"#, ..ALERT }, Some("data_json")),
        (AlertDraft { data_json: r#"{"a":"\ud800"}"#, ..ALERT }, Some("data_json")),
        (AlertDraft { hops: 5, ..ALERT }, Some("hops")),
    ] {
        let mut parser = Parser::default();
        let parsed = parser.draft_alert(&alert, &RECEIPT, &Limits::default());
        assert_eq!(fields(parsed), wrong.into_iter().collect::<Vec<_>>(), "{alert:?}");
    }
}
