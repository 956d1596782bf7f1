//! Cross-origin reading (the CORS protocol of the Fetch standard) for the pages of `server.origins`.
//!
//! It stands before the router because ingest never gets there, and salvo's own module with it. The
//! rule: only an origin that is listed is ever named in an answer, by its own name and never by `*`;
//! without a list nothing is added to any answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use salvo::http::ResBody;

use super::guard::is_known_origin;
use crate::config::ServerSection;
use crate::http::{Problem, Refused};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// What the routes read: tokens, bodies, CloudEvents in binary mode, streams that resume.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Last-Event-ID, X-Request-Id, ce-id, ce-source, \
                               ce-specversion, ce-subject, ce-time, ce-type";
/// What they say beside the headers that every page may read.
const EXPOSED: &str =
    "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, ETag, Allow";
/// How long a browser may remember a preflight; a reload may change the list.
const MAX_AGE_SECONDS: u32 = 600;

/// What the answer to a request says about origins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cors {
    /// Nothing: no origin is listed.
    Off,
    /// That it depends on the origin.
    Closed,
    /// That the pages of this origin may read it.
    Open(HeaderValue),
}

impl Cors {
    /// Looks at who asks.
    pub(super) fn of(section: &ServerSection, headers: &HeaderMap) -> Self {
        if section.origins.is_empty() {
            return Self::Off;
        }
        match headers.get(ORIGIN) {
            Some(origin) if origin.to_str().is_ok_and(|text| is_known_origin(section, text)) => {
                Self::Open(origin.clone())
            }
            _ => Self::Closed,
        }
    }

    /// The answer to a preflight, if `request` is one and origins are listed.
    pub(super) fn preflight<B>(
        &self,
        request: &Request<B>,
    ) -> Option<Result<Response<ResBody>, Refused>> {
        let headers = request.headers();
        let asks = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        match self {
            Self::Closed if asks => Some(Err(Problem::new(
                StatusCode::FORBIDDEN,
                "pages of this origin may not do that; see server.origins",
            ))),
            Self::Open(_) if asks => {
                let mut answer = Response::new(ResBody::None);
                *answer.status_mut() = StatusCode::NO_CONTENT;
                let headers = answer.headers_mut();
                for (name, value) in [
                    (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                    (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
                ] {
                    headers.insert(name, HeaderValue::from_static(value));
                }
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_SECONDS));
                Some(Ok(answer))
            }
            _ => None,
        }
    }

    /// Says it in the head of the answer, whatever made that.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        if self == Self::Off {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("origin"));
        if let Self::Open(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}
