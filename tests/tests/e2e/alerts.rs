//! The bundled plugin `anomaly`: alerts on the stream, at receivers, and through kills.

mod inbox;
mod peer;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{Home, TestServer, kill_pid, wait, wait_for};
use crate::streams::Sse;
use inbox::Inbox;
use peer::Alertmanager;

/// Costs against a budget of one: 80 % is a warning, 95 % critical; both end with the value.
const BUDGET: &str = "[[threshold]]\nname = 'Budget'\nkind = 'cost'\nkeep_firing_for = '0s'\n\
                      warning = { above = 0.8 }\ncritical = { above = 0.95 }\n";

/// A node's folder with these rules, whose plugin may connect as `net` says.
fn home(rules: &str, net: &str) -> Home {
    let home = Home::new("");
    std::fs::write(home.path().join("rules.toml"), rules).unwrap();
    let dir = home.path().display().to_string();
    home.configure(&format!(
        "[[plugin]]\nname = 'anomaly'\npermissions = {{ read = [{dir:?}], net = [{net}] }}\n\
         [plugin.config]\nrules = {:?}\n",
        home.path().join("rules.toml")
    ));
    home
}

fn node(rules: &str) -> TestServer {
    let server = home(rules, "'connect:*'").start();
    server.until("anomaly", |card| card["state"] == "RUNNING");
    server
}

/// Posts a cost as it is now.
fn cost(server: &TestServer, id: &str, subject: &str, share: f64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let event = json!({ "event_id": id, "timestamp": rfc3339(now.as_secs()), "kind": "cost",
                        "subject": subject, "value": share });
    assert_eq!(server.event(&event).status, 200);
}

/// Seconds since 1970 as text.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil calendar of the proleptic Gregorian kind, by Howard Hinnant's days_from_civil read backwards.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

fn alerts(server: &TestServer, query: &str) -> Vec<Value> {
    server.json(&format!("/api/alerts{query}"))["alerts"].as_array().unwrap().clone()
}

/// The events of kind `alert`, in their order.
fn told(server: &TestServer) -> Vec<Value> {
    server.json("/snapshot?kind=alert&limit=500")["events"].as_array().unwrap().clone()
}

