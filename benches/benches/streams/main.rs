//! Live streams: thousands of clients on our WebSocket and SSE, and on the WebSockets of NATS and
//! Mosquitto, get the same events at the same rate.
//!
//! The rule: what counts is the server's own CPU time for each event that reached a client, of every
//! thread and in rounds beside the peers; it fails (exit code 1) when a client of ours misses an event
//! or gets one twice. `STREAMS_ROUNDS` and `STREAMS_SECONDS` change how much is measured,
//! `STREAMS_ONLY=text` picks the tables whose title has the text.

mod dialect;
mod peer;
mod publish;
mod run;
mod swarm;

use dialect::Dialect;
use peer::Peer;
use publish::Pace;
use run::{Case, Figures};
use shimmer_benches::{median, quantile};
use std::process::ExitCode;

/// Cases beside each other.
struct Table {
    title: &'static str,
    cases: Vec<Case>,
}

const STEADY: Pace = Pace { rate: 100, batch: 1 };
const BATCHES: Pace = Pace { rate: 1_000, batch: 5 };
const SINGLE: Pace = Pace { rate: 1_000, batch: 1 };

fn tables() -> Vec<Table> {
    let case = |name, dialect, clients, pace| Case { name, dialect, clients, pace, pauses: false };
    let beside = |clients, pace| {
        vec![
            case("shimmer", Dialect::Ws, clients, pace),
            case("nats-server", Dialect::Nats, clients, pace),
            case("mosquitto", Dialect::Mqtt, clients, pace),
        ]
    };
    vec![
        Table { title: "5,000 clients x 100 events/s", cases: beside(5_000, STEADY) },
        Table { title: "1,000 clients x 1,000 events/s", cases: beside(1_000, BATCHES) },
        Table {
            title: "ways to us, 1,000 clients x 1,000 events/s",
            cases: vec![
                case("WebSocket", Dialect::Ws, 1_000, BATCHES),
                case("WebSocket, POST /event", Dialect::Ws, 1_000, SINGLE),
                case("SSE", Dialect::Sse, 1_000, BATCHES),
                Case {
                    pauses: true,
                    ..case("WebSocket, one stops reading", Dialect::Ws, 1_000, BATCHES)
                },
            ],
        },
        // Fewer, because the clients' inflating is dearer than all that the server does.
        Table {
            title: "compressed, 200 clients x 1,000 events/s",
            cases: vec![
                case("plain", Dialect::Ws, 200, BATCHES),
                case("permessage-deflate", Dialect::Deflate, 200, BATCHES),
            ],
        },
        Table {
            title: "10,000 clients x 20 events/s",
            cases: vec![case("shimmer", Dialect::Ws, 10_000, Pace { rate: 20, ..STEADY })],
        },
    ]
}

/// A whole number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name).map(|text| text.parse()) {
        Ok(Ok(value @ 1..=1_000)) => value,
        Err(std::env::VarError::NotPresent) => default,
        other => {
            eprintln!("{name} is a whole number from 1 to 1000, not {other:?}");
            std::process::exit(2);
        }
    }
}

/// Middle and, in brackets, least of one figure over the rounds.
fn over(rounds: &[Figures], digits: usize, of: fn(&Figures) -> f64) -> String {
    let mut values: Vec<_> = rounds.iter().map(of).collect();
    let (middle, least) = (median(&mut values), quantile(&mut values, 0.0));
    format!("{middle:.digits$} ({least:.digits$})")
}

fn middle(rounds: &[Figures], of: fn(&Figures) -> f64) -> f64 {
    median(&mut rounds.iter().map(of).collect::<Vec<_>>())
}

fn print(table: &Table, figures: &[Vec<Figures>]) -> Vec<String> {
    println!("**{}** ({} rounds; least in brackets)\n", table.title, figures[0].len());
    println!(
        "| case | deliveries | CPU us a delivery | x first | cores | p50 ms | p99 ms | lag at the end ms | \
         bytes a delivery | KiB a client, idle | after | kernel KiB a client | told as lost | missed | \
         doubled |"
    );
    println!("|---{}|", "|---:".repeat(14));
    let mut faults = Vec::new();
    for (case, rounds) in table.cases.iter().zip(figures) {
        let mut ratios: Vec<_> =
            rounds.iter().zip(&figures[0]).map(|(it, first)| it.cpu_us / first.cpu_us).collect();
        let sum = |of: fn(&Figures) -> u64| rounds.iter().map(of).sum::<u64>();
        let (missed, doubled) = (sum(|it| it.missed), sum(|it| it.doubled));
        println!(
            "| {} | {} | {} | {:.2} | {} | {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {} | {missed} \
             | {doubled} |",
            case.name,
            sum(|it| it.deliveries),
            over(rounds, 3, |it| it.cpu_us),
            median(&mut ratios),
            over(rounds, 2, |it| it.cores),
            over(rounds, 1, |it| it.p50_ms),
            over(rounds, 1, |it| it.p99_ms),
            over(rounds, 0, |it| it.end_ms),
            middle(rounds, |it| it.bytes),
            middle(rounds, |it| it.idle_kib),
            middle(rounds, |it| it.after_kib),
            middle(rounds, |it| it.kernel_kib),
            sum(|it| it.told_lost),
        );
        if Peer::of(case.dialect) == Peer::Shimmer && missed + doubled > 0 {
            faults.push(format!(
                "{}, {}: missed {missed}, doubled {doubled}",
                table.title, case.name
            ));
        }
    }
    println!();
    faults
}

fn main() -> ExitCode {
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    run::raise_descriptor_limit();
    let (rounds, seconds) = (setting("STREAMS_ROUNDS", 3), setting("STREAMS_SECONDS", 5));
    let only = std::env::var("STREAMS_ONLY").unwrap_or_default();
    let mut faults = Vec::new();
    for mut table in tables().into_iter().filter(|table| table.title.contains(&only)) {
        table.cases.retain(|case| {
            let peer = Peer::of(case.dialect);
            let there = peer.program().is_some();
            if !there {
                println!(
                    "{peer} is missing and not measured: \
                     `apt-get install --no-install-recommends {peer}`\n"
                );
            }
            there
        });
        let mut figures: Vec<_> = table.cases.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds as usize {
            for step in 0..table.cases.len() {
                let at = (round + step) % table.cases.len();
                let measured = run::measure(&table.cases[at], seconds);
                eprintln!("{}, {}: {measured:.3?}", table.title, table.cases[at].name);
                figures[at].push(measured);
            }
        }
        faults.extend(print(&table, &figures));
    }
    for fault in &faults {
        println!("FAULT: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
