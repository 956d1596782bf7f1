//! Routes, requests and answers. The host owns the sockets; here are only values.

#![allow(unsafe_code, reason = "reads the request that the host lends")]

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shimmer_abi as abi;
use shimmer_abi::{Auth, RouteKind, Str};

use crate::{Error, borrow};

/// Bytes of a list in an answer.
const LIST_BYTES: usize = abi::MAX_BODY_BYTES - (1 << 20);

/// A route of the plugin, made in a constant.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    method: &'static str,
    pattern: &'static str,
    auth: Auth,
    kind: RouteKind,
    topic: &'static str,
    openapi: &'static str,
}

impl Route {
    /// A reading route, open to anyone. `{name}` in the pattern stands for one segment.
    #[must_use]
    pub const fn get(pattern: &'static str) -> Self {
        Self::new("GET", pattern, Auth::NONE, RouteKind::HTTP, "")
    }

    /// A writing route; asks for a token of the host unless [`Route::auth`] says otherwise.
    #[must_use]
    pub const fn post(pattern: &'static str) -> Self {
        Self::new("POST", pattern, Auth::TOKEN, RouteKind::HTTP, "")
    }

    /// As [`Route::post`].
    #[must_use]
    pub const fn put(pattern: &'static str) -> Self {
        Self::new("PUT", pattern, Auth::TOKEN, RouteKind::HTTP, "")
    }

    /// As [`Route::post`].
    #[must_use]
    pub const fn patch(pattern: &'static str) -> Self {
        Self::new("PATCH", pattern, Auth::TOKEN, RouteKind::HTTP, "")
    }

    /// As [`Route::post`].
    #[must_use]
    pub const fn delete(pattern: &'static str) -> Self {
        Self::new("DELETE", pattern, Auth::TOKEN, RouteKind::HTTP, "")
    }

    /// A WebSocket. Its client gets what `handle` answers, then all that is published on the topic, which may hold
    /// parameters of the pattern: `items.{id}`.
    #[must_use]
    pub const fn ws(pattern: &'static str, topic: &'static str) -> Self {
        Self::new("GET", pattern, Auth::NONE, RouteKind::WS, topic)
    }

    /// Server-Sent Events; as [`Route::ws`].
    #[must_use]
    pub const fn sse(pattern: &'static str, topic: &'static str) -> Self {
        Self::new("GET", pattern, Auth::NONE, RouteKind::SSE, topic)
    }

    /// Who may call it.
    #[must_use]
    pub const fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// The OpenAPI 3.1 operation object as JSON; without it a plain one is made from the pattern.
    #[must_use]
    pub const fn openapi(mut self, operation_json: &'static str) -> Self {
        self.openapi = operation_json;
        self
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The pattern.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    const fn new(
        method: &'static str,
        pattern: &'static str,
        auth: Auth,
        kind: RouteKind,
        topic: &'static str,
    ) -> Self {
        Self { method, pattern, auth, kind, topic, openapi: "" }
    }

    pub(crate) const fn to_raw(self) -> abi::Route {
        abi::Route {
            method: Str::new(self.method),
            pattern: Str::new(self.pattern),
            auth: self.auth,
            kind: self.kind,
            topic: Str::new(self.topic),
            openapi_json: Str::new(self.openapi),
        }
    }
}

/// A request to one of the plugin's routes, lent for one call of [`crate::Plugin::handle`].
pub struct Request<'a> {
    raw: &'a abi::Request,
    route: &'static Route,
}

impl<'a> Request<'a> {
    /// Wraps a lent request; `None` when it is null or its route is none of `routes`.
    ///
    /// # Safety
    /// Unless null, the request and everything it points to is valid and constant for `'a`.
    pub(crate) unsafe fn new(raw: *const abi::Request, routes: &'static [Route]) -> Option<Self> {
        // SAFETY: null is handled, and else the caller vouches for it.
        let raw = unsafe { raw.as_ref() }?;
        Some(Self { raw, route: routes.get(raw.route as usize)? })
    }

    /// Method and pattern of the matched route, to branch on: `match request.route() { ("GET", "/x/a") => ... }`.
    #[must_use]
    pub const fn route(&self) -> (&'static str, &'static str) {
        (self.route.method, self.route.pattern)
    }

