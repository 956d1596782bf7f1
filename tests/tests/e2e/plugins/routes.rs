//! Routes that plugins serve through the node: authority, matching, streams, slowness, faults, and their description.

use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::server::{TOKEN, TestServer, general, plugin_table};
use crate::streams::{Sse, Ws};

fn server() -> TestServer {
    TestServer::with(&plugin_table("http"))
}

fn post(server: &TestServer, path: &str, authorization: Option<&str>, body: &[u8]) -> Answer {
    let request = Request::new("POST", path);
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    request.body(body).send(server.address)
}

#[test]
fn requests_reach_the_plugin_and_its_answers_the_client() {
    let server = server();
    let answer = Request::new("GET", "/x/http/echo/a%20b%2Fc?q=%C3%A9")
        .header("x-test", "yes")
        .header("x-request-id", "trace-5")
        .token(TOKEN)
        .send(server.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The node's token is not for plugins to see.
    assert_eq!(
        answer.json(),
        json!({"word": "a b/c", "query": "é", "header": "yes", "authorization": null, "request_id": "trace-5"})
    );
    assert_eq!(answer.header("x-answer"), Some("echo"));
    assert_eq!(answer.header("x-request-id"), Some("trace-5"));
    assert_eq!(server.get("/x/http/items/special").text(), "static", "static beats parameter");
    assert_eq!(server.get("/x/http/items/7").text(), "7");
    let head = Request::new("HEAD", "/x/http/items/7").send(server.address);
    assert_eq!((head.status, head.header("content-length")), (200, Some("1")));
    let big = server.get("/x/http/big?bytes=1000000");
    assert_eq!((big.status, big.body.len()), (200, 1_000_000));
    let wrong = Request::new("DELETE", "/x/http/items/7").send(server.address);
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("GET"));
    server.get("/x/http/none").problem(404);
}

#[test]
fn each_authority_is_kept() {
    let server = server();
    // The default of a POST is the node's token, which the plugin does not see.
    post(&server, "/x/http/secret", None, b"").problem(401);
    post(&server, "/x/http/secret", Some("Bearer wrong"), b"").problem(401);
    let own = post(&server, "/x/http/secret", Some(&format!("Bearer {TOKEN}")), b"");
    assert_eq!((own.status, own.json()), (200, Value::Null));
    // A plugin that checks for itself gets header and raw body.
    let body: Vec<u8> = (0..=255).collect();
    let hook = post(&server, "/x/http/hook", Some("Hook secret"), &body);
    assert_eq!((hook.status, hook.body), (200, body));
    let denied = post(&server, "/x/http/hook", Some(&format!("Bearer {TOKEN}")), b"");
    assert!(matches!(denied.status, 401 | 403), "{}", denied.text());
    // What a handler emits is an event like others.
    let bearer = format!("Bearer {TOKEN}");
    let emitted = post(&server, "/x/http/emit", Some(&bearer), b"from-plugin");
    assert_eq!(emitted.status, 201, "{}", emitted.text());
    crate::server::wait("the emitted event", || {
        let shown = server.json("/snapshot?kind=posted");
        shown["count"] == 1 && shown["events"][0]["event_id"] == "from-plugin"
    });
}

