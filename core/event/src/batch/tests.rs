//! Bodies of many events: how they divide into items, and when they are refused as a whole.

use super::Batch;
use crate::{BatchError, Limits, Receipt};

const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_000_000_000,
    default_source: "default",
    origin: "n",
    unsigned: false,
};

fn event(id: usize) -> String {
    format!(r#"{{"event_id":"e{id}","timestamp":"2025-10-21T04:30:00Z","kind":"k","value":{id}}}"#)
}

fn ids(batch: &Batch) -> Vec<(usize, String)> {
    batch.events().map(|(index, event)| (index, event.id.to_owned())).collect()
}

fn rejected(batch: &Batch) -> Vec<(usize, &str)> {
    batch.rejected().iter().map(|(index, errors)| (*index, errors[0].field.as_ref())).collect()
}

#[test]
fn lines_divide_into_items() {
    let [a, b, c] = [0, 1, 2].map(event);
    let body = format!(
        "\n{a}\r\n   \t\r\n{{\"event_id\":\"\"}}\nnot json\n{b} {b}\n[{b}]\n{b}\n\r\n\u{1}\n{{\"a\":\n{c}"
    );
    let mut batch = Batch::default();
    batch.parse_ndjson(body.as_bytes(), &RECEIPT, &Limits::default()).expect("lines");
    assert_eq!(ids(&batch), [(0, "e0".to_owned()), (5, "e1".to_owned()), (8, "e2".to_owned())]);
    let expected =
        [(1, "event_id"), (2, "body"), (3, "body"), (4, "body"), (6, "body"), (7, "body")];
    assert_eq!(rejected(&batch), expected);
    assert_eq!(batch.events().len(), 3);
}

#[test]
fn a_line_that_is_no_utf8_is_one_rejected_item() {
    let body = [event(0).as_bytes(), b"\n{\"event_id\":\"\xff\"}\n", event(1).as_bytes()].concat();
    let mut batch = Batch::default();
    batch.parse_ndjson(&body, &RECEIPT, &Limits::default()).expect("lines");
    assert_eq!((ids(&batch).len(), rejected(&batch)), (2, vec![(1, "body")]));
    let body = [b"[", event(0).as_bytes(), b",\"\xff\"]"].concat();
    let parsed = batch.parse_array(&body, &RECEIPT, &Limits::default());
    assert!(matches!(parsed, Err(BatchError::Malformed { .. })));
}

#[test]
fn an_array_keeps_the_good_and_lists_the_bad() {
    let body = format!(" [ {} , 7, {{}} , null,[{{}}],\n{} ] ", event(0), event(1));
    let mut batch = Batch::default();
    batch.parse_array(body.as_bytes(), &RECEIPT, &Limits::default()).expect("an array");
    assert_eq!(ids(&batch), [(0, "e0".to_owned()), (5, "e1".to_owned())]);
    assert_eq!(rejected(&batch), [(1, "body"), (2, "event_id"), (3, "body"), (4, "body")]);
    assert_eq!(batch.rejected()[1].1.len(), 3);
    assert_eq!(batch.rejected()[0].1[0].message, "must be a JSON object, got a number");
}

#[test]
fn a_malformed_array_leaves_nothing() {
    let good = event(0);
    let mut batch = Batch::default();
    for body in [
        String::new(),
        good.clone(),
        "null".to_owned(),
        format!("[{good}"),
        format!("[{good},]"),
        format!("[{good} {good}]"),
        format!("[{good},7,{{}},{{]"),
        format!("[{good}] x"),
        format!("[{good}],"),
        format!("[{good},nul]"),
        format!("[,{good}]"),
    ] {
        // The batch is used before, so that what it held must go too.
        batch.parse_ndjson(good.as_bytes(), &RECEIPT, &Limits::default()).expect("a line");
        let parsed = batch.parse_array(body.as_bytes(), &RECEIPT, &Limits::default());
        assert!(matches!(parsed, Err(BatchError::Malformed { .. })), "{body}");
        assert_eq!((batch.events().len(), batch.rejected().len()), (0, 0), "{body}");
        let parsed = batch.parse_cloudevents_batch(body.as_bytes(), &RECEIPT, &Limits::default());
        assert!(matches!(parsed, Err(BatchError::Malformed { .. })), "{body}");
    }
}

#[test]
fn nothing_is_a_batch_of_none() {
    let mut batch = Batch::default();
    for body in ["", "\n", " \r\n\t\n"] {
        batch.parse_ndjson(body.as_bytes(), &RECEIPT, &Limits::default()).expect("no lines");
        assert_eq!((batch.events().len(), batch.rejected().len()), (0, 0));
    }
    batch.parse_array(b" [ ] ", &RECEIPT, &Limits::default()).expect("an empty array");
    assert_eq!((batch.events().len(), batch.rejected().len()), (0, 0));
}

#[test]
fn good_and_bad_items_count_to_the_limit() {
    let limits = Limits { batch_events: 100, ..Limits::default() };
    let mut batch = Batch::default();
    for count in [100, 101] {
        let items: Vec<_> =
            (0..count).map(|i| if i % 2 == 0 { event(i) } else { "{}".to_owned() }).collect();
        let lines = batch.parse_ndjson((items.join("\n\n") + "\n\n").as_bytes(), &RECEIPT, &limits);
        let kept_lines = batch.events().len() + batch.rejected().len();
        let array = format!("[{}]", items.join(","));
        let array = batch.parse_array(array.as_bytes(), &RECEIPT, &limits);
        let kept = batch.events().len() + batch.rejected().len();
        let expected =
            if count == 100 { Ok(()) } else { Err(BatchError::TooManyEvents { limit: 100 }) };
        assert_eq!((lines, array), (expected.clone(), expected));
        let left = if count == 100 { 100 } else { 0 };
        assert_eq!((kept_lines, kept), (left, left));
    }
}

#[test]
fn the_body_has_its_limit_to_the_byte() {
    let mut body = event(0).into_bytes();
    let limits = Limits { batch_bytes: body.len(), ..Limits::default() };
    let mut batch = Batch::default();
    assert_eq!(batch.parse_ndjson(&body, &RECEIPT, &limits), Ok(()));
    body.push(b'\n');
    let (bytes, limit) = (body.len(), limits.batch_bytes);
    assert_eq!(
        batch.parse_ndjson(&body, &RECEIPT, &limits),
        Err(BatchError::TooLarge { bytes, limit })
    );
    assert_eq!(batch.events().len(), 0);
    let array = vec![b' '; bytes];
    assert_eq!(
        batch.parse_array(&array, &RECEIPT, &limits),
        Err(BatchError::TooLarge { bytes, limit })
    );
}

#[test]
fn an_event_too_large_is_one_rejected_item_and_leaves_no_trace() {
    let large =
        event(1).replace("\"k\"", &format!("\"k\",\"data\":{{\"f\":\"{}\"}}", "x".repeat(4096)));
    let body = [event(0), large, event(2)].join("\n");
    let mut batch = Batch::default();
    batch.parse_ndjson(body.as_bytes(), &RECEIPT, &Limits::default()).expect("lines");
    assert_eq!(ids(&batch), [(0, "e0".to_owned()), (2, "e2".to_owned())]);
    assert_eq!(rejected(&batch), [(1, "body")]);
    let kept: usize = batch.events().map(|(_, event)| event.head.len()).sum();
    assert_eq!(batch.arena.heads.used(), kept, "refused texts must not fill the memory");
    let message = &batch.rejected()[0].1[0].message;
    assert!(message.contains("the limit is 4096"), "{message}");
    let (_, last) = batch.events().last().expect("two events");
    assert!(
        last.head.starts_with(br#"{"event_id":"e2","#) && last.kind == "k" && last.value == 2.0
    );
}

#[test]
fn trimming_gives_the_memory_back() {
    let body: Vec<_> = (0..5000).map(event).collect();
    let mut batch = Batch::default();
    batch.parse_ndjson(body.join("\n").as_bytes(), &RECEIPT, &Limits::default()).expect("lines");
    assert!(batch.arena.bytes_kept()[0] > 100_000);
    batch.trim(10_000);
    let Batch { arena, .. } = &batch;
    assert!(arena.bytes_kept().iter().all(|bytes| *bytes <= 10_000));
    assert_eq!(batch.events().len(), 0);
    batch.parse_ndjson(event(7).as_bytes(), &RECEIPT, &Limits::default()).expect("a line");
    assert_eq!(ids(&batch), [(0, "e7".to_owned())]);
}

#[test]
fn bodies_of_the_usual_shape_are_added_as_the_parser_reads_them() {
    let limits = Limits { event_body_bytes: 200, ..Limits::default() };
    let escaped = event(3).replace("e3", "e\\u0033");
    let long = format!("{}{}", event(5), " ".repeat(200));
    let bodies = [
        (event(0), true),
        (format!(" {} \n", event(1)), true),
        (format!("{}x", event(2)), false),
        (escaped, false),
        (event(4).replace("\"k\"", "\"K\""), false),
        (long, false),
        (String::new(), false),
        (event(6), true),
    ];
    let (mut batch, mut parser) = (Batch::default(), crate::Parser::default());
    batch.parse_ndjson(b"what was there before", &RECEIPT, &limits).expect("lines");
    batch.start(&RECEIPT);
    for (body, usual) in &bodies {
        assert_eq!(batch.add(body.as_bytes(), &limits), *usual, "{body}");
    }
    assert!(!batch.add(b"\xff", &limits));
    assert_eq!((batch.events().len(), batch.rejected().len()), (3, 0));
    let usual = bodies.iter().filter(|(_, usual)| *usual);
    for ((at, (body, _)), (index, added)) in usual.enumerate().zip(batch.events()) {
        let alone = parser.parse(body.as_bytes(), &RECEIPT, &limits).expect("an event");
        assert_eq!((index, format!("{added:?}")), (at, format!("{alone:?}")));
    }
}
