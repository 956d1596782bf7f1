//! What must hold for any bytes whatever: a property for fuzz targets and generated tests to call.
//!
//! A target is `fuzz_target!(|data: &[u8]| shimmer_event::property::holds(data));`, built with `--cfg fuzzing`. The
//! oracle is `serde_json`: it shares no code with this crate.

mod cloud;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::{
    BEAUTY_KIND, BEAUTY_SCORE_MAX, Batch, CloudHeaders, DATA_DEPTH, EVENT_ID_BYTES, Event,
    EventError, FieldError, KIND_CHARS, Limits, NAME_CHARS, Parser, Receipt, TAIL, rfc3339,
};

pub use cloud::cloud_events;

/// The receipt of every event here.
const RECEIPT: Receipt<'static> = Receipt {
    received_ns: 1_760_000_000_123_456_789,
    default_source: "token \"a\"",
    origin: "node-1",
    unsigned: false,
};

/// Panics unless all properties hold for these bytes, read in every way there is.
pub fn holds(data: &[u8]) {
    BothWays::default().agree(data);
    let limits = Limits::default();
    let mut parser = Parser::default();
    let single = parser.parse(data, &RECEIPT, &limits);
    grammar(data, &single);
    if let Ok(event) = &single {
        keeps_limits(event, &limits);
        shows_what_was_posted(event, data);
        reads_back(event, &limits);
    }
    let single = single.map(|event| event.head.to_vec());
    in_batches(data, &single, &limits);
    if let Ok(event) = parser.parse_cloudevent(data, &RECEIPT, &limits) {
        keeps_limits(&event, &limits);
        reads_back(&event, &limits);
    }
    in_headers(data, &limits);
}

/// The two ways through the parser, each with buffers that it keeps.
#[derive(Debug)]
pub struct BothWays {
    parsers: [Parser; 2],
    batches: [Batch; 2],
}

impl Default for BothWays {
    fn default() -> Self {
        let mut ways = Self { parsers: Default::default(), batches: Default::default() };
        ways.parsers[1].scratch.careful = true;
        ways.batches[1].careful();
        ways
    }
}

impl BothWays {
    /// Panics unless both say the same of these bytes: alone, as lines and as an array.
    pub fn agree(&mut self, data: &[u8]) {
        let limits = Limits::default();
        let [quick, careful] = &mut self.parsers;
        assert_eq!(quick.parse(data, &RECEIPT, &limits), careful.parse(data, &RECEIPT, &limits));
        let [quick, careful] = &mut self.batches;
        let lines = [data, b"\r\n", data].concat();
        let parsed = quick.parse_ndjson(&lines, &RECEIPT, &limits);
        assert_eq!(parsed, careful.parse_ndjson(&lines, &RECEIPT, &limits));
        same_batch(quick, careful);
        let array = [b"[", data, b",", data, b"]"].concat();
        let parsed = quick.parse_array(&array, &RECEIPT, &limits);
        assert_eq!(parsed, careful.parse_array(&array, &RECEIPT, &limits));
        same_batch(quick, careful);
    }
}

fn same_batch(quick: &Batch, careful: &Batch) {
    let all = |batch: &Batch| format!("{:?}", batch.events().collect::<Vec<_>>());
    assert!(quick.events().eq(careful.events()), "{}\n{}", all(quick), all(careful));
    assert_eq!(quick.rejected(), careful.rejected());
}

/// Malformed is exactly what `serde_json` cannot read, or reads as something else than an object.
fn grammar(data: &[u8], parsed: &Result<Event<'_>, EventError>) {
    let is_json = std::str::from_utf8(data)
        .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let is_object = is_json && data.trim_ascii_start().starts_with(b"{");
    let malformed = matches!(parsed, Err(EventError::Malformed { .. }));
    let too_large = matches!(parsed, Err(EventError::TooLarge { what: "the body", .. }));
    assert!(too_large || malformed != is_object, "{parsed:?}");
}

