//! What a body is, by its Content-Type; the type decides, never a look into the body.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use shimmer_event::CloudHeaders;

use super::Form;
use crate::http::{Problem, Refused};

/// Longest type that is known, and some more.
const ESSENCE_BYTES: usize = 64;

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
        let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let mut room = [0; ESSENCE_BYTES];
        let essence = essence(given, &mut room);
        match form {
            Form::One => Self::of_one(essence, || cloud_headers(headers).is_some()),
            Form::Many => Self::of_many(essence),
        }
    }

    /// The same without headers that say more than `content_type`.
    pub(crate) fn plain(form: Form, content_type: Option<&[u8]>) -> Result<Self, Refused> {
        let mut room = [0; ESSENCE_BYTES];
        let essence = essence(content_type, &mut room);
        match form {
            Form::One => Self::of_one(essence, || false),
            Form::Many => Self::of_many(essence),
        }
    }

    fn of_one(essence: &str, is_cloud: impl FnOnce() -> bool) -> Result<Self, Refused> {
        match essence {
            "application/cloudevents+json" => Ok(Self::One(One::CloudStructured)),
            "application/cloudevents-batch+json" => {
                Err(unsupported("post a CloudEvents batch to /events"))
            }
            // Their Content-Type is that of the data, which the event's own checks judge.
            _ if is_cloud() => Ok(Self::One(One::CloudBinary)),
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
    // Most requests have no such header and are spared the decoding of all others.
    let mut names = headers.keys().map(|name| name.as_str());
    if !names.any(|name| name.starts_with("ce-")) {
        return None;
    }
    CloudHeaders::read(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The type without its parameters in small letters; empty when it is longer than any known one.
fn essence<'a>(content_type: Option<&[u8]>, room: &'a mut [u8; ESSENCE_BYTES]) -> &'a str {
    let Some(content_type) = content_type else { return "application/json" };
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let Some(small) = room.get_mut(..essence.len()) else { return "" };
    small.copy_from_slice(essence);
    small.make_ascii_lowercase();
    std::str::from_utf8(small).unwrap_or_default()
}

fn unsupported(detail: &str) -> Refused {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

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
