//! The property on a corpus of tricky bodies, on generated events and on generated nonsense.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::{BothWays, holds};

/// Bodies that look for the seams between fields, forms, strings, numbers and nesting.
const CORPUS: &[&str] = &[
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","beauty_score":0.92}"#,
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"cpu","value":-0}"#,
    r#" { "event_id" : "\u0061\ud83d\ude00" , "timestamp":"2025-10-21t04:30:00.5+02:00","kind":"beauty","value":1.5,"beauty_score":15e-1,"wisdom":"\u0000\"\\\/\b" } "#,
    r#"{"event_id":"\ud800","timestamp":"2025-10-21T04:30:00Z","beauty_score":1}"#,
    r#"{"event\u005fid":"a","timestamp":"2025-10-21T04:30:00Z","beauty_score":1,"\ud800":2}"#,
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1e999}"#,
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":5e-324,"data":{"n":1e999}}"#,
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":9007199254740993,"data":{ "a" : [ 1 , "x y\" z" , { } ] , "a":null }}"#,
    r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1,"data":{"s":"\udc00"}}"#,
    r#"{"event_id":"a","event_id":"a","timestamp":null,"kind":7,"value":"1","data":[]}"#,
    r#"{"event_id":"a","timestamp":"1677-09-21T00:12:43.145224192Z","kind":"k","value":1,"data":{}}"#,
    r#"{"event_id":"a","timestamp":"2016-12-31T23:59:60Z","kind":"k","value":1,"type":"x","seq":1}"#,
    "{\"event_id\":\"a\",\"timestamp\":\"2025-10-21T04:30:00Z\",\"kind\":\"k\",\"value\":-0,\"data\":\n{}}",
    "{\"event_id\":\"a\",\"timestamp\":\"2025-10-21T04:30:00Z\",\"kind\":\"k\",\"value\":1,\"data\":{\"a\":\n1}}",
    "{\"event_id\": \"a\", \"timestamp\": \"2025-10-21T04:30:00Z\", \"kind\": \"k\", \"value\": 1, \"data\": {\"a\": \"b\", \"c\": 1.5}}",
    r#"{"specversion":"1.0","id":"a","source":"/s","type":"k","data":{"value":1,"x":[ 2 ]}}"#,
    r#"{"specversion":"1.0","id":"a","source":"/s","type":"beauty","data":{"beauty_score":1,"data":{"x":1}}}"#,
    r#"{"specversion":"1.0","id":"a","source":"/s","type":"beauty","time":"2025-10-21T04:30:00Z","data":{"event_id":"a","timestamp":"2025-10-21T05:30:00+01:00","beauty_score":1}}"#,
    r#"{"specversion":1.0,"id":"a","id":"b","source":"","type":"K","data_base64":"eA=="}"#,
    r#"[{"specversion":"1.0","id":"a","source":"/s","type":"k","data":{"value":1}},3]"#,
    "",
    "{",
    "{}",
    "[]",
    "[{}]",
    "null",
    "{}{}",
    "{}x",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":-}",
    "{\"a\":NaN}",
    "{\"a\":tru}",
    "{\"a\":truex}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\\",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":[1}}",
    "\u{feff}{}",
    "{}\n\n{}\r\n \r\n[]\nnull\n",
];

#[test]
fn corpus() {
    for body in CORPUS {
        holds(body.as_bytes());
        // Every prefix and every text with one byte changed is a case of its own.
        for at in 0..body.len() {
            holds(&body.as_bytes()[..at]);
            for byte in *b"\"\\{}[],:0e-\x00\xff" {
                let mut changed = body.as_bytes().to_vec();
                changed[at] = byte;
                holds(&changed);
            }
        }
    }
}

/// What the fuzzer found on the seams between the two ways.
#[test]
fn both_ways_agree_on_the_kept_corpus() {
    let kept = include_str!("../../../../tests/fuzz/corpora/event_ways.txt");
    let mut ways = BothWays::default();
    for line in kept.lines() {
        ways.agree(&BASE64_STANDARD.decode(line).expect("a line of Base64"));
    }
    assert!(kept.lines().count() > 100);
}

#[test]
fn deep_nesting() {
    for depth in [63, 64, 65, 127, 128, 129, 20_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            holds(inner.as_bytes());
            for member in ["data", "unknown"] {
                let event =
                    CORPUS[1].replace("-0}", &format!("1,\"{member}\":{{\"d\":{inner}}}}}"));
                holds(event.as_bytes());
                holds(event.replace("}}", "}").as_bytes());
            }
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", "\\PC{120,135}", Just("beauty".to_owned()), "[a-z0-9._-]{1,66}"]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>()
            .prop_filter("JSON has no such numbers", |f| f.is_finite())
            .prop_map(|f| format!("{f:?}")),
        (0.0..1.6_f64).prop_map(|f| f.to_string()),
        any::<i64>().prop_map(|i| i.to_string()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
    ]
}

fn json_value() -> impl Strategy<Value = String> {
    let quote = |text: String| serde_json::to_string(&text).expect("text");
    let leaf = prop_oneof![
        number(),
        name().prop_map(quote),
        "(\\\\u[0-9a-fA-F]{4}|a|\\\\n){0,4}".prop_map(|s| format!("\"{s}\"")),
        prop_oneof!["true", "false", "null"],
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|v| format!("[{}]", v.join(" ,\n"))),
            prop::collection::vec((name(), inner), 0..4).prop_map(move |v| {
                let members: Vec<_> =
                    v.into_iter().map(|(k, v)| format!("{} : {v}", quote(k))).collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

/// Objects whose members are mostly those of events, mostly with fitting values.
fn event_body() -> impl Strategy<Value = String> {
    let quoted = || name().prop_map(|text| serde_json::to_string(&text).expect("text"));
    let time = any::<i64>().prop_map(|ns| format!("\"{}\"", crate::rfc3339::format(ns)));
    let member = prop_oneof![
        4 => (Just("event_id".to_owned()), quoted()),
        4 => (Just("timestamp".to_owned()), time),
        4 => ("kind|subject|source|chaos_fingerprint|dance_sequence|wisdom", quoted()),
        4 => ("value|beauty_score", number()),
        2 => (Just("data".to_owned()), json_value()),
        1 => ("event_id|timestamp|kind|value|data|type|seq|id", json_value()),
    ];
    prop::collection::btree_map("[a-k]", member, 0..9).prop_map(|members| {
        let required = [
            r#""event_id":"i""#.to_owned(),
            r#""timestamp":"2025-10-21T04:30:00Z""#.to_owned(),
            r#""kind":"beauty""#.to_owned(),
            r#""value":0.25"#.to_owned(),
        ];
        let posted: Vec<_> = members.into_values().collect();
        let missing =
            required.into_iter().filter(|r| posted.iter().all(|(k, _)| !r[1..].starts_with(k)));
        let all: Vec<_> =
            missing.chain(posted.iter().map(|(k, v)| format!("\"{k}\":{v}"))).collect();
        format!("{{{}}}", all.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn generated_events(body in event_body()) {
        holds(body.as_bytes());
    }

    #[test]
    fn generated_json(body in json_value()) {
        holds(body.as_bytes());
    }

    #[test]
    fn generated_tokens(body in "([\\[\\]{},: \n]|\"|\\\\|u|d8|00|a|1|-|e|\\.|true|null|\u{7f}|é|\"a\"){0,24}") {
        holds(body.as_bytes());
    }

    #[test]
    fn generated_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&body);
    }
}
