//! A writer and its followers, whose events the test carries by hand: in any order, twice, forged or not at all.

use std::os::unix::fs::OpenOptionsExt;

use serde_json::{Value, json};
use shimmer_governor::{Bytes, Choice, Part, Secret};
use shimmer_sdk::testing::{Effect, Input};

use super::{ACTIVE, EXECUTED, Home, OVER, body, manual, open, secret};

/// Ticks until what is missing is asked for, and until the writer repeats again, with some more for each part.
const PATIENCE: usize = 50;
const REST: usize = 300;
const REST_OF_PART: usize = 10;

fn writers() -> Secret {
    Secret::from_bytes(&[42; 32])
}

/// A writer with three members.
fn writer() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let mut home = Home { bench: open(folder.path(), &writes(&folder), None).unwrap(), folder };
    home.enrol();
    home
}

fn writes(folder: &tempfile::TempDir) -> Value {
    use std::io::Write as _;
    let file = folder.path().join("writer.key");
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&file);
    writeln!(opened.unwrap(), "{}", Bytes([42; 32])).unwrap();
    let mut config = manual();
    config["writer"] = json!(writers().key());
    config["key_file"] = json!(file);
    config
}

fn follows() -> Value {
    json!({"clock": "manual", "writer": writers().key(), "default_weight": 0.9})
}

/// What was emitted of this kind since the last time, as other nodes get it.
fn sent(home: &mut Home, kind: &str) -> Vec<Input> {
    let carried = |event: Effect| Input::new(&event.kind, event.value).data(&event.data);
    home.bench.take_events().into_iter().filter(|event| event.kind == kind).map(carried).collect()
}

fn ticks(home: &mut Home, count: usize) {
    (0..count).for_each(|_| home.bench.tick(0).unwrap());
}

/// Lets everything come that was sent.
fn carry(from: &mut Home, to: &mut Home, kind: &str) {
    ticks(from, 1);
    let events = sent(from, kind);
    to.bench.feed(&events).unwrap();
}

fn log(home: &Home, file: &str) -> Vec<u8> {
    std::fs::read(home.folder.path().join(file)).unwrap()
}

fn copy_file() -> String {
    format!("audit-{}.ndjson", &writers().key().to_string()[..16])
}

