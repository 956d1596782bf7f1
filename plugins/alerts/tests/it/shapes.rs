//! JSON as the contract and Alertmanager have it, member for member.
//!
//! The rule: a name or form changes here first.

use serde_json::{Value, json};
use shimmer_alerts::{AlertState, Filter, Limits, Manager, Severity, SilenceDraft};

use crate::groups::RULES;
use crate::play::Play;

fn value(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("serialises")
}

fn play() -> Play {
    let rules = RULES.replace(
        "name = 'Load'",
        "name = 'Load'\nsummary = 'Too much'\nrunbook = 'https://example.org/load'\nactions = ['Look.', 'Act.']",
    );
    let mut play = Play::new(&format!(
        "external_url = 'http://node:8080/'\nlabels = {{ site = 'x' }}\n{rules}"
    ));
    play.now_s = 1_700_000_000;
    play.value("load", "db", 15.5);
    play
}

#[test]
fn an_alert() {
    let mut play = play();
    let alert = play.only();
    let wanted = json!({
        "id": format!("{}-0", alert.fingerprint),
        "type": "threshold",
        "severity": "warning",
        "subject": "db",
        "description": "Too much: db is 15.5, expected below 10",
        "score": 0.8,
        "timestamp": "2023-11-14T22:13:20Z",
        "recommended_actions": ["Look.", "Act."],
        "resolved": false,
        "resolution_time": null,
        "state": "firing",
        "fingerprint": alert.fingerprint,
        "labels": {
            "alertname": "Load", "kind": "load", "severity": "warning", "site": "x", "source": "test",
            "subject": "db",
        },
        "expected": { "low": null, "high": 10.0 },
        "value": 15.5,
        "method": "threshold, normal is below 10",
        "starts_at": "2023-11-14T22:13:20Z",
        "acked_by": null,
        "reduced_sensitivity": false,
        "runbook_url": "https://example.org/load",
    });
    assert_eq!(value(&alert), wanted);
    assert!(alert.fingerprint.len() == 16);
    play.value("load", "db", 1.0);
    let alert = value(&play.only());
    assert_eq!(alert["state"], "resolved");
    assert_eq!(alert["resolution_time"], "2023-11-14T22:13:20Z");
    let event = play.changes.last().expect("a change");
    assert_eq!(event.event_id, format!("alert-{}-2-0000000000000001", event.alert.id));
}

