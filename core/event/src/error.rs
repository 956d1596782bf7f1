//! What can be wrong with a posted body, named by how the poster is answered.

use std::borrow::Cow;

use serde::Serialize;

use crate::json::Syntax;

/// One thing wrong with one field of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the poster wrote it: `event_id`, or `id` and `data.value` in a CloudEvent, or `ce-id` where
    /// attributes are headers. `body` is the item as a whole.
    pub field: Cow<'static, str>,
    /// What is wrong, as the rest of a sentence whose subject is the field.
    pub message: String,
}

impl FieldError {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field: Cow::Borrowed(field), message: message.into() }
    }
}

/// Why one event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Answer 400: everything that is wrong with the fields, in the order of the canonical members.
    #[error("invalid event: {}", listed(.0))]
    Invalid(Vec<FieldError>),
    /// Answer 413: the body or the canonical JSON has more bytes than allowed.
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// What was measured: `the body` or `the event's canonical JSON`.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The configured limit in bytes.
        limit: usize,
    },
    /// Answer 400: the body is not JSON, or not an object.
    #[error("{message}")]
    Malformed {
        /// What is wrong and where.
        message: String,
    },
}

impl EventError {
    /// The errors as members of a problem document: a whole-body failure is an error of the field `body`.
    pub fn into_field_errors(self) -> Vec<FieldError> {
        match self {
            Self::Invalid(errors) => errors,
            other => vec![FieldError::new("body", other.to_string())],
        }
    }
}

/// Why a whole batch was not accepted; single bad items are [`crate::Batch::rejected`] instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Answer 400: the array is not JSON, or not an array.
    #[error("{message}")]
    Malformed {
        /// What is wrong and where.
        message: String,
    },
    /// Answer 413: more items than allowed.
    #[error("the batch has more than {limit} events")]
    TooManyEvents {
        /// The configured limit.
        limit: usize,
    },
    /// Answer 413: more bytes than allowed.
    #[error("the body has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the body.
        bytes: usize,
        /// The configured limit in bytes.
        limit: usize,
    },
}

impl From<Syntax> for EventError {
    fn from(syntax: Syntax) -> Self {
        Self::Malformed { message: syntax.to_string() }
    }
}

impl From<Syntax> for BatchError {
    fn from(syntax: Syntax) -> Self {
        Self::Malformed { message: syntax.to_string() }
    }
}

fn listed(errors: &[FieldError]) -> String {
    let lines: Vec<_> = errors.iter().map(|e| format!("{} {}", e.field, e.message)).collect();
    lines.join("; ")
}
