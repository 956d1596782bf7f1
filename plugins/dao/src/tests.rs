//! The plugin through the functions that a host calls: no process, no network, and a clock that is set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod federation;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shimmer_governor::{Ballot, Choice, Secret, Spec};
use shimmer_sdk::testing::{Answer, Bench, Input};

use crate::Dao;

/// A proposal of this title.
pub(crate) fn proposal(title: &str) -> Spec {
    serde_json::from_value(body(title, "s", 0.9)).unwrap()
}

fn body(title: &str, source: &str, weight: f64) -> Value {
    json!({
        "title": title, "source": source, "options": [weight], "strategy": "stake", "delay_s": 10, "period_s": 100,
        "quorum": 0.1, "timelock_s": 50, "extension_s": 0, "grace_s": 1000,
    })
}

fn secret(n: u8) -> Secret {
    Secret::from_bytes(&[n; 32])
}

/// A DAO in a folder.
struct Home {
    bench: Bench<Dao>,
    folder: tempfile::TempDir,
}

impl Home {
    fn new(config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { bench: open(folder.path(), config, None).unwrap(), folder }
    }

    /// With a manual clock and three members of stakes 10, 20 and 30.
    fn manual() -> Self {
        let mut home = Self::new(&manual());
        home.enrol();
        home
    }