    /// The path as it came.
    #[must_use]
    pub fn path(&self) -> &'a str {
        // SAFETY: the request is valid for 'a.
        unsafe { borrow::text(self.raw.path) }
    }

    /// A parameter of the pattern, decoded; empty when the pattern has none of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> &'a str {
        // SAFETY: the request is valid for 'a.
        let params = unsafe { borrow::slice(self.raw.params, self.raw.params_len as usize) };
        find(params, name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// The first value of this name in the query, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw_query().split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// The query as it came, without `?`.
    #[must_use]
    pub fn raw_query(&self) -> &'a str {
        // SAFETY: the request is valid for 'a.
        unsafe { borrow::text(self.raw.query) }
    }

    /// The first header of this name, in lower case, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        // SAFETY: the request is valid for 'a.
        let headers = unsafe { borrow::slice(self.raw.headers, self.raw.headers_len) };
        std::str::from_utf8(find(headers, name)?).ok()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        // SAFETY: the request is valid for 'a.
        unsafe { borrow::bytes(self.raw.body) }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `Invalid`, which becomes a 400 when `handle` passes it on.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.body()).map_err(|why| Error::Invalid(format!("body: {why}")))
    }

    /// The id of the request, as in the log and `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self) -> &'a str {
        // SAFETY: the request is valid for 'a.
        unsafe { borrow::text(self.raw.request_id) }
    }
}

/// An answer. At most 8 MiB of body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// 200 without a body; on a stream: no first message.
    #[must_use]
    pub const fn empty() -> Self {
        Self { status: 200, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 with this body.
    #[must_use]
    pub fn new(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty() }.header("content-type", content_type)
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new("application/json", body),
            Err(why) => Self::problem(500, "The answer is not JSON", &why.to_string()),
        }
    }

    /// Cuts a list to what an answer holds, with some room for what stands beside it. Whether anything was cut.
    #[must_use]
    pub fn cut<T: Serialize>(items: &mut Vec<T>) -> bool {
        let mut room = LIST_BYTES;
        // A comma each. What is no JSON is found when the answer is made.
        let bytes = |item| serde_json::to_vec(item).map_or(0, |json| json.len() + 1);
        let beyond = items.iter().position(|item| match room.checked_sub(bytes(item)) {
            Some(rest) => {
                room = rest;
                false
            }
            None => true,
        });
        items.truncate(beyond.unwrap_or(items.len()));
        beyond.is_some()
    }

    /// 200 with plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// An error as RFC 9457 problem details.
    #[must_use]
    pub fn problem(status: u16, title: &str, detail: &str) -> Self {
        let body = serde_json::json!({ "status": status, "title": title, "detail": detail });
        Self::new("application/problem+json", body.to_string()).status(status)
    }

    /// Another status, 200..=599.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// A further header. Content-Length and hop-by-hop headers are the host's.
    #[must_use]
    pub fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What an error of `handle` becomes; `None` = a failure of the plugin.
    pub(crate) fn from_error(error: &Error) -> Option<Self> {
        let (status, title) = match error {
            Error::Invalid(_) => (400, "Bad request"),
            Error::Denied(_) => (403, "Forbidden"),
            Error::Limit(_) => (413, "Too large"),
            Error::Busy(_) => (503, "Try again later"),
            Error::Failed(_) | Error::Unsupported(_) | Error::Gone => return None,
        };
        let answer = Self::problem(status, title, &error.to_string());
        Some(if status == 503 { answer.header("retry-after", "1") } else { answer })
    }
}

fn find<'a>(pairs: &'a [abi::Pair], name: &str) -> Option<&'a [u8]> {
    pairs.iter().find_map(|pair| {
        // SAFETY: a pair's text is valid as long as the pair.
        unsafe { (borrow::text(pair.name) == name).then(|| borrow::bytes(pair.value)) }
    })
}

/// Decodes `%XX` and `+` of a query (WHATWG URL, application/x-www-form-urlencoded).
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0).zip(digit(1))) {
            (b'%', Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        for (raw, plain) in [
            ("a", "a"),
            ("a+b%20c", "a b c"),
            ("%C3%A9%2B", "é+"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%+1", "% 1"),
        ] {
            assert_eq!(decode(raw), plain);
        }
    }
}
