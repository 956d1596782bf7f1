//! Events of other nodes that a plugin hands over: validated, shown with their origin, told apart, kept.

use serde_json::{Value, json};

use crate::server::{Home, TOKEN, TestServer, beauty, general, plugin_table, wait};

const GRANTS: &str = "permissions = { origin = [\"there*\", \"here\"], folder = true }\n";

fn home() -> Home {
    Home::new(&(plugin_table("relay") + GRANTS)).env("FEDERATED_NODE_ID", "here")
}

fn hand(server: &TestServer, events: &[Value]) -> Value {
    let body = Value::from(events.to_vec()).to_string();
    let answer = server.post("/x/relay/events", "application/json", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn from(origin: &str, event: Value) -> Value {
    json!({ "origin": origin, "json": event })
}

fn unsigned(origin: &str, event: Value) -> Value {
    json!({ "origin": origin, "json": event, "unsigned": true })
}

#[test]
fn events_of_other_nodes_enter_with_their_origin_once_and_reach_everybody() {
    let home = home();
    let server = home.start();
    let mut e = general("e", "load", 2.0);
    e["origin"] = "nobody".into();
    e["seq"] = 99.into();
    let told = hand(&server, &[from("there", e.clone()), from("there-2", e.clone())]);
    assert_eq!(told, json!([{"seq": 1, "duplicate": false}, {"seq": 2, "duplicate": false}]));
    let again = hand(&server, &[from("there", e), from("there", beauty("b", 0.5))]);
    assert_eq!(again, json!([{"seq": 1, "duplicate": true}, {"seq": 3, "duplicate": false}]));
    let shown = server.json("/snapshot");
    let origins: Vec<_> =
        shown["events"].as_array().unwrap().iter().map(|e| &e["origin"]).collect();
    assert_eq!(origins, ["there", "there-2", "there"]);
    assert_eq!(shown["events"][2]["beauty_score"], 0.5);
    // The rolling statistics have them, the plugin that handed them over has not.
    assert_eq!(server.json("/api/metrics")["score"]["avg"], 0.5);
    server.general("own", "load", 1.0);
    wait("the node's own event", || server.json("/x/relay/given") == json!(["own"]));
    server.kill();
    let server = home.start();
    let last = hand(&server, &[from("there", general("e", "load", 2.0))]);
    assert_eq!(last, json!([{"seq": 1, "duplicate": true}]), "known after kill -9 as well");
}

#[test]
fn other_plugins_get_them() {
    let toml = [plugin_table("relay"), GRANTS.into(), plugin_table("counter")].concat();
    let server = TestServer::with(&toml);
    hand(&server, &[from("there", general("e", "load", 2.0)), from("there", beauty("b", 0.5))]);
    server.until("counter", |card| card["event_count"] == 2);
}

#[test]
fn what_breaks_the_rules_is_refused_by_itself() {
    let server = home().start();
    let told = hand(
        &server,
        &[
            from("there", general("good", "load", 1.0)),
            from("there", json!({"event_id": "x", "timestamp": "yesterday"})),
            from("there", "not json".into()),
            from("elsewhere", general("e", "load", 1.0)),
            from("here", general("e", "load", 1.0)),
            from("", general("e", "load", 1.0)),
            from("there", general("big", &"k".repeat(65), 1.0)),
            from(
                "there",
                json!({"event_id": "big", "timestamp": "2025-10-21T04:30:00Z", "kind": "k", "value": 1, "data": {"x": "y".repeat(5000)}}),
            ),
        ],
    );
    let errors: Vec<_> = told.as_array().unwrap().iter().map(|one| one["error"].as_str()).collect();
    let expected = [
        None,
        Some("outside"),
        Some("outside"),
        Some("permit"),
        Some("permit"),
        Some("outside"),
        Some("outside"),
        Some("outside"),
    ];
    for (error, expected) in errors.iter().zip(expected) {
        assert_eq!(error.is_some(), expected.is_some(), "{errors:?}");
        assert!(
            expected.is_none_or(|part| error.is_some_and(|text| text.contains(part))),
            "{errors:?}"
        );
    }
    assert_eq!(server.json("/snapshot")["count"], 1);
    let log = server.get("/api/plugin/relay/logs").text();
    assert!(log.contains("an event of another node is refused"), "{log}");
    let many: Vec<_> =
        (0..1025).map(|n| from("there", general(&n.to_string(), "k", 1.0))).collect();
    let answer = server.post("/x/relay/events", "application/json", Value::from(many).to_string());
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(server.json("/snapshot")["count"], 1, "all or none");
}

#[test]
fn what_nobody_vouches_for_is_marked_and_displaces_nothing() {
    let server = home().start();
    let e = general("e", "load", 1.0);
    server.event(&e);
    let told = hand(
        &server,
        &[unsigned("here", e.clone()), from("there", e.clone()), unsigned("here", e.clone())],
    );
    assert_eq!(
        told,
        json!([{"seq": 2, "duplicate": false}, {"seq": 3, "duplicate": false}, {"seq": 2, "duplicate": true}])
    );
    let shown = server.json("/snapshot");
    let marks: Vec<_> =
        shown["events"].as_array().unwrap().iter().map(|e| &e["unsigned"]).collect();
    assert_eq!(marks, [&Value::Null, &Value::Bool(true), &Value::Null]);
    assert_eq!(server.event(&e).json()["seq"], 1);
}

#[test]
fn a_plugin_knows_its_node_and_keeps_a_folder() {
    let home = home();
    let server = home.start();
    assert_eq!(
        server.json("/x/relay/node"),
        json!({"id": "here", "authorized": false, "folder": {"Ok": {"Ok": ""}}})
    );
    server.kill();
    let server = home.start();
    assert_eq!(
        server.json("/x/relay/node"),
        json!({"id": "here", "authorized": false, "folder": {"Ok": {"Ok": "x"}}})
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = home.data().join("plugins/relay/own").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let bearer = server.json(&format!("/x/relay/node?as=Bearer%20{TOKEN}"));
    assert_eq!(bearer["authorized"], true);
    assert_eq!(server.json("/x/relay/node?as=Bearer%20x")["authorized"], false);
    let without = TestServer::with(&plugin_table("relay"));
    let said = without.json("/x/relay/node");
    assert!(said["folder"]["Err"].as_str().unwrap().contains("permissions.folder"), "{said}");
}
