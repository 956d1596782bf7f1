//! The reader against `serde_json`, and the facts that it reports about values.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{Cursor, Nest, Syntax, Text, Traits, Value, escape_into, text::scan};

fn read(text: &str) -> Result<(Value<'_>, Traits), Syntax> {
    let mut cursor = Cursor::new(text);
    let read = cursor.value(&mut Nest::default())?;
    cursor.end()?;
    Ok(read)
}

fn traits(text: &str) -> Traits {
    read(text).expect("JSON").1
}

#[test]
fn depth_counts_the_deepest_branch() {
    for (text, depth) in [("1", 0), ("{}", 1), ("[[],[[1]],{}]", 3), (r#"{"a":{"b":[]},"c":1}"#, 3)]
    {
        assert_eq!(traits(text).depth, depth, "{text}");
    }
    let deep = 1_000_000;
    let text = "[".repeat(deep) + &"]".repeat(deep);
    assert_eq!(traits(&text).depth, deep as u32);
    assert!(read(&text[1..]).is_err());
    assert!(read(&text[..text.len() - 1]).is_err());
}

#[test]
fn a_bracket_closes_only_its_own_kind() {
    // The kinds alternate across the borders of the words that hold them.
    let mut open = String::new();
    let mut close = String::new();
    for level in 0..200 {
        let (opening, closing) = if level % 3 == 0 { ("{\"a\":", '}') } else { ("[", ']') };
        open.push_str(opening);
        close.insert(0, closing);
    }
    assert!(read(&format!("{open}1{close}")).is_ok());
    for at in 0..close.len() {
        let mut wrong = close.clone().into_bytes();
        wrong[at] = if wrong[at] == b'}' { b']' } else { b'}' };
        let wrong = String::from_utf8(wrong).expect("ASCII");
        assert!(read(&format!("{open}1{wrong}")).is_err());
    }
}

#[test]
fn unpaired_surrogates_are_seen_anywhere() {
    for (text, unpaired) in [
        (r#""\ud83d\ude00""#, false),
        (r#""\uD83D\uDE00x""#, false),
        (r#""\ud83d""#, true),
        (r#""\ude00""#, true),
        (r#""\ud83dx\ude00""#, true),
        (r#""\ud83d\n\ude00""#, true),
        (r#""\ud83d\ud83d\ude00""#, true),
        (r#""\ud83d\ude00\ude00""#, true),
        (r#""\ude00\ud83d""#, true),
        (r#""\u0041""#, false),
        (r#"["\ud83d"]"#, true),
        (r#"{"\ud83d":1}"#, true),
        (r#"{"a":[{"b":"\ud83d"}]}"#, true),
    ] {
        assert_eq!(traits(text).unpaired, unpaired, "{text}");
    }
}

#[test]
fn numbers_beyond_f64_are_seen_anywhere() {
    let digits = "9".repeat(309);
    for (text, overflow) in [
        ("1e308", false),
        ("1e309", true),
        ("-1E+309", true),
        ("1e-999", false),
        ("0e999", false),
        ("[1,{\"a\":1e400}]", true),
        (digits.as_str(), true),
        (&digits[1..], false),
    ] {
        assert_eq!(traits(text).overflow, overflow, "{text}");
    }
}

#[test]
fn space_between_tokens_is_seen_and_inside_strings_is_not() {
    for (text, spaced) in [
        (r#"{"a b":[1,"c d"]}"#, false),
        (r#"{ }"#, true),
        (r#"{"a" :1}"#, true),
        (r#"{"a":[1 ]}"#, true),
        ("{\"a\":\n1}", true),
        (r#"{} "#, false),
    ] {
        let mut cursor = Cursor::new(text);
        let (_, traits) = cursor.value(&mut Nest::default()).expect("JSON");
        assert_eq!(traits.spaced, spaced, "{text}");
    }
}

#[test]
fn errors_say_where() {
    for (text, message) in [
        ("[1,]", "not valid JSON at byte 3: expected a value"),
        ("{\"a\"1}", "not valid JSON at byte 4: expected `:`"),
        ("[1", "not valid JSON at byte 2: unexpected end"),
        ("\"a\u{1}\"", "not valid JSON at byte 2: control character in a string"),
        ("\"\\ud8\"", "not valid JSON at byte 2: `\\u` without four hexadecimal digits"),
        ("[] x", "not valid JSON at byte 3: expected the end of the text"),
    ] {
        assert_eq!(read(text).expect_err(text).to_string(), message);
    }
    let error = Cursor::over(b"{\"a\":\"\xff\"}").expect_err("no UTF-8");
    assert_eq!(error.to_string(), "not valid JSON at byte 6: invalid UTF-8");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5000) })]

    #[test]
    fn reads_what_the_oracle_reads(text in "([\\[\\]{},: \t\n\r]|\"|\\\\|u|d8|00|a|0|1|-|\\+|e|E|\\.|true|false|null|\"a\"|\"k\":){0,16}") {
        let oracle = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(read(&text).is_ok(), oracle, "{}", text);
    }

    #[test]
    fn every_text_survives_escaping(text in "([\u{0}-\u{ff}]|\\PC|\u{10ffff}|\"|\\\\){0,40}", lead in 0_usize..16) {
        let text = "x".repeat(lead) + &text;
        let mut json = b"\"".to_vec();
        escape_into(&mut json, &text);
        json.push(b'"');
        prop_assert_eq!(String::from_utf8_lossy(&json), serde_json::to_string(&text).expect("text"));
        let json = String::from_utf8(json).expect("UTF-8");
        let (Text { raw, escaped, unpaired }, end) = scan(&json, 1).expect("a string");
        prop_assert_eq!((end, unpaired), (json.len(), false));
        let decoded = Text { raw, escaped, unpaired }.decode().expect("no surrogate");
        prop_assert_eq!(decoded, text);
    }

    #[test]
    fn escapes_decode_as_the_oracle_decodes_them(text in "(\\\\u(d[89abcdef][0-9a-f]{2}|[0-9A-F]{4})|\\\\[\"\\\\/bfnrt]|[a-zé]){0,12}") {
        let json = format!("\"{text}\"");
        let oracle = serde_json::from_str::<String>(&json).ok();
        let (scanned, _) = scan(&json, 1).expect("a string");
        prop_assert_eq!(scanned.decode().map(String::from), oracle, "{}", json);
    }
}
