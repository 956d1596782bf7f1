//! The plugin through the functions that a host calls: no process, no clock, no network.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};
use shimmer_alerts::{Limits, Manager, Rules, Time};
use shimmer_sdk::testing::{Answer, Bench, Effect, Input};

use crate::Anomaly;
use crate::keep::{self, Keeping};
use crate::tell::Outbox;

const SECOND: i64 = 1_000_000_000;
const BEGIN: i64 = 1_700_000_000 * SECOND;
const BUDGET: &str = "[[threshold]]\nname = 'Budget'\nkind = 'cost'\nbudget = 'event'\n\
                      warning = { above = 0.8 }\ncritical = { above = 0.95 }\n";

/// A plugin and its folder.
struct Home {
    bench: Bench<Anomaly>,
    dir: tempfile::TempDir,
}

impl Home {
    fn new(rules: &str) -> Self {
        Self::with(rules, &json!({})).unwrap()
    }

    fn with(rules: &str, config: &Value) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rules.toml"), rules).unwrap();
        let config = Self::config(&dir, config);
        let bench = Bench::new(&config).map_err(|failure| failure.message)?;
        Ok(Self { bench, dir })
    }

    fn config(dir: &tempfile::TempDir, config: &Value) -> String {
        let mut config = config.clone();
        config["rules"] = json!(dir.path().join("rules.toml"));
        config.to_string()
    }

    /// The plugin after a kill: as it saved itself once.
    fn restored(self, blob: &[u8], cursor: u64) -> Self {
        let config = Self::config(&self.dir, &json!({}));
        drop(self.bench);
        Self { bench: Bench::restored(&config, blob, cursor).unwrap(), dir: self.dir }
    }

    fn feed(&mut self, inputs: &[Input]) -> Vec<Effect> {
        self.bench.feed(inputs).unwrap();
        self.bench.take_events()
    }

    fn tick(&mut self, at: i64) -> Vec<Effect> {
        self.bench.tick(BEGIN + at * SECOND).unwrap();
        self.bench.take_events()
    }

    fn request(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.bench.request(method, path, body.as_bytes()).unwrap()
    }

    fn json(&mut self, path: &str) -> Value {
        let answer = self.request("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_str(answer.text()).unwrap()
    }

    fn alerts(&mut self) -> Vec<Value> {
        self.json("/api/alerts")["alerts"].as_array().unwrap().clone()
    }
}

/// A value of the series `load` of `web-1`.
fn load(second: i64, value: f64) -> Input {
    Input::new("load", value).subject("web-1").time_ns(BEGIN + second * SECOND)
}

/// A steady series with some noise.
fn steady(rows: i64) -> Vec<Input> {
    (0..rows).map(|i| load(i, 10.0 + ((i * 7919) % 13) as f64 / 13.0)).collect()
}

fn cost(second: i64, share: f64) -> Input {
    let data = json!({ "budget": 1000 });
    Input::new("cost", share * 1000.0).subject("p").time_ns(BEGIN + second * SECOND).data(&data)
}

#[test]
fn a_spike_is_an_event_and_a_message() {
    let mut home = Home::new("[[anomaly]]\nname = 'Odd'\n");
    assert!(home.feed(&steady(200)).is_empty());
    let told = home.feed(&[load(200, 60.0)]);
    assert_eq!(told.len(), 1);
    let event = &told[0];
    assert_eq!((event.kind.as_str(), event.subject.as_str()), ("alert", "web-1"));
    assert!(event.value > 0.9 && event.value <= 1.0, "{}", event.value);
    let data = &event.data;
    assert_eq!((&data["severity"], &data["state"]), (&json!("critical"), &json!("firing")));
    assert_eq!((&data["value"], &data["method"]), (&json!(60.0), &json!("spike")));
    assert!(data["expected"]["high"].as_f64().unwrap() < 20.0, "{data}");
    let messages = home.bench.take_messages();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].topic.as_str(), messages[0].event.as_str()), ("alerts", "firing"));
    let message: Value = serde_json::from_str(&messages[0].text).unwrap();
    assert_eq!(message, home.alerts()[0]);
    assert_eq!(message["labels"]["alertname"], "Odd");
}

