//! What outlives a node, and what a reload changes.

use std::fs;

use shimmer_server::config::{Config, Secret, Sources};
use shimmer_server::{Reloads, Running, Server, ServerError};
use tempfile::TempDir;

use crate::http::Request;

const EVENT: &str = r#"{"event_id":"e","timestamp":"2025-10-21T04:30:00Z","beauty_score":0.5}"#;

fn config(dir: &TempDir) -> Config {
    let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
    config.server.port = 0;
    config.auth.token = Secret::new("token");
    config
}

fn post(node: &Running, token: &str) -> crate::http::Answer {
    Request::new("POST", "/event").token(token).body(EVENT).send(node.address())
}

fn get(node: &Running, path: &str) -> serde_json::Value {
    Request::new("GET", path).send(node.address()).json()
}

#[test]
fn a_node_started_again_is_the_same_node() {
    let dir = TempDir::new().unwrap();
    let first = Server::start(config(&dir), None).unwrap();
    let name = first.node_id().to_owned();
    assert_eq!(post(&first, "token").json()["seq"], 1);
    assert!(matches!(Server::start(config(&dir), None), Err(ServerError::Locked(_))));
    first.shutdown();

    let second = Server::start(config(&dir), None).unwrap();
    assert_eq!(second.node_id(), name);
    let again = post(&second, "token").json();
    assert_eq!((&again["seq"], &again["duplicate"]), (&1.into(), &true.into()));
    assert_eq!(get(&second, "/snapshot")["count"], 1);
}

#[test]
fn a_taken_port_and_a_missing_token_are_told() {
    let dir = TempDir::new().unwrap();
    let node = Server::start(config(&dir), None).unwrap();
    let other = TempDir::new().unwrap();
    let mut taken = config(&other);
    taken.server.port = node.address().port();
    assert!(matches!(Server::start(taken, None), Err(ServerError::Listen { .. })));
    let mut nobody = config(&other);
    nobody.auth.token = Secret::default();
    let error = Server::start(nobody, None).err().unwrap();
    assert!(error.is_configuration(), "{error}");
}

#[test]
fn a_reload_takes_what_can_change_and_a_bad_file_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("shimmer.toml");
    let write = |text: &str| {
        let data = dir.path().join("data");
        let head = format!("data_dir = {data:?}\n[server]\nport = 0\n");
        fs::write(&file, format!("{head}{text}")).unwrap();
    };
    write("[auth]\ntoken = \"old-token\"\nrotation_grace = 0\n");
    let sources = Sources { file: Some(file.clone()), ..Sources::nowhere() };
    let loaded = sources.load().unwrap();
    let node = Server::start(loaded.config, Some(Reloads::new(sources, |_| {}))).unwrap();
    assert_eq!(post(&node, "old-token").status, 200);

    write("[auth]\ntoken = \"new-token\"\nrotation_grace = 0\n[ring]\ncapacity = 131072\n");
    let report = node.reload().unwrap();
    assert!(report.applied.contains(&"auth.token".to_owned()), "{report:?}");
    assert_eq!(report.needs_restart, ["ring.capacity"]);
    assert_eq!(post(&node, "old-token").status, 401);
    assert_eq!(post(&node, "new-token").status, 200);

    write("[auth]\ntoken = \"third-token\"\n[ring]\nnonsense = 1\n");
    assert!(node.reload().unwrap_err().is_configuration());
    let refused = Request::new("POST", "/api/reload").token("new-token").send(node.address());
    let problem = refused.problem(422);
    assert_eq!(problem["problems"].as_array().map(Vec::len), Some(1), "{problem}");
    assert_eq!(post(&node, "third-token").status, 401);
    write("[auth]\ntoken = \"third-token\"\n");
    let answer = Request::new("POST", "/api/reload").token("new-token").send(node.address());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(post(&node, "third-token").status, 200);
}
