//! Descriptors that run out: nobody dies of it, it is said once, and it is over when there are some again.

use serde_json::Value;

use crate::http::{Request, Wire};
use crate::server::{Home, TOKEN, TestServer, general, plugin_table, wait, wait_for};

/// Enough for a node and a few connections.
const DESCRIPTORS: usize = 64;

fn open_files(server: &TestServer) -> usize {
    let folder = format!("/proc/{}/fd", server.pid().as_raw_nonzero());
    std::fs::read_dir(folder).unwrap().count()
}

fn operate(wire: &mut Wire, what: &str) -> u16 {
    let path = format!("/api/plugin/counter/{what}");
    wire.ask(&Request::new("POST", &path).token(TOKEN).body("")).status
}

fn card(wire: &mut Wire) -> Value {
    wire.ask(&Request::new("GET", "/api/plugin/counter")).json()
}

#[test]
fn a_node_without_descriptors_goes_on_and_starts_its_plugin_when_there_are_some() {
    let home = Home::new(&plugin_table("counter"));
    let home = home.by_script(&format!("ulimit -n {DESCRIPTORS}; exec \"$@\""));
    let server = home.start();
    assert!(home.log().contains("fewer descriptors than server.max_connections"), "{}", home.log());
    // Opened first, since afterwards nobody else is heard.
    let mut kept = Wire::open(server.address);
    assert_eq!(operate(&mut kept, "restart"), 200);
    server.until("counter", |card| card["state"] == "RUNNING" && card["restart_count"] == 1);

    // The system accepts them all; the node takes as many as it has descriptors.
    let crowd: Vec<Wire> = (0..2 * DESCRIPTORS).map(|_| Wire::open(server.address)).collect();
    wait("the last descriptor", || open_files(&server) >= DESCRIPTORS);
    assert_eq!(operate(&mut kept, "disable"), 200);
    wait("the plugin's end", || card(&mut kept)["state"] == "DISABLED");
    wait("the last descriptor again", || open_files(&server) >= DESCRIPTORS);
    assert_eq!(operate(&mut kept, "enable"), 200);
    let waiting = wait_for("the reason", || {
        let card = card(&mut kept);
        card["last_error"].as_str().is_some_and(|why| why.contains("os error 24")).then_some(card)
    });
    assert_eq!(waiting["state"], "STARTING", "{waiting}");
    let event = |id: &str| {
        Request::new("POST", "/event").token(TOKEN).body(general(id, "k", 1.0).to_string())
    };
    assert_eq!(kept.ask(&event("meanwhile")).status, 200, "who is connected is served");

    drop(crowd);
    server.until("counter", |card| card["state"] == "RUNNING" && card["lag_events"] == 0);
    assert_eq!(kept.ask(&event("afterwards")).status, 200);
    wait("both echoes", || server.json("/snapshot?kind=echo")["count"] == 2);
    let log = home.log();
    let told = log.lines().filter(|line| line.contains("cannot accept connections")).count();
    assert!((1..=6).contains(&told), "said {told} times: {log}");
    let told = log.lines().filter(|line| line.contains("os error 24")).count();
    assert!(told <= 10, "said {told} times: {log}");
}
