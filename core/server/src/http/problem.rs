//! Errors as people and programs read them: RFC 9457 problem documents, never anything else.

use http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use shimmer_event::FieldError;

use super::Answer;

/// Why a request was not served, on its way to becoming an answer. Boxed, as it is rare and large.
pub(crate) type Refused = Box<Problem>;

/// A problem document and the headers that go with it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem whose title is the status' own phrase. `detail` is one sentence about this case.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Refused {
        Box::new(Self {
            status,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
        })
    }

    /// 400 with what is wrong in each field.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Refused {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.field, one.message),
            many => format!("{} fields are not valid", many.len()),
        };
        let mut problem = Self::new(StatusCode::BAD_REQUEST, detail);
        problem.errors = errors;
        problem
    }

    /// 400 about one field or parameter.
    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Refused {
        Self::invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// 401 with the challenge that RFC 6750 asks for.
    pub(crate) fn unauthorized(detail: &str) -> Refused {
        Self::new(StatusCode::UNAUTHORIZED, detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 503 that may be tried again.
    pub(crate) fn busy(detail: impl Into<String>) -> Refused {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    /// 405 with the methods that would have been served.
    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Refused {
        let detail = format!("this path answers {}", allow.to_str().unwrap_or_default());
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(ALLOW, allow)
    }

    /// Adds errors of fields.
    pub(crate) fn errors(mut self: Box<Self>, errors: Vec<FieldError>) -> Box<Self> {
        self.errors = errors;
        self
    }

    /// Adds a member of our own.
    pub(crate) fn member(mut self: Box<Self>, name: &str, value: impl Into<Value>) -> Box<Self> {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self: Box<Self>, name: HeaderName, value: HeaderValue) -> Box<Self> {
        self.headers.push((name, value));
        self
    }

    /// Says in how many seconds to come again.
    pub(crate) fn retry_after(self: Box<Self>, seconds: u64) -> Box<Self> {
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Ends the connection after the answer: what follows on it cannot be told apart from the body.
    pub(crate) fn closing(self: Box<Self>) -> Box<Self> {
        self.header(CONNECTION, HeaderValue::from_static("close"))
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The document as an answer.
    pub(crate) fn into_answer(self) -> Answer {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            document["errors"] = json!(self.errors);
        }
        for (name, value) in self.members {
            document[name] = value;
        }
        let mut answer = Answer::new(self.status, "application/problem+json", document.to_string());
        for (name, value) in self.headers {
            answer.headers.insert(name, value);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_every_field_and_carries_its_headers() {
        let answer = Problem::field("value", "must be finite").into_answer();
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["status"], 400);
        assert_eq!(document["title"], "Bad Request");
        assert_eq!(document["errors"][0], json!({"field": "value", "message": "must be finite"}));
        assert_eq!(answer.headers["content-type"], "application/problem+json");

        let answer = Problem::unauthorized("no token").into_answer();
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let answer = Problem::busy("full").member("state", "CRASHED").into_answer();
        assert_eq!(answer.headers["retry-after"], "1");
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["state"], "CRASHED");
        assert!(document.get("errors").is_none());
    }
}
