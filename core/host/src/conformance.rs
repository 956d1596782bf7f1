//! The conformance suite that every plugin passes, ours and a third party's: it runs the library in the real host
//! against a ring in memory and says of each promise whether it was kept.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shimmer_event::{Batch, Limits, Receipt, TAIL};
use shimmer_ring::{Entry, Reserve, Ring, RingConfig, Storage, Submission};

use crate::config::{HostConfig, PluginConfig};
use crate::host::{HostEvents, PluginHost};
use crate::loader::Library;
use crate::manifest::{Manifest, RouteKind};
use crate::supervisor::{Card, State};
use crate::wire::HttpCall;

/// Events of the suite's stream.
const EVENTS: u64 = 10_000;
/// How long any one promise may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to test, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The library.
    pub library: PathBuf,
    /// `[plugin.config]` as JSON.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What it is allowed.
    pub permissions: crate::Permissions,
    /// Program that answers to `plugin-host`.
    pub executable: PathBuf,
    /// An empty folder for copies and states.
    pub work_dir: PathBuf,
}

/// One promise and whether it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The promise.
    pub name: &'static str,
    /// What was seen, or what was wrong and how to mend it.
    pub result: Result<String, String>,
}

/// Runs the suite; it stops at the first promise that the following ones need.
#[must_use]
pub fn run(options: &Options) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut check = |name, result: Result<String, String>| {
        let kept = result.is_ok();
        checks.push(Check { name, result });
        kept
    };
    let manifest = match describe(&options.library) {
        Ok(manifest) => manifest,
        Err(why) => {
            check("the library exports a sound descriptor", Err(why));
            return checks;
        }
    };
    let said = format!("{} {}", manifest.name, manifest.version);
    check("the library exports a sound descriptor", Ok(said));
    let bench = match Bench::start(options, &manifest.name) {
        Ok(bench) => bench,
        Err(why) => {
            check("it starts in its own process", Err(why));
            return checks;
        }
    };
    if check("it starts in its own process", bench.runs()) {
        check("it processes a stream of every kind of event", bench.processes(&manifest));
        check("its routes answer in time", bench.routes());
        check("its ticks do no harm", bench.ticks(&manifest));
        check("killed, it comes back and misses nothing", bench.survives_kill());
        check("reloaded, it goes on", bench.reloads());
    }
    check("it stops in time", bench.stops());
    checks
}

/// Reads the descriptor in this process; creating the instance is left to the sandbox.
fn describe(library: &Path) -> Result<Manifest, String> {
    let path = library.canonicalize().map_err(|why| format!("{}: {why}", library.display()))?;
    Library::load(&path).map(|library| library.manifest)
}

/// A host with the one plugin.
struct Bench {
    name: String,
    ring: Arc<Ring>,
    host: PluginHost,
    posted: Mutex<u64>,
}

struct Ignore;

impl HostEvents for Ignore {
    fn topic(&self, _plugin: &str, _topic: &str, _event: &str, _message: &[u8]) {}
    fn routes_changed(&self) {}
}

impl Bench {
    fn start(options: &Options, name: &str) -> Result<Self, String> {
        let (ring, _) =
            Ring::open(&RingConfig::default(), &Storage::Memory).map_err(|why| why.to_string())?;
        let ring = Arc::new(ring);
        let mut config = HostConfig::new(options.work_dir.clone(), "conformance".into());
        config.executable.clone_from(&options.executable);
        config.probation = Duration::from_millis(200);
        let mut plugin = PluginConfig {
            name: name.to_owned(),
            config: options.config.clone(),
            permissions: options.permissions.clone(),
            ..PluginConfig::default()
        };
        // A bundled plugin, which its file's name tells, has routes that others may not have.
        config.bundled_dir = options.library.parent().map(Path::to_owned).unwrap_or_default();
        if config.library(&plugin) != options.library {
            plugin.path.clone_from(&options.library);
        }
        let host = PluginHost::start(Arc::clone(&ring), config, vec![plugin], Arc::new(Ignore))
            .map_err(|why| why.to_string())?;
        Ok(Self { name: name.to_owned(), ring, host, posted: Mutex::new(0) })
    }

    fn card(&self) -> Result<Card, String> {
        self.host.card(&self.name).ok_or_else(|| "the host lost it".to_owned())
    }

    fn runs(&self) -> Result<String, String> {
        let card = self.until("run", |card| card.state == State::Running)?;
        Ok(format!("pid {}", card.pid.unwrap_or_default()))
    }

    fn processes(&self, manifest: &Manifest) -> Result<String, String> {
        let kinds: Vec<&str> = match manifest.kinds.as_slice() {
            [] => vec!["beauty", "cost", "conformance.other"],
            kinds => kinds.iter().map(String::as_str).chain(["conformance.other"]).collect(),
        };
        let before = self.card()?.crash_count;
        self.post(&kinds)?;
        let card = self.caught_up()?;
        if card.crash_count > before {
            return Err(format!("it died: {}", card.last_error.unwrap_or_default()));
        }
        Ok(format!("{} events delivered, lag {}", card.event_count, card.lag_events))
    }

