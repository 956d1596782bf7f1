//! A host with plugins over a ring, for tests: publishes events and waits for conditions, never for time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shimmer_event::{Batch, Limits, Receipt, TAIL};
use shimmer_host::{Card, HostConfig, HostEvents, PluginConfig, PluginHost, State};
use shimmer_ring::{
    CopyBuf, Entry, PublishError, Reserve, Ring, RingConfig, Storage, Submission, SyncMode,
};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Folder of the program and its libraries: the tests run from `DIR/deps`.
fn target_dir() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    own.ancestors().nth(2).expect("tests run from target/PROFILE/deps").to_owned()
}

fn built(path: PathBuf) -> PathBuf {
    let shown = path.display();
    assert!(
        path.exists(),
        "{shown} is missing: run `cargo build --workspace --examples`, or `cargo xtask test`"
    );
    path
}

/// The program, which answers to `plugin-host`.
pub(crate) fn shimmer() -> PathBuf {
    built(target_dir().join("shimmer"))
}

/// The library of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    built(target_dir().join(format!("examples/libfixture_{name}.so")))
}

/// The library of a bundled plugin.
pub(crate) fn bundled(name: &str) -> PathBuf {
    built(target_dir().join(format!("libshimmer_{name}.so")))
}

/// A table for a fixture.
pub(crate) fn plugin(name: &str) -> PluginConfig {
    let path = fixture(&name.replace('-', "_"));
    PluginConfig { name: name.to_owned(), path, ..PluginConfig::default() }
}

/// What plugins published on topics: plugin, topic, message.
#[derive(Default)]
pub(crate) struct Topics(pub(crate) Mutex<Vec<(String, String, String)>>);

impl HostEvents for Topics {
    fn topic(&self, plugin: &str, topic: &str, _event: &str, message: &[u8]) {
        let message = String::from_utf8_lossy(message).into_owned();
        self.0.lock().unwrap().push((plugin.to_owned(), topic.to_owned(), message));
    }
    fn routes_changed(&self) {}
}

pub(crate) struct Bench {
    pub(crate) ring: Arc<Ring>,
    pub(crate) host: PluginHost,
    pub(crate) topics: Arc<Topics>,
    batch: Batch,
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

impl Bench {
    /// A host over a ring in memory, with short deadlines.
    pub(crate) fn new(plugins: Vec<PluginConfig>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut bench = Self::open(temp.path(), &Storage::Memory, 65_536, HostConfig::new, plugins);
        bench._temp = Some(temp);
        bench
    }

    /// A host over a journal in `dir`.
    pub(crate) fn durable(dir: &Path, plugins: Vec<PluginConfig>) -> Self {
        Self::durable_over(dir, 65_536, plugins)
    }

    /// The same with so many slots.
    pub(crate) fn durable_over(dir: &Path, capacity: u64, plugins: Vec<PluginConfig>) -> Self {
        let (sync, log_bytes) = (SyncMode::Never, None);
        let storage = Storage::Journal { dir: dir.to_owned(), sync, log_bytes };
        Self::open(dir, &storage, capacity, HostConfig::new, plugins)
    }

    /// A host over a ring in memory with so many slots, that saves states every few milliseconds.
    pub(crate) fn small(capacity: u64, plugins: Vec<PluginConfig>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let config = |dir, node| {
            let state_interval = Duration::from_millis(20);
            HostConfig { state_interval, ..HostConfig::new(dir, node) }
        };
        let mut bench = Self::open(temp.path(), &Storage::Memory, capacity, config, plugins);
        bench._temp = Some(temp);
        bench
    }

    fn open(
        dir: &Path,
        storage: &Storage,
        capacity: u64,
        config: impl FnOnce(PathBuf, String) -> HostConfig,
        plugins: Vec<PluginConfig>,
    ) -> Self {
        let (ring, _) =
            Ring::open(&RingConfig { capacity, ..RingConfig::default() }, storage).unwrap();
        let ring = Arc::new(ring);
        let mut config = config(dir.to_owned(), "node".into());
        config.executable = shimmer();
        config.call_deadline = Duration::from_millis(1_500);
        config.cpu_patience = Duration::ZERO;
        // No test waits for its end.
        config.probation = PATIENCE;
        let topics = Arc::new(Topics::default());
        let host = PluginHost::start(Arc::clone(&ring), config, plugins, Arc::clone(&topics) as _)
            .unwrap();
        let bench =
            Self { ring, host, topics, batch: Batch::default(), dir: dir.to_owned(), _temp: None };
        for card in bench.host.cards() {
            bench.until(&card.name, "settle", |card| card.state != State::Starting);
        }
        bench
    }

