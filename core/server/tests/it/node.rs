//! A node for one test: a free port, an own data folder, a known token.

use std::net::SocketAddr;

use serde_json::{Value, json};
use shimmer_server::config::{Config, Secret, Storage};
use shimmer_server::{Running, Server};
use tempfile::TempDir;

use crate::http::{Answer, Request};

pub(crate) const TOKEN: &str = "test-token";

pub(crate) struct Node {
    pub(crate) running: Option<Running>,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
        config.server.port = 0;
        config.auth.token = Secret::new(TOKEN);
        config.ring.storage = Storage::Memory;
        // Nothing is installed beside a test.
        config.plugins.bundled.clear();
        change(&mut config);
        let running = Server::start(config, None).expect("the node starts");
        let address = running.address();
        Self { running: Some(running), address, _dir: dir }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.address)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Request::new("POST", path)
            .token(TOKEN)
            .header("content-type", content_type)
            .body(body)
            .send(self.address)
    }

    /// Posts a general event and gives its sequence.
    pub(crate) fn event(&self, id: &str, kind: &str, value: f64) -> u64 {
        let event = json!({
            "event_id": id, "timestamp": "2025-10-21T04:30:00Z", "kind": kind, "value": value,
        });
        let answer = self.post("/event", "application/json", event.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["seq"].as_u64().expect("a sequence")
    }

    /// Posts a beauty event and gives its sequence.
    pub(crate) fn beauty(&self, id: &str, score: f64) -> u64 {
        let event = json!({
            "event_id": id, "timestamp": "2025-10-21T04:30:00Z", "beauty_score": score,
        });
        let answer = self.post("/event", "application/json", event.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["seq"].as_u64().expect("a sequence")
    }
}
