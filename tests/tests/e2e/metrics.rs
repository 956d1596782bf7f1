//! `/metrics`: exact figures after known events, for promtool and a real Prometheus.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::http::Request;
use crate::server::{TestServer, beauty, finish, general, plugin_table, wait};

fn page(server: &TestServer) -> String {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer.header("content-type").is_some_and(|t| t.starts_with("text/plain; version=0.0.4"))
    );
    answer.text()
}

#[track_caller]
fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("{series} is missing in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn beauty_figures_are_exact() {
    let server = TestServer::with("[stats]\nrolling_window = 4\n");
    let empty = page(&server);
    assert_eq!(value(&empty, "chaos_beauty_events_total"), 0.0);
    assert_eq!(value(&empty, "chaos_beauty_score_distribution_count"), 0.0);
    // The first two leave the window; other kinds never enter it.
    for (i, score) in [1.5, 0.0, 0.25, 0.5, 0.75, 1.0].into_iter().enumerate() {
        assert_eq!(server.event(&beauty(&format!("b{i}"), score)).status, 200);
        assert_eq!(
            value(&page(&server), "chaos_beauty_events_total"),
            i as f64 + 1.0,
            "folded at once"
        );
        server.general(&format!("g{i}"), "load", 1e9);
    }
    // Beauty in its general form counts, a repeated event does not.
    assert_eq!(server.event(&general("b0", "beauty", 1.5)).json()["duplicate"], true);
    assert_eq!(server.event(&general("b6", "beauty", 1.25)).status, 200);
    let page = page(&server);
    assert_eq!(value(&page, "chaos_beauty_events_total"), 7.0);
    assert_eq!(value(&page, "chaos_beauty_score_avg"), (0.5 + 0.75 + 1.0 + 1.25) / 4.0);
    assert_eq!(value(&page, "chaos_beauty_score_min"), 0.5);
    assert_eq!(value(&page, "chaos_beauty_score_max"), 1.25);
    assert_eq!(value(&page, "chaos_beauty_score_distribution_count"), 7.0);
    assert_eq!(value(&page, "chaos_beauty_score_distribution_sum"), 5.25);
    assert_eq!(value(&page, "chaos_beauty_score_distribution_bucket{le=\"+Inf\"}"), 7.0);
    assert_eq!(value(&page, "chaos_beauty_score_distribution_bucket{le=\"1\"}"), 5.0);
    assert_eq!(value(&page, "shimmer_ring_events_total"), 13.0);
    assert_eq!(value(&page, "shimmer_http_requests_total{route=\"/event\",status=\"200\"}"), 14.0);
}

#[test]
fn plugins_and_compatible_names_are_shown() {
    let compat = "[metrics]\nrosey_compat = true\n";
    let server = TestServer::with(&format!("{compat}{}", plugin_table("http")));
    server.ndjson((0..10).map(|i| general(&format!("e{i}"), "k", 1.0)));
    server.until("http", |card| card["event_count"] == 10);
    let page = page(&server);
    assert_eq!(value(&page, "shimmer_plugin_events_total{plugin=\"http\"}"), 10.0);
    assert_eq!(value(&page, "shimmer_plugin_up{plugin=\"http\"}"), 1.0);
    for name in [
        "cpu_seconds_total",
        "cpu_percent",
        "resident_memory_bytes",
        "uptime_seconds",
        "missed_events_total",
        "crashes_total",
        "restarts_total",
        "lag_events",
        "batch_duration_seconds_count",
    ] {
        assert!(value(&page, &format!("shimmer_plugin_{name}{{plugin=\"http\"}}")) >= 0.0);
    }
    for name in ["cpu_percent", "memory_mb", "uptime_seconds", "events_total", "crashes_total"] {
        assert!(value(&page, &format!("rosey_plugin_{name}{{plugin=\"http\"}}")) >= 0.0);
    }
    assert_eq!(value(&page, "rosey_plugins_running"), 1.0);
    assert_eq!(value(&page, "rosey_total_plugins"), 1.0);
    let plain = TestServer::start();
    assert!(!self::page(&plain).contains("rosey_"));
}

fn promtool(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let found = Command::new("promtool")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(found.is_ok(), "promtool is missing: apt-get install prometheus");
    let said = finish(command, page);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", ""), "{page}");
}

#[test]
fn promtool_has_nothing_to_say() {
    let server = TestServer::with(&[plugin_table("http"), plugin_table("counter")].concat());
    promtool(&page(&server));
    for i in 0..50 {
        server.event(&beauty(&format!("b{i}"), f64::from(i) / 50.0));
    }
    server.ndjson((0..500).map(|i| general(&format!("e{i}"), "k", 1.0)));
    server.post("/events", "application/x-ndjson", "bad");
    server.post("/event", "text/plain", "bad").problem(415);
    Request::new("POST", "/event").body("").send(server.address).problem(401);
    server.get("/x/http/items/7");
    server.get("/made/up");
    for path in
        ["/fractal", "/fractal?width=0", "/fractal/tiles/0/0/0.png", "/fractal/tiles/0/1/0.png"]
    {
        server.get(path);
    }
    let _stream = crate::streams::Ws::open(&server, "/stream");
    server.operate("/api/reload");
    server.operate("/api/plugin/counter/restart");
    promtool(&page(&server));
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let server = TestServer::start();
    for i in 0..7 {
        server.event(&beauty(&format!("b{i}"), 0.5));
    }
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: shimmer\n  static_configs:\n  - targets: ['{}']\n",
        server.address
    );
    let file = dir.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    // A port that was free a moment ago: Prometheus does not tell which it took for 0.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address={free}"))
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
        .spawn()
        .expect("prometheus is missing: apt-get install prometheus");
    let _prometheus = Prometheus(child);
    let query = |text: &str| -> Option<f64> {
        std::net::TcpStream::connect(free).ok()?;
        let answer = Request::new("GET", &format!("/api/v1/query?query={text}")).send(free);
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    wait("the scraped counter", || query("chaos_beauty_events_total") == Some(7.0));
    assert_eq!(query("up"), Some(1.0));
    assert_eq!(query("chaos_beauty_score_avg"), Some(0.5));
    server.event(&beauty("b7", 0.5));
    wait("the next scrape", || query("chaos_beauty_events_total") == Some(8.0));
}
