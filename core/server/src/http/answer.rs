//! A whole answer in memory; its length is always stated, so that HEAD says it too.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use salvo::http::ResBody;

/// Status, headers and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// 200 with `body`.
    pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, content_type, body)
    }

    /// 200 with JSON that is already text.
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self::ok("application/json", body)
    }

    /// 200 with `value` as JSON.
    pub(crate) fn value(value: &serde_json::Value) -> Self {
        Self::json(value.to_string())
    }

    /// An answer of any status.
    pub(crate) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Self { status, headers, body }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The answer as hyper sends it.
    pub(crate) fn into_response(self) -> Response<ResBody> {
        let mut response = Response::new(ResBody::Once(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// The answer as salvo sends it.
    pub(crate) fn into_salvo(self, res: &mut salvo::Response) {
        res.status_code(self.status);
        for (name, value) in &self.headers {
            res.headers_mut().insert(name, value.clone());
        }
        res.body(ResBody::Once(self.body));
    }
}
