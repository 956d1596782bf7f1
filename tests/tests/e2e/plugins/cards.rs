//! Cards, logs and control; a plugin that dies while events flow.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{TestServer, beauty, general, kill_pid, plugin_table, wait};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn has(value: &Value, members: &[&str]) {
    let missing: Vec<_> = members.iter().filter(|name| value.get(**name).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in {value:#}");
}

const CARD: [&str; 13] = [
    "name",
    "version",
    "pid",
    "state",
    "uptime_seconds",
    "cpu_percent",
    "memory_mb",
    "event_count",
    "crash_count",
    "delivery",
    "isolation",
    "missed_count",
    "lag_events",
];

#[test]
fn cards_have_the_members_that_dashboards_read() {
    let lossy = "delivery = 'lossy'\nisolation = 'thread'\n";
    let server =
        TestServer::with(&[plugin_table("counter"), plugin_table("flood"), lossy.into()].concat());
    server.general("e", "k", 1.0);
    server.until("counter", |card| {
        card["event_count"].as_u64() >= Some(1) && card["memory_mb"].as_f64() > Some(0.0)
    });
    let all = server.json("/api/metrics");
    let mut members = keys(&all);
    members.sort_unstable();
    assert_eq!(members, ["plugins", "score", "system", "timestamp"]);
    has(
        &all["system"],
        &["uptime_seconds", "total_plugins", "plugins_running", "total_events", "total_memory_mb"],
    );
    assert_eq!(
        (&all["system"]["total_plugins"], &all["system"]["plugins_running"]),
        (&2.into(), &2.into())
    );
    assert_eq!(all["system"]["total_events"], server.json("/health")["events"]);
    let plugins = all["plugins"].as_array().unwrap();
    assert_eq!(plugins.len(), 2);
    for plugin in plugins {
        has(plugin, &CARD);
        assert_eq!(plugin["state"], "RUNNING");
        assert!(plugin["version"].as_str().is_some_and(|version| !version.is_empty()));
    }
    let (counter, flood) = (&plugins[0], &plugins[1]);
    assert_eq!(
        (&counter["name"], &counter["isolation"], &counter["delivery"]),
        (&"counter".into(), &"process".into(), &"gating".into())
    );
    assert_eq!((&flood["isolation"], &flood["delivery"]), (&"thread".into(), &"lossy".into()));
    assert!(counter["pid"].is_number(), "{counter}");

    let detail = server.card("counter");
    has(&detail, &CARD);
    has(&detail, &["loaded_at", "current", "aggregates_1h", "history", "history_1h"]);
    has(
        &detail["current"],
        &["cpu_percent", "memory_mb", "uptime_seconds", "event_count", "crash_count"],
    );
    // The first look comes with the start, further ones every five seconds.
    let sampled =
        server.until("counter", |card| card["history"].as_array().is_some_and(|h| !h.is_empty()));
    for name in ["history", "history_1h"] {
        has(&sampled[name][0], &["timestamp", "cpu_percent", "memory_mb", "event_count"]);
    }
    for series in ["cpu_percent", "memory_mb"] {
        has(&sampled["aggregates_1h"][series], &["avg", "min", "max"]);
    }
    assert!(sampled["aggregates_1h"]["samples"].as_u64() >= Some(1));

    let unknown = server.get("/api/plugin/nobody").problem(404);
    assert_eq!(unknown["error"], "Plugin nobody not found");
    server.get("/api/plugin/nobody/logs").problem(404);
    let logs = server.json("/api/plugin/counter/logs?limit=5");
    assert!(logs["lines"].as_array().is_some_and(|lines| lines.len() <= 5), "{logs}");
    server.get("/api/plugin/counter/logs?limit=x").problem(400);
}

/// Posts events one by one while `act` goes on; how many there were.
pub(super) fn posting(server: &TestServer, act: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let poster = scope.spawn(|| {
            let mut posted = 0u64;
            // Relaxed: a flag that orders nothing; the scope joins.
            while !done.load(Ordering::Relaxed) {
                server.general(&format!("e{posted}"), "flow", 1.0);
                posted += 1;
            }
            posted
        });
        // The poster ends whatever becomes of the act: a scope waits for its threads.
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        done.store(true, Ordering::Relaxed);
        let posted = poster.join().unwrap();
        acted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        posted
    })
}

/// Each posted event was counted once and led to one echo.
#[track_caller]
pub(super) fn each_once(server: &TestServer, posted: u64) {
    assert_eq!(server.json("/x/counter/counts")["counts"], json!({ "flow": posted }));
    assert_eq!(server.json("/health")["events"], 2 * posted);
}

#[test]
fn a_killed_plugin_comes_back_and_no_post_fails() {
    let server = TestServer::with(&plugin_table("counter"));
    let first = server.card("counter")["pid"].clone();
    let posted = posting(&server, || {
        for kills in 1..=3u64 {
            let card = server.until("counter", |card| {
                card["state"] == "RUNNING" && card["event_count"].as_u64() > Some(kills * 20)
            });
            kill_pid(&card["pid"]);
            server.until("counter", |card| card["crash_count"] == kills);
        }
        server.until("counter", |card| card["state"] == "RUNNING");
    });
    let card =
        server.until("counter", |card| card["lag_events"] == 0 && card["state"] == "RUNNING");
    assert_eq!((&card["crash_count"], &card["missed_count"]), (&3.into(), &0.into()), "{card}");
    assert_ne!(card["pid"], first);
    each_once(&server, posted);
    let log = server.home.log();
    assert!(log.contains("counter"), "a death is logged: {log}");
}