    fn enrol(&mut self) {
        for n in 1..=3 {
            let path = format!("/dao/members/{}", secret(n).key());
            let body = json!({"name": format!("m{n}"), "stake": u64::from(n) * 10});
            let member = self.ask("PUT", &path, &body);
            assert_eq!(member.status, 200, "{}", member.text());
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.bench.request(method, path, body.as_bytes()).unwrap()
    }

    fn json(&mut self, path: &str) -> Value {
        let answer = self.ask("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_str(answer.text()).unwrap()
    }

    /// Sets the clock to so many seconds after 1970.
    fn clock(&mut self, second: i64) {
        let now = shimmer_governor::Time::from_s(second).unwrap();
        let answer = self.ask("POST", "/dao/clock", &json!({ "now": now }));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn propose(&mut self, body: &Value) -> String {
        let answer = self.ask("POST", "/dao/proposals", body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let made: Value = serde_json::from_str(answer.text()).unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    fn vote(&mut self, id: &str, voter: u8, choice: Choice) -> Answer {
        let ballot = Ballot {
            dao: "test".parse().unwrap(),
            proposal: id.parse().unwrap(),
            nonce: 1,
            choice,
        };
        let body: Value = serde_json::from_str(&ballot.sign(&secret(voter)).to_json()).unwrap();
        self.ask("POST", &format!("/dao/proposals/{id}/votes"), &body)
    }

    /// The plugin after a kill, without any state that was saved since `saved`.
    fn again(self, saved: Option<&[u8]>) -> Self {
        drop(self.bench);
        let saved = saved.map(|blob| (blob, 0));
        Self { bench: open(self.folder.path(), &manual(), saved).unwrap(), folder: self.folder }
    }
}

fn manual() -> Value {
    json!({"id": "test", "clock": "manual", "epoch_s": 100, "max_step": 0.2, "default_weight": 0.5, "share_cap": 1})
}

fn open(folder: &Path, config: &Value, saved: Option<(&[u8], u64)>) -> Result<Bench<Dao>, String> {
    Bench::in_folder(folder, &config.to_string(), saved).map_err(|failure| failure.message)
}

fn beauty(source: &str, score: f64) -> Input {
    Input::beauty(score).source(source)
}

/// Seconds at which the proposal of these tests is active, then decided, then executed.
const ACTIVE: i64 = 20;
const OVER: i64 = 111;
const EXECUTED: i64 = 170;

#[test]
fn a_vote_becomes_a_weight_step_by_step() {
    let mut home = Home::manual();
    home.bench.feed(&[beauty("s", 1.0), beauty("t", 0.5), beauty("t", 0.7)]).unwrap();
    home.bench.tick(0).unwrap();
    let rule = home.bench.take_messages().remove(0);
    assert_eq!((rule.topic.as_str(), rule.text.contains("trimmed_mean")), ("influence", true));
    assert!(rule.text.contains(r#""weights":{}"#), "{}", rule.text);
    assert!(home.bench.take_events().is_empty(), "nothing that nobody posted");
    let id = home.propose(&body("more of s", "s", 0.9));
    let path = format!("/dao/proposals/{id}");
    assert_eq!(home.json(&path)["state"], "pending");
    assert_eq!(home.vote(&id, 1, Choice::For).status, 409, "not yet");
    home.clock(ACTIVE);
    let voted = home.vote(&id, 3, Choice::For);
    assert_eq!((voted.status, voted.text()), (200, r#"{"power":30}"#));
    assert_eq!(home.vote(&id, 3, Choice::Against).status, 409, "once");
    assert_eq!(home.vote(&id, 9, Choice::For).status, 403, "a stranger");
    home.vote(&id, 1, Choice::Against);
    home.clock(OVER);
    assert_eq!(home.json(&path)["state"], "queued", "by itself");
    assert_eq!(home.bench.weights().get("s"), None);
    home.clock(EXECUTED);
    assert_eq!(home.json(&path)["state"], "executed");
    assert_eq!(home.bench.weights()["s"], 0.7, "the host knows with the answer");
    let message = home.bench.take_messages().remove(0);
    assert!(message.text.contains(r#""weights":{"s":0.7}"#), "{}", message.text);
    let weights = home.json("/dao/weights");
    assert_eq!((&weights["weights"], &weights["version"]), (&json!({"s": 0.7}), &json!(1)));
    // 0.7 and 0.5 of weight: shares of 7/12 and 5/12, of which a fifth of the whole is cut off at either end.
    let expected = ((7.0 / 12.0 - 0.2) * 1.0 + (5.0 / 12.0 - 0.2) * 0.6) / 0.6;
    assert!((weights["weighted_avg"].as_f64().unwrap() - expected).abs() < 1e-12, "{weights}");
    home.clock(EXECUTED + 100);
    assert_eq!(home.bench.weights()["s"], 0.9, "an epoch later");
    let sources = home.json("/dao/sources");
    assert_eq!(
        sources["sources"][1],
        json!({
            "id": "t", "weight": 0.5, "share": sources["sources"][1]["share"], "avg": 0.6, "events": 2
        })
    );
    assert_eq!(home.bench.metric("votes_total", &["counted"]), 2.0);
    assert_eq!(home.bench.metric("votes_total", &["refused"]), 3.0);
}

#[test]
fn a_kill_between_any_two_steps_loses_nothing() {
    let mut home = Home::manual();
    home.bench.feed(&[beauty("s", 1.0), beauty("t", 0.5)]).unwrap();
    let saved = home.bench.save().unwrap();
    let id = home.propose(&body("t", "s", 0.9));
    home = home.again(Some(&saved));
    home.clock(ACTIVE);
    assert_eq!(home.vote(&id, 3, Choice::For).status, 200);
    home = home.again(Some(&saved));
    home.clock(ACTIVE);
    assert_eq!(home.vote(&id, 3, Choice::For).status, 409, "it stands");
    home.clock(OVER);
    home = home.again(Some(&saved));
    home.clock(EXECUTED);
    let (weights, log) = (home.json("/dao/weights"), home.json("/dao/audit"));
    home = home.again(Some(&saved));
    assert_eq!((home.json("/dao/weights"), home.json("/dao/audit")), (weights, log));
    home.bench.tick(0).unwrap();
    assert_eq!(home.bench.weights()["s"], 0.7, "the host is told again");
    assert_eq!(home.json("/dao/sources")["sources"][0]["events"], 1);
}

#[test]
fn refusals_say_which_rule() {
    let mut home = Home::manual();
    let key = secret(1).key();
    let member = json!({"name": "a", "stake": 1});
    let weak = format!("/dao/members/{:064}", 0);
    for (method, path, body, status) in [
        ("PUT", weak.as_str(), member.clone(), 400),
        ("PUT", "/dao/members/abc", member.clone(), 400),
        ("PUT", &format!("/dao/members/{}", key.to_string().to_uppercase()), member.clone(), 400),
        ("PUT", &format!("/dao/members/{key}"), json!({"name": "a"}), 400),
        ("PUT", &format!("/dao/members/{key}"), json!({"name": "a", "stake": -1}), 400),
        ("PUT", &format!("/dao/members/{key}"), json!({"name": "a", "stake": 1_u64 << 53}), 400),
        ("PUT", &format!("/dao/members/{key}"), json!({"name": "a", "stake": 1, "more": 1}), 400),
        ("DELETE", &format!("/dao/members/{}", secret(9).key()), Value::Null, 404),
        ("POST", "/dao/proposals", json!({"title": "t"}), 400),
        ("POST", "/dao/proposals/none/votes", json!({}), 404),
        ("POST", "/dao/proposals/none/queue", json!({}), 404),
        ("GET", "/dao/proposals/none", Value::Null, 404),
        ("GET", "/dao/audit?since=x", Value::Null, 400),
        ("GET", "/dao/sources?limit=x", Value::Null, 400),
        ("POST", "/dao/clock", json!({"now": "1969-01-01T00:00:00Z"}), 400),
        ("POST", "/dao/clock", json!({"now": "9999-01-01T00:00:00Z"}), 400),
    ] {
        let answer = home.ask(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert_eq!(answer.headers[0].1, "application/problem+json");
    }
    let id = home.propose(&body("t", "s", 0.9));
    for (verb, body, status) in [
        ("votes", json!({}), 400),
        ("queue", json!({"a": 1}), 400),
        ("queue", json!({}), 409),
        ("execute", Value::Null, 409),
    ] {
        assert_eq!(
            home.ask("POST", &format!("/dao/proposals/{id}/{verb}"), &body).status,
            status,
            "{verb}"
        );
    }
    let canceled = home.ask("POST", &format!("/dao/proposals/{id}/cancel"), &json!({}));
    assert!(canceled.text().contains(r#""state":"canceled""#), "{}", canceled.text());
    assert_eq!(home.ask("DELETE", &format!("/dao/members/{key}"), &Value::Null).status, 200);
    assert_eq!(home.ask("DELETE", &format!("/dao/members/{key}"), &Value::Null).status, 409);
}

#[test]
fn a_clock_is_set_forwards_and_only_if_it_is_manual() {
    let mut home = Home::manual();
    home.clock(50);
    let back = home.ask("POST", "/dao/clock", &json!({"now": "1970-01-01T00:00:49Z"}));
    assert_eq!(back.status, 409);
    home.clock(50);
    let id = home.propose(&body("t", "s", 0.9));
    assert_eq!(home.json(&format!("/dao/proposals/{id}"))["created_at"], "1970-01-01T00:00:50Z");
    let mut home = Home::new(&json!({}));
    assert_eq!(home.ask("POST", "/dao/clock", &json!({"now": "2100-01-01T00:00:00Z"})).status, 404);
}

/// An entry was made by a clock that was far ahead. Nobody waits for that time to come again.
#[test]
fn periods_end_though_the_clock_was_once_ahead() {
    let mut home = Home::manual();
    home.clock(4_000_000_000);
    let mut hasty = body("t", "s", 0.9);
    (hasty["delay_s"], hasty["period_s"]) = (json!(0), json!(0.2));
    let id = home.propose(&hasty);
    drop(home.bench);
    let mut config = manual();
    config["clock"] = json!("system");
    let bench = open(home.folder.path(), &config, None).unwrap();
    let mut home = Home { bench, folder: home.folder };
    let path = format!("/dao/proposals/{id}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while home.json(&path)["state"] != "defeated" {
        assert!(Instant::now() < deadline, "{}", home.json(&path));
        home.bench.tick(0).unwrap();
        std::thread::park_timeout(Duration::from_millis(2));
    }
    let log = home.bench.log();
    let said: Vec<_> = log.iter().filter(|(_, line)| line.contains("s behind the last")).collect();
    assert!(said.len() == 1 && said[0].1.contains("2096-10-02T07:06:40Z"), "{log:?}");
    let made = home.propose(&body("next", "s", 0.9));
    let made = home.json(&format!("/dao/proposals/{made}"))["created_at"].to_string();
    assert!(made.starts_with("\"2096-10-02T07:0"), "{made}");
}

#[test]
fn the_log_is_shown_in_parts_and_as_it_is_verified() {
    let mut home = Home::manual();
    let whole = home.json("/dao/audit");
    assert_eq!((whole["count"].as_u64(), whole["entries"].as_array().unwrap().len()), (Some(4), 4));
    let part = home.json("/dao/audit?since=1&limit=2");
    assert_eq!(
        (&part["entries"][0]["n"], part["entries"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    assert_eq!((&part["count"], &part["head"]), (&whole["count"], &whole["head"]));
    let lines = std::fs::read(home.folder.path().join("audit.ndjson")).unwrap();
    let head = shimmer_governor::verify(&lines[..]).unwrap();
    assert_eq!((head.entries, json!(head.hash)), (4, whole["head"].clone()));
}

/// More sources than an answer of the host holds, which is refused beyond 8 MiB.
#[test]
fn a_list_of_many_sources_is_cut_and_says_so() {
    let mut home = Home::manual();
    let name = |n: i32| format!("{n:05}{}", "\u{1}".repeat(123));
    let all: Vec<_> = (0..14_000).map(|n| beauty(&name(n), 1.0)).collect();
    all.chunks(500).for_each(|some| home.bench.feed(some).unwrap());
    let answer = home.ask("GET", "/dao/sources", &Value::Null);
    assert!((6 << 20..8 << 20).contains(&answer.text().len()), "{}", answer.text().len());
    let list: Value = serde_json::from_str(answer.text()).unwrap();
    let shown = list["sources"].as_array().unwrap();
    assert_eq!((&shown[0]["id"], &list["truncated"]), (&json!(name(0)), &json!(true)));
    let few = home.json("/dao/sources?limit=3");
    assert_eq!((&few["sources"], &few["truncated"]), (&json!(shown[..3]), &json!(true)));
    let mut home = Home::manual();
    home.bench.feed(&[beauty("s", 1.0)]).unwrap();
    for (path, shown) in
        [("/dao/sources", 1), ("/dao/sources?limit=1", 1), ("/dao/sources?limit=0", 0)]
    {
        let list = home.json(path);
        assert_eq!(list["sources"].as_array().unwrap().len(), shown, "{path}");
        assert_eq!(list["truncated"], shown == 0, "{path}");
    }
}

#[test]
fn another_configuration_is_an_entry_and_another_id_is_refused() {
    let home = Home::manual();
    let mut other = manual();
    other["max_step"] = json!(0.3);
    drop(home.bench);
    let mut bench = open(home.folder.path(), &other, None).unwrap();
    let log = bench.request("GET", "/dao/audit?since=4", b"").unwrap();
    assert!(log.text().contains(r#""max_step":0.3"#), "{}", log.text());
    drop(bench);
    other["id"] = json!("another");
    let why = open(home.folder.path(), &other, None).err().unwrap();
    assert!(why.contains("set id = \"test\""), "{why}");
}