fn keeps_limits(event: &Event<'_>, limits: &Limits) {
    assert!((1..=EVENT_ID_BYTES).contains(&event.id.len()));
    assert!(!event.id.contains(char::is_control));
    assert!((1..=KIND_CHARS).contains(&event.kind.len()));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    assert!(event.kind.chars().all(allowed));
    assert!(event.subject.chars().count() <= NAME_CHARS);
    assert!((1..=NAME_CHARS).contains(&event.source.chars().count()));
    assert!(event.value.is_finite());
    let is_beauty = event.kind == BEAUTY_KIND;
    assert!(!is_beauty || (0.0..=BEAUTY_SCORE_MAX).contains(&event.value));
    assert_eq!(event.flags, if is_beauty { shimmer_abi::flags::BEAUTY } else { 0 });

    let text = complete(event, u64::MAX);
    assert!(text.len() <= limits.event_bytes);
    let json: Value = serde_json::from_slice(&text).expect("the canonical text is JSON");
    assert_eq!(json["event_id"], event.id);
    assert_eq!(json["kind"], event.kind);
    assert_eq!(json["source"], event.source);
    assert_eq!(json["origin"], event.origin);
    assert_eq!(json["seq"], u64::MAX);
    assert_eq!(json.get("subject").map_or("", |s| s.as_str().expect("a string")), event.subject);
    same_number(&json["value"], event.value);
    assert_eq!(json.get("beauty_score").is_some(), is_beauty);
    let time = |name: &str| rfc3339::parse(json[name].as_str().expect("a string"));
    assert_eq!(time("timestamp"), Ok(event.time_ns));
    assert_eq!(time("received_at"), Ok(event.received_ns));
    assert!(
        json.get("wisdom").is_none_or(|w| w.as_str().expect("a string").chars().count() <= 200)
    );

    let span = |range: &std::ops::Range<u32>| &event.head[range.start as usize..range.end as usize];
    let quoted = [b"\"", span(&event.id_span), b"\""].concat();
    assert_eq!(serde_json::from_slice::<String>(&quoted).expect("a JSON string"), event.id);
    match json.get("data") {
        None => assert!(event.data.is_empty()),
        Some(data) => {
            assert_eq!(&serde_json::from_slice::<Value>(span(&event.data)).expect("JSON"), data);
            assert!(depth(data) <= DATA_DEPTH && data.as_object().is_some_and(|o| !o.is_empty()));
        }
    }
}

/// The members of a plain event are those of its body.
fn shows_what_was_posted(event: &Event<'_>, body: &[u8]) {
    // Only a body nested deeper than the oracle goes, in a member that is dropped, is not read by it.
    let Ok(posted) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(posted["event_id"], event.id);
    let shown: Value = serde_json::from_slice(&complete(event, 1)).expect("JSON");
    let given = |name: &str| posted.get(name).filter(|value| !value.is_null());
    for name in ["chaos_fingerprint", "dance_sequence", "wisdom"] {
        let expected = given(name).filter(|_| event.kind == BEAUTY_KIND);
        assert_eq!(shown.get(name), expected, "{name}");
    }
    for name in ["kind", "subject", "source"] {
        if let Some(text) = given(name).filter(|text| *text != "") {
            assert_eq!(&shown[name], text, "{name}");
        }
    }
    let data = given("data").filter(|data| data.as_object().is_some_and(|o| !o.is_empty()));
    assert_eq!(shown.get("data"), data);
    for name in ["value", "beauty_score"] {
        if let Some(number) = given(name) {
            same_number(number, event.value);
        }
    }
}

/// What is shown, posted again, is the same event to the byte.
fn reads_back(event: &Event<'_>, limits: &Limits) {
    let mut parser = Parser::default();
    let text = complete(event, 1);
    let again = parser.parse(&text, &RECEIPT, limits).expect("canonical text is accepted");
    assert_eq!(&again, event);
}

