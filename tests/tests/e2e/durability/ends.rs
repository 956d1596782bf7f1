//! Ends: in order by a signal, at once and with one clear line where a node cannot run.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::json;

use crate::http::{Request, Wire};
use crate::server::{Home, Said, TOKEN, TestServer, general, plugin_table, wait};

/// Exit code 1 and one line that says this.
#[track_caller]
pub(crate) fn one_line(said: &Said, text: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.starts_with("error: ") && said.err.contains(text), "{said:?}");
    assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:?}");
}

fn run_node(home: &Home, more: &[&str]) -> Said {
    let args = home.node_args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.truncate(args.len() - 2);
    args.extend(more);
    home.run(&args)
}

#[test]
fn what_keeps_a_node_from_running_is_one_line() {
    let server = TestServer::start();
    one_line(&run_node(&server.home, &["--port", "0"]), "in use by another node; stop it");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = Home::new("");
    one_line(
        &run_node(&home, &["--port", &port]),
        &format!("127.0.0.1:{port}: Address already in use"),
    );
    let config = home.config();
    let unwritable = |dir: &str| {
        home.run(&["run", "--config", config.to_str().unwrap(), "--data-dir", dir, "--port", "0"])
    };
    one_line(&unwritable("/proc/nowhere"), "/proc/nowhere");
    one_line(&unwritable(config.to_str().unwrap()), "shimmer.toml");
    assert_eq!(server.general("unharmed", "k", 1.0), 1);
}

#[test]
fn a_node_without_a_token_refuses_to_start() {
    let home = Home::without_token("");
    let said = run_node(&home, &["--port", "0"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("DASHBOARD_TOKEN") && said.err.contains("--demo"), "{said:?}");
    let server = home.env("DASHBOARD_PORT", "http");
    let said = server.run(&["config", "check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("DASHBOARD_PORT"), "{said:?}");
}

#[test]
fn both_signals_end_a_node_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = TestServer::with(&plugin_table("counter"));
        server.general("e", "k", 1.0);
        let plugin = server.until("counter", |card| card["event_count"].as_u64() > Some(0));
        let plugin = Pid::from_raw(plugin["pid"].as_i64().unwrap() as i32).unwrap();
        let begun = Instant::now();
        server.signal(signal);
        assert_eq!(server.ended(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(test_kill_process(plugin).is_err(), "the plugin's process has ended");
        assert!(server.home.log().contains("stopped"));
        let server = server.home.start();
        assert!(server.json("/health")["events"].as_u64() >= Some(2), "the event and its echo");
    }
}

#[test]
fn requests_in_flight_finish_and_a_draining_node_is_not_ready() {
    let mut server = TestServer::start();
    let event = general("in-flight", "k", 1.0).to_string();
    let mut asking = Wire::open(server.address);
    asking.write(b"GET /ready HTTP/1.1\r\nhost: loc");
    let mut posting = Wire::open(server.address);
    let request = Request::new("POST", "/event").token(TOKEN).header("expect", "100-continue");
    let request = request.body(event.clone()).bytes();
    posting.write(&request[..request.len() - event.len()]);
    // The node waits for this body, and has had time to read the head begun before it.
    assert_eq!(posting.answer().status, 100);
    for _ in 0..20 {
        assert_eq!(server.get("/ready").status, 200);
    }
    server.signal(Signal::TERM);
    wait("newcomers to be turned away", || server.get("/ready").status == 503);
    asking.write(b"alhost\r\n\r\n");
    let answer = asking.answer();
    answer.problem(503);
    assert!(answer.header("retry-after").is_some());
    posting.write(event.as_bytes());
    assert_eq!(posting.answer().json()["seq"], 1);
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn nothing_keeps_a_node_from_ending_in_time() {
    let mut server = TestServer::with(&plugin_table("hang"));
    let mut poison = general("poison", "k", 1.0);
    poison["data"] = json!({"poison": true});
    assert_eq!(server.event(&poison).status, 200);
    // A body that never comes, a stream that is never read, a call that is never answered.
    let mut posting = Wire::open(server.address);
    let request = Request::new("POST", "/event").token(TOKEN).header("expect", "100-continue");
    let bytes = request.body("{}").bytes();
    posting.write(&bytes[..bytes.len() - 2]);
    let mut unread = Wire::open(server.address);
    unread.write(&Request::new("GET", "/stream/sse").bytes());
    let mut calling = Wire::open(server.address);
    calling.write(&Request::new("GET", "/x/hang/seen").bytes());
    server.ndjson((0..500).map(|i| general(&format!("e{i}"), "k", 1.0)));
    let plugin = Pid::from_raw(server.card("hang")["pid"].as_i64().unwrap() as i32).unwrap();
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    wait("the plugin's end", || test_kill_process(plugin).is_err());
    assert_eq!(server.home.start().json("/health")["events"], 501, "and all of it was kept");
}
