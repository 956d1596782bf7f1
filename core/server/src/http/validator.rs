//! What a client has already, by the ETags that it names.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

/// Whether the client has it (RFC 9110, 13.1.2: compared weakly).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let listed = |value: &HeaderValue| {
        value.to_str().is_ok_and(|list| {
            let mut tags = list.split(',').map(str::trim);
            tags.any(|tag| tag == "*" || opaque(tag) == opaque(etag))
        })
    };
    headers.get_all(IF_NONE_MATCH).iter().any(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_listed_tag_is_known() {
        let known = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            is_known(&HeaderMap::from_iter([(IF_NONE_MATCH, value)]), "W/\"ab\"")
        };
        for value in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert!(known(value), "{value}");
        }
        for value in ["\"abc\"", "ab", "", "W/"] {
            assert!(!known(value), "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"ab\""));
    }
}
