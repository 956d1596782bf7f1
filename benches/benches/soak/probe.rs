//! Asks every GET of the core in turn, and notes how long each took.
//!
//! The rule: one connection, one question at a time, at a steady pace, so that the questions
//! themselves are no load.

use crate::PLUGIN;
use shimmer_benches::{Client, quantile};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two questions.
const PACE: Duration = Duration::from_millis(10);
/// Questions whose times are kept for each path.
const KEPT: usize = 100_000;

/// The answers' times in milliseconds, by path.
pub(crate) type Times = Vec<(String, Vec<f64>)>;

fn paths() -> Vec<String> {
    let plain = [
        "/",
        "/health",
        "/ready",
        "/snapshot",
        "/metrics",
        "/api/metrics",
        "/openapi.json",
        "/docs/",
    ];
    let plugin = [format!("/api/plugin/{PLUGIN}"), format!("/api/plugin/{PLUGIN}/logs")];
    plain.into_iter().map(str::to_owned).chain(plugin).collect()
}

/// Asks until `stop`.
pub(crate) fn ask(address: SocketAddr, stop: &AtomicBool) -> Times {
    let mut times: Times = paths().into_iter().map(|path| (path, Vec::new())).collect();
    let mut client = Client::open(address).expect("a connection");
    // Relaxed: it carries no data.
    while !stop.load(Ordering::Relaxed) {
        for (path, times) in &mut times {
            let begun = Instant::now();
            let (status, _) = client.get(path);
            let took = begun.elapsed();
            assert_eq!(status, 200, "{path}");
            if times.len() < KEPT {
                times.push(took.as_secs_f64() * 1e3);
            }
            std::thread::park_timeout(PACE);
        }
    }
    times
}

/// Prints the table; gives the paths whose 99th percentile is above `most_ms`.
pub(crate) fn table(times: &mut Times, most_ms: f64) -> Vec<String> {
    println!("| GET | asked | p50 ms | p99 ms | most ms |");
    println!("|---|---:|---:|---:|---:|");
    let mut slow = Vec::new();
    for (path, times) in times {
        let count = times.len();
        let [half, most_of, all] = [0.5, 0.99, 1.0].map(|q| quantile(times, q));
        println!("| {path} | {count} | {half:.2} | {most_of:.2} | {all:.2} |");
        if most_of > most_ms {
            slow.push(path.clone());
        }
    }
    slow
}
