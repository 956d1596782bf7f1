//! What dispatch costs: CPU time of a plugin's side for each event, on a thread of the host and in a
//! process of its own.
//!
//! The rule: CPU time, never wall time, and of the plugin's own threads alone, in turn for both
//! isolations.

use shimmer_benches::{BATCH, Case, Load, cpu_ns, median, rounds, threads};
use shimmer_host::{Card, HostConfig, HostEvents, Isolation, PluginConfig, PluginHost, State};
use shimmer_ring::{
    Entry, Outcome, Producer, PublishError, Reserve, Ring, RingConfig, Storage, Submission,
};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const LOAD_BATCHES: usize = 300;
/// Name that the host gives to the worker of a plugin on a thread.
const WORKER: &str = "plugin";
const PATIENCE: Duration = Duration::from_secs(60);

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// As fast as they can be stored.
    Flood,
    /// One by one, this far apart.
    Trickle(Duration),
}

impl Flow {
    fn events(self) -> usize {
        match self {
            Self::Flood => 1_000_000,
            Self::Trickle(_) => 20_000,
        }
    }

    fn warm_events(self) -> usize {
        match self {
            Self::Flood => 100_000,
            Self::Trickle(_) => 2_000,
        }
    }
}

/// What one run cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// CPU nanoseconds an event of the plugin's threads.
    plugin_ns: f64,
    /// The same of everything: publishing, waking and supervising with it.
    whole_ns: f64,
    /// Events a call.
    batch: f64,
}

struct Quiet;

impl HostEvents for Quiet {
    fn topic(&self, _: &str, _: &str, _: &str, _: &[u8]) {}
    fn routes_changed(&self) {}
}

/// A host with one plugin over a ring in memory.
struct Bench {
    producer: Producer,
    host: PluginHost,
    plugin: &'static str,
    isolation: Isolation,
    outcomes: Vec<Outcome>,
    _dir: tempfile::TempDir,
}

fn target_dir() -> PathBuf {
    let own = std::env::current_exe().expect("a bench has a path");
    own.ancestors().nth(2).expect("benches run from target/release/deps").to_owned()
}

fn built(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `cargo xtask bench dispatch`", path.display());
    path
}

impl Bench {
    fn start(plugin: &'static str, isolation: Isolation) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (ring, _) = Ring::open(&RingConfig::default(), &Storage::Memory).expect("a ring");
        let ring = Arc::new(ring);
        let producer = ring.producer();
        let mut config = HostConfig::new(dir.path().to_owned(), "node-0001".into());
        config.executable = built(target_dir().join("shimmer"));
        let library = built(target_dir().join(format!("examples/libbench_{plugin}.so")));
        let table = PluginConfig {
            name: plugin.to_owned(),
            path: library,
            isolation,
            ..PluginConfig::default()
        };
        let host = PluginHost::start(ring, config, vec![table], Arc::new(Quiet)).expect("a host");
        let bench = Self { producer, host, plugin, isolation, outcomes: Vec::new(), _dir: dir };
        bench.until(|card| card.state == State::Running);
        bench
    }

    fn card(&self) -> Card {
        self.host.card(self.plugin).expect("the plugin is known")
    }

    fn until(&self, done: impl Fn(&Card) -> bool) -> Card {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let card = self.card();
            if done(&card) {
                return card;
            }
            assert!(Instant::now() < deadline, "{card:#?}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn publish(&mut self, entries: &[Entry<'_>]) {
        let submission = Submission { entries, cursor: None, reserve: Reserve::Ingest };
        loop {
            match self.producer.publish(&submission, &mut self.outcomes) {
                Ok(()) => return,
                Err(PublishError::Full) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn send(&mut self, load: Load, from: usize, events: usize, flow: Flow) {
        let mut refill = load.refill();
        for batch in from..from + events / BATCH {
            let entries = refill.batch(batch);
            match flow {
                Flow::Flood => self.publish(entries),
                Flow::Trickle(apart) => {
                    for entry in entries.chunks(1) {
                        let due = Instant::now() + apart;
                        self.publish(entry);
                        while Instant::now() < due {
                            std::hint::spin_loop();
                        }
                    }
                }
            }
        }
        self.until(|card| card.lag_events == 0);
    }

    /// CPU nanoseconds so far: of the plugin's side, and of everything.
    fn cpu(&self) -> (u64, u64) {
        let own = std::process::id();
        let (mut host, mut worker) = (0, 0);
        for thread in threads(own) {
            let sum = if thread.name == WORKER { &mut worker } else { &mut host };
            *sum += cpu_ns(own, thread.tid);
        }
        let plugin = match (self.isolation, self.card().pid) {
            (Isolation::Process, Some(pid)) => {
                threads(pid).iter().map(|thread| cpu_ns(pid, thread.tid)).sum()
            }
            _ => worker,
        };
        (plugin, host + plugin)
    }

    fn run(&mut self, load: Load, flow: Flow) -> Cost {
        let (warm, events) = (flow.warm_events(), flow.events());
        self.send(load, 0, warm, flow);
        let before = self.cpu();
        self.send(load, warm / BATCH, events, flow);
        let after = self.cpu();
        // The calls are counted to the end only when the instance has ended.
        self.host.disable(self.plugin).expect("the plugin is known");
        let card = self.until(|card| card.state == State::Disabled);
        assert_eq!(card.missed_count, 0, "the plugin gates");
        let calls = card.durations.counts.iter().sum::<u64>();
        let each = |from: u64, to: u64| (to - from) as f64 / events as f64;
        Cost {
            plugin_ns: each(before.0, after.0),
            whole_ns: each(before.1, after.1),
            batch: (warm + events) as f64 / calls as f64,
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.host.shutdown(Duration::from_secs(5));
    }
}

fn tables(plugin: &'static str, flow: Flow, load: Load) -> f64 {
    let names = ["thread", "process"];
    let wholes: [Cell<Vec<f64>>; 2] = Default::default();
    let batches: [Cell<Vec<f64>>; 2] = Default::default();
    let keep = |cell: &Cell<Vec<f64>>, value| {
        let mut values = cell.take();
        values.push(value);
        cell.set(values);
    };
    let mut cases = [Isolation::Thread, Isolation::Process].map(|isolation| {
        let index = usize::from(isolation == Isolation::Process);
        let (wholes, batches, keep) = (&wholes, &batches, &keep);
        Case {
            name: names[index].to_owned(),
            measure: Box::new(move || {
                let cost = Bench::start(plugin, isolation).run(load, flow);
                keep(&wholes[index], cost.whole_ns);
                keep(&batches[index], cost.batch);
                cost.plugin_ns
            }),
        }
    });
    let title = format!("{plugin}, {flow:?}");
    let table = rounds(&title, "plugin's CPU ns an event", "thread", ROUNDS, &mut cases);
    println!("{table}");
    for (name, (whole, batch)) in names.iter().zip(wholes.iter().zip(&batches)) {
        let (mut whole, mut batch) = (whole.take(), batch.take());
        print!("{name}: {:.1} events a call", median(&mut batch));
        // Whoever trickles spins between two events, which would count as the host's.
        if flow == Flow::Flood {
            print!(", {:.1} ns an event with publishing and supervising", median(&mut whole));
        }
        println!();
    }
    println!();
    table.ratio(1)
}

fn main() {
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let load = Load::leak(LOAD_BATCHES);
    for flow in [Flow::Flood, Flow::Trickle(Duration::from_micros(50))] {
        for plugin in ["noop", "sum"] {
            let ratio = tables(plugin, flow, load);
            println!("{plugin}: a process costs {ratio:.2} of a thread\n");
        }
    }
}
