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

#[test]
fn every_address_of_the_dashboard_is_its_page_and_nothing_else_may_run_there() {
    let server = TestServer::start();
    for path in ["/", "/ui", "/ui/", "/ui/live", "/ui/plugins/some%20name"] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(!page.text().contains("style=\"") && !page.text().contains("onload"), "{path}");
    }
    for path in
        ["/ui/assets/missing.js", "/ui/missing.css", "/ui/../secret.txt", "/ui/index.html.gz"]
    {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/federated/map").status, 404, "no plugin, no map");
}

#[test]
fn files_of_the_dashboard_come_as_they_were_packed() {
    let server = TestServer::start();
    let html = server.get("/ui/").text();
    let Some(script) = html.split('"').find(|part| part.starts_with("/ui/assets/")) else {
        assert!(html.contains("cargo xtask up"), "without a dashboard the page says how to get it");
        return;
    };
    let get = |coding: &str| {
        Request::new("GET", script).header("accept-encoding", coding).send(server.address)
    };
    let plain = get("identity");
    let etag = plain.header("etag").expect("a tag").to_owned();
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    for (coding, most) in [("br", 3), ("gzip", 2)] {
        let packed = get(coding);
        assert_eq!(packed.header("content-encoding"), Some(coding));
        assert!(packed.body.len() < plain.body.len() / most, "{coding}: {}", packed.body.len());
    }
    let known = Request::new("GET", script).header("if-none-match", &etag).send(server.address);
    assert_eq!((known.status, known.body.len()), (304, 0));
}
