//! CloudEvents 1.0: an envelope of attributes around data, mapped onto the fields of an event.
//!
//! `id`, `time`, `type`, `subject` and `source` become `event_id`, `timestamp`, `kind`, `subject` and `source`; a
//! missing `time` is the time of arrival. Of the data, `value` is the value and the rest is the event's `data`.
//! Type `beauty` carries a whole beauty event as its data: what that repeats of the envelope must agree with it,
//! and where the envelope is silent about time or subject it is heard. Extension attributes are dropped.

use crate::{
    error::FieldError,
    headers::{CloudHeaders, HeaderValue, is_json_type},
    json::{Cursor, Nest, Object, Syntax, Text, Traits, VALUE, Value},
    limits::BEAUTY_KIND,
    posted::{Field, Form, Names, Posted},
    rfc3339,
};

/// What an envelope may say that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Time,
    Subject,
    ContentType,
    Data,
    DataBase64,
}

/// Number of [`Attribute`]s.
pub(crate) const ATTRIBUTES: usize = 9;

/// The attributes' names in structured mode.
const STRUCTURED: [&str; ATTRIBUTES] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "data",
    "data_base64",
];

/// The attributes' names in binary mode; the last two are no headers.
const BINARY: [&str; ATTRIBUTES] = [
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-subject",
    "content-type",
    "data",
    "data_base64",
];

impl Attribute {
    const ALL: [Attribute; ATTRIBUTES] = [
        Attribute::SpecVersion,
        Attribute::Id,
        Attribute::Source,
        Attribute::Type,
        Attribute::Time,
        Attribute::Subject,
        Attribute::ContentType,
        Attribute::Data,
        Attribute::DataBase64,
    ];

    /// Of a header name in any case.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        let headers = Self::ALL.iter().take(Self::Data as usize);
        headers.copied().find(|&a| BINARY[a as usize].eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_required(self) -> bool {
        matches!(self, Self::SpecVersion | Self::Id | Self::Source | Self::Type)
    }

    fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|&a| STRUCTURED[a as usize] == key)
    }

    /// The field that the attribute becomes.
    fn field(self) -> Option<Field> {
        match self {
            Self::Id => Some(Field::EventId),
            Self::Source => Some(Field::Source),
            Self::Type => Some(Field::Kind),
            Self::Time => Some(Field::Timestamp),
            Self::Subject => Some(Field::Subject),
            _ => None,
        }
    }
}

/// One CloudEvent as posted.
#[derive(Debug)]
pub(crate) struct Envelope<'b> {
    values: [Value<'b>; ATTRIBUTES],
    /// One bit for each attribute that was given more than once.
    repeated: u16,
    names: &'static [&'static str; ATTRIBUTES],
    field_names: &'static Names,
    errors: Vec<FieldError>,
}

impl<'b> Envelope<'b> {
    /// Reads an object in structured mode.
    pub(crate) fn read(cursor: &mut Cursor<'b>, nest: &mut Nest) -> Result<Self, Syntax> {
        let mut envelope = Self::new(&STRUCTURED, &STRUCTURED_FIELDS);
        cursor.members(nest, |member| {
            let attribute = member.key.decode().and_then(|key| Attribute::of_key(&key));
            if let Some(attribute) = attribute {
                let slot = &mut envelope.values[attribute as usize];
                envelope.repeated |= u16::from(*slot != Value::Absent) << attribute as usize;
                *slot = member.value;
            }
        })?;
        Ok(envelope)
    }

    /// Puts headers and data together in binary mode.
    pub(crate) fn from_headers(headers: &'b CloudHeaders<'_>, data: Value<'b>) -> Self {
        let mut envelope = Self::new(&BINARY, &BINARY_FIELDS);
        for attribute in Attribute::ALL {
            let at = attribute as usize;
            match &headers.values[at] {
                HeaderValue::Absent => {}
                HeaderValue::Text(text) => envelope.values[at] = Value::Text(Text::plain(text)),
                HeaderValue::Repeated => {
                    envelope.values[at] = Value::Text(Text::plain(""));
                    envelope.repeated |= 1 << at;
                }
                HeaderValue::Broken => {
                    envelope.fail(attribute, "must be percent-encoded UTF-8");
                }
            }
        }
        envelope.values[Attribute::Data as usize] = data;
        envelope
    }

