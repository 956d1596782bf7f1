//! Header values as the HTTP binding of CloudEvents writes them, old and new.

use super::{CloudHeaders, HeaderValue, decode, is_json_type};
use crate::cloud::Attribute;

#[test]
fn values_are_unquoted_and_percent_decoded_once() {
    for (raw, text) in [
        ("plain", Some("plain")),
        ("", Some("")),
        ("  padded\t", Some("padded")),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀")),
        ("a%2525", Some("a%25")),
        ("%41%c3%a9", Some("Aé")),
        (r#""quoted \"text\" \\ here""#, Some(r#"quoted "text" \ here"#)),
        (r#""50%25""#, Some("50%")),
        ("raw é", Some("raw é")),
        ("%", None),
        ("%4", None),
        ("%zz", None),
        ("%ff", None),
        ("%c3", None),
        (r#""a"b""#, None),
        (r#""a\""#, None),
        ("\"", Some("\"")),
    ] {
        assert_eq!(decode(raw.as_bytes()).as_deref(), text, "{raw}");
    }
    assert_eq!(decode(b"\xff"), None);
}

#[test]
fn json_is_known_by_its_subtype() {
    for (media_type, is_json) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/vnd.x+json", true),
        ("text/json", true),
        ("text/plain", false),
        ("application/jsonp", false),
        ("application/json-seq", false),
        ("json", false),
        ("", false),
    ] {
        assert_eq!(is_json_type(media_type), is_json, "{media_type}");
    }
}

#[test]
fn attributes_make_a_cloud_event() {
    assert!(CloudHeaders::read([]).is_none());
    assert!(CloudHeaders::read([("content-type", b"application/json".as_slice())]).is_none());
    assert!(CloudHeaders::read([("ce-subject", b"s".as_slice()), ("id", b"x")]).is_none());
    for name in ["ce-id", "CE-Source", "Ce-Type", "ce-specversion"] {
        assert!(CloudHeaders::read([(name, b"x".as_slice())]).is_some(), "{name}");
    }
    let headers = [("ce-id", b"a".as_slice()), ("CE-ID", b"b"), ("ce-type", b"%"), ("ce-x", b"y")];
    let headers = CloudHeaders::read(headers).expect("an event");
    assert_eq!(headers.values[Attribute::Id as usize], HeaderValue::Repeated);
    assert_eq!(headers.values[Attribute::Type as usize], HeaderValue::Broken);
    assert_eq!(headers.values[Attribute::Data as usize], HeaderValue::Absent);
}
