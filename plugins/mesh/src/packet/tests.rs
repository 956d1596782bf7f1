//! Packets: the forms of the gateway and the reason for every one that is refused.

use serde_json::{Value, json};

use super::*;
use crate::envelope::{Author, Verified, Verifier};
use crate::keys::Keys;

fn signed() -> Verified {
    let mut author = Author::new(Keys::ed25519(&[1; 32]), 5, 1, 10).expect("good numbers");
    author.sign(r#"{"event_id":"a","wisdom":"\u00e9"}"#).expect("JSON")
}

fn parse(value: &Value) -> Result<Packet, Reason> {
    Packet::parse(value.to_string().as_bytes())
}

#[track_caller]
fn refused(base: &Value, name: &str, value: Value, reason: Reason) {
    let mut packet = base.clone();
    match value {
        Value::String(gone) if gone == "<gone>" => {
            packet.as_object_mut().expect("object").remove(name)
        }
        value => packet.as_object_mut().expect("object").insert(name.to_owned(), value),
    };
    assert_eq!(parse(&packet), Err(reason), "{packet}");
}

#[test]
fn unsigned_packets() {
    let base = json!({"type": "gossip", "subtype": "beauty_event", "ttl": 2, "event": {"b": 1.0, "a": "x"}, "more": [1]});
    let packet = parse(&base).expect("a packet");
    assert_eq!(packet.body, Body::Unsigned(r#"{"a":"x","b":1}"#.into()));
    let next = packet.forwarded().expect("a hop left");
    assert_eq!(
        next.to_json(),
        r#"{"event":{"a":"x","b":1},"subtype":"beauty_event","ttl":1,"type":"gossip"}"#
    );
    assert_eq!(Packet::parse(next.to_json().as_bytes()).as_ref(), Ok(&next));
    assert_eq!(next.forwarded(), None);

    for ttl in [json!(0), json!(-1), json!(i64::MIN)] {
        refused(&base, "ttl", ttl, Reason::Ttl);
    }
    for ttl in
        [json!("10"), json!(1.5), json!(null), json!("<gone>"), json!(u64::MAX), json!(1_u64 << 53)]
    {
        refused(&base, "ttl", ttl, Reason::Malformed);
    }
    for event in [json!("x"), json!([]), json!(null), json!("<gone>")] {
        refused(&base, "event", event, Reason::Malformed);
    }
    for subtype in
        [json!(""), json!("A"), json!("a b"), json!("x".repeat(65)), json!(1), json!("<gone>")]
    {
        refused(&base, "subtype", subtype, Reason::Malformed);
    }
    refused(&base, "type", json!("hello"), Reason::Malformed);
    for text in [
        "",
        "[]",
        "7",
        "{",
        r#"{"type":"gossip","subtype":"x","ttl":1,"ttl":1,"event":{}}"#,
        r#"{"type":"gossip","subtype":"x","ttl":1,"event":{"a":1,"a":2}}"#,
        r#"{"type":"gossip","subtype":"x","ttl":1,"event":{"a":"\ud800"}}"#,
    ] {
        assert_eq!(Packet::parse(text.as_bytes()), Err(Reason::Malformed), "{text}");
    }
    assert_eq!(Packet::parse(&[0xff, 0xfe]), Err(Reason::Malformed));
    let deep =
        format!(r#"{{"type":"gossip","subtype":"x","ttl":1,"event":{}}}"#, "{\"a\":".repeat(9_000));
    assert_eq!(Packet::parse(deep.as_bytes()), Err(Reason::Malformed));
}

#[test]
fn the_bound_is_sharp() {
    let of = |bytes: usize| {
        let empty = r#"{"type":"gossip","subtype":"x","ttl":1,"event":{"a":""}}"#;
        empty.replace("\"\"}", &format!("\"{}\"}}", "x".repeat(bytes - empty.len())))
    };
    assert!(Packet::parse(of(MAX_PACKET_BYTES).as_bytes()).is_ok());
    assert_eq!(Packet::parse(of(MAX_PACKET_BYTES + 1).as_bytes()), Err(Reason::Oversize));
}

#[test]
fn signed_packets() {
    let signed = signed();
    let packet = Packet::of(&signed, BEAUTY_SUBTYPE, 200);
    assert_eq!(packet.ttl, 10, "cut to what was signed");
    let text = packet.to_json();
    assert!(jcs::is_canonical(&text), "{text}");
    let back = Packet::parse(text.as_bytes()).expect("a packet");
    let Body::Signed(envelope) = back.body else { panic!("{back:?}") };
    assert_eq!(Verifier::default().verify(*envelope), Ok(signed));

    let base: Value = serde_json::from_str(&text).expect("JSON");
    for name in ["origin", "epoch", "seq", "max_ttl", "alg", "sig"] {
        for value in
            [json!("<gone>"), json!(null), json!(-1), json!("zz"), json!(1_u64 << 53), json!(0.5)]
        {
            refused(&base, name, value, Reason::Signature);
        }
    }
    refused(&base, "seq", json!(0), Reason::Signature);
    refused(&base, "ttl", json!(11), Reason::Signature);
    refused(&base, "ttl", json!(1000), Reason::Signature);
    refused(&base, "ttl", json!(0), Reason::Ttl);
    refused(&base, "alg", json!("ed25519+ml-dsa-44"), Reason::Signature);
    refused(&base, "pq_key", json!("00"), Reason::Signature);
    refused(
        &base,
        "sig",
        json!(base["sig"].as_str().expect("hex").to_uppercase()),
        Reason::Signature,
    );
    refused(&base, "event", json!([]), Reason::Malformed);
    // Signed is the value, not its spelling.
    let spelt = text.replace('é', "\\u00e9").replace("\"a\"", " \"\\u0061\" ");
    let Ok(Packet { body: Body::Signed(envelope), .. }) = Packet::parse(spelt.as_bytes()) else {
        panic!("{spelt}")
    };
    assert!(Verifier::default().verify(*envelope).is_ok());
}

#[test]
fn hybrid_packets() {
    let keys = Keys::hybrid(&[1; 32], &[2; 32]);
    let signed = Author::new(keys, 5, 1, 3).expect("good").sign("{}").expect("JSON");
    let text = Packet::of(&signed, "x", 1).to_json();
    assert!(jcs::is_canonical(&text), "{text}");
    let Ok(Packet { body: Body::Signed(envelope), .. }) = Packet::parse(text.as_bytes()) else {
        panic!("{text}")
    };
    assert_eq!(Verifier::default().verify(*envelope), Ok(signed));
    let base: Value = serde_json::from_str(&text).expect("JSON");
    for name in ["pq_key", "pq_sig"] {
        refused(&base, name, json!("<gone>"), Reason::Signature);
    }
    refused(&base, "alg", json!("ed25519"), Reason::Signature);
}
