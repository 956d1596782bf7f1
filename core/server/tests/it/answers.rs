//! What holds for every route: problems, methods, HEAD, names, origins, compression, metrics.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::{Request, Wire};
use crate::node::{Node, TOKEN};

#[test]
fn unknown_paths_and_methods_are_problems() {
    let node = Node::start();
    node.get("/nothing").problem(404);
    for (method, path, allow) in [
        ("POST", "/snapshot", "GET"),
        ("GET", "/event", "POST"),
        ("DELETE", "/health", "GET"),
        ("GET", "/api/reload", "POST"),
        ("GET", "/api/plugin/x/restart", "POST"),
    ] {
        let answer = Request::new(method, path).send(node.address);
        answer.problem(405);
        assert!(answer.header("allow").is_some_and(|a| a.contains(allow)), "{method} {path}");
    }
}

#[test]
fn a_route_of_a_plugin_that_is_not_loaded_names_it() {
    let node = Node::start();
    for (path, plugin) in [
        ("/federated/health", "gossip"),
        ("/api/alerts", "anomaly"),
        ("/dao/members", "dao"),
        ("/api/history", "history"),
        ("/api/metrics/persona", "variants"),
        ("/x/hello/greet", "hello"),
    ] {
        assert_eq!(node.get(path).problem(404)["plugin"], plugin, "{path}");
    }
    let unknown = node.get("/api/plugin/none").problem(404);
    assert_eq!(unknown["error"], "Plugin none not found");
    node.get("/api/plugin/none/logs").problem(404);
    let restart = |request: Request| request.send(node.address);
    restart(Request::new("POST", "/api/plugin/none/restart")).problem(401);
    restart(Request::new("POST", "/api/plugin/none/restart").token(TOKEN)).problem(404);
}

#[test]
fn head_is_get_without_the_body() {
    let node = Node::start();
    for path in [
        "/health",
        "/ready",
        "/snapshot",
        "/fractal",
        "/fractal/tiles/0/0/0.png",
        "/metrics",
        "/",
        "/api/metrics",
        "/openapi.json",
    ] {
        let get = node.get(path);
        let head = Request::new("HEAD", path).send(node.address);
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.body.is_empty());
        assert!(head.header("x-request-id").is_some());
    }
}

#[test]
fn the_root_is_html_unless_json_is_preferred() {
    let node = Node::start();
    let html = node.get("/");
    assert!(html.header("content-type").is_some_and(|t| t.starts_with("text/html")));
    let json = Request::new("GET", "/").header("accept", "application/json").send(node.address);
    assert_eq!(json.json()["status"], "ok");
    assert_eq!(node.json("/health")["status"], "ok");
    assert_eq!(node.json("/ready")["status"], "ready");
}

#[test]
fn foreign_names_and_pages_are_refused() {
    let node = Node::start();
    let get = |host: &str| Request::new("GET", "/health").header("host", host).send(node.address);
    assert_eq!(get("127.0.0.1:8080").status, 200);
    get("evil.example").problem(421);
    let post = Request::new("POST", "/event")
        .token(TOKEN)
        .header("content-type", "application/json")
        .header("origin", "http://evil.example")
        .body("{}");
    post.send(node.address).problem(403);
}

#[test]
fn a_request_keeps_its_own_id() {
    let node = Node::start();
    let answer = Request::new("GET", "/health").header("x-request-id", "mine-1").send(node.address);
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
}

