//! The soak: the release binary with a plugin and a stream client takes millions of events over HTTP,
//! while its memory and the latency of its pages are watched.
//!
//! The rule: it fails (exit code 1) when memory still grows in the second half, when the host holds
//! more private memory than promised, or when a page is slow. `SOAK_MILLIONS=50` makes it long.

mod probe;

use shimmer_benches::{BATCH, Client, Memory, Server, listen, median, memory, ndjson};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PLUGIN: &str = "sum";
const MILLIONS: u64 = 5;
/// Looks at the memory.
const LOOKS: u64 = 50;
/// Rows of the table.
const ROWS: usize = 10;
/// Most that the memory may grow over the second half.
const GROWTH: f64 = 1.05;
/// Most private resident memory of the host: its heap and stacks.
const HOST_BYTES: u64 = 60 << 20;
/// Longest wait for an answer, at the 99th percentile.
const GET_MS: f64 = 100.0;
const MIB: f64 = (1 << 20) as f64;

/// One look.
struct Look {
    events: u64,
    host: Memory,
    plugin: Memory,
}

fn plugin_pid(address: SocketAddr) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut client = Client::open(address).expect("a connection");
    loop {
        let (_, body) = client.get(&format!("/api/plugin/{PLUGIN}"));
        let card: serde_json::Value = serde_json::from_slice(&body).expect("a JSON document");
        if let Some(pid) = card["pid"].as_u64() {
            return u32::try_from(pid).expect("a process id");
        }
        assert!(Instant::now() < deadline, "the plugin does not run: {card}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Posts `batches` batches of fresh events; gives how often there was no room at first.
fn post(address: SocketAddr, batches: u64, mut after: impl FnMut(u64)) -> u64 {
    let mut client = Client::open(address).expect("a connection");
    let mut refused = 0;
    let mut body = ndjson(0, BATCH).into_bytes();
    let line = body.len() / BATCH;
    let starts: Vec<_> = std::iter::once(0)
        .chain(body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
        .take(BATCH)
        .collect();
    assert!(line > 0 && starts.len() == BATCH);
    for batch in 0..batches {
        for (i, start) in starts.iter().enumerate() {
            let id = format!("{:016x}", batch * BATCH as u64 + i as u64);
            let at = start + "{\"event_id\":\"".len();
            body[at..at + id.len()].copy_from_slice(id.as_bytes());
        }
        loop {
            match client.post(&body) {
                200 | 202 | 207 => break,
                503 => refused += 1,
                status => panic!("POST /events answered {status}"),
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        after((batch + 1) * BATCH as u64);
    }
    refused
}

/// Median of what `part` says about the looks of this share of the run.
fn share(looks: &[Look], from: f64, to: f64, part: fn(&Look) -> u64) -> f64 {
    let place = |share: f64| (share * looks.len() as f64) as usize;
    let values = looks[place(from)..place(to)].iter().map(|look| part(look) as f64);
    median(&mut values.collect::<Vec<_>>())
}

fn memory_table(looks: &[Look]) -> Vec<String> {
    println!("| events | host anon MiB | host file MiB | host shared MiB | plugin anon MiB |");
    println!("|---:|---:|---:|---:|---:|");
    for look in looks.iter().skip(looks.len() / ROWS - 1).step_by(looks.len() / ROWS) {
        let [anon, file, shared, plugin] =
            [look.host.anon, look.host.file, look.host.shared, look.plugin.anon]
                .map(|bytes| bytes as f64 / MIB);
        println!("| {} | {anon:.1} | {file:.1} | {shared:.1} | {plugin:.1} |", look.events);
    }
    println!();
    let mut faults = Vec::new();
    let host: fn(&Look) -> u64 = |look| look.host.anon;
    for (name, part) in [("host", host), ("plugin", |look| look.plugin.anon)] {
        let (half, end) = (share(looks, 0.5, 0.6, part), share(looks, 0.9, 1.0, part));
        println!("{name}: {:.3} times the memory of the half at the end", end / half);
        if end > half * GROWTH {
            faults.push(format!("the {name} grew from {:.1} to {:.1} MiB", half / MIB, end / MIB));
        }
    }
    let most = looks.iter().map(|look| look.host.anon).max().unwrap_or(0);
    if most > HOST_BYTES {
        faults.push(format!("the host held {:.1} MiB", most as f64 / MIB));
    }
    faults
}

fn soak(millions: u64) -> Vec<String> {
    let server = Server::start(&Server::plugin(PLUGIN));
    let (address, host) = (server.address, server.pid());
    let plugin = plugin_pid(address);
    let batches = millions * 1_000_000 / BATCH as u64;
    let stop = AtomicBool::new(false);
    let posted = AtomicU64::new(0);
    let mut looks = Vec::new();
    let (refused, took, heard, mut times) = std::thread::scope(|scope| {
        let probe = scope.spawn(|| probe::ask(address, &stop));
        let ears = scope.spawn(|| listen(address, &stop));
        let begun = Instant::now();
        let refused = post(address, batches, |events| {
            posted.store(events, Ordering::Relaxed);
            if events % (millions * 1_000_000 / LOOKS) == 0 {
                looks.push(Look { events, host: memory(host), plugin: memory(plugin) });
            }
        });
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let heard = ears.join().expect("the client does not panic");
        (refused, took, heard, probe.join().expect("the probe does not panic"))
    });
    println!(
        "{millions} million events in {:.1} s, {:.0} a second, in bodies of {BATCH}; {refused} \
         bodies had to wait for room; the stream client read {} messages, {:.0} MiB\n",
        took.as_secs_f64(),
        (millions * 1_000_000) as f64 / took.as_secs_f64(),
        heard.0,
        heard.1 as f64 / MIB
    );
    let mut faults = memory_table(&looks);
    println!();
    let slow = probe::table(&mut times, GET_MS);
    faults.extend(slow.into_iter().map(|path| format!("{path} is slow")));
    if !faults.is_empty() {
        println!("\nthe program said:\n{}", server.log());
    }
    faults
}

fn main() -> ExitCode {
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let millions = match std::env::var("SOAK_MILLIONS").map(|text| text.parse()) {
        Ok(Ok(millions @ 1..=1_000)) => millions,
        Err(std::env::VarError::NotPresent) => MILLIONS,
        other => {
            eprintln!("SOAK_MILLIONS is a whole number from 1 to 1000, not {other:?}");
            return ExitCode::from(2);
        }
    };
    let faults = soak(millions);
    for fault in &faults {
        println!("FAULT: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
