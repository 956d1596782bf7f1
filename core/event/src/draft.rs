//! Events that plugins emit: not JSON but fields, put through the same checks and written in the same JSON.
//!
//! An alert is an event like any other, of kind `alert`, whose data says how bad it is and why.

use shimmer_abi::flags;

use crate::{
    Event, EventError, FieldError, HOPS, Limits, Parser, Receipt,
    json::{Cursor, Nest, Object, Text, Value, escape_into},
    parser::admit,
    posted::{EVENT_NAMES, Field, Form, Names, Posted},
};

/// An event that a plugin emits.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventDraft<'a> {
    /// 1..=128 bytes without control characters.
    pub event_id: &'a str,
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// `[a-z0-9._-]{1,64}`; `beauty` holds the value to 0.0..=1.5.
    pub kind: &'a str,
    /// At most 128 characters; empty = none.
    pub subject: &'a str,
    /// At most 128 characters; empty = the receipt's default.
    pub source: &'a str,
    /// Finite.
    pub value: f64,
    /// Kept of kind `beauty`, dropped of every other.
    pub beauty: BeautyTexts<'a>,
    /// A JSON object; empty = none.
    pub data_json: &'a str,
    /// Plugins between the event and the outside, this one included: 1..=4, or 0 where a plugin only passes on
    /// what came from outside.
    pub hops: u8,
}

/// The texts that only beauty events have; empty = not given.
#[derive(Clone, Copy, Debug, Default)]
pub struct BeautyTexts<'a> {
    /// At most 32 characters.
    pub chaos_fingerprint: &'a str,
    /// At most 64 characters.
    pub dance_sequence: &'a str,
    /// At most 200 characters.
    pub wisdom: &'a str,
}

/// An alert that a plugin emits: an event of kind `alert` whose data is `severity`, `description` and then the
/// members of `data_json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertDraft<'a> {
    /// As [`EventDraft::event_id`].
    pub event_id: &'a str,
    /// Unix time in nanoseconds.
    pub time_ns: i64,
    /// What is alerted on: at most 128 characters.
    pub subject: &'a str,
    /// As [`EventDraft::source`].
    pub source: &'a str,
    /// `info`, `warning` or `critical`.
    pub severity: &'a str,
    /// In 0..=1, the event's value.
    pub score: f64,
    /// One sentence for people, at most 1,000 characters.
    pub description: &'a str,
    /// Further members, a JSON object without `severity` and `description`; empty = none.
    pub data_json: &'a str,
    /// As [`EventDraft::hops`].
    pub hops: u8,
}

const ALERT_KIND: &str = "alert";
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];
const DESCRIPTION_CHARS: usize = 1000;

impl Parser {
    /// Checks and encodes an event that a plugin emits.
    pub fn draft(
        &mut self,
        draft: &EventDraft<'_>,
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        let Self { scratch, arena } = self;
        let mut posted = draft.posted(&DRAFT_NAMES);
        check_hops(draft.hops, &mut posted.errors);
        match read_data(draft.data_json, &mut scratch.nest) {
            Ok(data) => posted.put(Field::Data, data),
            Err(error) => posted.errors.push(error),
        }
        arena.begin(receipt);
        admit(arena, scratch, 0, posted, derived(draft.hops), receipt, limits)?;
        Ok(arena.event(&arena.records[0]))
    }

    /// Checks and encodes an alert that a plugin emits.
    pub fn draft_alert(
        &mut self,
        alert: &AlertDraft<'_>,
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        let Self { scratch, arena } = self;
        let draft = EventDraft {
            event_id: alert.event_id,
            time_ns: alert.time_ns,
            kind: ALERT_KIND,
            subject: alert.subject,
            source: alert.source,
            value: alert.score,
            ..EventDraft::default()
        };
        let mut posted = draft.posted(&ALERT_NAMES);
        check_hops(alert.hops, &mut posted.errors);
        check_alert(alert, &mut posted.errors);
        let mut composed = std::mem::take(&mut scratch.composed);
        compose(alert, &mut composed, &mut scratch.nest, &mut posted.errors);
        let text = String::from_utf8_lossy(&composed);
        match read_data(&text, &mut scratch.nest) {
            Ok(data) => posted.put(Field::Data, data),
            Err(error) => posted.errors.push(error),
        }
        arena.begin(receipt);
        let kept = admit(arena, scratch, 0, posted, derived(alert.hops), receipt, limits);
        scratch.composed = composed;
        kept?;
        Ok(arena.event(&arena.records[0]))
    }
}