#[test]
fn an_event_holds_what_fits_and_the_message_all() {
    let action = "x".repeat(160);
    let actions = vec![action.as_str(); 8];
    let summary = "y".repeat(500);
    let mut home = Home::new(&format!(
        "[[threshold]]\nname = 'Wordy'\nwarning = {{ above = 0 }}\nsummary = {summary:?}\nactions = {actions:?}\n\
         runbook = 'https://example.org/{}'\n",
        "z".repeat(900)
    ));
    let told = home.feed(&[load(0, 1.0)]);
    let data = &told[0].data;
    assert!(data.to_string().len() < 3_000, "{}", data.to_string().len());
    assert!(data["recommended_actions"].as_array().unwrap().len() < 8);
    assert_eq!((&data["state"], &data["value"]), (&json!("firing"), &json!(1.0)));
    let message: Value = serde_json::from_str(&home.bench.take_messages()[0].text).unwrap();
    assert_eq!(message["recommended_actions"], json!(actions));
    assert!(message["runbook_url"].as_str().unwrap().len() > 900);
}

#[test]
fn alerts_raise_no_alerts() {
    let mut home = Home::new("[[threshold]]\nname = 'Any'\nwarning = { above = 0 }\n");
    assert!(home.feed(&[Input::new("alert", 5.0)]).is_empty());
    assert_eq!(home.feed(&[Input::new("other", 5.0)]).len(), 1);
}

#[test]
fn a_budget_comes_with_the_event() {
    let mut home = Home::new(BUDGET);
    assert!(home.feed(&[cost(0, 0.5), Input::new("cost", 970.0).subject("p")]).is_empty());
    let told = home.feed(&[cost(1, 0.85)]);
    assert_eq!(told[0].data["severity"], "warning");
    let told = home.feed(&[cost(2, 0.97)]);
    let severities: Vec<_> = told.iter().map(|e| (&e.data["severity"], &e.data["state"])).collect();
    let wanted = [(json!("critical"), json!("firing")), (json!("warning"), json!("inhibited"))];
    assert_eq!(severities, wanted.each_ref().map(|(a, b)| (a, b)));
}

