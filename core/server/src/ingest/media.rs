//! What a body is, by its Content-Type; the type decides, never a look into the body.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use shimmer_event::CloudHeaders;

use super::Form;
use crate::http::{Problem, Refused};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    One(One),
    Many(Many),
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum One {
    /// A JSON object, in either form.
    Json,
    /// A CloudEvent as one JSON object.
    CloudStructured,
    /// A CloudEvent with its attributes in headers.
    CloudBinary,
}

/// Many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Many {
    /// One JSON object a line.
    Ndjson,
    /// A JSON array.
    Array,
    /// A CloudEvents batch.
    CloudBatch,
}

impl Media {
    /// 415 where the headers name something that `form` does not take. No Content-Type means JSON.
    pub(crate) fn of(form: Form, headers: &HeaderMap) -> Result<Self, Refused> {
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(unsupported("send the body without Content-Encoding"));
        }
        let essence = match headers.get(CONTENT_TYPE) {
            None => "application/json".to_owned(),
            Some(value) => essence(value.as_bytes()),
        };
        match form {
            Form::One => Self::of_one(headers, &essence),
            Form::Many => Self::of_many(&essence),
        }
    }

    fn of_one(headers: &HeaderMap, essence: &str) -> Result<Self, Refused> {
        match essence {
            "application/cloudevents+json" => Ok(Self::One(One::CloudStructured)),
            "application/cloudevents-batch+json" => {
                Err(unsupported("post a CloudEvents batch to /events"))
            }
            // Their Content-Type is that of the data, which the event's own checks judge.
            _ if cloud_headers(headers).is_some() => Ok(Self::One(One::CloudBinary)),
            "application/json" => Ok(Self::One(One::Json)),
            _ => Err(unsupported(
                "post application/json, application/cloudevents+json or a CloudEvent in binary mode",
            )),
        }
    }

    fn of_many(essence: &str) -> Result<Self, Refused> {
        match essence {
            "application/x-ndjson" | "application/ndjson" => Ok(Self::Many(Many::Ndjson)),
            "application/json" => Ok(Self::Many(Many::Array)),
            "application/cloudevents-batch+json" => Ok(Self::Many(Many::CloudBatch)),
            _ => Err(unsupported(
                "post application/x-ndjson, a JSON array as application/json, or \
                 application/cloudevents-batch+json",
            )),
        }
    }
}

/// The attributes of a CloudEvent in binary mode, if these headers have them.
pub(crate) fn cloud_headers(headers: &HeaderMap) -> Option<CloudHeaders<'_>> {
    CloudHeaders::read(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn essence(content_type: &[u8]) -> String {
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default();
    String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase()
}

fn unsupported(detail: &str) -> Refused {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn of(form: Form, headers: &[(&'static str, &'static str)]) -> Result<Media, u16> {
        let headers = headers
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect();
        Media::of(form, &headers).map_err(|refused| refused.status().as_u16())
    }

    #[test]
    fn one_event_in_its_three_forms() {
        let one = |headers: &[_]| of(Form::One, headers);
        assert_eq!(one(&[]), Ok(Media::One(One::Json)));
        assert_eq!(
            one(&[("content-type", "Application/JSON; charset=utf-8")]),
            Ok(Media::One(One::Json))
        );
        assert_eq!(
            one(&[("content-type", "application/cloudevents+json; charset=UTF-8")]),
            Ok(Media::One(One::CloudStructured))
        );
        let binary = [("content-type", "text/plain"), ("ce-id", "1"), ("ce-specversion", "1.0")];
        assert_eq!(one(&binary), Ok(Media::One(One::CloudBinary)));
        for other in
            ["text/plain", "application/x-ndjson", "application/cloudevents-batch+json", ""]
        {
            assert_eq!(one(&[("content-type", other)]), Err(415), "{other}");
        }
        assert_eq!(one(&[("content-encoding", "gzip")]), Err(415));
    }

    #[test]
    fn many_events_in_their_three_forms() {
        let many = |content_type| of(Form::Many, &[("content-type", content_type)]);
        assert_eq!(many("application/x-ndjson"), Ok(Media::Many(Many::Ndjson)));
        assert_eq!(many("application/json"), Ok(Media::Many(Many::Array)));
        assert_eq!(many("application/cloudevents-batch+json"), Ok(Media::Many(Many::CloudBatch)));
        assert_eq!(many("application/cloudevents+json"), Err(415));
        assert_eq!(many("text/csv"), Err(415));
    }
}
