//! Canonical form: the RFC's samples, the traps, and the one-pass check beside the library.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn becomes(text: &str, canonical: &str) {
    assert_eq!(canonicalise(text).as_deref(), Ok(canonical), "{text}");
    assert!(is_canonical(canonical), "{canonical}");
    assert_eq!(is_canonical(text), text == canonical, "{text}");
}

#[track_caller]
fn refused(text: &str) {
    assert_eq!(canonicalise(text), Err(Reason::Malformed), "{text}");
    assert!(!is_canonical(text), "{text}");
}

#[test]
fn samples_of_the_rfc() {
    // RFC 8785, 3.2.2.
    let text = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
    let canonical = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
        \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    becomes(text, canonical);
    // 3.2.3: the order of UTF-16 code units, in which U+1F600 stands before U+FB33.
    let text = "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}";
    let canonical = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
    becomes(text, canonical);
}

#[test]
fn numbers_are_doubles() {
    for (text, canonical) in [
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551615", "18446744073709552000"),
        ("-9223372036854775808", "-9223372036854776000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e21", "1e+21"),
        ("100000000000000000000", "100000000000000000000"),
        ("0.000001", "0.000001"),
        ("1E-7", "1e-7"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("9.5367431640625e-7", "9.5367431640625e-7"),
    ] {
        becomes(text, canonical);
    }
    for text in ["1e400", "-1e309", "01", "1.", ".5", "+1", "NaN", "Infinity", "--1", "1e", "-"] {
        refused(text);
    }
}

#[test]
fn traps_are_refused() {
    refused(r#"{"a":1,"a":1}"#);
    refused("{\"a\":1,\"\\u0061\":1}");
    refused(r#"{"x":[{"b":1,"c":2,"b":3}]}"#);
    for text in
        [r#""\ud800""#, r#""\udc00\ud800""#, r#"{"\ud800":1}"#, "\"\u{1}\"", "\"", "", "{} {}"]
    {
        refused(text);
    }
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    becomes(&nested(MAX_DEPTH), &nested(MAX_DEPTH));
    refused(&nested(MAX_DEPTH + 1));
    refused(&nested(200_000));
    refused(&"{\"a\":".repeat(200_000));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = || prop_oneof!["[a-c]{0,3}", "\\PC{0,4}", "[\\x00-\\x1f\"\\\\/\u{7f}-\u{ff}]{0,4}"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        (-1000.0..1000.0).prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_check_agrees_with_the_library(value in json()) {
        let text = value.to_string();
        let canonical = canonicalise(&text).expect("a JSON value").into_owned();
        let again: serde_json::Value = serde_json::from_str(&canonical).expect("JSON");
        prop_assert_eq!(serde_json_canonicalizer::to_string(&again).expect("JSON"), canonical.clone());
        prop_assert_eq!(is_canonical(&text), text == canonical);
    }

    #[test]
    fn a_changed_byte_is_seen(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = canonicalise(&value.to_string()).expect("JSON").into_owned().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let library = serde_json::from_str::<Tree>(&text).ok()
            .and_then(|tree| serde_json_canonicalizer::to_string(&tree).ok());
        prop_assert_eq!(is_canonical(&text), library.as_ref() == Some(&text), "{}", text);
    }
}