#[test]
fn what_people_do_is_told_and_saved() {
    let mut home = Home::new(BUDGET);
    home.feed(&[cost(0, 0.85)]);
    let id = home.alerts()[0]["id"].as_str().unwrap().to_owned();
    let answer = home.request("POST", &format!("/api/alerts/{id}/ack"), &json!({ "by": "ann" }));
    assert_eq!((answer.status, answer.text().contains("\"acked_by\":\"ann\"")), (200, true));
    let silence = json!({
        "matchers": [{ "name": "kind", "op": "=", "value": "cost" }],
        "author": "bob", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z",
    });
    let answer = home.request("POST", "/api/silences", &silence);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let silence: Value = serde_json::from_str(answer.text()).unwrap();
    // As the host does before it answers.
    let blob = home.bench.save().unwrap();
    let mut home = home.restored(&blob, 1);
    assert_eq!(home.json("/api/silences")["silences"], json!([silence]));
    let told = home.tick(1);
    assert_eq!(home.bench.metric("alerts_fired_total", &[]), 0.0, "counted before the restart");
    let states: Vec<_> = told.iter().map(|e| e.data["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["firing", "silenced"], "the ack and the silence");
    assert_eq!(told[1].data["acked_by"], "ann");
    let path = format!("/api/silences/{}", silence["id"].as_str().unwrap());
    assert_eq!(home.request("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(home.tick(2)[0].data["state"], "firing");
}

/// More alerts and silences than an answer of the host holds, which is refused beyond 8 MiB.
#[test]
fn lists_of_a_storm_are_cut_and_say_so() {
    let runbook = format!("https://example.org/{}", "x".repeat(900));
    let mut home = Home::new(&format!(
        "[[threshold]]\nname = 'Any'\nkind = 'load'\nwarning = {{ above = 0 }}\nrunbook = '{runbook}'\n"
    ));
    let storm: Vec<_> =
        (0..8_000).map(|i| Input::new("load", 1.0).subject(&format!("web-{i:0100}"))).collect();
    storm.chunks(500).for_each(|some| drop(home.feed(some)));
    for query in ["", "?state=firing"] {
        let answer = home.request("GET", &format!("/api/alerts{query}"), &Value::Null);
        assert!((6 << 20..8 << 20).contains(&answer.text().len()), "{}", answer.text().len());
        let list: Value = serde_json::from_str(answer.text()).unwrap();
        let shown = list["alerts"].as_array().unwrap();
        assert!(shown.len() < 8_000 && list["truncated"] == true, "{}", shown.len());
        assert_eq!(list["counts"]["firing"], 8_000, "all are counted");
        assert_eq!(shown[0]["subject"], format!("web-{:0100}", 7_999), "the newest first");
    }
    let few = home.json("/api/alerts?limit=5");
    assert_eq!((few["alerts"].as_array().unwrap().len(), &few["truncated"]), (5, &json!(true)));
    let subject = format!("web-{:0100}", 3);
    let one = home.json(&format!("/api/alerts?subject={subject}&limit=1"));
    assert_eq!((&one["alerts"][0]["subject"], &one["truncated"]), (&json!(subject), &json!(false)));

    let matcher = json!({ "name": "subject", "op": "=", "value": "\u{1}".repeat(512) });
    let silence = json!({ "matchers": vec![matcher; 16], "author": "ann", "ends_at": "2100-01-01T00:00:00Z" });
    for _ in 0..200 {
        assert_eq!(home.request("POST", "/api/silences", &silence).status, 201);
    }
    let answer = home.request("GET", "/api/silences", &Value::Null);
    assert!((6 << 20..8 << 20).contains(&answer.text().len()), "{}", answer.text().len());
    assert!(answer.text().ends_with("\"truncated\":true}"));
}

/// A silence whose expressions take some 7 MB.
fn heavy() -> Value {
    let subject = json!({ "name": "subject", "op": "=", "value": "web-1" });
    let expression = json!({ "name": "source", "op": "=~", "value": r"(\w{2})?x?.*" });
    let matchers = [vec![subject], vec![expression; 15]].concat();
    json!({ "matchers": matchers, "author": "ann", "ends_at": "2100-01-01T00:00:00Z" })
}

#[test]
fn silences_take_no_more_memory_than_there_is_and_a_state_with_more_is_no_crash() {
    let mut home =
        Home::new("[[threshold]]\nname = 'Any'\nkind = 'load'\nwarning = { above = 0 }\n");
    let mut most = 0;
    let refused = loop {
        let answer = home.request("POST", "/api/silences", &heavy());
        if answer.status != 201 {
            break answer;
        }
        most += 1;
        assert!(most < 100, "there is no bound");
    };
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("write shorter ones"), "{}", refused.text());

    // As a program without the bound kept it.
    let roomy = Limits { silence_bytes: usize::MAX, ..Limits::default() };
    let mut old = Manager::new(Rules::default(), roomy, 7);
    for _ in 0..most + 2 {
        let draft = serde_json::from_value(heavy()).unwrap();
        old.silence(Time::from_ns(BEGIN), draft).unwrap();
    }
    let keeping = Keeping { alerts: old.state(), outbox: &Outbox::default() };
    let blob = keep::write(&keeping, std::iter::empty(), keep::MOST).unwrap();
    let mut home = home.restored(&blob, 1);
    assert_eq!(home.json("/api/silences")["silences"].as_array().unwrap().len(), most);
    let (_, line) = home.bench.log().first().unwrap().clone();
    assert!(line.ends_with(&format!(": s{most}, s{}", most + 1)), "{line}");
    home.feed(&[load(0, 1.0)]);
    assert_eq!(home.alerts()[0]["state"], "silenced", "those that are left mute");
}

#[test]
fn a_restored_plugin_goes_on_as_if_nothing_had_been() {
    let rules = format!(
        "{BUDGET}for = '20s'\n[[anomaly]]\nname = 'Odd'\n[[no_data]]\nname = 'Gone'\nkind = 'load'\nafter = '1m'\n"
    );
    // What each step tells, and the alerts at the end; killed and restored before the step `kill`.
    let play = |kill: usize| {
        let mut home = Home::new(&rules);
        let mut told = Vec::new();
        let mut seq = 0;
        for step in 0..12_i64 {
            if step as usize == kill {
                let blob = home.bench.save().unwrap();
                home = home.restored(&blob, seq);
            }
            let row = |i| load(step * 30 + i, 10.0 + ((step * 30 + i) * 7919 % 13) as f64 / 13.0);
            let mut rows: Vec<Input> = (0..30).map(row).collect();
            match step {
                3..6 => rows.push(cost(step * 30 + 30, 0.85)),
                6 => rows.push(cost(210, 0.1)),
                7 => rows[20] = load(230, 70.0),
                9.. => rows.clear(),
                _ => {}
            }
            seq += rows.len() as u64;
            told.extend(home.feed(&rows));
            told.extend(home.tick(step * 30 + 30));
        }
        // An id ends with a number that each plugin draws for itself.
        let id = |e: &Effect| e.event_id.rsplit_once('-').unwrap().0.to_owned();
        let seen: Vec<_> = told.into_iter().map(|e| (id(&e), e.data)).collect();
        (seen, home.alerts())
    };
    let whole = play(usize::MAX);
    for name in ["Gone", "Odd", "Budget"] {
        let is = |alert: &Value| alert["labels"]["alertname"] == name;
        assert!(whole.1.iter().any(is), "the script has one of each");
    }
    for kill in 1..12 {
        assert_eq!(play(kill), whole, "killed before step {kill}");
    }
}

#[test]
fn a_state_that_cannot_be_read_starts_afresh() {
    let mut home = Home::new(BUDGET);
    home.feed(&[cost(0, 0.97)]);
    home.feed(&steady(5));
    let blob = home.bench.save().unwrap();
    let config = Home::config(&home.dir, &json!({}));
    for cut in (0..blob.len()).step_by(7) {
        // An end behind a whole detector is an end.
        if let Err(failure) = Bench::<Anomaly>::restored(&config, &blob[..cut], 1) {
            assert_eq!(failure.status, shimmer_sdk::abi::Status::UNSUPPORTED, "{failure}");
        }
    }
    let newer = [&[9], &blob[1..]].concat();
    let why = Bench::<Anomaly>::restored(&config, &newer, 1).err().unwrap().message;
    assert!(why.contains("version 9, and this program reads 1"), "{why}");
}

#[test]
fn rules_are_read_again_when_the_file_changes_and_errors_change_nothing() {
    let mut home = Home::new(BUDGET);
    home.tick(0);
    let file = home.dir.path().join("rules.toml");
    fs::write(&file, format!("{BUDGET}[[threshold]]\nname = 'x'\nwarning = {{ above = 'a' }}\n"))
        .unwrap();
    (1..=20).for_each(|at| drop(home.tick(at)));
    let log = home.bench.log();
    let (_, line) = log.last().unwrap();
    assert!(line.contains("rules.toml: line 9, column 21: invalid type"), "{line}");
    assert!(line.contains("; give a value of the type that is expected"), "{line}");
    assert_eq!(home.bench.metric("rules_loaded", &[]), 0.0);
    assert_eq!(home.feed(&[cost(30, 0.85)]).len(), 1, "the old rules hold");
    (31..=90).for_each(|at| drop(home.tick(at)));
    assert_eq!(home.bench.log().len(), log.len(), "told once");

    fs::write(&file, "[[threshold]]\nname = 'Load'\nkind = 'load'\nwarning = { above = 5 }\n")
        .unwrap();
    let told: Vec<_> = (91..=110).flat_map(|at| home.tick(at)).collect();
    assert_eq!(told[0].data["state"], "resolved", "its rule is gone");
    assert_eq!(home.bench.metric("rules_loaded", &[]), 1.0);
    assert_eq!(home.feed(&[load(111, 6.0)]).len(), 1);
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_place() {
    let told = |rules: &str, config: Value| Home::with(rules, &config).err().unwrap();
    let why = told("[[threshold]]\nname = 'x'\n\n[[anomaly]]\nnmae = 'y'\n", json!({}));
    assert!(why.contains("rules.toml: line 5, column 1: unknown field `nmae`"), "{why}");
    let why = told("[[anomaly]]\nname = 'a'\nmin_score = 3\n[[anomaly]]\nname = 'a'\n", json!({}));
    let lines: Vec<&str> = why.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("rules.toml: line 5, column 8"), "{why}");
    let missing = json!({ "rules": "/nowhere/rules.toml" }).to_string();
    let why = Bench::<Anomaly>::new(&missing).err().unwrap().message;
    assert!(why.contains("/nowhere/rules.toml") && why.contains("correct the path"), "{why}");
    assert!(told(BUDGET, json!({ "seres": 1 })).contains("unknown field `seres`"));
}

#[test]
fn a_flood_of_series_meets_its_bound_and_says_so() {
    let mut home = Home::with(BUDGET, &json!({ "series": 10 })).unwrap();
    let flood: Vec<_> = (0..50).map(|i| Input::new("x", 1.0).subject(&format!("s{i}"))).collect();
    home.feed(&flood);
    home.tick(0);
    assert_eq!(home.bench.metric("detectors", &[]), 10.0);
    assert_eq!(home.bench.metric("series_evicted_total", &[]), 40.0);
    let said =
        |home: &Home| home.bench.log().iter().filter(|(_, l)| l.contains("40 series")).count();
    assert_eq!(said(&home), 1);
    home.feed(&(0..5).map(|i| Input::new("y", 1.0).subject(&format!("s{i}"))).collect::<Vec<_>>());
    (1..=40).for_each(|at| drop(home.tick(at)));
    assert_eq!(said(&home), 1, "once a minute at most");
    (61..=80).for_each(|at| drop(home.tick(at)));
    let (_, last) = home.bench.log().last().unwrap().clone();
    assert!(last.starts_with("5 series"), "{last}");
}

#[test]
fn a_name_that_would_part_a_key_is_counted_and_changes_nothing() {
    let mut home = Home::new("[[threshold]]\nname = 'Any'\nwarning = { above = 0 }\n");
    assert!(home.feed(&[Input::new("x", 1.0).subject("a\0b")]).is_empty());
    home.tick(0);
    assert_eq!(home.bench.metric("samples_refused_total", &[]), 1.0);
    assert_eq!(home.bench.metric("changes_lost_total", &[]), 0.0);
    assert_eq!(home.feed(&[Input::new("x", 1.0).subject("ab")]).len(), 1);
}

#[test]
fn wrong_requests_say_what_is_wrong() {
    let mut home = Home::new(BUDGET);
    home.feed(&[cost(0, 0.85)]);
    let id = home.alerts()[0]["id"].as_str().unwrap().to_owned();
    let problem = |home: &mut Home, method: &str, path: &str, body: Value| {
        let answer = home.request(method, path, &body);
        let json: Value = serde_json::from_str(answer.text()).unwrap();
        (answer.status, json["errors"][0]["field"].as_str().unwrap_or_default().to_owned())
    };
    let ack = format!("/api/alerts/{id}/ack");
    let window = |from: &str, to: &str| {
        json!({ "matchers": [{ "name": "a", "op": "=", "value": "b" }], "author": "a",
                "starts_at": from, "ends_at": to })
    };
    for (method, path, body, status, field) in [
        ("GET", "/api/alerts?state=gone", Value::Null, 400, "state"),
        ("GET", "/api/alerts?severity=bad", Value::Null, 400, "severity"),
        ("GET", "/api/alerts?limit=many", Value::Null, 400, "limit"),
        ("GET", "/api/alerts?limit=-1", Value::Null, 400, "limit"),
        ("GET", "/api/alerts/nobody", Value::Null, 404, ""),
        ("POST", "/api/alerts/nobody/ack", Value::Null, 404, ""),
        ("POST", &ack, json!({ "by": " " }), 400, "by"),
        ("POST", &ack, json!({ "who": "x" }), 400, ""),
        (
            "POST",
            "/api/silences",
            window("2100-01-02T00:00:00Z", "2100-01-01T00:00:00Z"),
            400,
            "ends_at",
        ),
        (
            "POST",
            "/api/silences",
            json!({ "matchers": [], "author": "a", "ends_at": "2100-01-01T00:00:00Z" }),
            400,
            "matchers",
        ),
        ("DELETE", "/api/silences/s77", Value::Null, 404, ""),
        ("DELETE", "/api/silences/x", Value::Null, 404, ""),
    ] {
        assert_eq!(
            problem(&mut home, method, path, body.clone()),
            (status, field.to_owned()),
            "{method} {path} {body}"
        );
    }
    let resolve = format!("/api/alerts/{id}/resolve");
    assert_eq!(home.request("POST", &resolve, &Value::Null).status, 200);
    assert_eq!(problem(&mut home, "POST", &resolve, Value::Null).0, 409);
    assert_eq!(home.json("/api/alerts?state=resolved&kind=cost&subject=p")["alerts"][0]["id"], id);
}
