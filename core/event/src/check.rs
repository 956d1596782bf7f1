//! The checks: from fields as posted to an event that keeps every limit, or to everything that is wrong with it.
//!
//! All fields are looked at even after one failed, so that a poster learns of all mistakes at once. Nothing that
//! comes out of here needs to be checked again.

use crate::{
    EventError, FieldError, Receipt,
    json::{Object, Text, Value},
    limits::{
        BEAUTY_KIND, BEAUTY_SCORE_MAX, DANCE_CHARS, DATA_DEPTH, EVENT_ID_BYTES, FINGERPRINT_CHARS,
        KIND_CHARS, NAME_CHARS, WISDOM_CHARS,
    },
    posted::{Field, Form, Posted},
    rfc3339,
};

/// An event that keeps every limit except that of its canonical size.
#[derive(Debug)]
pub(crate) struct Checked<'s> {
    pub(crate) id: &'s str,
    pub(crate) time_ns: i64,
    pub(crate) kind: &'s str,
    pub(crate) subject: &'s str,
    pub(crate) source: &'s str,
    pub(crate) value: f64,
    /// The texts of a beauty event; `None` for every other kind.
    pub(crate) beauty: Option<Texts<'s>>,
    pub(crate) data: Option<Object<'s>>,
}

/// The optional texts of a beauty event.
#[derive(Debug, Default)]
pub(crate) struct Texts<'s> {
    pub(crate) fingerprint: Option<&'s str>,
    pub(crate) dance: Option<&'s str>,
    pub(crate) wisdom: Option<&'s str>,
}

/// Checks an event whose texts are decoded.
pub(crate) fn check<'s>(
    posted: &mut Posted<'s>,
    receipt: &Receipt<'s>,
) -> Result<Checked<'s>, EventError> {
    let errors = std::mem::take(&mut posted.errors);
    let mut checker = Checker { posted, errors };
    let checked = checker.event(receipt);
    if checker.errors.is_empty() { Ok(checked) } else { Err(EventError::Invalid(checker.errors)) }
}

/// Whether `kind` is `[a-z0-9._-]{1,64}`.
pub(crate) fn is_kind(kind: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=KIND_CHARS).contains(&kind.len()) && kind.bytes().all(allowed)
}

struct Checker<'p, 's> {
    posted: &'p Posted<'s>,
    errors: Vec<FieldError>,
}

