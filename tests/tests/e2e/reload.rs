//! The configuration read again: a bad one changes nothing and says where it is wrong, a good one only what it names.

use rustix::process::Signal;
use serde_json::json;

use crate::http::Request;
use crate::server::{Home, TOKEN, TestServer, general, plugin_table, wait};

fn post_with(server: &TestServer, token: &str, id: &str) -> u16 {
    let request = Request::new("POST", "/event").token(token);
    request.body(general(id, "k", 1.0).to_string()).send(server.address).status
}

#[test]
fn a_bad_file_changes_nothing_and_says_where() {
    let home = Home::new(&format!("[ring]\nmax_events = 10\n{}", plugin_table("counter")));
    let server = home.start();
    let pid = server.card("counter")["pid"].clone();
    Request::new("POST", "/api/reload").body("").send(server.address).problem(401);
    for (toml, place, text) in [
        ("[ring]\nmax_events = 20\nmax_evnets = 5\n", "shimmer.toml:3:1", "max_evnets"),
        (
            "[ring]\nmax_events = 20\n[stats]\nrolling_window = 'x'\n",
            "shimmer.toml:4:18",
            "rolling_window",
        ),
        ("[ring]\nmax_events = 20\n[limits\n", "shimmer.toml:3:", ""),
        ("[ring]\nmax_events = 0\n", "shimmer.toml:2:14", "max_events"),
    ] {
        home.configure(toml);
        let told = server.operate("/api/reload");
        assert!((400..500).contains(&told.status), "{}", told.status);
        let detail = told.problem(told.status)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(place) && detail.contains(text), "{place} {text}: {detail}");
        let before = home.log().matches("not reloaded").count();
        server.signal(Signal::HUP);
        wait("the message of the signal", || home.log().matches("not reloaded").count() > before);
        let log = home.log();
        let last = log.rfind("not reloaded").unwrap();
        let line = &log[log[..last].rfind('\n').unwrap_or(0)..];
        assert!(line.contains(place), "{place}: {line}");
        assert!(!line.contains("error: "), "the log says once that it is an error: {line}");
    }
    server.ndjson((0..30).map(|i| general(&format!("e{i}"), "k", 1.0)));
    assert_eq!(server.json("/snapshot?limit=100")["count"], 10, "the old window holds");
    let card = server.card("counter");
    assert_eq!((&card["pid"], &card["state"]), (&pid, &"RUNNING".into()), "the old plugin runs");
}

#[test]
fn a_good_file_restarts_only_the_plugin_that_it_touches() {
    let (counter, http) = (plugin_table("counter"), plugin_table("http"));
    let home = Home::new(&format!("{counter}{http}"));
    let server = home.start();
    let pid = |name: &str| server.card(name)["pid"].clone();
    let (counter_pid, http_pid) = (pid("counter"), pid("http"));
    home.configure(&format!(
        "[ring]\nmax_events = 7\n{counter}[plugin.config]\nids = false\n{http}"
    ));
    let report = server.operate("/api/reload").json();
    assert_eq!(report["status"], "ok");
    assert_eq!(report["plugins"], json!({"started": [], "restarted": ["counter"], "stopped": []}));
    assert!(
        report["applied"].as_array().is_some_and(|keys| keys.contains(&"ring.max_events".into()))
    );
    server.until("counter", |card| card["state"] == "RUNNING" && card["pid"] != counter_pid);
    assert_eq!(pid("http"), http_pid, "untouched");
    server.ndjson((0..30).map(|i| general(&format!("e{i}"), "k", 1.0)));
    assert_eq!(server.json("/snapshot?limit=100")["count"], 7);
    // One leaves, one comes; a setting that needs a restart is named.
    let flood = plugin_table("flood");
    home.configure(&format!("[ring]\ncapacity = 1024\n{http}{flood}"));
    let report = server.operate("/api/reload").json();
    assert_eq!(
        report["plugins"],
        json!({"started": ["flood"], "restarted": [], "stopped": ["counter"]})
    );
    assert_eq!(report["needs_restart"], json!(["ring.capacity"]));
    server.until("flood", |card| card["state"] == "RUNNING");
    server.get("/api/plugin/counter").problem(404);
    assert_eq!(pid("http"), http_pid);
    // The signal and the command do the same.
    home.configure(&http);
    server.signal(Signal::HUP);
    wait("the signal's effect", || server.get("/api/plugin/flood").status == 404);
    home.configure(&format!("{http}{flood}"));
    let said = home.run(&["reload", "--url", &server.url()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    server.until("flood", |card| card["state"] == "RUNNING");
    assert_eq!(pid("http"), http_pid);
}

#[test]
fn the_level_of_the_log_follows_a_reload_however_it_is_asked_for() {
    let home = Home::new("[log]\nlevel = 'error'\n");
    let server = home.start();
    let logged = |id: &str| {
        server.general(id, "k", 1.0);
        home.log().contains(&format!("event_id=\"{id}\""))
    };
    assert!(!logged("quiet"));
    home.configure("[log]\nlevel = 'info'\n");
    assert_eq!(server.operate("/api/reload").json()["applied"], json!(["log.level"]));
    assert!(logged("asked"), "{}", home.log());
    home.configure("[log]\nlevel = 'error'\n");
    assert_eq!(server.operate("/api/reload").status, 200);
    assert!(!logged("quiet-again"));
    home.configure("[log]\nlevel = 'info'\n");
    server.signal(Signal::HUP);
    let mut tries = 0..;
    wait("the signal's effect", || logged(&format!("signal-{}", tries.next().unwrap())));
}

#[test]
fn a_rotated_token_stays_valid_for_its_grace() {
    let home = Home::without_token("[auth]\ntoken_file = 'secret'\nrotation_grace = 3600\n");
    let file = home.path().join("secret");
    std::fs::write(&file, "old\n").unwrap();
    let server = home.start();
    let reload = |token: &str| {
        Request::new("POST", "/api/reload").token(token).body("").send(server.address)
    };
    assert_eq!((post_with(&server, "old", "a"), post_with(&server, "new", "b")), (200, 401));
    std::fs::write(&file, "new\n").unwrap();
    assert_eq!(reload("old").status, 200);
    assert_eq!((post_with(&server, "old", "c"), post_with(&server, "new", "d")), (200, 200));
    // An empty file is no token: nothing changes.
    std::fs::write(&file, "\n").unwrap();
    assert!(reload("new").status >= 400);
    assert_eq!(post_with(&server, "new", "e"), 200);
    // Without grace the old ones end at once.
    home.configure("[auth]\ntoken_file = 'secret'\nrotation_grace = 0\n");
    std::fs::write(&file, "newest\n").unwrap();
    assert_eq!(reload("new").status, 200);
    assert_eq!(post_with(&server, "newest", "f"), 200);
    assert_eq!(post_with(&server, "new", "g"), 401);
    for token in ["old", "newest", TOKEN] {
        assert!(!home.log().contains(&format!("\"{token}\"")), "tokens never appear");
    }
}
