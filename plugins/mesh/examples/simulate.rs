//! Simulates a mesh and prints what it came to.
//!
//! The rule: the figures of the documents can be had again with one command, and every run says its seed.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use clap::Parser;
use shimmer_mesh::sim::{Plan, Report, run};

/// Simulate a mesh of federated nodes: real nodes and anti-entropy over a model of gossipsub's fast path.
///
/// A delivery is needed where a node is alive from the publication until the deadline, or, of a node that comes later,
/// from its coming until the deadline after that. Every message may be lost, also those of anti-entropy. Equal
/// arguments give equal results, to the bit.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    simulate --nodes 200 --loss 0.3 --churn 0.1 --seeds 10\n  \
    simulate --nodes 1000 --latency-ms 100 --seconds 30 --events-per-second 5\n  \
    simulate --nodes 100 --partition 10..22 --deadline-s 20")]
struct Arguments {
    /// Nodes alive at the start
    #[arg(long, default_value_t = 200)]
    nodes: usize,
    /// Share of messages that is lost, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Share of nodes that leaves in a minute; half come back with their store, half as somebody new
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// Mean time of a message on a link, one way
    #[arg(long, default_value_t = 50)]
    latency_ms: u64,
    /// For how long events are published
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Events a second, of all nodes together
    #[arg(long, default_value_t = 20.0)]
    events_per_second: f64,
    /// Connections that a node keeps up by dialling
    #[arg(long, default_value_t = 6)]
    dials: usize,
    /// Time to notice that a peer has gone
    #[arg(long, default_value_t = 3_000)]
    detect_ms: u64,
    /// Cut the mesh in halves between these seconds, as FROM..TO
    #[arg(long, value_parser = span)]
    partition: Option<(u64, u64)>,
    /// A needed delivery must happen within this
    #[arg(long, default_value_t = 10)]
    deadline_s: u64,
    /// Rhythm of anti-entropy
    #[arg(long, default_value_t = 2_000)]
    round_ms: u64,
    /// Verify the signatures of the fast path too
    #[arg(long)]
    verify: bool,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one run each
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

fn span(text: &str) -> Result<(u64, u64), String> {
    let parts =
        text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    parts.filter(|(from, to)| from < to).ok_or_else(|| "expected FROM..TO in seconds".to_owned())
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        Plan {
            seed,
            nodes: self.nodes.max(2),
            publish_ms: self.seconds * 1000,
            events_per_s: self.events_per_second.clamp(0.01, 1000.0),
            latency_ms: self.latency_ms,
            loss: self.loss.clamp(0.0, 1.0),
            churn: self.churn.clamp(0.0, 60.0),
            detect_ms: self.detect_ms,
            dials: self.dials.max(1),
            partition_ms: self.partition.map(|(from, to)| (from * 1000, to * 1000)),
            deadline_ms: self.deadline_s * 1000,
            verify: self.verify,
            round_ms: self.round_ms.max(100),
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    let shows = std::io::stderr().is_terminal();
    let mut reports: Vec<Report> = Vec::new();
    for seed in arguments.seed..arguments.seed + arguments.seeds.max(1) {
        let began = Instant::now();
        let report = run(&arguments.plan(seed), |share| {
            if shows {
                eprint!("\rseed {seed}: {:3.0} %", share * 100.0);
                let _ = std::io::stderr().flush();
            }
        });
        if shows {
            eprint!("\r");
        }
        println!("seed {seed}, {:.1} s to simulate", began.elapsed().as_secs_f64());
        println!("{report}\n");
        reports.push(report);
    }
    if let [_, _, ..] = &reports[..] {
        let worst = |of: fn(&Report) -> u64| reports.iter().map(of).max().unwrap_or_default();
        let ratio = reports.iter().map(Report::ratio).fold(1.0, f64::min);
        let copies = reports.iter().map(Report::copies_per_delivery).fold(0.0, f64::max);
        println!(
            "worst of {} seeds: {:.4} % in time, p99 {} ms, max {} ms, after coming max {} ms, {copies:.2} copies",
            reports.len(),
            ratio * 100.0,
            worst(|report| report.live.p99_ms),
            worst(|report| report.live.max_ms),
            worst(|report| report.late.max_ms),
        );
    }
    let complete = reports.iter().all(|report| report.in_time == report.needed);
    std::process::exit(i32::from(!complete));
}
