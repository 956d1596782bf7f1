//! Addresses of other gateways, as people write them: `json+ws://host:8092`.

use std::fmt;
use std::str::FromStr;

/// Longest entry.
const MAX_ENTRY: usize = 512;

/// Where a gateway is dialled.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GatewayAddress(Box<str>);

impl GatewayAddress {
    /// The address as a WebSocket client takes it: `ws://` or `wss://`.
    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "json+{}", self.0)
    }
}

impl FromStr for GatewayAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entry = text.trim();
        let shown: String = entry.chars().take(80).collect();
        let wrong = |why: &str| Err(format!("peer `{shown}`: {why}"));
        let Some(url) = entry.strip_prefix("json+").filter(|_| entry.len() <= MAX_ENTRY) else {
            return wrong("is no gateway; write json+ws://host:8092");
        };
        let Some((scheme @ ("ws" | "wss"), rest)) = url.split_once("://") else {
            return wrong("must begin with json+ws:// or json+wss://");
        };
        if rest.contains('@') {
            return wrong("holds a user or password; set json_token instead");
        }
        let Ok(uri) = url.parse::<tokio_tungstenite::tungstenite::http::Uri>() else {
            return wrong("is no address; write json+ws://host:8092");
        };
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        match uri.port_u16() {
            Some(1..) if has_host => Ok(Self(url.into())),
            None if has_host && scheme == "wss" => Ok(Self(url.into())),
            _ => wrong("has no host or no port; write json+ws://host:8092"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn addresses_are_read_or_refused_by_name() {
        for (entry, url) in [
            ("json+ws://peer:8092", "ws://peer:8092"),
            (" json+ws://10.0.0.1:1/x ", "ws://10.0.0.1:1/x"),
            ("json+wss://peer", "wss://peer"),
            ("json+ws://[::1]:9", "ws://[::1]:9"),
        ] {
            assert_eq!(entry.parse::<GatewayAddress>().unwrap().url(), url);
        }
        for entry in [
            "json+ws://peer",
            "json+http://a:1",
            "ws://a:1",
            "json+ws://:1",
            "json+ws://u:p@a:1",
            "json+",
        ] {
            let why = entry.parse::<GatewayAddress>().unwrap_err();
            assert!(
                why.starts_with("peer `") && !why.contains("u:p") || entry.contains('@'),
                "{why}"
            );
        }
    }
}