/// One item reads the same whether it stands alone, on a line, or in an array.
fn in_batches(data: &[u8], single: &Result<Vec<u8>, EventError>, limits: &Limits) {
    let mut batch = Batch::default();
    if !data.contains(&b'\n') && !data.trim_ascii().is_empty() {
        let body = [b"\n", data, b"\r\n \n", data].concat();
        batch.parse_ndjson(&body, &RECEIPT, limits).expect("lines are never refused as a whole");
        assert_eq!(batch.events().len() + batch.rejected().len(), 2);
        same_items(&batch, single, 2);
    }
    let body = [b"[", data, b", ", data, b"]"].concat();
    let parsed = batch.parse_array(&body, &RECEIPT, limits);
    if !matches!(single, Err(EventError::Malformed { .. } | EventError::TooLarge { .. })) {
        parsed.expect("items that stand alone stand in an array");
        same_items(&batch, single, 2);
    } else if parsed.is_err() {
        assert!(batch.events().len() == 0 && batch.rejected().is_empty());
    }
    // Whatever the bytes are, reading them as a whole batch must not panic, and indices ascend.
    let _ = batch.parse_ndjson(data, &RECEIPT, limits);
    let mut indices: Vec<_> = batch.events().map(|(index, _)| index).collect();
    indices.extend(batch.rejected().iter().map(|(index, _)| index));
    indices.sort_unstable();
    assert!(indices.into_iter().eq(0..batch.events().len() + batch.rejected().len()));
    let _ = batch.parse_array(data, &RECEIPT, limits);
    if batch.parse_cloudevents_batch(data, &RECEIPT, limits).is_ok() {
        batch.events().for_each(|(_, event)| keeps_limits(&event, limits));
    }
}

fn same_items(batch: &Batch, single: &Result<Vec<u8>, EventError>, count: usize) {
    match single {
        Ok(head) => {
            assert_eq!(batch.events().len(), count);
            assert!(batch.events().all(|(_, event)| event.head == head));
        }
        // Alone in a body there is a further limit.
        Err(EventError::TooLarge { .. }) => {}
        Err(error) => {
            assert_eq!(batch.rejected().len(), count);
            let expected = error.clone().into_field_errors();
            // What makes a line no JSON may be named otherwise where the line goes on.
            let malformed = matches!(error, EventError::Malformed { .. });
            let same = |errors: &[FieldError]| {
                errors == expected || malformed && errors.len() == 1 && errors[0].field == "body"
            };
            assert!(batch.rejected().iter().all(|(_, errors)| same(errors)));
        }
    }
}

/// Bytes as headers, and as the data behind good ones.
fn in_headers(data: &[u8], limits: &Limits) {
    let mut parser = Parser::default();
    for kind in ["k", BEAUTY_KIND] {
        let headers = [
            ("ce-specversion", b"1.0".as_slice()),
            ("ce-id", b"a"),
            ("ce-source", data.get(..data.len().min(64)).unwrap_or_default()),
            ("ce-type", kind.as_bytes()),
        ];
        let headers = CloudHeaders::read(headers).expect("attributes are there");
        if let Ok(event) = parser.parse_cloudevent_binary(&headers, data, &RECEIPT, limits) {
            keeps_limits(&event, limits);
        }
    }
}

fn complete(event: &Event<'_>, seq: u64) -> Vec<u8> {
    [event.head, seq.to_string().as_bytes(), TAIL].concat()
}

fn depth(value: &Value) -> u32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Equal up to the last bit, which the oracle does not always get right.
fn same_number(oracle: &Value, number: f64) {
    let oracle = oracle.as_f64().expect("a number");
    // Close to zero the last bit is a larger part.
    let tolerance = (number.abs() * 1e-15).max(f64::from_bits(1));
    assert!((oracle - number).abs() <= tolerance, "{oracle} {number}");
}

#[cfg(test)]
mod tests;
