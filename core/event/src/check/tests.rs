//! Every rule about the fields of an event, each on both sides of its bound, with the field it is reported on.

use std::fmt::Write as _;

use crate::{Event, EventError, Limits, Parser, Receipt};

const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_000_000_000,
    default_source: "default",
    origin: "n",
    unsigned: false,
};

/// An event object: the given members over a good general or beauty event; an empty text leaves a member out.
fn object(base: &[(&str, &str)], members: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let kept = base.iter().filter(|(name, _)| members.iter().all(|(other, _)| other != name));
    for (name, json) in kept.chain(members).filter(|(_, json)| !json.is_empty()) {
        let comma = if out.is_empty() { "{" } else { "," };
        write!(out, "{comma}\"{name}\":{json}").expect("a string takes all");
    }
    out + "}"
}

const GENERAL: &[(&str, &str)] = &[
    ("event_id", r#""e1""#),
    ("timestamp", r#""2025-10-21T04:30:00Z""#),
    ("kind", r#""cpu""#),
    ("value", "0.5"),
];
const BEAUTY: &[(&str, &str)] = &[
    ("event_id", r#""e1""#),
    ("timestamp", r#""2025-10-21T04:30:00Z""#),
    ("beauty_score", "0.92"),
];

fn fields(body: &str) -> Vec<String> {
    match Parser::default().parse(body.as_bytes(), &RECEIPT, &Limits::default()) {
        Ok(_) => Vec::new(),
        Err(EventError::Invalid(errors)) => {
            errors.into_iter().map(|error| error.field.into_owned()).collect()
        }
        Err(other) => panic!("{body}: {other}"),
    }
}

fn with<T>(body: &str, look: impl FnOnce(Event<'_>) -> T) -> T {
    let mut parser = Parser::default();
    look(parser.parse(body.as_bytes(), &RECEIPT, &Limits::default()).expect(body))
}

type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// Each row: members, and the fields that are wrong; none means accepted.
fn table(base: &[(&str, &str)], rows: &[Row<'_>]) {
    for (members, wrong) in rows {
        let body = object(base, members);
        assert_eq!(fields(&body), *wrong, "{body}");
    }
}

/// A JSON string of `count` times `what`.
fn text(what: &str, count: usize) -> String {
    format!("\"{}\"", what.repeat(count))
}

#[test]
fn ids() {
    let (max, over) = (text("a", 128), text("a", 129));
    // 64 characters of two bytes, and one more: bytes count.
    let (wide, wide_over) = (text("é", 64), text("é", 64).replacen('"', "\"a", 1));
    let wrong: &[&str] = &["event_id"];
    table(
        GENERAL,
        &[
            (&[("event_id", r#""a""#)], &[]),
            (&[("event_id", &max)], &[]),
            (&[("event_id", &wide)], &[]),
            (&[("event_id", r#"" spaces are fine ""#)], &[]),
            (&[("event_id", "")], wrong),
            (&[("event_id", "null")], wrong),
            (&[("event_id", r#""""#)], wrong),
            (&[("event_id", &over)], wrong),
            (&[("event_id", &wide_over)], wrong),
            (&[("event_id", r#""a\nb""#)], wrong),
            (&[("event_id", r#""a\u0000""#)], wrong),
            (&[("event_id", "\"a\u{7f}\"")], wrong),
            (&[("event_id", "\"a\u{85}\"")], wrong),
            (&[("event_id", r#""a\ud800""#)], wrong),
            (&[("event_id", "7")], wrong),
            (&[("event_id", r#"["a"]"#)], wrong),
        ],
    );
}

#[test]
fn timestamps() {
    let wrong: &[&str] = &["timestamp"];
    table(
        BEAUTY,
        &[
            (&[("timestamp", r#""2025-10-21T04:30:00.123456789+02:00""#)], &[]),
            (&[("timestamp", r#""2025-10-21T04:30:00\u005a""#)], &[]),
            (&[("timestamp", "")], wrong),
            (&[("timestamp", "null")], wrong),
            (&[("timestamp", "1760000000")], wrong),
            (&[("timestamp", r#""2025-10-21T04:30:00""#)], wrong),
            (&[("timestamp", r#""2025-02-30T04:30:00Z""#)], wrong),
            (&[("timestamp", r#""2500-01-01T00:00:00Z""#)], wrong),
        ],
    );
}

#[test]
fn kinds() {
    let (max, over) = (text("a", 64), text("a", 65));
    let wrong: &[&str] = &["kind"];
    table(
        GENERAL,
        &[
            (&[("kind", r#""a-z_0.9""#)], &[]),
            (&[("kind", &max)], &[]),
            (&[("kind", "")], wrong),
            (&[("kind", "null")], wrong),
            (&[("kind", r#""""#)], wrong),
            (&[("kind", &over)], wrong),
            (&[("kind", r#""CPU""#)], wrong),
            (&[("kind", r#""a b""#)], wrong),
            (&[("kind", r#""é""#)], wrong),
            (&[("kind", r#""a\n""#)], wrong),
            (&[("kind", "1")], wrong),
        ],
    );
}

#[test]
fn names() {
    // Characters count, whatever their bytes or escapes.
    let (max, over) = (text("😀", 128), text("😀", 129));
    let escaped = text("\\ud83d\\ude00", 128);
    for name in ["subject", "source"] {
        let wrong: &[&str] = &[name];
        table(
            GENERAL,
            &[
                (&[(name, r#""a""#)], &[]),
                (&[(name, r#""""#)], &[]),
                (&[(name, "null")], &[]),
                (&[(name, &max)], &[]),
                (&[(name, &escaped)], &[]),
                (&[(name, &over)], wrong),
                (&[(name, "1")], wrong),
                (&[(name, "{}")], wrong),
                (&[(name, r#""\ude00""#)], wrong),
            ],
        );
        assert!(fields(&object(BEAUTY, &[(name, r#""a""#)])).is_empty());
    }
    for none in ["", "null", r#""""#] {
        let body = object(GENERAL, &[("source", none), ("subject", none)]);
        with(&body, |event| assert_eq!((event.source, event.subject), ("default", "")));
    }
}

#[test]
fn values() {
    let wrong: &[&str] = &["value"];
    table(
        GENERAL,
        &[
            (&[("value", "0")], &[]),
            (&[("value", "-1.7976931348623157e308")], &[]),
            (&[("value", "")], wrong),
            (&[("value", "null")], wrong),
            (&[("value", "1e999")], wrong),
            (&[("value", "-1e309")], wrong),
            (&[("value", r#""1""#)], wrong),
            (&[("value", r#""NaN""#)], wrong),
            (&[("value", "true")], wrong),
            (&[("value", "[1]")], wrong),
        ],
    );
    with(&object(GENERAL, &[("value", "9007199254740993")]), |event| {
        assert_eq!(event.value, 9_007_199_254_740_992.0);
    });
    with(&object(GENERAL, &[("value", "1e-400")]), |event| assert_eq!(event.value, 0.0));
}

#[test]
fn scores() {
    let wrong: &[&str] = &["beauty_score"];
    table(
        BEAUTY,
        &[
            (&[("beauty_score", "0")], &[]),
            (&[("beauty_score", "0.0")], &[]),
            (&[("beauty_score", "1.5")], &[]),
            (&[("beauty_score", "1.5000000000000002")], wrong),
            (&[("beauty_score", "-0.0000001")], wrong),
            (&[("beauty_score", "1e999")], wrong),
            (&[("beauty_score", r#""0.9""#)], wrong),
            (&[("beauty_score", "null")], wrong),
            (&[("beauty_score", "")], wrong),
        ],
    );
}

#[test]
fn beauty_texts() {
    for (name, limit) in [("chaos_fingerprint", 32), ("dance_sequence", 64), ("wisdom", 200)] {
        let (max, over) = (text("→", limit), text("→", limit + 1));
        let wrong: &[&str] = &[name];
        let rows: &[Row<'_>] = &[
            (&[(name, &max)], &[]),
            (&[(name, r#""""#)], &[]),
            (&[(name, "null")], &[]),
            (&[(name, &over)], wrong),
            (&[(name, "1")], wrong),
        ];
        table(BEAUTY, rows);
        // The rules of beauty hold in the general form; other kinds have no such fields.
        let general = object(GENERAL, &[("kind", r#""beauty""#), (name, &over)]);
        assert_eq!(fields(&general), wrong);
        assert!(fields(&object(GENERAL, &[(name, &over)])).is_empty());
    }
}

#[test]
fn both_forms() {
    let general: &[(&str, &str)] = &[("kind", r#""beauty""#), ("value", "0.92")];
    table(
        BEAUTY,
        &[
            (general, &[]),
            (&[("kind", r#""beauty""#)], &[]),
            (&[("value", "92e-2")], &[]),
            (&[("kind", r#""cpu""#), ("value", "0.92")], &["kind"]),
            (&[("kind", r#""cpu""#)], &["kind"]),
            (&[("value", "0.93")], &["value"]),
            (&[("kind", r#""beauty""#), ("value", "0.93")], &["value"]),
            (&[("kind", r#""cpu""#), ("value", "0.93")], &["kind", "value"]),
        ],
    );
    table(
        GENERAL,
        &[
            (&[("kind", r#""beauty""#), ("value", "1.5")], &[]),
            (&[("kind", r#""beauty""#), ("value", "1.51")], &["value"]),
            (&[("kind", r#""beauty""#), ("value", "-1")], &["value"]),
            (&[("kind", r#""beauty""#), ("value", "")], &["value"]),
            (&[("kind", ""), ("value", "")], &["beauty_score"]),
        ],
    );
    with(&object(BEAUTY, &[]), |event| assert_eq!((event.kind, event.value), ("beauty", 0.92)));
}

#[test]
fn data() {
    let nested = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    let (max, over) = (nested(64), nested(65));
    let wrong: &[&str] = &["data"];
    for base in [GENERAL, BEAUTY] {
        table(
            base,
            &[
                (&[("data", "{}")], &[]),
                (&[("data", "null")], &[]),
                (&[("data", r#"{"event_id":1,"seq":{},"data":[null]}"#)], &[]),
                (&[("data", &max)], &[]),
                (&[("data", &over)], wrong),
                (&[("data", "[]")], wrong),
                (&[("data", r#""{}""#)], wrong),
                (&[("data", "1")], wrong),
                (&[("data", r#"{"a":"\ud800"}"#)], wrong),
                (&[("data", r#"{"\ud800":1}"#)], wrong),
                (&[("data", r#"{"a":[1e400]}"#)], wrong),
            ],
        );
    }
}

#[test]
fn repeated_fields_are_refused_and_unknown_ones_dropped() {
    for (name, json) in GENERAL.iter().chain(&[("subject", "null"), ("data", "{}")]) {
        let body = object(GENERAL, &[]).replacen(
            '{',
            &format!("{{\"{name}\":{json},\"{name}\":{json},"),
            1,
        );
        assert_eq!(fields(&body), [*name], "{body}");
    }
    let body = object(BEAUTY, &[]).replacen('{', "{\"beauty\\u005fscore\":null,", 1);
    assert_eq!(fields(&body), ["beauty_score"]);
    let deep = "[".repeat(500) + &"]".repeat(500);
    let unknown =
        [("type", "1"), ("seq", "-1"), ("origin", "{}"), ("received_at", "\"x\""), ("x", &deep)];
    let body = object(GENERAL, &unknown).replacen('{', "{\"type\":2,\"\\ud800\":\"\\ud800\",", 1);
    with(&body, |event| {
        let head = String::from_utf8_lossy(event.head);
        assert!(!head.contains("type") && !head.contains("[["), "{head}");
        assert_eq!(event.origin, "n");
    });
}

#[test]
fn all_errors_are_told_at_once_in_order() {
    let long = text("x", 300);
    let body = object(
        &[],
        &[
            ("wisdom", &long),
            ("dance_sequence", &long),
            ("chaos_fingerprint", &long),
            ("data", "1"),
            ("value", "\"\""),
            ("beauty_score", "2"),
            ("source", &long),
            ("subject", &long),
            ("kind", "\"?\""),
            ("timestamp", "1"),
        ],
    );
    let expected = [
        "event_id",
        "timestamp",
        "kind",
        "subject",
        "source",
        "value",
        "beauty_score",
        "chaos_fingerprint",
        "dance_sequence",
        "wisdom",
        "data",
    ];
    assert_eq!(fields(&body), expected);
    assert_eq!(fields("{}"), ["event_id", "timestamp", "beauty_score"]);
}

#[test]
fn messages_are_sentences_about_the_field() {
    for (members, message) in [
        (("event_id", ""), "invalid event: event_id is required"),
        (("event_id", "null"), "invalid event: event_id is required, got null"),
        (("event_id", r#""""#), "invalid event: event_id must have 1 to 128 bytes, got 0"),
        (("value", r#""1""#), "invalid event: value must be a number, got a string"),
        (("value", "1e999"), "invalid event: value must be finite"),
        (("data", "[]"), "invalid event: data must be a JSON object, got an array"),
    ] {
        let body = object(GENERAL, &[members]);
        let parsed =
            Parser::default().parse(body.as_bytes(), &RECEIPT, &Limits::default()).map(|_| ());
        assert_eq!(parsed.expect_err("wrong").to_string(), message);
    }
}
