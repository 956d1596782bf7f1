//! `shimmer.http/1`: routes that a plugin answers; the host owns every socket.

use crate::{Bytes, Plugin, Status, Str};

/// Identifier of [`HttpPlugin`].
pub const HTTP_ID: &core::ffi::CStr = c"shimmer.http/1";

/// Largest body of an answer or a message: 8 MiB.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// Who may call a route.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth(pub u32);

impl Auth {
    /// Anyone.
    pub const NONE: Self = Self(0);
    /// Whoever holds a bearer token of the host; checked before the plugin hears of it.
    pub const TOKEN: Self = Self(1);
    /// The plugin decides: it gets the raw body and every header, `Authorization` included.
    pub const PLUGIN: Self = Self(2);
}

/// What a route is.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKind(pub u32);

impl RouteKind {
    /// Request and answer.
    pub const HTTP: Self = Self(0);
    /// A WebSocket: `handle` gives the first message, the route's topic the following ones.
    pub const WS: Self = Self(1);
    /// Server-Sent Events: likewise.
    pub const SSE: Self = Self(2);
}

/// A route.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`; `GET` for streams.
    pub method: Str,
    /// Path with `{name}` for one segment, such as `/x/hello/items/{id}`. Static segments beat parameters.
    pub pattern: Str,
    /// Who may call it.
    pub auth: Auth,
    /// What it is.
    pub kind: RouteKind,
    /// Topic whose messages a stream sends; may hold the pattern's parameters: `items.{id}`.
    pub topic: Str,
    /// The OpenAPI 3.1 operation object as JSON; empty = a plain one made from the pattern.
    pub openapi_json: Str,
}

// SAFETY: immutable data owned by the library.
unsafe impl Sync for Route {}

/// A header, a path parameter or the like.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Lower-case for headers.
    pub name: Str,
    /// Header values are bytes, not always UTF-8.
    pub value: Bytes,
}

/// A request that matched a route.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Index into the route table.
    pub route: u32,
    /// Entries of `params`.
    pub params_len: u32,
    /// Path parameters in the pattern's order, percent-decoded.
    pub params: *const Pair,
    /// The path as it came.
    pub path: Str,
    /// The query without `?`, as it came; empty = none.
    pub query: Str,
    /// Headers; without `Authorization` unless the route's auth is [`Auth::PLUGIN`].
    pub headers: *const Pair,
    /// Entries of `headers`.
    pub headers_len: usize,
    /// The body, whole.
    pub body: Bytes,
    /// The request id that the log and `X-Request-Id` carry.
    pub request_id: Str,
}

/// The answer being built; its functions may be called only inside `handle`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// The host's own.
    pub ctx: *mut core::ffi::c_void,
    /// `[worker]` Status code, 200..=599; 200 when never called.
    pub set_status: Option<unsafe extern "C" fn(response: *const Response, status: u16) -> Status>,
    /// `[worker]` Adds a header; hop-by-hop headers and Content-Length are the host's and answer `INVALID`.
    pub add_header:
        Option<unsafe extern "C" fn(response: *const Response, name: Str, value: Str) -> Status>,
    /// `[worker]` Appends to the body; beyond [`MAX_BODY_BYTES`] answers `LIMIT`.
    pub write: Option<unsafe extern "C" fn(response: *const Response, bytes: Bytes) -> Status>,
}

/// The plugin's side.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpPlugin {
    /// `[control]` The routes; `len` receives their number (at most 64).
    pub routes:
        Option<unsafe extern "C" fn(plugin: *const Plugin, len: *mut usize) -> *const Route>,
    /// `[worker]` Answers a request. A failing status becomes 500. For a stream this is the connect: the body is
    /// the first message (empty = none), a status of 400 and above refuses the connection.
    pub handle: Option<
        unsafe extern "C" fn(
            plugin: *const Plugin,
            request: *const Request,
            response: *const Response,
        ) -> Status,
    >,
}

// SAFETY: immutable data owned by the library.
unsafe impl Sync for HttpPlugin {}