impl<'s> Checker<'_, 's> {
    /// The event, with fillers for what is wrong: it counts only when there are no errors.
    fn event(&mut self, receipt: &Receipt<'s>) -> Checked<'s> {
        let id = self.event_id();
        let time_ns = self.timestamp();
        let kind = self.text(Field::Kind);
        let scored = self.posted.get(Field::BeautyScore).is_given();
        let is_beauty = scored || self.posted.form == Form::Beauty || kind == Some(BEAUTY_KIND);
        let kind = self.kind(kind, scored);
        let subject = self.bounded(Field::Subject, NAME_CHARS).unwrap_or_default();
        let source = self.bounded(Field::Source, NAME_CHARS).filter(|s| !s.is_empty());
        let value = self.value(scored, is_beauty);
        let beauty = is_beauty.then(|| Texts {
            fingerprint: self.bounded(Field::ChaosFingerprint, FINGERPRINT_CHARS),
            dance: self.bounded(Field::DanceSequence, DANCE_CHARS),
            wisdom: self.bounded(Field::Wisdom, WISDOM_CHARS),
        });
        let data = self.data();
        let source = source.unwrap_or(receipt.default_source);
        Checked { id, time_ns, kind, subject, source, value, beauty, data }
    }

    fn event_id(&mut self) -> &'s str {
        let Some(id) = self.required_text(Field::EventId) else { return "" };
        if !(1..=EVENT_ID_BYTES).contains(&id.len()) {
            let message = format!("must have 1 to {EVENT_ID_BYTES} bytes, got {}", id.len());
            self.fail(Field::EventId, message);
        } else if id.chars().any(char::is_control) {
            self.fail(Field::EventId, "must not contain control characters");
        }
        id
    }

    fn timestamp(&mut self) -> i64 {
        if let Value::Instant(time_ns) = *self.posted.get(Field::Timestamp) {
            return time_ns;
        }
        let Some(text) = self.required_text(Field::Timestamp) else { return 0 };
        rfc3339::parse(text).unwrap_or_else(|error| {
            self.fail(Field::Timestamp, error.to_string());
            0
        })
    }

    fn kind(&mut self, kind: Option<&'s str>, scored: bool) -> &'s str {
        match kind {
            Some(kind) if !is_kind(kind) => {
                let message =
                    format!("must be 1 to {KIND_CHARS} characters of a-z, 0-9, `.`, `_` and `-`");
                self.fail(Field::Kind, message);
            }
            Some(kind) if scored && kind != BEAUTY_KIND => {
                let score = self.posted.name(Field::BeautyScore);
                self.fail(Field::Kind, format!("must be `{BEAUTY_KIND}` beside `{score}`"));
            }
            Some(kind) => return kind,
            None if self.posted.get(Field::Kind).is_given() => {}
            // A score makes the kind; where nothing tells the form, the missing score is what is reported.
            None => {
                let valued = self.posted.get(Field::Value).is_given() && !scored;
                if valued || self.posted.form == Form::General {
                    self.fail(Field::Kind, "is required");
                }
            }
        }
        BEAUTY_KIND
    }

    /// The value; a beauty event has it as its score, as its value, or as both where they agree.
    fn value(&mut self, scored: bool, is_beauty: bool) -> f64 {
        let value = self.number(Field::Value);
        let score = self.number(Field::BeautyScore);
        if !scored && !self.posted.get(Field::Value).is_given() {
            self.require_value();
            return 0.0;
        }
        if is_beauty && let Some(value) = if scored { score } else { value } {
            let field = if scored { Field::BeautyScore } else { Field::Value };
            if !(0.0..=BEAUTY_SCORE_MAX).contains(&value) {
                self.fail(field, format!("must be in 0.0..={BEAUTY_SCORE_MAX:?}"));
            }
        }
        if let (Some(value), Some(score)) = (value, score)
            && value != score
        {
            let score = self.posted.name(Field::BeautyScore);
            self.fail(Field::Value, format!("must equal `{score}`"));
        }
        score.or(value).unwrap_or_default()
    }

    /// Says which of value and score is missing.
    fn require_value(&mut self) {
        if !self.once(Field::Value) || !self.once(Field::BeautyScore) {
            return;
        }
        match self.posted.form {
            Form::Beauty => self.fail(Field::BeautyScore, "is required"),
            Form::Either if !self.posted.get(Field::Kind).is_given() => {
                self.fail(
                    Field::BeautyScore,
                    "is required, or `kind` and `value` for a general event",
                );
            }
            Form::Either | Form::General => self.fail(Field::Value, "is required"),
        }
    }

    fn data(&mut self) -> Option<Object<'s>> {
        if !self.once(Field::Data) {
            return None;
        }
        let message = match *self.posted.get(Field::Data) {
            Value::Absent | Value::Null => return None,
            Value::Object(object) => {
                if object.traits.depth > DATA_DEPTH {
                    format!("must not nest deeper than {DATA_DEPTH} levels")
                } else if object.traits.unpaired {
                    UNPAIRED.to_owned()
                } else if object.traits.overflow {
                    "contains a number beyond the range of a 64-bit float".to_owned()
                } else {
                    return Some(object);
                }
            }
            other => format!("must be a JSON object, got {}", other.type_name()),
        };
        self.fail(Field::Data, message);
        None
    }

    /// A finite number, if one is given.
    fn number(&mut self, field: Field) -> Option<f64> {
        if !self.once(field) {
            return None;
        }
        let number = match *self.posted.get(field) {
            Value::Absent | Value::Null => return None,
            Value::Float(number) => number,
            // The grammar of JSON numbers is part of what `f64` reads, rounding to the nearest.
            Value::Number(text) => text.parse().unwrap_or(f64::NAN),
            other => {
                self.fail(field, format!("must be a number, got {}", other.type_name()));
                return None;
            }
        };
        if number.is_finite() {
            return Some(number);
        }
        self.fail(field, "must be finite");
        None
    }

    fn required_text(&mut self, field: Field) -> Option<&'s str> {
        let value = self.posted.get(field);
        if !value.is_given() && self.once(field) {
            let null = if *value == Value::Null { ", got null" } else { "" };
            self.fail(field, format!("is required{null}"));
            return None;
        }
        self.text(field)
    }

    /// A text of at most `limit` characters, if one is given.
    fn bounded(&mut self, field: Field, limit: usize) -> Option<&'s str> {
        let text = self.text(field)?;
        // Bytes are never fewer than characters, so that most texts need no counting.
        if text.len() > limit {
            let chars = text.chars().count();
            if chars > limit {
                self.fail(field, format!("must have at most {limit} characters, got {chars}"));
            }
        }
        Some(text)
    }

    fn text(&mut self, field: Field) -> Option<&'s str> {
        if !self.once(field) {
            return None;
        }
        match *self.posted.get(field) {
            Value::Absent | Value::Null => None,
            Value::Text(Text { unpaired: true, .. }) => {
                self.fail(field, UNPAIRED);
                None
            }
            Value::Text(text) => Some(text.raw),
            other => {
                self.fail(field, format!("must be a string, got {}", other.type_name()));
                None
            }
        }
    }

    /// Whether the field was not given twice; otherwise says so.
    fn once(&mut self, field: Field) -> bool {
        if !self.posted.is_repeated(field) {
            return true;
        }
        self.fail(field, "is given more than once");
        false
    }

    /// The first thing wrong with a field is what is said about it.
    fn fail(&mut self, field: Field, message: impl Into<String>) {
        let name = self.posted.name(field);
        if !self.errors.iter().any(|e| e.field == name) {
            self.errors.push(FieldError::new(name, message));
        }
    }
}

const UNPAIRED: &str = "contains a surrogate escape without its other half";

#[cfg(test)]
mod tests;