/// A manager whose state was lost counts from zero again; what it tells is news nevertheless.
#[test]
fn events_of_a_manager_that_began_anew_are_new() {
    let ids = [1, 2].map(|seed| {
        let mut play = play();
        play.manager = Manager::new(play.manager.rules().clone(), Limits::default(), seed);
        play.value("load", "db", 15.5);
        assert!(play.only().id.ends_with("-0"), "{}", play.only().id);
        play.changes.last().expect("a change").event_id.clone()
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_list_of_alerts_and_its_filters() {
    let mut play = play();
    play.value("load", "web", 25.0);
    play.value("heat", "db", 15.0);
    let list = play.manager.alerts(&Filter::default());
    let counts = json!({"pending": 0, "firing": 3, "silenced": 0, "inhibited": 1, "resolved": 0});
    assert_eq!(value(&list)["counts"], counts);
    assert_eq!(value(&list)["alerts"].as_array().map(Vec::len), Some(4));
    let ask = |query: &[(&str, &str)]| {
        let filter = Filter::from_query(query.iter().copied()).expect("a good query");
        let list = play.manager.alerts(&filter);
        let shown: Vec<_> =
            list.alerts.iter().map(|a| format!("{} {}", a.labels.get("kind"), a.subject)).collect();
        (shown, list.counts[&AlertState::Firing])
    };
    let pair = |shown: &[&str], firing| (shown.iter().map(|s| (*s).to_owned()).collect(), firing);
    assert_eq!(ask(&[("severity", "critical")]), pair(&["load web"], 1));
    assert_eq!(ask(&[("state", "inhibited")]), pair(&["load web"], 3), "counts are of all states");
    assert_eq!(ask(&[("kind", "heat"), ("other", "x")]), pair(&["heat db"], 1));
    assert_eq!(ask(&[("subject", "db"), ("kind", "load")]), pair(&["load db"], 1));
    assert_eq!(ask(&[("subject", "")]), pair(&[], 0));
    assert_eq!(ask(&[("kind", "heat"), ("limit", "1")]), pair(&["heat db"], 1));
    for (limit, shown) in [(0, 0), (3, 3), (4, 4)] {
        let filter = Filter { limit: Some(limit), ..Filter::default() };
        let cut = play.manager.alerts(&filter);
        assert_eq!((cut.alerts.len(), cut.truncated), (shown, shown < 4));
        assert_eq!(cut.alerts[..], list.alerts[..shown], "the newest");
        assert_eq!(cut.counts, list.counts, "counts are of all");
    }
    assert_eq!(value(&list)["truncated"], false);
    assert!(Filter::from_query([("limit", "x")]).is_err());
    let wrong = Filter::from_query([("state", "acked")]).expect_err("no such state");
    assert_eq!(wrong.0, "state");
    assert!(Filter::from_query([("severity", "bad")]).is_err());
    assert_eq!(Severity::Critical.as_str(), "critical");
}

#[test]
fn silences() {
    let mut play = play();
    let draft: SilenceDraft = serde_json::from_value(json!({
        "matchers": [{"name": "subject", "op": "=~", "value": "d.*"}],
        "author": "ann",
        "comment": "on it",
        "ends_at": "2023-11-15T00:00:00+01:00",
    }))
    .expect("what a client posts");
    let (silence, _) = play.manager.silence(play.now(), draft).expect("taken");
    let wanted = json!({
        "id": "s0",
        "matchers": [{"name": "subject", "op": "=~", "value": "d.*"}],
        "author": "ann",
        "comment": "on it",
        "starts_at": "2023-11-14T22:13:20Z",
        "ends_at": "2023-11-14T23:00:00Z",
    });
    assert_eq!(value(&silence), wanted);
    assert_eq!(value(&play.manager.silences()), json!({"silences": [wanted], "truncated": false}));
    assert_eq!(value(&play.only())["state"], "silenced");
    for wrong in [
        json!({"matchers": [], "author": "a"}),
        json!({"matchers": [{"name": "a", "op": "~", "value": "b"}], "author": "a", "ends_at": "2030-01-01T00:00:00Z"}),
        json!({"matchers": [{"name": "a", "op": "=~", "value": "("}], "author": "a", "ends_at": "2030-01-01T00:00:00Z"}),
        json!({"matchers": [], "author": "a", "ends_at": "soon"}),
        json!({"matchers": [], "author": "a", "ends_at": "2030-01-01T00:00:00Z", "more": 1}),
    ] {
        assert!(serde_json::from_value::<SilenceDraft>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn correlations() {
    let mut play = play();
    play.run_to(play.now_s + 10);
    play.value("heat", "db", 15.0);
    play.run_to(play.now_s + 20);
    play.value("heat", "web", 15.0);
    play.run_to(play.now_s + 400);
    play.value("heat", "alone", 15.0);
    let ids: Vec<_> = play.alerts().iter().rev().take(3).map(|alert| alert.id.clone()).collect();
    let all = value(&play.manager.correlations());
    assert_eq!(all["correlations"].as_array().map(Vec::len), Some(1), "one alone is none: {all}");
    let one = &all["correlations"][0];
    assert_eq!(one["id"], "c0");
    assert_eq!(one["alerts"], json!(ids));
    assert_eq!(one["root_cause"], json!(ids[0]));
    assert_eq!(
        one["reason"],
        "first of 3 alerts, 10s before the next; shares its subject with 1, its source with 2 of the others"
    );
    assert_eq!(one["starts_at"], "2023-11-14T22:13:20Z");
    assert_eq!(one["ends_at"], "2023-11-14T22:13:50Z");
    let confidence = one["confidence"].as_f64().expect("a number");
    assert!((0.4..0.5).contains(&confidence), "{confidence}");
}

/// An alert of the story as a webhook message has it.
fn webhook_alert(subject: &str, number: usize, fingerprint: &str) -> Value {
    json!({
        "status": "firing",
        "labels": {
            "alertname": "Load", "kind": "load", "severity": "warning", "site": "x", "source": "test",
            "subject": subject,
        },
        "annotations": {
            "description": format!("Too much: {subject} is 15.5, expected below 10"),
            "expected": "below 10",
            "method": "threshold, normal is below 10",
            "recommended_actions": "Look.\nAct.",
            "runbook_url": "https://example.org/load",
            "score": "0.8",
            "summary": "Load",
            "value": "15.5",
        },
        "startsAt": "2023-11-14T22:13:20Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": format!("http://node:8080/api/alerts/{fingerprint}-{number}"),
        "fingerprint": fingerprint,
    })
}

#[test]
fn a_webhook_message() {
    let mut play = play();
    play.value("load", "web", 15.5);
    play.run_to(play.now_s + 30);
    let body = play.arrived[0].1.payload.bodies().remove(0);
    let fingerprints: Vec<_> =
        play.alerts().iter().rev().map(|alert| alert.fingerprint.clone()).collect();
    let wanted = json!({
        "receiver": "ops",
        "status": "firing",
        "alerts": [webhook_alert("db", 0, &fingerprints[0]), webhook_alert("web", 1, &fingerprints[1])],
        "groupLabels": {"alertname": "Load"},
        "commonLabels": {
            "alertname": "Load", "kind": "load", "severity": "warning", "site": "x", "source": "test",
        },
        "commonAnnotations": {
            "expected": "below 10",
            "method": "threshold, normal is below 10",
            "recommended_actions": "Look.\nAct.",
            "runbook_url": "https://example.org/load",
            "score": "0.8",
            "summary": "Load",
            "value": "15.5",
        },
        "externalURL": "http://node:8080/",
        "version": "4",
        "groupKey": "{}:{alertname=\"Load\"}",
        "truncatedAlerts": 0,
    });
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), wanted);
    let order: Vec<_> = [
        "receiver",
        "status",
        "alerts",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "version",
        "groupKey",
        "truncatedAlerts",
    ]
    .iter()
    .map(|name| body.find(&format!("\"{name}\":")).expect("it is there"))
    .collect();
    assert!(order.is_sorted(), "members stand in Alertmanager's order");
}

#[test]
fn what_a_peer_is_posted() {
    let mut play = play();
    let rules = RULES.replace("webhook = 'http://localhost/'", "alertmanager = 'http://am:9093/'");
    play.manager.reload(play.now(), crate::play::parse(&rules));
    play.value("load", "db", 15.5);
    play.run_to(play.now_s + 30);
    let (_, notification) = &play.arrived[0];
    assert_eq!(notification.target.url(), "http://am:9093/api/v2/alerts");
    let body: Value = serde_json::from_str(&notification.payload.bodies()[0]).expect("JSON");
    let alert = &body[0];
    assert_eq!(alert["startsAt"], "2023-11-14T22:13:20Z");
    // Four times the hour after which it is told again.
    assert_eq!(alert["endsAt"], "2023-11-15T02:13:50Z");
    assert_eq!(alert["labels"]["subject"], "db");
    assert_eq!(alert.get("generatorURL"), None, "without an address of its own");
}
