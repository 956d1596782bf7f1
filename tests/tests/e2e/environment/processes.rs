//! Processes that are stopped for a while, or killed by somebody else than the node.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::http::{Request, Wire};
use crate::server::{TestServer, kill_pid, plugin_table, wait};

/// As long as a person needs to look at something with a debugger.
const PAUSE: Duration = Duration::from_secs(3);

#[test]
fn a_node_that_was_stopped_goes_on_where_it_was() {
    let server = TestServer::with(&plugin_table("counter"));
    server.general("before", "k", 1.0);
    wait("its echo", || server.json("/snapshot?kind=echo")["count"] == 1);
    let mut stream = Wire::open(server.address);
    stream.write(&Request::new("GET", "/stream/sse?kind=k&heartbeat=1").bytes());
    assert_eq!(stream.head_answer().status, 200);
    server.signal(Signal::STOP);
    let until = Instant::now() + PAUSE;
    while Instant::now() < until {
        std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
    }
    server.signal(Signal::CONT);
    assert_eq!(server.general("after", "k", 1.0), 3, "the first, its echo, and this");
    wait("the stream", || {
        let chunk = stream.chunk().expect("the stream goes on");
        String::from_utf8_lossy(&chunk).contains("after")
    });
    let card = server.until("counter", |card| card["lag_events"] == 0);
    assert_eq!((&card["crash_count"], &card["state"]), (&0.into(), &"RUNNING".into()), "{card}");
}

#[test]
fn a_plugin_that_the_kernel_killed_comes_back_and_its_card_says_what_it_may_have_been() {
    let server = TestServer::with(&plugin_table("counter"));
    server.general("before", "k", 1.0);
    let card = server.until("counter", |card| card["event_count"].as_u64() > Some(0));
    // So looks the end of a process that the kernel chose when memory ran out.
    kill_pid(&card["pid"]);
    let card =
        server.until("counter", |card| card["restart_count"] == 1 && card["state"] == "RUNNING");
    let error = card["last_error"].as_str().unwrap();
    assert!(error.contains("killed by signal 9") && error.contains("memory"), "{error}");
    assert_eq!(card["quarantined_count"], 0, "no event is to blame");
    server.general("after", "k", 1.0);
    wait("both echoes", || server.json("/snapshot?kind=echo")["count"] == 2);
}
