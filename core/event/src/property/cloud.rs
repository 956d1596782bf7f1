//! What must hold for any bytes as a CloudEvent, in each of the three ways that one is sent.
//!
//! An input is a body, or header lines, an empty line and a body. The rule: the way that an event takes does not change
//! it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{RECEIPT, keeps_limits, reads_back};
use crate::{Batch, CloudHeaders, Event, EventError, Limits, Parser};

/// The attributes that travel in headers, and what they are called there.
const ATTRIBUTES: [(&str, &str); 7] = [
    ("specversion", "ce-specversion"),
    ("id", "ce-id"),
    ("source", "ce-source"),
    ("type", "ce-type"),
    ("time", "ce-time"),
    ("subject", "ce-subject"),
    ("datacontenttype", "content-type"),
];

/// Panics unless all properties hold for these bytes.
pub fn cloud_events(data: &[u8]) {
    let limits = Limits::default();
    let mut parser = Parser::default();
    let single = parser.parse_cloudevent(data, &RECEIPT, &limits);
    if let Ok(event) = &single {
        keeps_limits(event, &limits);
        reads_back(event, &limits);
        same_in_headers(data, event, &limits);
    }
    same_in_a_batch(data, &single, &limits);
    let mut batch = Batch::default();
    if batch.parse_cloudevents_batch(data, &RECEIPT, &limits).is_ok() {
        for (_, event) in batch.events() {
            keeps_limits(&event, &limits);
            reads_back(&event, &limits);
        }
        assert!(batch.rejected().iter().all(|(_, errors)| !errors.is_empty()));
    }
    let end = data.windows(2).position(|end| end == b"\n\n");
    let (head, body) = end.map_or((data, &b""[..]), |end| (&data[..end], &data[end + 2..]));
    let fields = head.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        Some((std::str::from_utf8(&line[..at]).ok()?, line[at + 1..].trim_ascii()))
    });
    let Some(headers) = CloudHeaders::read(fields) else { return };
    if let Ok(event) = parser.parse_cloudevent_binary(&headers, body, &RECEIPT, &limits) {
        keeps_limits(&event, &limits);
        reads_back(&event, &limits);
    }
}

/// What is accepted in structured mode is the same event in binary mode.
fn same_in_headers(data: &[u8], event: &Event<'_>, limits: &Limits) {
    // Only one nested deeper than the oracle goes, in an extension, is not read by it.
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(data) else { return };
    let given = |name: &str| members.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
    let headers: Vec<_> = ATTRIBUTES
        .iter()
        .filter_map(|(name, header)| {
            let text: String = serde_json::from_str(given(name)?).expect("an attribute is text");
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            Some((*header, if *header == "content-type" { text } else { encoded }))
        })
        .collect();
    let headers = CloudHeaders::read(headers.iter().map(|(name, text)| (*name, text.as_bytes())));
    let headers = headers.expect("attributes");
    let body = members.get("data").map_or("", |raw| raw.get());
    let mut parser = Parser::default();
    let binary = parser.parse_cloudevent_binary(&headers, body.as_bytes(), &RECEIPT, limits);
    assert_eq!(binary.as_ref(), Ok(event));
}

/// What stands alone stands twice in a batch.
fn same_in_a_batch(data: &[u8], single: &Result<Event<'_>, EventError>, limits: &Limits) {
    let mut batch = Batch::default();
    let body = [b"[", data, b",", data, b"]"].concat();
    let parsed = batch.parse_cloudevents_batch(&body, &RECEIPT, limits);
    match single {
        Ok(event) => {
            assert_eq!(parsed, Ok(()));
            assert!(batch.events().len() == 2 && batch.events().all(|(_, other)| other == *event));
        }
        Err(EventError::Invalid(errors)) => {
            assert_eq!(parsed, Ok(()));
            assert!(batch.rejected().iter().map(|(_, other)| other).eq([errors, errors]));
        }
        // Of bytes that are no object two may be something else than each is.
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    use super::cloud_events;

    /// CloudEvents of their own documents, and what the fuzzer made of them.
    #[test]
    fn the_kept_corpus_holds() {
        let kept = include_str!("../../../../tests/fuzz/corpora/cloud_events.txt");
        for line in kept.lines() {
            cloud_events(&BASE64_STANDARD.decode(line).expect("a line of Base64"));
        }
        assert!(kept.lines().count() > 50);
    }
}