#[test]
fn streams_of_a_plugin_begin_with_its_answer_and_go_on_with_its_messages() {
    let server = server();
    let mut ws = Ws::open(&server, "/x/http/ws/lake");
    assert_eq!(ws.next(), json!({"type": "hello", "room": "lake"}));
    let mut sse = Sse::open(&server, "/x/http/sse/lake", None);
    assert_eq!(sse.next().data, json!({"type": "hello", "room": "lake"}));
    let mut other = Ws::open(&server, "/x/http/ws/tick");
    assert_eq!(other.next()["type"], "hello");
    assert_eq!(other.next()["type"], "tick");
    for i in 0..50 {
        let mut event = general(&format!("e{i}"), "ripple", 1.0);
        event["subject"] = (if i % 2 == 0 { "lake" } else { "pond" }).into();
        assert_eq!(server.event(&event).status, 200);
    }
    for i in (0..50).step_by(2) {
        assert_eq!(ws.next()["event_id"], format!("e{i}"));
        let message = sse.next();
        assert_eq!(
            (message.event.as_str(), &message.data["event_id"]),
            ("ripple", &format!("e{i}").into())
        );
    }
    let refused = Request::new("GET", "/x/http/sse/closed").send(server.address);
    assert_eq!((refused.status, &refused.json()["title"]), (403, &"Closed".into()));
    let foreign = Request::new("GET", "/x/http/sse/lake").header("origin", "http://evil.example");
    foreign.send(server.address).problem(403);
    assert_eq!(server.get("/x/http/ws/lake").status, 426);
}

#[test]
fn slow_and_failing_handlers_are_told_and_only_their_clients_wait() {
    let server = server();
    let failed = server.get("/x/http/fail").problem(500);
    assert_eq!(failed["plugin"], "http");
    assert_eq!(server.card("http")["crash_count"], 0, "an error is no crash");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.get("/x/http/slow"));
        for i in 0..20 {
            server.general(&format!("e{i}"), "k", 1.0);
        }
        slow.join().unwrap().problem(504);
    });
    let again = |what: &str| {
        crate::server::wait(what, || match server.get("/x/http/items/7").status {
            200 => true,
            503 | 504 => false,
            other => panic!("{other}"),
        });
    };
    again("the plugin after the slow call");
    server.get("/x/http/panic").problem(500);
    again("the plugin after the panic");
    assert!(server.card("http")["crash_count"].as_u64() >= Some(1));
}

#[test]
fn a_route_of_a_plugin_that_is_not_loaded_names_it() {
    let server = TestServer::start();
    for (path, plugin) in [
        ("/federated/health", "gossip"),
        ("/api/alerts", "anomaly"),
        ("/dao/members", "dao"),
        ("/api/history/events", "history"),
        ("/api/hackathons", "projects"),
        ("/api/optimization/p", "variants"),
        ("/x/http/items/7", "http"),
    ] {
        let problem = server.get(path).problem(404);
        assert_eq!(problem["plugin"], plugin, "{path}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(plugin)));
    }
}

#[test]
fn the_description_holds_every_route_and_the_page_needs_no_network() {
    let server = server();
    let document = server.json("/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/event",
        "/events",
        "/snapshot",
        "/stream",
        "/stream/sse",
        "/metrics",
        "/health",
        "/ready",
        "/api/metrics",
        "/api/plugin/{name}",
        "/api/plugin/{name}/logs",
        "/api/reload",
        "/api/plugin/{name}/restart",
        "/openapi.json",
        "/x/http/echo/{word}",
        "/x/http/ws/{room}",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["responses"].is_object(), "{method} {path}");
        }
    }
    assert_eq!(paths["/x/http/items/{id}"]["get"]["summary"], "One item");
    assert_eq!(paths["/x/http/items/{id}"]["get"]["parameters"][0]["name"], "id");
    assert!(paths["/x/http/secret"]["post"]["security"].is_array());
    let page = server.get("/docs/");
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(!html.contains("https://") && !html.contains("src=\"//"), "{html}");
    let assets: Vec<&str> = html
        .split(['"', '\''])
        .filter(|text| text.ends_with(".js") || text.ends_with(".css"))
        .collect();
    assert!(!assets.is_empty(), "{html}");
    for asset in assets {
        let path = if asset.starts_with('/') {
            asset.to_owned()
        } else {
            format!("/docs/{}", asset.trim_start_matches("./"))
        };
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
    let redirect = server.get("/docs");
    assert!(matches!(redirect.status, 200 | 301 | 302 | 307 | 308), "{}", redirect.status);
}
