//! A disk that is full, or takes nothing: before the start one line, afterwards a node that goes on and says so.
//!
//! The data folder is a small file system of its own, in a mount namespace that ends with the node.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::durability::one_line;
use crate::http::{Answer, Request};
use crate::server::{Home, Said, TOKEN, TestServer, general, kill_pid, plugin_table, wait};

/// A script that mounts a file system of this size where the data belong, and goes on.
fn mounting(home: &Home, options: &str, rest: &str) -> String {
    std::fs::create_dir_all(home.data()).unwrap();
    let data = home.data();
    let data = data.display();
    format!("data={data}; mount -t tmpfs -o {options} none $data; {rest}")
}

/// A file of the node's data folder, which only its namespace shows under the usual path.
fn inside(server: &TestServer, name: &str) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.pid().as_raw_nonzero()));
    root.join(server.home.data().strip_prefix("/").unwrap()).join(name)
}

/// Takes all the room there is.
fn fill(server: &TestServer) -> PathBuf {
    let path = inside(server, "filler");
    let mut file = File::create(&path).unwrap();
    let mut piece = 1 << 20;
    while piece > 0 {
        if file.write_all(&vec![1; piece]).is_err() {
            piece /= 2;
        }
    }
    path
}

#[test]
fn a_disk_without_room_is_one_line_and_with_room_all_is_well() {
    let home = Home::new("");
    let script = mounting(
        &home,
        "size=4m",
        "code=0; \"$@\" > first.out 2> first.err || code=$?; echo $code > first.code; ls -A $data > left; \
         mount -o remount,size=200m $data; exec \"$@\"",
    );
    let home = home.by_mounting_script(&script);
    let server = home.start();
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let code = read("first.code").trim().parse().ok();
    one_line(&Said { code, out: read("first.out"), err: read("first.err") }, "no room");
    assert!(!read("left").contains("ring.journal"), "nothing half-made stays: {}", read("left"));
    assert_eq!(server.general("e", "k", 1.0), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_one_line() {
    let home = Home::new("");
    let script = mounting(&home, "ro", "exec \"$@\"");
    let home = home.by_mounting_script(&script);
    let args = home.node_args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = home.run(&args);
    one_line(&said, "Read-only file system");
    assert!(said.err.contains("cannot use the data directory"), "{said:?}");
}

/// Changes the stake of the one member.
fn enrol(server: &TestServer, key: &str, stake: u32) -> u16 {
    let body = json!({"name": "ada", "stake": stake}).to_string();
    let request = Request::new("PUT", &format!("/dao/members/{key}")).token(TOKEN);
    request.header("content-type", "application/json").body(body).send(server.address).status
}

fn silence(server: &TestServer) -> Answer {
    let body = json!({
        "matchers": [{ "name": "subject", "op": "=", "value": "db" }],
        "author": "ann", "comment": "known", "ends_at": "2100-01-01T00:00:00Z",
    });
    server.post("/api/silences", "application/json", body.to_string())
}

fn metric(server: &TestServer, line: &str) -> bool {
    server.get("/metrics").text().contains(&format!("\n{line}\n"))
}

/// Whether the log of the DAO has refused an entry.
fn has_failed(server: &TestServer) -> bool {
    let metrics = server.get("/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with("shimmer_dao_log_failures_total "));
    line.is_some_and(|line| !line.ends_with(" 0"))
}

const DAO: &str =
    "[[plugin]]\nname = 'dao'\n[plugin.config]\nid = 'test'\nclock = 'manual'\nmax_step = 1\n";

#[test]
fn a_disk_that_fills_up_stops_nobody_and_what_waited_is_written() {
    let counter = plugin_table("counter");
    let home = Home::new(&format!("{counter}[[plugin]]\nname = 'anomaly'\n{DAO}"));
    let script = mounting(&home, "size=400m", "exec \"$@\"");
    let home = home.by_mounting_script(&script);
    let server = home.start();
    let key = home.run(&["dao", "keygen", "ada"]).out.trim().to_owned();
    assert_eq!(enrol(&server, &key, 1), 200);
    server.general("before", "k", 1.0);

    let filler = fill(&server);
    // What is acknowledged goes into the journal, whose room was taken at the start.
    for i in 0..300 {
        server.general(&format!("e{i}"), "k", 1.0);
    }
    assert_eq!(server.operate("/api/reload").status, 200);
    // The page in which the log ends may have room for some more entries; what else the plugin keeps has none.
    let mut stake = 1;
    wait("a log that cannot be written", || {
        stake += 1;
        assert_eq!(enrol(&server, &key, stake), 503);
        has_failed(&server)
    });
    let entries = server.json("/dao/audit")["count"].clone();
    assert_eq!(enrol(&server, &key, 1_000_000), 503);
    assert_eq!(server.json("/dao/audit")["count"], entries, "what is refused is not written");
    wait("a silence that cannot be kept", || silence(&server).status == 503);
    let unsaved = |server: &TestServer| server.json("/ready")["degraded"]["unsaved_state"].clone();
    wait("the states that cannot be saved", || {
        let unsaved = unsaved(&server);
        ["anomaly", "counter"]
            .iter()
            .all(|name| unsaved.as_array().is_some_and(|all| all.contains(&json!(name))))
    });
    assert!(metric(&server, "shimmer_plugin_state_unsaved{plugin=\"counter\"} 1"));
    // Its last page, too, may have room for some more lines.
    wait("an audit log that cannot be written", || {
        assert_eq!(server.operate("/api/plugin/nobody/restart").status, 404);
        server.json("/ready")["degraded"]["audit"]["waiting"].as_u64() > Some(0)
    });
    // A plugin that dies meanwhile comes back, and has lost nothing.
    kill_pid(&server.card("counter")["pid"]);
    server.until("counter", |card| card["crash_count"] == 1 && card["state"] == "RUNNING");
    server.until("counter", |card| card["lag_events"] == 0);
    assert_eq!(server.json("/x/counter/counts")["counts"]["k"], 301);

    std::fs::remove_file(filler).unwrap();
    wait("no more degraded", || server.json("/ready").get("degraded").is_none());
    assert!(metric(&server, "shimmer_plugin_state_unsaved{plugin=\"counter\"} 0"));
    let audit = std::fs::read_to_string(inside(&server, "audit.ndjson")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["path"] == "/api/reload"), "{audit}");
    assert_eq!(server.json("/dao/audit")["count"], entries);
    assert_eq!(enrol(&server, &key, 1_000_000), 200);
    assert_eq!(silence(&server).status, 201);
    assert_eq!(server.event(&general("e0", "k", 1.0)).json()["duplicate"], true);
}
