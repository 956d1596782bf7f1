//! The pages of the core that are neither events nor metrics: the root, health, readiness, compression.

use crate::http::Request;
use crate::server::{TestServer, general};

fn root(server: &TestServer, accept: Option<&str>) -> crate::http::Answer {
    let request = Request::new("GET", "/");
    match accept {
        Some(accept) => request.header("accept", accept),
        None => request,
    }
    .send(server.address)
}

#[test]
fn the_root_is_a_page_unless_json_is_preferred() {
    let server = TestServer::start();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for accept in [None, Some("*/*"), Some(browser), Some("text/html, application/json;q=0.9")] {
        let page = root(&server, accept);
        assert_eq!(page.status, 200);
        assert!(
            page.header("content-type").is_some_and(|t| t.starts_with("text/html")),
            "{accept:?}"
        );
        let html = page.text();
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "no other servers");
    }
    for accept in ["application/json", "text/html;q=0.5, application/json"] {
        assert_eq!(root(&server, Some(accept)).json()["status"], "ok", "{accept}");
    }
    let health = server.json("/health");
    assert_eq!(health["status"], "ok");
    assert_eq!(server.json("/ready")["status"], "ready");
}

#[test]
fn large_answers_are_compressed_for_those_who_ask() {
    let server = TestServer::start();
    server.ndjson((0..50).map(|i| general(&format!("e{i}"), "k", 1.0)));
    let get = |path: &str, coding: &str| {
        Request::new("GET", path).header("accept-encoding", coding).send(server.address)
    };
    for coding in ["gzip", "br"] {
        let packed = get("/snapshot", coding);
        assert_eq!(packed.header("content-encoding"), Some(coding));
        assert!(packed.body.len() < server.get("/snapshot").body.len() / 2);
    }
    assert_eq!(get("/snapshot", "identity").header("content-encoding"), None);
    assert_eq!(get("/health", "gzip").header("content-encoding"), None);
}
