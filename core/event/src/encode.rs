//! The canonical JSON of an event: fixed members in a fixed order, no white space, the sequence last.
//!
//! Members: `event_id`, `timestamp` (UTC), `kind`, `subject` if any, `source`, `value`; of a beauty event
//! `beauty_score` and those given of `chaos_fingerprint`, `dance_sequence`, `wisdom`; `data` unless empty, with its
//! keys, strings and numbers as posted; `received_at`, `origin`, `unsigned` where nobody vouches for it, `seq`. Numbers that are columns too are written as
//! the shortest text that reads back to the same 64-bit float.

use shimmer_abi::flags;

use crate::{
    EventError, Limits, Receipt,
    arena::{Arena, Record},
    check::Checked,
    json::{Cursor, Nest, Object, VALUE, escape_into},
    rfc3339,
};

/// What follows the sequence in the canonical JSON.
pub const TAIL: &[u8] = b"}";

/// Digits of the largest sequence.
pub(crate) const SEQ_DIGITS: usize = 20;

/// Appends an event to the arena, or leaves the arena as it was if the event's JSON is too large.
pub(crate) fn append(
    arena: &mut Arena,
    index: usize,
    event: &Checked<'_>,
    flags: u32,
    limits: &Limits,
    nest: &mut Nest,
) -> Result<(), EventError> {
    let Arena { composed, closing, .. } = arena;
    composed.clear();
    let (id_span, data) = write_head(composed, closing.text(), event, nest);
    let bytes = composed.len() + SEQ_DIGITS + TAIL.len();
    if bytes > limits.event_bytes {
        let what = "the event's canonical JSON";
        return Err(EventError::TooLarge { what, bytes, limit: limits.event_bytes });
    }
    let head = arena.heads.push(&arena.composed);
    let names = [event.id, event.kind, event.subject, event.source];
    arena.records.push(Record {
        index,
        time_ns: event.time_ns,
        value: event.value,
        flags: flags | if event.beauty.is_some() { flags::BEAUTY } else { 0 },
        names: names.map(|name| arena.names.push(name)),
        head,
        data,
        id_span,
    });
    Ok(())
}

/// Writes everything up to the sequence; the spans of the id and of the data, from the start of the head.
fn write_head(
    out: &mut Vec<u8>,
    closing: &[u8],
    event: &Checked<'_>,
    nest: &mut Nest,
) -> (std::ops::Range<u32>, std::ops::Range<u32>) {
    // Heads are far below 4 GiB: the body limits bound every text and `event_bytes` what is kept.
    let at = |out: &Vec<u8>| out.len() as u32;
    out.extend_from_slice(br#"{"event_id":""#);
    let id_start = at(out);
    escape_into(out, event.id);
    let id_span = id_start..at(out);
    out.extend_from_slice(br#"","timestamp":""#);
    rfc3339::write(out, event.time_ns);
    out.extend_from_slice(br#"","kind":""#);
    out.extend_from_slice(event.kind.as_bytes());
    out.push(b'"');
    if !event.subject.is_empty() {
        string_member(out, br#","subject":"#, event.subject);
    }
    write_source(out, event.source);
    out.extend_from_slice(br#","value":"#);
    let mut float = zmij::Buffer::new();
    let value = float.format_finite(event.value).as_bytes();
    out.extend_from_slice(value);
    if let Some(texts) = &event.beauty {
        out.extend_from_slice(br#","beauty_score":"#);
        out.extend_from_slice(value);
        let members: [(&[u8], _); 3] = [
            (br#","chaos_fingerprint":"#, texts.fingerprint),
            (br#","dance_sequence":"#, texts.dance),
            (br#","wisdom":"#, texts.wisdom),
        ];
        for (name, text) in members {
            if let Some(text) = text {
                string_member(out, name, text);
            }
        }
    }
    let mut data = 0..0;
    if let Some(object) = &event.data {
        let before = out.len();
        out.extend_from_slice(br#","data":"#);
        let data_start = at(out);
        compact(out, object, nest);
        data = data_start..at(out);
        if data.len() == 2 {
            out.truncate(before);
            data = 0..0;
        }
    }
    out.extend_from_slice(closing);
    (id_span, data)
}

/// Writes the member of the source that events get which name none.
pub(crate) fn write_source(out: &mut Vec<u8>, source: &str) {
    string_member(out, br#","source":"#, source);
}

/// Writes what the heads of all events under one receipt end with.
pub(crate) fn write_closing(out: &mut Vec<u8>, receipt: &Receipt<'_>) {
    out.extend_from_slice(br#","received_at":""#);
    rfc3339::write(out, receipt.received_ns);
    out.push(b'"');
    string_member(out, br#","origin":"#, receipt.origin);
    if receipt.unsigned {
        out.extend_from_slice(br#","unsigned":true"#);
    }
    out.extend_from_slice(br#","seq":"#);
}

fn string_member(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.extend_from_slice(name);
    out.push(b'"');
    escape_into(out, text);
    out.push(b'"');
}

/// Appends an object without the white space between its tokens.
fn compact(out: &mut Vec<u8>, object: &Object<'_>, nest: &mut Nest) {
    if !object.without_value {
        return compact_value(object.text, object.traits.spaced, |part| {
            out.extend_from_slice(part)
        });
    }
    out.push(b'{');
    let mut comma = false;
    let read = Cursor::new(object.text).members(nest, |member| {
        if member.key.decode().is_some_and(|key| key == VALUE) {
            return;
        }
        if comma {
            out.push(b',');
        }
        comma = true;
        compact_value(member.text, object.traits.spaced, |part| out.extend_from_slice(part));
    });
    debug_assert!(read.is_ok(), "an object that was read once reads again");
    out.push(b'}');
}

/// Hands out valid JSON, without the white space outside strings if there may be some.
pub(crate) fn compact_value(text: &str, spaced: bool, mut put: impl FnMut(&[u8])) {
    let bytes = text.as_bytes();
    if !spaced {
        return put(bytes);
    }
    let (mut at, mut from, mut quoted) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => at += 1,
            b' ' | b'\n' | b'\r' | b'\t' if !quoted => {
                put(&bytes[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    put(&bytes[from..]);
}

#[cfg(test)]
mod tests;
