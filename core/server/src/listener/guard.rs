//! Against pages of other sites: which Host and which Origin a request may carry.
//!
//! A page that the user happens to visit can make a browser ask a server on loopback. DNS rebinding
//! shows as an unknown Host, everything else as a foreign Origin.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version};

use crate::config::ServerSection;
use crate::http::{Problem, Refused};

/// 400 unless the request names its host as often as it must: once, or in HTTP/1.0 at most once (RFC 9112, 3.2).
pub(crate) fn check_named_once(version: Version, headers: &HeaderMap) -> Result<(), Refused> {
    match headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        0 if version < Version::HTTP_11 => Ok(()),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "a request carries one Host header")),
    }
}

/// 501 where a body is coded in another way than in chunks (RFC 9112, 6.1), which hyper would take for plain.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Refused> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_known = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_none_or(is_known) && codings.next().is_none() {
        return Ok(());
    }
    let detail = "a body may be chunked and in no other transfer coding";
    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail).closing())
}

/// 421 unless the server, when it is bound to loopback, is asked under one of its own names.
pub(crate) fn check_host(
    section: &ServerSection,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Refused> {
    if !section.host.is_loopback() {
        return Ok(());
    }
    // An absolute target names the host itself and wins over the header (RFC 9112, 3.2.2).
    let Some(authority) = authority(uri, headers) else { return Ok(()) };
    if is_own_host(section, authority) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "this server listens on loopback and is not known under that name; see server.hosts",
    ))
}

/// Whether `authority` names the server; bound to more than loopback it has any name.
pub(super) fn is_own_host(section: &ServerSection, authority: &str) -> bool {
    let name = host_name(authority);
    !section.host.is_loopback()
        || is_loopback_name(name)
        || section.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

/// 403 when a browser says that a foreign page asks. Without an Origin it is no browser, or its own page.
pub(crate) fn check_origin(
    section: &ServerSection,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Refused> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("null");
    let same = origin.split_once("://").is_some_and(|(_, own)| {
        authority(uri, headers).is_some_and(|host| same_authority(host, own))
    });
    if same || is_known_origin(section, origin) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "pages of this origin may not do that; see server.origins",
    ))
}

/// Whether `server.origins` lists the origin.
pub(super) fn is_known_origin(section: &ServerSection, origin: &str) -> bool {
    section
        .origins
        .iter()
        .any(|known| known == "*" || known.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).map(|host| host.to_str().unwrap_or("?")),
    }
}

fn same_authority(host: &str, origin: &str) -> bool {
    host.eq_ignore_ascii_case(origin)
}

/// The host of `host[:port]`, brackets of an IPv6 address removed.
fn host_name(authority: &str) -> &str {
    let (name, rest) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(parts) => parts,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    // A port may follow and nothing else: `localhost:1@evil.test` names evil.test.
    let port = rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "" } else { "?" });
    if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { authority }
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        headers
    }

    #[test]
    fn loopback_is_asked_under_its_own_names_only() {
        let section = ServerSection { hosts: vec!["dash.test".into()], ..ServerSection::default() };
        let check = |host: &str| check_host(&section, &Uri::from_static("/"), &headers(host, None));
        for good in [
            "localhost",
            "localhost:8080",
            "LOCALHOST.",
            "127.0.0.1:1",
            "127.8.9.1",
            "[::1]:8080",
            "Dash.test:80",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "evil.test",
            "localhost.evil.test",
            "10.0.0.1",
            "[::2]",
            "",
            "127.0.0.1.evil.test:80",
            "localhost:1@evil.test",
            "[::1]:1@evil.test",
            "[::1]evil.test",
        ] {
            assert_eq!(check(bad).unwrap_err().status(), 421, "{bad}");
        }
        let absolute = Uri::from_static("http://evil.test/");
        assert!(check_host(&section, &absolute, &headers("localhost", None)).is_err());
        let public = ServerSection { host: "0.0.0.0".parse().unwrap(), ..section.clone() };
        assert!(check_host(&public, &Uri::from_static("/"), &headers("evil.test", None)).is_ok());
    }

    #[test]
    fn a_body_is_chunked_or_plain() {
        let check = |codings: &[&'static str]| {
            let codings =
                codings.iter().map(|it| (TRANSFER_ENCODING, HeaderValue::from_static(it)));
            check_coding(&codings.collect()).map_err(|refused| refused.status().as_u16())
        };
        for good in [&[][..], &["chunked"], &["Chunked"]] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [&["gzip, chunked"][..], &["gzip", "chunked"], &["chunked", "chunked"], &[""]] {
            assert_eq!(check(bad), Err(501), "{bad:?}");
        }
    }

    #[test]
    fn a_host_is_named_once() {
        let (none, one) = (HeaderMap::new(), headers("a", None));
        let mut two = headers("a", None);
        two.append(HOST, HeaderValue::from_static("a"));
        for (version, named, good) in [
            (Version::HTTP_11, &none, false),
            (Version::HTTP_11, &one, true),
            (Version::HTTP_11, &two, false),
            (Version::HTTP_10, &none, true),
            (Version::HTTP_10, &two, false),
        ] {
            assert_eq!(check_named_once(version, named).is_ok(), good, "{version:?} {named:?}");
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        let section =
            ServerSection { origins: vec!["https://ui.test".into()], ..ServerSection::default() };
        let check = |origin| {
            check_origin(&section, &Uri::from_static("/"), &headers("localhost:8080", origin))
        };
        for good in [None, Some("http://localhost:8080"), Some("https://ui.test")] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in ["http://localhost:9", "http://evil.test", "null", "https://ui.test.evil", ""] {
            assert_eq!(check(Some(bad)).unwrap_err().status(), 403, "{bad}");
        }
    }
}
