//! What answers tell a browser about themselves, so that nothing that is served becomes more than it is.
//!
//! The rule: an answer that says nothing of its own may run nothing, load nothing and be framed by
//! nobody but this server and the listed origins. Ingest is left out: programs ask there, and no
//! browser shows what it is answered.

use http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::ServerSection;

/// Whose pages may load an answer as a part of theirs (Fetch standard, 3.7).
pub(crate) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Marks the answer to a request as safe for browsers, where it does not say more itself.
pub(super) fn mark(section: &ServerSection, status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let defaults = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert_with(|| policy("default-src 'none'; ", section));
}

/// A Content-Security-Policy: `rules`, and who may frame the answer.
pub(crate) fn policy(rules: &str, section: &ServerSection) -> HeaderValue {
    let text = format!("{rules}frame-ancestors 'self' {}", section.origins.join(" "));
    // Origins were checked when the configuration was read.
    HeaderValue::from_str(text.trim_end())
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_what_it_says_itself() {
        let section =
            ServerSection { origins: vec!["https://ui.test".into()], ..ServerSection::default() };
        let mut headers = HeaderMap::new();
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        mark(&section, StatusCode::OK, &mut headers);
        assert_eq!(headers[RESOURCE_POLICY], "cross-origin");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(
            headers[CONTENT_SECURITY_POLICY],
            "default-src 'none'; frame-ancestors 'self' https://ui.test"
        );
        let mut headers = HeaderMap::new();
        mark(&section, StatusCode::SWITCHING_PROTOCOLS, &mut headers);
        assert!(headers.is_empty(), "a WebSocket is no page");
    }
}
