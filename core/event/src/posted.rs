//! The fields of an event as they were posted, before any check: one slot for each, whatever form they came in.
//!
//! Every form of input ends here, so that there is one set of checks. Fields that an event does not have are
//! dropped here; a field given twice is remembered, as two readers of such an object need not agree on which counts.

use crate::{
    error::FieldError,
    json::{Cursor, Nest, Syntax, Text, Value},
};

/// The fields of an event, in the order of the canonical members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Field {
    EventId,
    Timestamp,
    Kind,
    Subject,
    Source,
    Value,
    BeautyScore,
    ChaosFingerprint,
    DanceSequence,
    Wisdom,
    Data,
}

/// Number of [`Field`]s.
pub(crate) const FIELDS: usize = 11;

/// What the poster calls the fields.
pub(crate) type Names = [&'static str; FIELDS];

/// The names in an event object.
pub(crate) const EVENT_NAMES: Names = [
    "event_id",
    "timestamp",
    "kind",
    "subject",
    "source",
    "value",
    "beauty_score",
    "chaos_fingerprint",
    "dance_sequence",
    "wisdom",
    "data",
];

impl Field {
    pub(crate) const ALL: [Field; FIELDS] = [
        Field::EventId,
        Field::Timestamp,
        Field::Kind,
        Field::Subject,
        Field::Source,
        Field::Value,
        Field::BeautyScore,
        Field::ChaosFingerprint,
        Field::DanceSequence,
        Field::Wisdom,
        Field::Data,
    ];

    fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "event_id" => Self::EventId,
            "timestamp" => Self::Timestamp,
            "kind" => Self::Kind,
            "subject" => Self::Subject,
            "source" => Self::Source,
            "value" => Self::Value,
            "beauty_score" => Self::BeautyScore,
            "chaos_fingerprint" => Self::ChaosFingerprint,
            "dance_sequence" => Self::DanceSequence,
            "wisdom" => Self::Wisdom,
            "data" => Self::Data,
            _ => return None,
        })
    }
}

/// The form that an event is bound to before its fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its fields tell.
    Either,
    /// It must have a kind and a value.
    General,
    /// It must have a score.
    Beauty,
}

/// One event as posted.
#[derive(Debug)]
pub(crate) struct Posted<'b> {
    values: [Value<'b>; FIELDS],
    /// One bit for each field that was given more than once.
    repeated: u16,
    /// One bit for each field whose name is in `inner_names`.
    inner: u16,
    names: &'static Names,
    inner_names: &'static Names,
    pub(crate) form: Form,
    /// What is wrong around the fields, found before they are checked.
    pub(crate) errors: Vec<FieldError>,
}

impl<'b> Posted<'b> {
    /// Nothing posted yet.
    pub(crate) fn new(names: &'static Names) -> Self {
        Self {
            values: [Value::Absent; FIELDS],
            repeated: 0,
            inner: 0,
            names,
            inner_names: names,
            form: Form::Either,
            errors: Vec::new(),
        }
    }

    /// Reads an event object.
    pub(crate) fn read(
        cursor: &mut Cursor<'b>,
        nest: &mut Nest,
        names: &'static Names,
    ) -> Result<Self, Syntax> {
        let mut posted = Self::new(names);
        cursor.members(nest, |member| {
            if let Some(field) = field_of(member.key) {
                posted.put(field, member.value);
            }
        })?;
        Ok(posted)
    }

    /// A field that came a second time is marked.
    pub(crate) fn put(&mut self, field: Field, value: Value<'b>) {
        let slot = &mut self.values[field as usize];
        if *slot != Value::Absent {
            self.repeated |= 1 << field as usize;
        }
        *slot = value;
    }

    /// As [`Self::put`], for a field that stands in an object inside the poster's and is named by `names`.
    pub(crate) fn put_inner(&mut self, field: Field, value: Value<'b>, names: &'static Names) {
        self.inner_names = names;
        self.inner |= 1 << field as usize;
        self.values[field as usize] = value;
    }

    /// Replaces a field that was not given.
    pub(crate) fn fill(&mut self, field: Field, value: Value<'b>) {
        self.values[field as usize] = value;
    }

    pub(crate) fn mark_repeated(&mut self, field: Field) {
        self.repeated |= 1 << field as usize;
    }

    pub(crate) fn get(&self, field: Field) -> &Value<'b> {
        &self.values[field as usize]
    }

    pub(crate) fn name(&self, field: Field) -> &'static str {
        let inner = self.inner >> field as usize & 1 == 1;
        if inner { self.inner_names[field as usize] } else { self.names[field as usize] }
    }

    pub(crate) fn is_repeated(&self, field: Field) -> bool {
        self.repeated >> field as usize & 1 == 1
    }

    /// Takes the escapes out of all texts that have some, through `decoded`, which is overwritten.
    pub(crate) fn decode(&mut self, decoded: &'b mut String) {
        let is_escaped = |value: &Value<'_>| {
            matches!(value, Value::Text(Text { escaped: true, unpaired: false, .. }))
        };
        if !self.values.iter().any(is_escaped) {
            return;
        }
        let mut ends = [0; FIELDS];
        decoded.clear();
        for (value, end) in self.values.iter().zip(&mut ends) {
            if let Value::Text(text @ Text { escaped: true, unpaired: false, .. }) = value {
                text.decode_into(decoded);
            }
            *end = decoded.len();
        }
        let decoded: &'b str = decoded;
        let mut start = 0;
        for (value, end) in self.values.iter_mut().zip(ends) {
            if let Value::Text(Text { raw, escaped: escaped @ true, unpaired: false }) = value {
                *raw = &decoded[start..end];
                *escaped = false;
            }
            start = end;
        }
    }
}

fn field_of(key: Text<'_>) -> Option<Field> {
    if key.escaped { Field::of_key(&key.decode()?) } else { Field::of_key(key.raw) }
}
