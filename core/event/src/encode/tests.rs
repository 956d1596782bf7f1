//! The canonical text itself, and its size at the limit.

use crate::{Event, EventError, Limits, Parser, Receipt, TAIL};

const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_500_000_000,
    default_source: "default",
    origin: "node-1",
    unsigned: false,
};

fn shown(body: &str) -> String {
    let mut parser = Parser::default();
    let event = parser.parse(body.as_bytes(), &RECEIPT, &Limits::default()).expect(body);
    let text = [event.head, b"7", TAIL].concat();
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn a_beauty_event() {
    let body = r#"{"wisdom":"Trust the process","event_id":"evt_123","dance_sequence":"shimmer→dissolve","x":1,
        "timestamp":"2025-10-21T06:30:00.250+02:00","beauty_score":0.92,"chaos_fingerprint":"ab12cd34"}"#;
    let expected = concat!(
        r#"{"event_id":"evt_123","timestamp":"2025-10-21T04:30:00.25Z","kind":"beauty","source":"default","#,
        r#""value":0.92,"beauty_score":0.92,"chaos_fingerprint":"ab12cd34","dance_sequence":"shimmer→dissolve","#,
        r#""wisdom":"Trust the process","received_at":"2025-10-09T08:53:20.5Z","origin":"node-1","seq":7}"#,
    );
    assert_eq!(shown(body), expected);
}

#[test]
fn a_general_event() {
    let body = r#"{"event_id":"a\u0062\"\u2028","timestamp":"2025-10-21T04:30:00Z","kind":"cpu.load","subject":"web\t1",
        "value":12,"source":"s","data":{ "z" : [ 1.50 , -0 , 1E3 ] ,
        "a" : "x  y\u0041\\" , "\" b" : { } }}"#;
    let expected = concat!(
        "{\"event_id\":\"ab\\\"\u{2028}\",\"timestamp\":\"2025-10-21T04:30:00Z\",\"kind\":\"cpu.load\",",
        r#""subject":"web\t1","source":"s","value":12.0,"#,
        r#""data":{"z":[1.50,-0,1E3],"a":"x  y\u0041\\","\" b":{}},"#,
        r#""received_at":"2025-10-09T08:53:20.5Z","origin":"node-1","seq":7}"#,
    );
    assert_eq!(shown(body), expected);
}

#[test]
fn absent_members_are_not_shown() {
    let body = r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"beauty","value":1,"subject":"","data":{ },
        "wisdom":null,"dance_sequence":""}"#;
    let expected = concat!(
        r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"beauty","source":"default","value":1.0,"#,
        r#""beauty_score":1.0,"dance_sequence":"","received_at":"2025-10-09T08:53:20.5Z","origin":"node-1","seq":7}"#,
    );
    assert_eq!(shown(body), expected);
}

#[test]
fn numbers_read_back_to_the_same_bits() {
    for value in
        [0.0, -0.0, 0.1, 1.0 / 3.0, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1e21, 123_456_789.0, 1e15]
    {
        let body = format!(
            r#"{{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":{value:?}}}"#
        );
        let text = shown(&body);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(json["value"].is_f64(), "{text}");
        let (_, number) = text.split_once(r#""value":"#).expect("it is there");
        let number = number.split(',').next().expect("it ends");
        assert_eq!(number.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()));
    }
}