    fn routes(&self) -> Result<String, String> {
        let routes = self.host.routes();
        let plain: Vec<_> = routes
            .iter()
            .filter(|route| route.spec.method == "GET" && !route.spec.pattern.contains('{'))
            .collect();
        for route in &plain {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            let call = HttpCall {
                route: route.index,
                path: route.spec.pattern.clone(),
                request_id: "conformance".into(),
                ..HttpCall::default()
            };
            self.host.call(&self.name, call, Duration::from_secs(5), move |answer| {
                drop(sender.send(answer));
            });
            let pattern = &route.spec.pattern;
            let answer = receiver
                .recv_timeout(PATIENCE)
                .map_err(|_| format!("GET {pattern}: no answer"))?
                .map_err(|why| format!("GET {pattern}: {why}"))?;
            if answer.status >= 500 {
                return Err(format!("GET {pattern} answers {}", answer.status));
            }
        }
        let streams = routes.iter().filter(|route| route.spec.kind != RouteKind::Http).count();
        Ok(format!("{} routes, {} called, {streams} of them streams", routes.len(), plain.len()))
    }

    fn ticks(&self, manifest: &Manifest) -> Result<String, String> {
        if manifest.tick_interval_ms == 0 {
            return Ok("it wants none".into());
        }
        let before = self.card()?;
        let beat = Duration::from_millis(u64::from(manifest.tick_interval_ms)) * 3;
        let until = Instant::now() + beat.min(Duration::from_secs(3));
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let after = self.card()?;
        if after.crash_count > before.crash_count || after.state != State::Running {
            return Err(format!("it died: {}", after.last_error.unwrap_or_default()));
        }
        Ok(format!("every {} ms", manifest.tick_interval_ms))
    }

    fn survives_kill(&self) -> Result<String, String> {
        let before = self.card()?;
        let pid = before.pid.and_then(|pid| i32::try_from(pid).ok()).ok_or("it has no process")?;
        let pid = rustix::process::Pid::from_raw(pid).ok_or("it has no process")?;
        self.post(&["beauty"])?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
            .map_err(|why| format!("cannot kill it: {why}"))?;
        self.until("come back", |card| {
            card.crash_count > before.crash_count && card.state == State::Running
        })?;
        let card = self.caught_up()?;
        if card.missed_count > before.missed_count {
            return Err(format!("{} events were missed", card.missed_count - before.missed_count));
        }
        Ok(format!("{} events delivered in all", card.event_count))
    }

    fn reloads(&self) -> Result<String, String> {
        self.host.reload(&self.name).map_err(|why| why.to_string())?;
        self.post(&["beauty"])?;
        self.caught_up().map(|card| format!("restarts {}", card.restart_count))
    }

    fn stops(&self) -> Result<String, String> {
        let started = Instant::now();
        self.host.shutdown(Duration::from_secs(5));
        let took = started.elapsed();
        let killed = self.card()?.last_error.is_some_and(|why| why.contains("did not stop"));
        if killed || took > Duration::from_secs(4) {
            return Err("it had to be killed: return from stop within 2 s".into());
        }
        Ok(format!("{} ms", took.as_millis()))
    }

    fn caught_up(&self) -> Result<Card, String> {
        self.until("catch up with the stream", |card| {
            card.lag_events == 0 && card.state == State::Running
        })
    }

    fn until(&self, what: &str, done: impl Fn(&Card) -> bool) -> Result<Card, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let card = self.card()?;
            if done(&card) {
                return Ok(card);
            }
            if card.state == State::Crashed || Instant::now() > until {
                let why = card.last_error.unwrap_or_else(|| format!("state {:?}", card.state));
                let logs = self.host.logs(&self.name, 5).unwrap_or_default();
                let tail: Vec<_> = logs.into_iter().map(|line| line.message).collect();
                return Err(format!(
                    "it did not {what}: {why}; its log ends with: {}",
                    tail.join(" | ")
                ));
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Publishes events of these kinds: with and without subject and data, with text beyond ASCII.
    fn post(&self, kinds: &[&str]) -> Result<(), String> {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        let receipt = Receipt {
            received_ns: crate::supervisor::unix_now_ns(),
            default_source: "conformance",
            origin: "conformance",
            unsigned: false,
        };
        let mut outcomes = Vec::new();
        let producer = self.ring.producer();
        for chunk in 0..EVENTS / 100 {
            let mut lines = String::new();
            for i in 0..100 {
                let n = *posted + chunk * 100 + i;
                lines.push_str(&line(n, kinds[(n % kinds.len() as u64) as usize]));
            }
            batch
                .parse_ndjson(lines.as_bytes(), &receipt, &Limits::default())
                .map_err(|why| why.to_string())?;
            let entries: Vec<_> = batch.events().map(|(_, event)| entry(&event)).collect();
            let submission =
                Submission { entries: &entries, cursor: None, reserve: Reserve::Ingest };
            let until = Instant::now() + PATIENCE;
            while let Err(why) = producer.publish(&submission, &mut outcomes) {
                if Instant::now() > until {
                    return Err(format!("the stream stands still: {why}"));
                }
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
        *posted += EVENTS;
        Ok(())
    }
}

fn line(n: u64, kind: &str) -> String {
    let subject = if n.is_multiple_of(2) { r#","subject":"Größe 测试""# } else { "" };
    let data = if n.is_multiple_of(3) {
        r#","data":{"n":1,"text":"a\"b","deep":{"x":[1,2]}}"#
    } else {
        ""
    };
    let value = (n % 150) as f64 / 100.0;
    format!(
        "{{\"event_id\":\"c-{n}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"kind\":\"{kind}\",\"value\":{value}{subject}{data}}}\n"
    )
}

fn entry<'a>(event: &shimmer_event::Event<'a>) -> Entry<'a> {
    Entry {
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
    }
}
