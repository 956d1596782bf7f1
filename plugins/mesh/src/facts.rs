//! What the federation shows of an event: its time, its beauty, its source and the label of the node that took it.
//!
//! The rule: the mesh carries any object. Whether it is an event is the host's to say; a member that is missing or of
//! another kind is absent here, and nothing is refused for it.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Bytes of a label that are kept.
pub const MAX_LABEL: usize = 128;

/// What was read from an event's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// `timestamp`, in Unix milliseconds.
    pub time_ms: Option<i64>,
    /// `beauty_score`, or `value` where `kind` is `beauty`.
    pub beauty: Option<f64>,
    /// `source`.
    pub source: Option<Box<str>>,
    /// `origin`: the label of the node that took the event.
    pub label: Option<Box<str>>,
}

impl Facts {
    pub(crate) fn read(event: &str) -> Self {
        let Ok(members) = serde_json::from_str::<Members<'_>>(event) else {
            return Self::default();
        };
        let time = members.timestamp.and_then(|text| text.parse::<Timestamp>().ok());
        let is_beauty = members.kind.as_deref().is_none_or(|kind| kind == "beauty");
        let beauty = members.beauty_score.or(members.value).filter(|_| is_beauty);
        let fits = |label: &Cow<'_, str>| !label.is_empty() && label.len() <= MAX_LABEL;
        Self {
            time_ms: time.map(|time| time.as_millisecond()),
            beauty,
            source: members.source.filter(fits).map(Into::into),
            label: members.origin.filter(fits).map(Into::into),
        }
    }
}

#[derive(Deserialize)]
struct Members<'e> {
    #[serde(borrow, default, deserialize_with = "text")]
    timestamp: Option<Cow<'e, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    kind: Option<Cow<'e, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    origin: Option<Cow<'e, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    source: Option<Cow<'e, str>>,
    #[serde(default, deserialize_with = "number")]
    beauty_score: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    value: Option<f64>,
}

/// Takes whatever stands there, and keeps what was looked for.
struct Loose;

/// What was found.
enum Found<'e> {
    Number(f64),
    Text(Cow<'e, str>),
    Other,
}

impl<'de> Visitor<'de> for Loose {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Found<'de>, E> {
        Ok(Found::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found<'de>, E> {
        Ok(Found::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Found<'de>, E> {
        Ok(Found::Number(number as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Found<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }
}

fn text<'de: 'e, 'e, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'e, str>>, D::Error> {
    Ok(match from.deserialize_any(Loose)? {
        Found::Text(text) => Some(text),
        Found::Number(_) | Found::Other => None,
    })
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(match from.deserialize_any(Loose)? {
        Found::Number(number) => Some(number),
        Found::Text(_) | Found::Other => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read() {
        let facts = Facts::read(
            r#"{"beauty_score":0.5,"event_id":"a","kind":"beauty","origin":"n-1","source":"s","timestamp":"1970-01-01T00:01:00.25Z"}"#,
        );
        let (source, label) = (Some("s".into()), Some("n-1".into()));
        assert_eq!(facts, Facts { time_ms: Some(60_250), beauty: Some(0.5), source, label });
        let escaped = Facts::read("{\"origin\":\"n\\\"1\",\"kind\":\"x\",\"value\":1}");
        assert_eq!(escaped.label.as_deref(), Some("n\"1"));
        assert_eq!(escaped.beauty, None);
    }

    #[test]
    fn what_is_of_another_kind_is_absent() {
        let odd =
            r#"{"beauty_score":"x","kind":{"a":1},"origin":["n"],"timestamp":7,"value":null}"#;
        assert_eq!(Facts::read(odd), Facts::default());
        assert_eq!(Facts::read("[]"), Facts::default());
        assert_eq!(Facts::read(r#"{"timestamp":"yesterday"}"#), Facts::default());
        let long = format!("{{\"origin\":\"{}\"}}", "x".repeat(MAX_LABEL + 1));
        assert_eq!(Facts::read(&long), Facts::default());
    }
}