#[test]
fn spans_point_at_id_and_data() {
    let body = r#"{"event_id":"q\"","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1,"data":{"a": 1}}"#;
    let mut parser = Parser::default();
    let event = parser.parse(body.as_bytes(), &RECEIPT, &Limits::default()).expect("good");
    let span = |range: std::ops::Range<u32>| &event.head[range.start as usize..range.end as usize];
    assert_eq!(span(event.id_span.clone()), br#"q\""#);
    assert_eq!(span(event.data.clone()), br#"{"a":1}"#);
    let Event { id, kind, subject, source, origin, time_ns, received_ns, .. } = event;
    assert_eq!((id, kind, subject, source, origin), ("q\"", "k", "", "default", "node-1"));
    assert_eq!((time_ns, received_ns), (1_761_021_000_000_000_000, RECEIPT.received_ns));
}

#[test]
fn the_canonical_size_has_its_limit_to_the_byte() {
    let body = |fill: usize| {
        let fill = "x".repeat(fill);
        format!(
            r#"{{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1,"data":{{"f":"{fill}"}}}}"#
        )
    };
    let limits = Limits::default();
    let mut parser = Parser::default();
    let head = parser.parse(body(0).as_bytes(), &RECEIPT, &limits).expect("good").head.len();
    let fits = limits.event_bytes - head - u64::MAX.to_string().len() - TAIL.len();
    let event = parser.parse(body(fits).as_bytes(), &RECEIPT, &limits).expect("at the limit");
    let full = [event.head, u64::MAX.to_string().as_bytes(), TAIL].concat();
    assert_eq!(full.len(), limits.event_bytes);
    let over = parser.parse(body(fits + 1).as_bytes(), &RECEIPT, &limits).map(|_| ());
    let what = "the event's canonical JSON";
    assert_eq!(over, Err(EventError::TooLarge { what, bytes: 4097, limit: 4096 }));
    // White space and escapes that are not kept do not count.
    let spaced = body(fits).replace(':', "  :  ").replace("T04  :  30  :  ", "T04:30:");
    assert!(parser.parse(spaced.as_bytes(), &RECEIPT, &limits).is_ok());
}

#[test]
fn the_body_has_its_limit_to_the_byte() {
    let limits = Limits::default();
    let event = r#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1}"#;
    let mut body = event.to_owned() + &" ".repeat(limits.event_body_bytes - event.len());
    let mut parser = Parser::default();
    assert!(parser.parse(body.as_bytes(), &RECEIPT, &limits).is_ok());
    body.push(' ');
    let over = parser.parse(body.as_bytes(), &RECEIPT, &limits).map(|_| ());
    assert_eq!(over, Err(EventError::TooLarge { what: "the body", bytes: 65_537, limit: 65_536 }));
}

#[test]
fn every_beauty_event_within_its_limits_fits() {
    // The longest escape of a character is that of a control character; an id has none.
    let widest = |chars: usize| "\\u0001".repeat(chars);
    let body = format!(
        r#"{{"event_id":"{}","timestamp":"2025-10-21T04:30:00.123456789Z","beauty_score":1.2345678901234567e-10,
        "subject":"{}","source":"{}","chaos_fingerprint":"{}","dance_sequence":"{}","wisdom":"{}"}}"#,
        "\\\"".repeat(128),
        widest(128),
        widest(128),
        widest(32),
        widest(64),
        widest(200),
    );
    let origin = "o".repeat(128);
    let receipt =
        Receipt { received_ns: -1, default_source: "s", origin: &origin, unsigned: false };
    let mut parser = Parser::default();
    let event = parser.parse(body.as_bytes(), &receipt, &Limits::default()).expect("it fits");
    assert!(event.head.len() > 3900, "{}", event.head.len());
}

#[test]
fn what_nobody_vouches_for_says_so() {
    let receipt = Receipt { unsigned: true, ..RECEIPT };
    let body = r#"{"event_id":"e","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":1,"unsigned":false}"#;
    let mut parser = Parser::default();
    let event = parser.parse(body.as_bytes(), &receipt, &Limits::default()).expect(body);
    let text = std::str::from_utf8(event.head).expect("UTF-8");
    assert!(text.ends_with(r#""origin":"node-1","unsigned":true,"seq":"#), "{text}");
    assert_eq!(event.flags, shimmer_abi::flags::UNSIGNED);
    let event = parser.parse(body.as_bytes(), &RECEIPT, &Limits::default()).expect(body);
    assert_eq!(event.flags, 0, "the next receipt has its own word");
    assert!(!event.head.windows(8).any(|part| part == b"unsigned"));
}