#[test]
fn metrics_count_to_the_newest_event() {
    let node = Node::start();
    let value = |name: &str| -> f64 {
        let page = node.get("/metrics");
        assert!(page.header("content-type").is_some_and(|t| t.starts_with("text/plain")));
        let text = page.text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(value("chaos_beauty_events_total"), 0.0);
    for (i, score) in [0.5, 1.5, 1.0].into_iter().enumerate() {
        node.beauty(&format!("b{i}"), score);
        assert_eq!(value("chaos_beauty_events_total"), i as f64 + 1.0);
    }
    node.event("other", "load", 99.0);
    assert_eq!(value("chaos_beauty_score_avg"), 1.0);
    assert_eq!(value("chaos_beauty_score_min"), 0.5);
    assert_eq!(value("chaos_beauty_score_max"), 1.5);
    assert_eq!(value("chaos_beauty_score_distribution_count"), 3.0);
    assert_eq!(value(r#"chaos_beauty_score_distribution_bucket{le="1"}"#), 2.0);
    assert_eq!(value("shimmer_ring_events_total"), 4.0);
    assert_eq!(value(r#"shimmer_http_requests_total{route="/event",status="200"}"#), 4.0);
    assert_eq!(value(r#"shimmer_ingest_events_total{result="stored"}"#), 4.0);
    let system = &node.json("/api/metrics")["system"];
    assert_eq!(system["total_events"], 4);
    assert_eq!(system["plugins_running"], 0);
}

#[test]
fn large_answers_are_compressed_and_small_ones_not() {
    let node = Node::start();
    for i in 0..50 {
        node.event(&format!("e{i}"), "load", 1.0);
    }
    let get = |path: &str, coding: &str| {
        Request::new("GET", path).header("accept-encoding", coding).send(node.address)
    };
    assert_eq!(get("/snapshot", "gzip").header("content-encoding"), Some("gzip"));
    assert_eq!(get("/snapshot", "br").header("content-encoding"), Some("br"));
    assert_eq!(get("/snapshot", "identity").header("content-encoding"), None);
    assert_eq!(get("/health", "gzip").header("content-encoding"), None);
}

#[test]
fn the_documentation_is_served_without_a_network() {
    let node = Node::start();
    let openapi = node.json("/openapi.json");
    assert_eq!(openapi["openapi"], "3.1.0");
    for path in ["/event", "/events", "/snapshot", "/stream", "/metrics", "/api/plugin/{name}"] {
        assert!(openapi["paths"].get(path).is_some(), "{path}");
    }
    let docs = node.get("/docs/");
    assert_eq!(docs.status, 200);
    let text = docs.text();
    assert!(text.contains("/openapi.json"));
    assert!(!text.contains("https://"), "{text}");
    assert_eq!(node.get("/docs/swagger-ui-bundle.js").status, 200);
}

#[test]
fn a_request_in_flight_is_finished_and_the_port_is_free_again() {
    let mut node = Node::start();
    let mut wire = Wire::open(node.address);
    let request = Request::new("POST", "/event")
        .token(TOKEN)
        .header("content-type", "application/json")
        .body(r#"{"event_id":"e","timestamp":"2025-10-21T04:30:00Z","beauty_score":1}"#)
        .bytes();
    let (first, rest) = request.split_at(request.len() - 10);
    wire.write(first);
    // Another request on its own connection shows that the server has begun to serve.
    assert_eq!(node.get("/health").status, 200);
    let begun = Instant::now();
    let running = node.running.take().unwrap();
    let stopping = std::thread::spawn(move || running.shutdown());
    // The stop is under way when newcomers are turned away.
    while node.get("/health").status != 503 {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    wire.write(rest);
    let answer = wire.answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    stopping.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(std::net::TcpStream::connect(node.address).is_err(), "the port is free");
}

#[test]
fn pages_of_listed_origins_may_read_and_no_others() {
    const KNOWN: &str = "https://ui.example";
    const FOREIGN: &str = "https://ui.example.evil";
    let node = Node::with(|config| config.server.origins = vec![KNOWN.to_owned()]);
    node.beauty("a", 1.0);
    let from = |method: &str, path: &str, origin: &str| {
        Request::new(method, path).header("origin", origin)
    };
    let paths = ["/", "/health", "/snapshot", "/metrics", "/api/metrics", "/openapi.json", "/none"];
    for path in paths {
        let answer = from("GET", path, KNOWN).send(node.address);
        assert_eq!(answer.header("access-control-allow-origin"), Some(KNOWN), "{path}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("X-Request-Id") && exposed.contains("Retry-After"), "{exposed}");
        for other in [from("GET", path, FOREIGN).send(node.address), node.get(path)] {
            assert_eq!(other.header("access-control-allow-origin"), None, "{path}");
            let varies = |(name, value): &(String, String)| name == "vary" && value == "origin";
            assert!(other.headers.iter().any(varies), "{path}: {:?}", other.headers);
        }
    }
    // Writing: asked before, and the answer readable whatever it is.
    for path in ["/event", "/events", "/api/reload", "/api/plugin/x/restart", "/stream/sse"] {
        let preflight = |origin| {
            from("OPTIONS", path, origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type")
                .send(node.address)
        };
        let asked = preflight(KNOWN);
        assert_eq!(asked.status, 204, "{path}");
        assert_eq!(asked.header("access-control-allow-origin"), Some(KNOWN));
        assert!(asked.header("access-control-allow-methods").unwrap().contains("POST"));
        let headers = asked.header("access-control-allow-headers").unwrap();
        for name in ["Authorization", "Content-Type", "Last-Event-ID"] {
            assert!(headers.contains(name), "{headers}");
        }
        let refused = preflight(FOREIGN);
        refused.problem(403);
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    let post = |origin| from("POST", "/event", origin).body("{}").send(node.address);
    assert_eq!((post(KNOWN).status, post(FOREIGN).status), (401, 403));
    assert_eq!(post(KNOWN).header("access-control-allow-origin"), Some(KNOWN));
    assert_eq!(post(FOREIGN).header("access-control-allow-origin"), None);
    // A plain OPTIONS is no preflight.
    assert_eq!(from("OPTIONS", "/health", KNOWN).send(node.address).status, 405);
}

#[test]
fn a_stream_says_that_a_listed_page_may_read_it() {
    let node = Node::with(|config| config.server.origins = vec!["https://ui.example".to_owned()]);
    let mut wire = Wire::open(node.address);
    wire.write(&Request::new("GET", "/stream/sse").header("origin", "https://ui.example").bytes());
    let head = wire.head_answer();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("access-control-allow-origin"), Some("https://ui.example"));
}

#[test]
fn without_listed_origins_nothing_is_said_about_them() {
    let node = Node::start();
    let ask = |method| Request::new(method, "/health").header("origin", "https://ui.example");
    let answer = ask("GET").send(node.address);
    let named = |(name, _): &(String, String)| name.starts_with("access-control") || name == "vary";
    assert!(answer.status == 200 && !answer.headers.iter().any(named), "{:?}", answer.headers);
    let preflight = ask("OPTIONS").header("access-control-request-method", "GET");
    assert_eq!(preflight.send(node.address).status, 405);
}

#[test]
fn promtool_has_nothing_to_say() {
    let node = Node::with(|config| config.metrics.rosey_compat = false);
    for round in 0..2 {
        let page = node.get("/metrics").body;
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool; install it with: apt-get install prometheus");
        promtool.stdin.take().expect("piped").write_all(&page).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(said.is_empty(), "round {round}: {}", String::from_utf8_lossy(&said));
        node.beauty("b", 0.5);
        node.event("e", "load", 1.0);
    }
}
