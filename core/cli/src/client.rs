//! Requests to a running node.
//!
//! The rule: every answer that is not a success becomes one sentence with the node's own words
//! in it; a token never appears in one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::Uri;
use shimmer_server::config::{Secret, read_token};

use crate::args::RemoteArgs;
use crate::terminal::safe;
use crate::trust::Trust;

/// Longest answer that is read.
const ANSWER_BYTES: u64 = 64 << 20;

/// A node that can be asked.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: Base,
    token: Option<Secret>,
}

/// Scheme and authority of a node's address, checked.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    text: String,
    authority: http::uri::Authority,
    is_tls: bool,
}

impl Base {
    /// Reads `http://HOST[:PORT][/PREFIX]`, or the same with `https`.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("`{}` is no address", safe(url)))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("`{}` is no address: write http://HOST:PORT", safe(url)),
        };
        let authority = uri.authority().context("the address has no host")?.clone();
        Ok(Self { text: url.trim_end_matches('/').to_owned(), authority, is_tls })
    }

    /// Host and port to connect to.
    pub(crate) fn address(&self) -> (String, u16) {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        (host.to_owned(), self.authority.port_u16().unwrap_or(if self.is_tls { 443 } else { 80 }))
    }

    /// Whether it is to be spoken to through TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The address of a WebSocket at `path`.
    pub(crate) fn websocket(&self, path: &str) -> String {
        format!("ws{}{path}", self.text.trim_start_matches("http"))
    }
}

impl Client {
    /// A client for routes that anyone may read.
    pub(crate) fn open(remote: &RemoteArgs) -> anyhow::Result<Self> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(60)))
            .max_redirects(0)
            .proxy(None)
            .tls_config(Trust::read(remote.ca.as_deref())?.for_requests())
            .user_agent(concat!("shimmer/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, base: Base::parse(&remote.url)?, token: None })
    }

    /// A client for writing routes.
    pub(crate) fn with_token(remote: &RemoteArgs) -> anyhow::Result<Self> {
        Ok(Self { token: Some(find_token(remote)?), ..Self::open(remote)? })
    }

    /// Asks for `path`.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let mut request = self.agent.get(self.url(path)).header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        self.answer(request.call())
    }

    /// Posts nothing to `path`.
    pub(crate) fn post(&self, path: &str) -> anyhow::Result<Answer> {
        self.post_body(path, "application/json", b"{}")
    }

    /// Posts a body to `path`.
    pub(crate) fn post_body(&self, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let mut request = self.agent.post(self.url(path)).header("content-type", kind);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        self.answer(request.send(body))
    }

    /// Puts JSON at `path`.
    pub(crate) fn put_body(&self, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let mut request = self.agent.put(self.url(path)).header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        self.answer(request.send(body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.text)
    }

    fn answer(
        &self,
        result: Result<http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Answer> {
        let away = || format!("no answer from {}", safe(&self.base.text));
        let mut response = result.map_err(explained).with_context(away)?;
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES)
            .read_to_vec()
            .with_context(away)?;
        Ok(Answer { status, retry_after, body })
    }
}

/// What a node answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long to wait before asking again.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer if it is a success.
    ///
    /// # Errors
    /// Otherwise, the node's own words.
    pub(crate) fn ok(self) -> anyhow::Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(anyhow!(self.refusal())) }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim_end().to_owned()
    }

    /// A refusal as one sentence: status, and what the problem document says (RFC 9457).
    pub(crate) fn refusal(&self) -> String {
        let document = self.json().unwrap_or_default();
        let word = |name: &str| document[name].as_str().filter(|text| !text.is_empty());
        let mut said = match (word("title"), word("detail")) {
            (Some(title), Some(detail)) if title != detail => format!("{title}: {detail}"),
            (Some(text), _) | (None, Some(text)) => text.to_owned(),
            (None, None) => word("error").unwrap_or("the node refused").to_owned(),
        };
        for error in document["errors"].as_array().into_iter().flatten().take(10) {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            said.push_str(&format!("; {}: {}", text("field"), text("message")));
        }
        if self.status == 401 {
            said.push_str(
                " (the token comes from DASHBOARD_TOKEN, DASHBOARD_TOKEN_FILE or data/token)",
            );
        }
        // A frame around a fault has several lines; everything else about them stays harmless.
        let lines: Vec<String> = said.trim_end().split('\n').map(safe).collect();
        format!("{} {}", self.status, lines.join("\n"))
    }
}

/// Why there is no answer, and what helps against what new certificates suffer from.
fn explained(error: ureq::Error) -> anyhow::Error {
    let text = error.to_string();
    let remedy = if text.contains("UnknownIssuer") {
        "give the certificate, or its authority's, with --ca FILE"
    } else if text.contains("CaUsedAsEndEntity") {
        "the node shows an authority's certificate; make one with basicConstraints = CA:FALSE"
    } else {
        return error.into();
    };
    anyhow!("{text}; {remedy}")
}

/// The token from the environment, from the file that it names, or from the data folder.
fn find_token(remote: &RemoteArgs) -> anyhow::Result<Secret> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(token) = set("DASHBOARD_TOKEN") {
        let token = token.into_string().map_err(|_| anyhow!("DASHBOARD_TOKEN is not UTF-8"))?;
        return Ok(Secret::new(token));
    }
    let named = set("DASHBOARD_TOKEN_FILE").map(PathBuf::from);
    let path = named.unwrap_or_else(|| remote.data_dir.join("token"));
    read_token(&path).map_err(|problem| {
        anyhow!(
            "no token: DASHBOARD_TOKEN is not set and {} does not hold one ({})",
            path.display(),
            problem.message
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let base = Base::parse("http://[::1]:9000/").unwrap();
        assert_eq!(base.address(), ("::1".to_owned(), 9000));
        assert_eq!(base.websocket("/stream"), "ws://[::1]:9000/stream");
        assert_eq!(Base::parse("http://a").unwrap().address(), ("a".to_owned(), 80));
        let base = Base::parse("https://a/b").unwrap();
        assert_eq!(base.address(), ("a".to_owned(), 443));
        assert_eq!(base.websocket("/stream"), "wss://a/b/stream");
        for bad in ["", "localhost:8080", "ftp://a", "http://"] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_uses_the_words_of_the_problem_document() {
        let answer = |body: &str| Answer { status: 400, retry_after: None, body: body.into() };
        let said = answer(
            r#"{"title":"Bad event","detail":"1 error","errors":[{"field":"kind","message":"bad"}]}"#,
        );
        assert_eq!(said.refusal(), "400 Bad event: 1 error; kind: bad");
        assert_eq!(answer("<html>").refusal(), "400 the node refused");
        assert!(!answer("{\"title\":\"\\u001b[2J\"}").refusal().contains('\x1b'));
        assert_eq!(answer("{\"title\":\"a\\nb\\n\"}").refusal(), "400 a\nb");
    }
}
