//! One DAO on three nodes: one writes, the others follow, and all count by the same weights.

use std::fs;

use serde_json::json;

use super::{Place, connected};
use crate::http::Request;
use crate::server::{Home, Said, TestServer, beauty, wait};

/// Key and key file of a writer, in a home of their own.
fn writer() -> (Home, String) {
    let keys = Home::new("");
    let said = keys.run(&["dao", "keygen", "writer.key"]);
    (keys, said.out.trim().to_owned())
}

fn place(name: &str, peers: &[u16], dao: &str) -> Place {
    let dao = format!(
        "[[plugin]]\nname = 'dao'\n[plugin.config]\nclock = 'manual'\nmax_step = 1\nepoch_s = 10\n\
         trim = 0.0\nshare_cap = 1.0\n{dao}"
    );
    Place::new(name, peers, &dao)
}

/// `shimmer dao` with these arguments against a node, with the keys and the token of `home`.
fn said(home: &Home, server: &TestServer, args: &[&str]) -> Said {
    let url = server.url();
    home.run(&[&["dao"], args, &["--url", &url]].concat())
}

fn good(home: &Home, server: &TestServer, args: &[&str]) -> String {
    let said = said(home, server, args);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim().to_owned()
}

fn clock(server: &TestServer, second: u32) {
    let body = json!({ "now": format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60) });
    let answer = server.post("/dao/clock", "application/json", body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn log(server: &TestServer) -> String {
    let request = Request::new("GET", "/dao/audit").header("accept", "application/x-ndjson");
    request.send(server.address).text()
}

/// Waits until `one` has the writer's log.
fn same(writer: &TestServer, one: &TestServer) {
    let head = |server: &TestServer| server.json("/dao/audit")["head"].clone();
    wait("the log", || head(one) == head(writer));
    assert_eq!(log(one), log(writer), "byte for byte");
}

#[test]
fn one_writes_and_all_have_the_same_log_and_weights() {
    let (keys, key) = writer();
    let file = keys.path().join("writer.key");
    let follows = format!("writer = '{key}'\n");
    let a = place("a", &[], &format!("{follows}id = 'three'\nkey_file = '{}'\n", file.display()));
    let b = place("b", &[a.port], &follows);
    let c = place("c", &[a.port], &follows);
    let (writer, follower) = (a.start(), b.start());
    connected(&writer, 1);
    assert_eq!(writer.json("/dao/federation")["role"], "writer");

    // Ada votes at the node that only follows.
    let ada = good_key(&b.home, "ada");
    let args = ["member", ada.as_str(), "--name", "ada", "--stake", "5"];
    assert_eq!(said(&b.home, &follower, &args).code, Some(1), "it is not the writer");
    good(&a.home, &writer, &args);
    let id = good(
        &a.home,
        &writer,
        &[
            "propose",
            "--title",
            "t",
            "--source",
            "north",
            "--option",
            "0.25",
            "--strategy",
            "stake",
            "--period-s",
            "100",
            "--timelock-s",
            "10",
        ],
    );
    clock(&writer, 1);
    same(&writer, &follower);
    clock(&follower, 1);
    let vote = ["vote", id.as_str(), "for", "--key", "ada"];
    let told = good(&b.home, &follower, &vote);
    assert!(told.contains("handed on") && told.contains('5'), "{told}");
    let path = format!("/dao/proposals/{id}");
    wait("the vote", || writer.json(&path)["votes"] == 1);
    wait("it back", || follower.json(&path)["votes"] == 1);
    assert_eq!(said(&b.home, &follower, &vote).code, Some(1), "once");

    // Who joins late has everything, and derives the same.
    clock(&writer, 112);
    let late = c.start();
    for server in [&follower, &late] {
        same(&writer, server);
        let weights = |server: &TestServer| server.json("/dao/weights");
        assert_eq!(weights(server)["hash"], weights(&writer)["hash"]);
        assert_eq!(weights(server)["weights"], json!({"north": 0.25}));
    }
    figures_agree(&[&writer, &follower, &late]);
}

#[test]
fn a_copy_goes_on_where_a_kill_ended_it() {
    let (keys, key) = writer();
    let file = keys.path().join("writer.key");
    let follows = format!("writer = '{key}'\n");
    let a = place("a", &[], &format!("{follows}key_file = '{}'\n", file.display()));
    let b = place("b", &[a.port], &follows);
    let (writer, follower) = (a.start(), b.start());
    let join = |name: &str| {
        let key = good_key(&a.home, name);
        good(&a.home, &writer, &["member", &key, "--name", name, "--stake", "1"]);
    };
    join("ada");
    same(&writer, &follower);
    follower.kill();
    join("bob");
    let follower = b.start();
    same(&writer, &follower);
    let copy = format!("plugins/dao/own/audit-{}.ndjson", &key[..16]);
    let copy = fs::read_to_string(b.home.data().join(copy)).unwrap();
    assert_eq!(copy, log(&writer));
}

fn good_key(home: &Home, name: &str) -> String {
    let said = home.run(&["dao", "keygen", name]);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim().to_owned()
}

/// Every node counts the same events by the same weights, wherever it shows them.
fn figures_agree(servers: &[&TestServer]) {
    for (id, source, score) in [("n", "north", 1.0), ("s", "south", 0.4)] {
        let mut event = beauty(id, score);
        event["source"] = json!(source);
        servers[0].event(&event);
    }
    // 0.25 and the default of 0.5.
    let expected = (0.25 * 1.0 + 0.5 * 0.4) / 0.75;
    let near = |found: Option<f64>| found.is_some_and(|found| (found - expected).abs() < 1e-9);
    for server in servers {
        wait("the weighted average", || near(server.json("/dao/weights")["weighted_avg"].as_f64()));
        wait("that of the host", || {
            near(server.json("/fractal?width=16&height=16")["beauty_weighted_avg"].as_f64())
        });
        wait("that of the map", || {
            let buckets = server.json("/federated/heatmap")["buckets"].clone();
            let last = buckets.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
            near(last["weighted_avg"].as_f64())
        });
    }
}