    /// The data folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Publishes events of one kind with these ids and data.
    pub(crate) fn post(&mut self, kind: &str, ids: impl Iterator<Item = u64>, data: &str) {
        let mut lines = String::new();
        for id in ids {
            lines.push_str(&format!(
                "{{\"event_id\":\"{kind}-{id}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"kind\":\"{kind}\",\"value\":{id},\"subject\":\"s\",\"data\":{data}}}\n"
            ));
        }
        let receipt =
            Receipt { received_ns: 1, default_source: "tests", origin: "node", unsigned: false };
        self.batch.parse_ndjson(lines.as_bytes(), &receipt, &Limits::default()).unwrap();
        assert_eq!(self.batch.rejected(), []);
        let events: Vec<_> = self.batch.events().map(|(_, event)| event).collect();
        let entries: Vec<_> = events
            .iter()
            .map(|event| Entry {
                time_ns: event.time_ns,
                received_ns: event.received_ns,
                value: event.value,
                kind: event.kind,
                subject: event.subject,
                source: event.source,
                origin: event.origin,
                id: event.id,
                flags: event.flags,
                head: event.head,
                tail: TAIL,
                data: event.data.clone(),
                id_span: event.id_span.clone(),
            })
            .collect();
        let submission = Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
        let (producer, mut outcomes) = (self.ring.producer(), Vec::new());
        wait("publish", || match producer.publish(&submission, &mut outcomes) {
            Ok(()) => true,
            Err(PublishError::Full) => false,
            Err(why) => panic!("{why}"),
        });
    }

    pub(crate) fn card(&self, name: &str) -> Card {
        self.host.card(name).unwrap()
    }

    /// Waits until the card is as wanted, and gives it.
    pub(crate) fn until(&self, name: &str, what: &str, done: impl Fn(&Card) -> bool) -> Card {
        let until = Instant::now() + PATIENCE;
        loop {
            let card = self.card(name);
            if done(&card) {
                return card;
            }
            assert!(
                Instant::now() < until,
                "{name} did not {what}: {card:#?}\n{:#?}",
                self.host.logs(name, 20)
            );
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Waits until everything published is processed.
    pub(crate) fn caught_up(&self, name: &str) -> Card {
        self.until(name, "catch up", |card| card.lag_events == 0 && card.state == State::Running)
    }

    /// The private copies of a plugin's library.
    pub(crate) fn copies(&self, name: &str) -> Vec<std::ffi::OsString> {
        let files = std::fs::read_dir(self.dir.join("plugins").join(name)).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names.filter(|name| Path::new(name).extension() == Some("so".as_ref())).collect()
    }

    /// All kept events of a kind as JSON, oldest first.
    pub(crate) fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let reader = self.ring.reader();
        let (mut cursor, mut copy, mut found) =
            (self.ring.oldest() - 1, CopyBuf::default(), vec![]);
        loop {
            let copied = reader.copy(cursor, 4_096, 1 << 22, &mut copy);
            if copied.cursor == cursor {
                return found;
            }
            cursor = copied.cursor;
            for i in 0..copy.len() {
                let event: serde_json::Value = serde_json::from_slice(copy.text_of(i)).unwrap();
                if event["kind"] == kind {
                    found.push(event);
                }
            }
        }
    }

    /// How often the counter's state has seen this kind.
    pub(crate) fn counted(&self, kind: &str) -> u64 {
        let answer = self.get("counter", "/x/counter/counts").unwrap();
        let state: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        state["counts"][kind].as_u64().unwrap_or(0)
    }

    /// Calls a GET route of a plugin.
    pub(crate) fn get(
        &self,
        plugin: &str,
        pattern: &str,
    ) -> Result<shimmer_host::HttpAnswer, shimmer_host::CallError> {
        let routes = self.host.routes();
        let route = routes
            .iter()
            .find(|route| route.plugin == plugin && route.spec.pattern == pattern)
            .unwrap_or_else(|| panic!("{plugin} has no route {pattern}"));
        let call = shimmer_host::HttpCall {
            route: route.index,
            path: pattern.into(),
            ..Default::default()
        };
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.host.call(plugin, call, Duration::from_secs(5), move |answer| {
            sender.send(answer).unwrap();
        });
        receiver.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.host.shutdown(Duration::from_secs(5));
    }
}

/// Waits for a condition with a deadline.
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}: waited {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