#[test]
fn a_plugin_that_keeps_dying_is_given_up_and_can_be_restarted() {
    let server = TestServer::with(&plugin_table("counter"));
    for kills in 1..=5u64 {
        let card = server.until("counter", |card| card["state"] == "RUNNING");
        kill_pid(&card["pid"]);
        server.until("counter", |card| card["crash_count"].as_u64() >= Some(kills));
    }
    let card = server.until("counter", |card| card["state"] == "CRASHED");
    assert_eq!((&card["crash_count"], &card["pid"]), (&5.into(), &Value::Null), "{card}");
    // What is down is not a reason to be unready, and its routes say so.
    assert_eq!(server.get("/ready").status, 200);
    let down = server.get("/x/counter/counts");
    assert_eq!(down.problem(503)["state"], "CRASHED");
    assert_eq!(server.operate("/api/plugin/counter/restart").status, 200);
    server.until("counter", |card| card["state"] == "RUNNING");
    assert_eq!(server.get("/x/counter/counts").status, 200);
}

#[test]
fn operators_control_plugins_and_nobody_else() {
    let server = TestServer::with(&plugin_table("counter"));
    for action in ["restart", "reload", "enable", "disable"] {
        let path = format!("/api/plugin/counter/{action}");
        Request::new("POST", &path).body("").send(server.address).problem(401);
        Request::new("GET", &path).send(server.address).problem(405);
        server.operate(&format!("/api/plugin/nobody/{action}")).problem(404);
    }
    server.ndjson((0..100).map(|i| general(&format!("e{i}"), "flow", 1.0)));
    let before = server.until("counter", |card| card["lag_events"] == 0);
    for action in ["restart", "reload"] {
        let pid = server.card("counter")["pid"].clone();
        let answer = server.operate(&format!("/api/plugin/counter/{action}"));
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
        let card = server.until("counter", |card| card["state"] == "RUNNING" && card["pid"] != pid);
        assert_eq!(card["crash_count"], 0, "{action} is no crash");
    }
    // State and cursor came along.
    assert_eq!(server.json("/x/counter/counts")["counts"]["flow"], 100);
    assert!(server.card("counter")["event_count"].as_u64() >= before["event_count"].as_u64());
    assert_eq!(server.operate("/api/plugin/counter/disable").status, 200);
    server.until("counter", |card| card["state"] == "DISABLED");
    server.get("/x/counter/counts").problem(503);
    server.general("while-disabled", "flow", 1.0);
    assert_eq!(server.operate("/api/plugin/counter/enable").status, 200);
    server.until("counter", |card| card["state"] == "RUNNING");
    wait("the event of the meantime", || {
        let card = server.card("counter");
        let seen = server.json("/x/counter/counts")["counts"]["flow"].as_u64().unwrap();
        seen + card["missed_count"].as_u64().unwrap() >= 101
    });
}

#[test]
fn a_hot_reload_loses_no_event_and_fails_no_post() {
    let server = TestServer::with(&plugin_table("counter"));
    let posted = posting(&server, || {
        for action in ["reload", "restart", "reload", "reload"] {
            let before = server.card("counter");
            let answer = server.operate(&format!("/api/plugin/counter/{action}"));
            assert_eq!(answer.status, 200, "{action}: {}", answer.text());
            server.until("counter", |card| {
                card["state"] == "RUNNING"
                    && card["pid"] != before["pid"]
                    && card["event_count"].as_u64() > before["event_count"].as_u64()
            });
        }
    });
    let card = server.until("counter", |card| card["lag_events"] == 0);
    assert_eq!((&card["crash_count"], &card["missed_count"]), (&0.into(), &0.into()), "{card}");
    each_once(&server, posted);
}

#[test]
fn a_plugin_that_cannot_start_says_why_and_stops_nobody() {
    let ghost = "[[plugin]]\nname = 'ghost'\npath = '/nowhere/libghost.so'\n";
    let other = plugin_table("counter").replace("\"counter\"", "\"misnamed\"");
    let tables = [ghost.into(), other, plugin_table("config-refuser"), plugin_table("counter")];
    let server = TestServer::with(&tables.concat());
    for (name, why) in
        [("ghost", "/nowhere/libghost.so"), ("misnamed", "counter"), ("config-refuser", "port")]
    {
        let card = server.until(name, |card| card["state"] == "CRASHED");
        assert!(card["last_error"].as_str().is_some_and(|text| text.contains(why)), "{card}");
        assert!(server.home.log().contains(why), "{name}");
    }
    assert_eq!(server.general("e", "k", 1.0), 1);
    server.until("counter", |card| card["event_count"].as_u64() >= Some(1));
    let ready = server.json("/ready");
    assert_eq!(
        (&ready["status"], &ready["plugins"]["ghost"]),
        (&"ready".into(), &"CRASHED".into())
    );
}

#[test]
fn the_rolling_score_stands_beside_the_plugins() {
    let server = TestServer::start();
    let none = json!({
        "window": 50, "events_total": 0, "count": 0, "avg": null, "min": null, "max": null,
        "weighted_avg": null,
    });
    assert_eq!(server.json("/api/metrics")["score"], none);
    server.ndjson([beauty("b", 0.5), general("g", "k", 9.0), beauty("c", 1.0)]);
    let two = json!({
        "window": 50, "events_total": 2, "count": 2, "avg": 0.75, "min": 0.5, "max": 1.0,
        "weighted_avg": null,
    });
    assert_eq!(server.json("/api/metrics")["score"], two);
}