#[test]
fn a_follower_has_the_same_bytes_and_counts_by_them() {
    let (mut writer, mut follower) = (writer(), Home::new(&follows()));
    follower.bench.tick(0).unwrap();
    assert!(follower.bench.take_messages().is_empty(), "nothing is known of weights yet");
    let id = writer.propose(&body("more of s", "s", 0.9));
    writer.clock(ACTIVE);
    ticks(&mut writer, 1);
    let mut parts = sent(&mut writer, "dao.log");
    assert!(parts.len() > 3, "{}", parts.len());
    parts.reverse();
    let twice: Vec<_> = parts.iter().chain(&parts).cloned().collect();
    follower.bench.feed(&twice).unwrap();
    assert_eq!(log(&follower, &copy_file()), log(&writer, "audit.ndjson"));
    assert!(!follower.folder.path().join("audit.ndjson").exists());
    follower.clock(ACTIVE);
    assert_eq!(follower.json("/dao/proposals"), writer.json("/dao/proposals"));

    let vote = follower.vote(&id, 3, Choice::For);
    assert_eq!((vote.status, vote.text()), (202, r#"{"forwarded":true,"power":30}"#));
    assert_eq!(follower.vote(&id, 9, Choice::For).status, 403, "a stranger");
    for (method, path) in [
        ("POST", "/dao/proposals".to_owned()),
        ("PUT", format!("/dao/members/{}", secret(1).key())),
        ("POST", format!("/dao/proposals/{id}/cancel")),
    ] {
        let body = if method == "PUT" { json!({"name": "", "stake": 1}) } else { json!({}) };
        let body = if path == "/dao/proposals" { super::body("t", "s", 0.1) } else { body };
        let answer = follower.ask(method, &path, &body);
        assert_eq!(answer.status, 409, "{path}: {}", answer.text());
        assert!(answer.text().contains(&writers().key().to_string()), "{}", answer.text());
    }
    let votes = sent(&mut follower, "dao.vote");
    assert_eq!(votes.len(), 1);
    writer.bench.feed(&[votes[0].clone(), votes[0].clone()]).unwrap();
    writer.bench.feed(&[Input::new("dao.vote", 0.0).data(&json!({"a": 1}))]).unwrap();
    assert_eq!(writer.bench.metric("votes_total", &["counted"]), 1.0);
    assert_eq!(writer.bench.metric("votes_total", &["refused"]), 2.0);
    writer.clock(OVER);
    writer.clock(EXECUTED);
    carry(&mut writer, &mut follower, "dao.log");
    follower.bench.tick(0).unwrap();
    assert_eq!(follower.json("/dao/weights"), writer.json("/dao/weights"));
    assert_eq!(follower.bench.weights()["s"], 0.7);
    let message = follower.bench.take_messages().pop().unwrap().text;
    assert!(message.contains(r#""default_weight":0.5"#), "the writer's, not its own: {message}");
    assert_eq!(follower.json("/dao/federation")["role"], "follower");
}

#[test]
fn what_is_missing_is_asked_for_and_comes_again() {
    let (mut writer, mut follower) = (writer(), Home::new(&follows()));
    ticks(&mut writer, 1);
    let parts = sent(&mut writer, "dao.log");
    ticks(&mut writer, 2);
    assert!(sent(&mut writer, "dao.log").is_empty(), "once");
    follower.bench.feed(&parts[..1]).unwrap();
    ticks(&mut follower, PATIENCE);
    assert!(sent(&mut follower, "dao.want").is_empty(), "it waits since the last news");
    ticks(&mut follower, 1);
    let wants = sent(&mut follower, "dao.want");
    assert_eq!(wants.len(), 1);
    ticks(&mut follower, 2 * PATIENCE - 1);
    assert!(sent(&mut follower, "dao.want").is_empty(), "longer each time");
    writer.bench.feed(&wants).unwrap();
    carry(&mut writer, &mut follower, "dao.log");
    assert_eq!(follower.json("/dao/audit"), writer.json("/dao/audit"));
    ticks(&mut follower, 20 * PATIENCE);
    assert!(sent(&mut follower, "dao.want").is_empty(), "nothing is missing");

    let foreign = json!({"writer": secret(1).key(), "offset": 0});
    writer.bench.feed(&[Input::new("dao.want", 0.0).data(&foreign)]).unwrap();
    ticks(&mut writer, 9 * REST);
    assert!(sent(&mut writer, "dao.log").is_empty(), "that was another writer's");
}

#[test]
fn the_same_bytes_are_repeated_once_in_a_while_whoever_asks() {
    let mut writer = writer();
    ticks(&mut writer, 1);
    let parts = sent(&mut writer, "dao.log");
    let want = |offset: usize| {
        Input::new("dao.want", 0.0).data(&json!({"writer": writers().key(), "offset": offset}))
    };
    let asked = |writer: &mut Home, offset: usize| {
        writer.bench.feed(&[want(offset), want(offset)]).unwrap();
        ticks(writer, 1);
        sent(writer, "dao.log").len()
    };
    let (all, end) = (parts.len(), log(&writer, "audit.ndjson").len());
    assert_eq!(asked(&mut writer, end), 0, "nothing is lacking");
    // Whoever lacks more gets the rest of it, at once.
    assert_eq!(asked(&mut writer, 2 * 384), all - 2);
    assert_eq!(asked(&mut writer, 384), 1);
    assert_eq!(asked(&mut writer, 0), 1);
    // For the others it is in the mesh.
    let pause = REST + REST_OF_PART * all - 3;
    let rounds = 5;
    let mut repeated = 0;
    for tick in 0..rounds * (REST + REST_OF_PART * all) {
        let count = asked(&mut writer, if tick % 2 == 0 { 0 } else { 384 });
        assert!(count == 0 || tick + 1 >= pause, "tick {tick}");
        repeated += count;
    }
    assert_eq!(repeated, rounds * all, "a part a second at most");
    // What is new never waits.
    writer.propose(&body("t", "s", 0.9));
    ticks(&mut writer, 1);
    assert!(!sent(&mut writer, "dao.log").is_empty());
}

#[test]
fn nobody_else_is_believed_and_a_writer_that_contradicts_itself_is_left() {
    let (mut writer, mut follower) = (writer(), Home::new(&follows()));
    let forged = Part::sign(0, b"{}\n", &secret(1));
    let mut stolen = serde_json::to_value(&forged).unwrap();
    stolen["writer"] = json!(writers().key());
    let of = |data: &Value| Input::new("dao.log", 0.0).data(data);
    follower.bench.feed(&[of(&json!(forged)), of(&stolen), of(&json!({"a": 1}))]).unwrap();
    assert_eq!(follower.bench.metric("log_parts_total", &["refused"]), 3.0);
    assert_eq!(follower.bench.metric("log_forked", &[]), 0.0);
    carry(&mut writer, &mut follower, "dao.log");
    let good = log(&follower, &copy_file());
    assert_eq!(good, log(&writer, "audit.ndjson"));

    let other = Part::sign(10, b"another", &writers());
    follower.bench.feed(&[of(&json!(other))]).unwrap();
    assert_eq!(follower.bench.metric("log_forked", &[]), 1.0);
    let fault = follower.json("/dao/federation")["fault"].clone();
    assert!(fault.as_str().is_some_and(|fault| fault.contains("byte 10")), "{fault}");
    writer.propose(&body("t", "s", 0.9));
    carry(&mut writer, &mut follower, "dao.log");
    assert_eq!(log(&follower, &copy_file()), good, "no further");

    // Begun anew it goes on with what follows; an entry that cannot be is no better than other bytes.
    drop(follower.bench);
    let bench = open(follower.folder.path(), &follows(), None).unwrap();
    let mut follower = Home { bench, folder: follower.folder };
    let all = log(&writer, "audit.ndjson");
    let rest = all[good.len()..].chunks(384).enumerate();
    let rest: Vec<_> = rest
        .map(|(i, bytes)| Part::sign((good.len() + 384 * i) as u64, bytes, &writers()))
        .map(|part| of(&json!(part)))
        .collect();
    follower.bench.feed(&rest).unwrap();
    assert_eq!(log(&follower, &copy_file()), all);
    let lie = of(&json!(Part::sign(all.len() as u64, b"{}\n", &writers())));
    follower.bench.feed(&[lie]).unwrap();
    assert!(follower.json("/dao/federation")["fault"].is_string());
    assert_eq!(log(&follower, &copy_file()), all);
}

#[test]
fn a_writer_goes_on_where_it_was() {
    let mut writer = writer();
    ticks(&mut writer, 1);
    assert!(!sent(&mut writer, "dao.log").is_empty());
    let saved = writer.bench.save().unwrap();
    let config = writes(&writer.folder);
    drop(writer.bench);
    let bench = open(writer.folder.path(), &config, Some((&saved, 0))).unwrap();
    let mut writer = Home { bench, folder: writer.folder };
    ticks(&mut writer, 5);
    assert!(sent(&mut writer, "dao.log").is_empty(), "it was sent");
    drop(writer.bench);
    std::fs::remove_file(writer.folder.path().join("audit.ndjson")).unwrap();
    let bench = open(writer.folder.path(), &config, Some((&saved, 0))).unwrap();
    let mut writer = Home { bench, folder: writer.folder };
    ticks(&mut writer, 1);
    assert_eq!(sent(&mut writer, "dao.log").len(), 1, "another log, from its beginning");
}

#[test]
fn a_key_that_does_not_fit_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let good = writes(&folder);
    for (key, value, said) in [
        ("writer", json!(secret(1).key()), "writer: must be the public key"),
        ("writer", json!(""), "writer: must be the public key"),
        ("writer", json!("abc"), "keygen"),
        ("key_file", json!("/nowhere/at.all"), "key_file: /nowhere/at.all cannot be read"),
    ] {
        let mut config = good.clone();
        config[key] = value;
        let why = open(folder.path(), &config, None).err().unwrap();
        assert!(why.contains(said), "{why}");
    }
}