fn silence(server: &TestServer, subject: &str) -> Value {
    let body = json!({
        "matchers": [{ "name": "subject", "op": "=", "value": subject }],
        "author": "ann", "comment": "known", "ends_at": "2100-01-01T00:00:00Z",
    });
    let answer = server.post("/api/silences", "application/json", body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Subjects of a message's alerts by status and severity.
fn said(message: &Value) -> BTreeSet<(String, String, String)> {
    let alerts = message["alerts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts
        .map(|a| {
            (text(&a["status"]), text(&a["labels"]["subject"]), text(&a["labels"]["severity"]))
        })
        .collect()
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_alert_is_on_the_ring_on_the_stream_and_under_its_route() {
    let server = node(BUDGET);
    let mut stream = Sse::open(&server, "/api/alerts/sse", None);
    cost(&server, "c1", "a", 0.97);
    let message = stream.next();
    assert_eq!((message.event.as_str(), &message.data["severity"]), ("firing", &json!("critical")));
    let id = message.data["id"].as_str().unwrap().to_owned();
    let event =
        wait_for("its event", || told(&server).into_iter().find(|e| e["data"]["id"] == *id));
    assert_eq!((&event["source"], &event["subject"]), (&json!("anomaly"), &json!("a")));
    assert_eq!(event["data"]["expected"]["high"], 0.95, "all of the alert, not its name alone");
    assert_eq!(server.json(&format!("/api/alerts/{id}")), message.data);
    assert_eq!(server.json("/api/alerts")["counts"]["inhibited"], 1, "the warning");

    let ack = format!("/api/alerts/{id}/ack");
    let open = Request::new("POST", &ack).body("");
    open.send(server.address).problem(401);
    let acked = server.post(&ack, "application/json", r#"{"by":"ann"}"#);
    assert_eq!((acked.status, &acked.json()["acked_by"]), (200, &json!("ann")));
    cost(&server, "c2", "a", 0.1);
    let resolved = wait_for("the end", || {
        Some(stream.next()).filter(|m| m.event == "resolved" && m.data["id"] == *id)
    });
    assert_eq!(resolved.data["acked_by"], "ann");
    let counted = "\nshimmer_anomaly_alerts_fired_total 2\n";
    wait("the metric", || server.get("/metrics").text().contains(counted));
}

#[test]
fn a_killed_plugin_goes_on_with_its_alerts_and_timers() {
    let rules = format!(
        "{BUDGET}[[threshold]]\nname = 'Slow'\nkind = 'slow'\nfor = '3s'\nwarning = {{ above = 1 }}\n"
    );
    let server = node(&rules);
    cost(&server, "c1", "a", 0.97);
    assert_eq!(
        server
            .event(&json!({ "event_id": "s1", "timestamp": "2025-10-21T04:30:00Z",
        "kind": "slow", "subject": "s", "value": 2 }))
            .status,
        200
    );
    wait("the first alert", || told(&server).iter().any(|e| e["data"]["state"] == "firing"));
    let pending = wait_for("the pending one", || alerts(&server, "?state=pending").pop());
    let id = alerts(&server, "?severity=critical&kind=cost")[0]["id"].clone();
    let ack = format!("/api/alerts/{}/ack", id.as_str().unwrap());
    assert_eq!(server.post(&ack, "application/json", r#"{"by":"ann"}"#).status, 200);
    let silenced = silence(&server, "b");

    // Before it can have saved any of this.
    kill_pid(&server.card("anomaly")["pid"]);
    server.until("anomaly", |c| c["restart_count"] == 1 && c["state"] == "RUNNING");
    assert_eq!(server.json("/api/silences")["silences"], json!([silenced]));
    let critical = &alerts(&server, "?severity=critical&kind=cost")[0];
    assert_eq!((&critical["id"], &critical["acked_by"]), (&id, &json!("ann")));
    let fired = wait_for("its timer", || alerts(&server, "?state=firing&kind=slow").pop());
    assert_eq!(fired["id"], pending["id"]);
    // Another one under the silence, and the end of the first; each change is told once.
    cost(&server, "c2", "b", 0.97);
    cost(&server, "c3", "a", 0.1);
    wait("the end", || told(&server).iter().any(|e| e["data"]["state"] == "resolved"));
    wait("the silence", || !alerts(&server, "?state=silenced&subject=b").is_empty());
    let mut changes = BTreeMap::<String, usize>::new();
    for event in told(&server) {
        *changes.entry(event["event_id"].to_string()).or_default() += 1;
    }
    assert!(changes.values().all(|count| *count == 1), "{changes:#?}");
    let firing = |e: &&Value| e["data"]["id"] == id && e["data"]["acked_by"].is_null();
    let of_first: Vec<_> = told(&server).iter().filter(firing).cloned().collect();
    assert_eq!(of_first.len(), 1, "it fired once: {of_first:#?}");
}

#[test]
fn a_restarted_node_still_has_its_alerts() {
    let server = node(BUDGET);
    cost(&server, "c1", "a", 0.97);
    wait("the alert", || !told(&server).is_empty());
    let before = alerts(&server, "");
    let home = server.home.clone();
    server.kill();
    let server = home.start();
    server.until("anomaly", |card| card["state"] == "RUNNING");
    assert_eq!(alerts(&server, ""), before);
    cost(&server, "c2", "a", 0.1);
    wait("its end", || alerts(&server, "?state=resolved").len() == 2);
}

#[test]
fn a_receiver_that_was_away_hears_everything_once() {
    let inbox = Inbox::open();
    let rules = format!(
        "{BUDGET}[[receiver]]\nname = 'ops'\nwebhook = {:?}\n[[route]]\nreceiver = 'ops'\n\
         group_by = ['subject']\ngroup_wait = '0s'\ngroup_interval = '1s'\n",
        inbox.url("/hook")
    );
    let server = node(&rules);
    cost(&server, "c0", "first", 0.97);
    inbox.until("the first", "/hook", |m| m["status"] == "firing");
    inbox.set_away(true);
    for subject in ["a", "b", "c", "d"] {
        cost(&server, &format!("{subject}1"), subject, 0.97);
    }
    cost(&server, "c9", "first", 0.1);
    wait("attempts", || inbox.turned_away() >= 5);
    // Came and went while nobody listened: it is nothing to hear of.
    cost(&server, "d2", "d", 0.1);
    wait("its end", || alerts(&server, "?state=resolved&subject=d").len() == 2);
    inbox.set_away(false);
    let heard = || inbox.posts("/hook").iter().flat_map(said).collect::<BTreeSet<_>>();
    let wanted = |status: &str, subject: &str| {
        (status.to_owned(), subject.to_owned(), "critical".to_owned())
    };
    wait("all of it", || {
        let heard = heard();
        heard.contains(&wanted("resolved", "first"))
            && ["a", "b", "c"].iter().all(|subject| heard.contains(&wanted("firing", subject)))
    });
    for subject in ["a", "b", "c"] {
        cost(&server, &format!("{subject}2"), subject, 0.1);
    }
    wait("their ends", || {
        ["a", "b", "c"].iter().all(|subject| heard().contains(&wanted("resolved", subject)))
    });
    // One message for each change of each group, whatever was tried in between.
    let mut messages = BTreeMap::<(String, String), usize>::new();
    for message in inbox.posts("/hook") {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (text(&message["groupLabels"]["subject"]), text(&message["status"]));
        *messages.entry(key).or_default() += 1;
    }
    assert!(messages.values().all(|count| *count == 1), "{messages:#?}");
}

#[test]
fn a_receiver_that_the_sandbox_keeps_away_says_what_to_permit() {
    let inbox = Inbox::open();
    let rules = format!(
        "{BUDGET}[[receiver]]\nname = 'ops'\nwebhook = {:?}\n[[route]]\nreceiver = 'ops'\ngroup_wait = '0s'\n",
        inbox.url("/hook")
    );
    for net in ["", "'connect:1'"] {
        let server = home(&rules, net).start();
        cost(&server, "c1", "a", 0.97);
        let remedy = "let the plugin connect: permissions = { net = [\"connect:*\"] } in its table";
        wait("the remedy", || server.home.log().contains(remedy));
        assert!(inbox.posts("/hook").is_empty());
    }
}

/// Alertmanager's own settings for what the rules below ask of us.
fn peer_config(inbox: &Inbox) -> String {
    format!(
        "route:\n  receiver: test\n  group_by: [alertname]\n  group_wait: 500ms\n  group_interval: 500ms\n\
         inhibit_rules:\n  - source_matchers: ['severity=critical']\n    target_matchers: ['severity=warning']\n    \
         equal: [subject]\n\
         receivers:\n  - name: test\n    webhook_configs:\n      - url: {}\n        max_alerts: 2\n",
        inbox.url("/theirs")
    )
}

/// A node that tells a peer and a receiver, and that receiver, whom the peer tells as well.
fn beside_a_peer() -> (Inbox, Alertmanager, TestServer) {
    let inbox = Inbox::open();
    let peer = Alertmanager::start(&peer_config(&inbox));
    let rules = format!(
        "{BUDGET}
        [[receiver]]
        name = 'test'
        webhook = {:?}
        max_alerts = 2
        [[receiver]]
        name = 'peer'
        alertmanager = {:?}
        [[route]]
        receiver = 'test'
        group_by = ['alertname']
        group_wait = '500ms'
        group_interval = '500ms'
        continue = true
        [[route]]
        receiver = 'peer'
        group_interval = '500ms'",
        inbox.url("/ours"),
        peer.url(),
    );
    let server = node(&rules);
    (inbox, peer, server)
}

#[test]
fn alertmanager_says_the_same_of_our_alerts_as_we_do() {
    let (inbox, peer, server) = beside_a_peer();
    for subject in ["a", "b", "c", "d", "e"] {
        cost(&server, &format!("{subject}1"), subject, 0.97);
    }
    // The same labels have the same fingerprint there; what we mute stays with us.
    wait("five alerts", || peer.alerts().len() == 5);
    let prints = |alerts: Vec<Value>| {
        alerts.iter().map(|alert| alert["fingerprint"].to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(prints(alerts(&server, "?state=firing")), prints(peer.alerts()));
    for alert in peer.alerts() {
        assert_eq!(alert["status"]["state"], "active", "{alert:#}");
        assert!(alert["annotations"]["description"].as_str().unwrap().contains("expected below"));
    }
    // Grouped and truncated: three are left out of each message, theirs and ours.
    let all = |m: &Value| m["truncatedAlerts"] == 3;
    let theirs = inbox.until("theirs", "/theirs", all);
    let ours = inbox.until("ours", "/ours", all);
    assert_eq!(names(&ours), names(&theirs));
    assert_eq!(names(&ours["alerts"][0]), names(&theirs["alerts"][0]));
    for same in [
        "receiver",
        "status",
        "version",
        "groupLabels",
        "truncatedAlerts",
        "groupKey",
        "commonLabels",
    ] {
        assert_eq!(ours[same], theirs[same], "{same}");
    }
    let first = |message: &Value, name: &str| message["alerts"][0][name].clone();
    assert_eq!(first(&ours, "endsAt"), "0001-01-01T00:00:00Z");
    assert_eq!(first(&theirs, "labels")["alertname"], first(&ours, "labels")["alertname"]);
}

#[test]
fn a_muted_warning_comes_back_with_us_and_with_alertmanager_and_all_ends_there() {
    let (inbox, peer, server) = beside_a_peer();
    let state = |severity: &str| {
        let alerts = peer.alerts();
        let found = alerts.iter().find(|alert| alert["labels"]["severity"] == severity);
        found.map(|alert| alert["status"]["state"].clone())
    };
    cost(&server, "a1", "a", 0.97);
    wait("the critical one", || state("critical") == Some(json!("active")));
    assert_eq!((state("warning"), alerts(&server, "?state=inhibited").len()), (None, 1));
    cost(&server, "a2", "a", 0.85);
    wait("the warning", || state("warning") == Some(json!("active")));
    wait("the end of the critical one", || state("critical").is_none());
    cost(&server, "a3", "a", 0.97);
    wait("the critical one again", || state("critical") == Some(json!("active")));
    wait("the warning is muted there too", || state("warning") == Some(json!("suppressed")));
    cost(&server, "a4", "a", 0.1);
    wait("none left", || peer.alerts().is_empty());
    for path in ["/theirs", "/ours"] {
        inbox.until("the end", path, |m| m["status"] == "resolved");
    }
}