impl<'a> EventDraft<'a> {
    /// All fields but the data.
    fn posted(&self, names: &'static Names) -> Posted<'a> {
        let text = |text| Value::Text(Text::plain(text));
        let optional = |given: &'a str| if given.is_empty() { Value::Absent } else { text(given) };
        let mut posted = Posted::new(names);
        posted.form = Form::General;
        posted.put(Field::EventId, text(self.event_id));
        posted.put(Field::Timestamp, Value::Instant(self.time_ns));
        posted.put(Field::Kind, text(self.kind));
        posted.put(Field::Subject, optional(self.subject));
        posted.put(Field::Source, optional(self.source));
        posted.put(Field::Value, Value::Float(self.value));
        posted.put(Field::ChaosFingerprint, optional(self.beauty.chaos_fingerprint));
        posted.put(Field::DanceSequence, optional(self.beauty.dance_sequence));
        posted.put(Field::Wisdom, optional(self.beauty.wisdom));
        posted
    }
}

fn derived(hops: u8) -> u32 {
    flags::DERIVED | u32::from(hops) << flags::HOPS_SHIFT
}

fn check_hops(hops: u8, errors: &mut Vec<FieldError>) {
    if hops > HOPS {
        errors.push(FieldError::new("hops", format!("must be at most {HOPS}, got {hops}")));
    }
}

fn check_alert(alert: &AlertDraft<'_>, errors: &mut Vec<FieldError>) {
    if !SEVERITIES.contains(&alert.severity) {
        errors.push(FieldError::new("severity", "must be `info`, `warning` or `critical`"));
    }
    if !(0.0..=1.0).contains(&alert.score) {
        errors.push(FieldError::new("score", "must be in 0.0..=1.0"));
    }
    let chars = alert.description.chars().count();
    if chars > DESCRIPTION_CHARS {
        let message = format!("must have at most {DESCRIPTION_CHARS} characters, got {chars}");
        errors.push(FieldError::new("description", message));
    }
}

/// Reads the data of a draft; empty is none.
fn read_data<'b>(json: &'b str, nest: &mut Nest) -> Result<Value<'b>, FieldError> {
    if json.is_empty() {
        return Ok(Value::Absent);
    }
    let mut cursor = Cursor::new(json);
    let read = cursor.value(nest).and_then(|(value, _)| cursor.end().map(|()| value));
    read.map_err(|syntax| FieldError::new(DATA_NAME, format!("is {syntax}")))
}

/// Writes an alert's data to `out`, or `{}` and what is wrong with the further members.
fn compose(
    alert: &AlertDraft<'_>,
    out: &mut Vec<u8>,
    nest: &mut Nest,
    errors: &mut Vec<FieldError>,
) {
    out.clear();
    let further = match read_data(alert.data_json, nest) {
        Ok(Value::Object(object)) => further_members(object, nest),
        Ok(Value::Absent) => Ok(""),
        Ok(other) => {
            let message = format!("must be a JSON object, got {}", other.type_name());
            Err(FieldError::new(DATA_NAME, message))
        }
        Err(error) => Err(error),
    };
    match further {
        Err(error) => {
            errors.push(error);
            out.extend_from_slice(b"{}");
        }
        Ok(further) => {
            out.extend_from_slice(br#"{"severity":""#);
            escape_into(out, alert.severity);
            out.extend_from_slice(br#"","description":""#);
            escape_into(out, alert.description);
            out.push(b'"');
            if !further.is_empty() {
                out.push(b',');
                out.extend_from_slice(further.as_bytes());
            }
            out.push(b'}');
        }
    }
}

/// The members of an object as text without the braces.
fn further_members<'b>(object: Object<'b>, nest: &mut Nest) -> Result<&'b str, FieldError> {
    let mut taken = false;
    let read = Cursor::new(object.text).members(nest, |member| {
        let key = member.key.decode();
        taken |= key.is_some_and(|key| key == "severity" || key == "description");
    });
    debug_assert!(read.is_ok(), "an object that was read once reads again");
    if taken {
        let message = "must not repeat `severity` or `description`";
        return Err(FieldError::new(DATA_NAME, message));
    }
    Ok(object.text[1..object.text.len() - 1].trim_ascii())
}

const DATA_NAME: &str = "data_json";

const DRAFT_NAMES: Names = {
    let mut names = EVENT_NAMES;
    names[Field::Data as usize] = DATA_NAME;
    names
};

const ALERT_NAMES: Names = {
    let mut names = DRAFT_NAMES;
    names[Field::Value as usize] = "score";
    names
};

#[cfg(test)]
mod tests;
