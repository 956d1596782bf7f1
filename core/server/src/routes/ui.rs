//! The dashboard: embedded files, compressed when it was built, and one page for every address below `/ui/`.
//!
//! The rule: nothing on the page comes from anywhere but this server, and the page's policy tells the browser so.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::page::Ask;
use crate::app::App;
use crate::http::{Answer, Problem, Refused, is_known};
use crate::listener::policy;

struct File {
    /// Path below the root of the dashboard.
    name: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

/// By name; empty where the dashboard was not built.
const FILES: &[File] = &include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));
const INDEX: &str = "index.html";
/// Stands in where there is no dashboard.
const UNBUILT: &str = include_str!("../../assets/unbuilt.html");
/// Names below this contain a hash of what they hold.
const HASHED: &str = "assets/";
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What answers depend on, those of `/` included.
pub(crate) const VARIES: HeaderValue = HeaderValue::from_static("accept, accept-encoding");
/// A page that opened the dashboard, or is opened by it, gets no hold of its window.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// `GET /ui/...`: a file of the dashboard, or its page; the page knows what to show by its address.
pub(crate) fn show(ask: &Ask<'_>) -> Result<Answer, Refused> {
    if let Some(file) = FILES.iter().find(|file| file.name == ask.name && file.name != INDEX) {
        return Ok(embedded(file, ask.headers));
    }
    if ask.name.starts_with(HASHED) || ask.name.contains('.') {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the dashboard has no such file"));
    }
    Ok(page(ask.app, ask.headers))
}

/// The page itself.
pub(crate) fn page(app: &App, headers: &HeaderMap) -> Answer {
    let answer = match FILES.iter().find(|file| file.name == INDEX) {
        Some(file) => embedded(file, headers),
        None => Answer::ok("text/html; charset=utf-8", UNBUILT).header(CACHE_CONTROL, ASK_AGAIN),
    };
    answer
        .header(CONTENT_SECURITY_POLICY, policy(RULES, &app.config().server))
        .header(OPENER_POLICY, HeaderValue::from_static("same-origin"))
}

/// Scripts and styles are files of this server, and markup is made of Svelte's templates alone.
const RULES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html; ";

fn embedded(file: &'static File, headers: &HeaderMap) -> Answer {
    let caching = if file.name.starts_with(HASHED) { FOREVER } else { ASK_AGAIN };
    let answer = if is_known(headers, file.tag) {
        let (status, headers) = (StatusCode::NOT_MODIFIED, HeaderMap::new());
        Answer { status, headers, body: Bytes::new() }
    } else {
        let (coding, bytes) = coded(file, headers);
        let answer = Answer::ok(media_type(file.name), bytes);
        match coding {
            Some(coding) => answer.header(CONTENT_ENCODING, HeaderValue::from_static(coding)),
            None => answer,
        }
    };
    answer
        .header(CACHE_CONTROL, caching)
        .header(ETAG, HeaderValue::from_static(file.tag))
        .header(VARY, VARIES)
}

/// The smallest form that the client reads.
fn coded(file: &'static File, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let forms = [("br", file.brotli), ("gzip", file.gzip)];
    forms
        .into_iter()
        .find_map(|(coding, bytes)| Some((Some(coding), bytes.filter(|_| reads(headers, coding))?)))
        .unwrap_or((None, file.plain))
}

/// Whether `Accept-Encoding` names a coding and does not refuse it (RFC 9110, 12.5.3).
fn reads(headers: &HeaderMap, coding: &str) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            named && quality != Some(0.0)
        })
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_form_that_is_read() {
        static FILE: File = File {
            name: "a.js",
            tag: "\"t\"",
            plain: b"plain",
            gzip: Some(b"gz"),
            brotli: Some(b"b"),
        };
        for (accepted, coding) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip;q=1.0, br;q=0", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("gzip;q=0", None),
            ("identity", None),
            ("", None),
        ] {
            let value = HeaderValue::from_static(accepted);
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value)]);
            assert_eq!(coded(&FILE, &headers).0, coding, "{accepted}");
        }
        assert_eq!(coded(&FILE, &HeaderMap::new()), (None, FILE.plain));
    }

    #[test]
    fn every_embedded_file_has_a_type() {
        for file in FILES {
            assert_ne!(media_type(file.name), "application/octet-stream", "{}", file.name);
        }
    }
}