    /// Maps the envelope and its data onto an event's fields.
    pub(crate) fn into_posted(mut self, nest: &mut Nest, received_ns: i64) -> Posted<'b> {
        self.check_envelope();
        let mut posted = Posted::new(self.field_names);
        for attribute in Attribute::ALL {
            if let Some(field) = attribute.field() {
                posted.put(field, *self.get(attribute));
                if self.is_repeated(attribute) {
                    posted.mark_repeated(field);
                }
            }
        }
        let is_beauty = same_text(self.get(Attribute::Type), BEAUTY_KIND);
        posted.form = if is_beauty { Form::Beauty } else { Form::General };
        match *self.get(Attribute::Data) {
            Value::Object(object) if is_beauty => beauty_data(&mut posted, object, nest),
            Value::Object(object) => general_data(&mut posted, object, nest),
            other => {
                posted.put(Field::Data, other);
                if other.is_given() || self.refuses_data() {
                    // The data is refused already; that no value was found in it would be noise.
                    posted.put(Field::Value, Value::Float(0.0));
                }
            }
        }
        self.errors.append(&mut posted.errors);
        posted.errors = std::mem::take(&mut self.errors);
        if !posted.get(Field::Timestamp).is_given() {
            posted.fill(Field::Timestamp, Value::Instant(received_ns));
        }
        posted
    }

    fn new(names: &'static [&'static str; ATTRIBUTES], field_names: &'static Names) -> Self {
        let values = [Value::Absent; ATTRIBUTES];
        Self { values, repeated: 0, names, field_names, errors: Vec::new() }
    }

    /// Checks the attributes that are no fields, and those that CloudEvents demands but an event does not.
    fn check_envelope(&mut self) {
        for attribute in Attribute::ALL {
            if self.is_repeated(attribute) {
                self.fail(attribute, "is given more than once");
            }
        }
        let version = *self.get(Attribute::SpecVersion);
        if !version.is_given() {
            self.fail(Attribute::SpecVersion, "is required");
        } else if !same_text(&version, "1.0") {
            self.fail(Attribute::SpecVersion, "must be `1.0`");
        }
        let source = *self.get(Attribute::Source);
        if !source.is_given() {
            self.fail(Attribute::Source, "is required");
        } else if same_text(&source, "") {
            self.fail(Attribute::Source, "must not be empty");
        }
        let content_type = *self.get(Attribute::ContentType);
        let is_json = match content_type {
            Value::Text(text) => text.decode().is_some_and(|text| is_json_type(&text)),
            other => !other.is_given(),
        };
        if !is_json {
            self.fail(
                Attribute::ContentType,
                "must be application/json, as the data is a JSON object",
            );
        }
        if self.get(Attribute::DataBase64).is_given() {
            self.fail(Attribute::DataBase64, "is not accepted: send a JSON object as `data`");
        }
    }

    fn get(&self, attribute: Attribute) -> &Value<'b> {
        &self.values[attribute as usize]
    }

    fn is_repeated(&self, attribute: Attribute) -> bool {
        self.repeated >> attribute as usize & 1 == 1
    }

    /// Whether what is wrong with the envelope is that it carries no JSON data.
    fn refuses_data(&self) -> bool {
        let content_type = self.names[Attribute::ContentType as usize];
        let is_json = self.errors.iter().all(|error| error.field != content_type);
        !is_json || self.get(Attribute::DataBase64).is_given()
    }

    /// One error for an attribute is enough.
    fn fail(&mut self, attribute: Attribute, message: &str) {
        let name = self.names[attribute as usize];
        if !self.errors.iter().any(|e| e.field == name) {
            self.errors.push(FieldError::new(name, message));
        }
    }
}

/// Takes `value` out of the data; the rest is the event's data.
fn general_data<'b>(posted: &mut Posted<'b>, object: Object<'b>, nest: &mut Nest) {
    let mut traits = Traits { depth: 1, spaced: object.traits.spaced, ..Traits::default() };
    let read = Cursor::new(object.text).members(nest, |member| {
        if member.key.decode().is_some_and(|key| key == VALUE) {
            posted.put(Field::Value, member.value);
        } else {
            traits.join(Traits { depth: member.traits.depth + 1, ..member.traits });
        }
    });
    debug_assert!(read.is_ok(), "an object that was read once reads again");
    posted.put(Field::Data, Value::Object(Object { traits, without_value: true, ..object }));
}

/// Reads the data as an event of its own and joins it with the envelope.
fn beauty_data<'b>(posted: &mut Posted<'b>, object: Object<'b>, nest: &mut Nest) {
    let Ok(inner) = Posted::read(&mut Cursor::new(object.text), nest, &INNER_FIELDS) else {
        unreachable!("an object that was read once reads again");
    };
    for field in Field::ALL {
        let (outer, value) = (*posted.get(field), *inner.get(field));
        let repeated = inner.is_repeated(field);
        if outer.is_given() && (value.is_given() || repeated) {
            let message = if repeated {
                "is given more than once".to_owned()
            } else if agree(field, &outer, &value) {
                continue;
            } else {
                format!("must equal `{}`", posted.name(field))
            };
            posted.errors.push(FieldError::new(INNER_FIELDS[field as usize], message));
        } else if value.is_given() || repeated {
            posted.put_inner(field, value, &INNER_FIELDS);
            if repeated {
                posted.mark_repeated(field);
            }
        }
    }
}

fn agree(field: Field, outer: &Value<'_>, inner: &Value<'_>) -> bool {
    let (Value::Text(outer), Value::Text(inner)) = (outer, inner) else { return false };
    match (outer.decode(), inner.decode()) {
        (Some(outer), Some(inner)) if field == Field::Timestamp => {
            // An unreadable outer time is an error of its own.
            rfc3339::parse(&outer).is_err() || rfc3339::parse(&outer) == rfc3339::parse(&inner)
        }
        (Some(outer), Some(inner)) => outer == inner,
        _ => false,
    }
}

fn same_text(value: &Value<'_>, text: &str) -> bool {
    matches!(value, Value::Text(value) if value.decode().is_some_and(|value| value == text))
}

const STRUCTURED_FIELDS: Names = [
    "id",
    "time",
    "type",
    "subject",
    "source",
    "data.value",
    "data.beauty_score",
    "data.chaos_fingerprint",
    "data.dance_sequence",
    "data.wisdom",
    "data",
];

const BINARY_FIELDS: Names = [
    "ce-id",
    "ce-time",
    "ce-type",
    "ce-subject",
    "ce-source",
    "data.value",
    "data.beauty_score",
    "data.chaos_fingerprint",
    "data.dance_sequence",
    "data.wisdom",
    "data",
];

const INNER_FIELDS: Names = [
    "data.event_id",
    "data.timestamp",
    "data.kind",
    "data.subject",
    "data.source",
    "data.value",
    "data.beauty_score",
    "data.chaos_fingerprint",
    "data.dance_sequence",
    "data.wisdom",
    "data.data",
];

#[cfg(test)]
mod tests;
