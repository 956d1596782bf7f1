//! What the bundled plugin `anomaly` costs, and how long it takes from a posted value to its alert on the stream.
//!
//! The rule: the real program with the plugin in its own process; CPU and memory are that process's.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use shimmer_benches::{Client, Cpu, Server, children, memory, quantile};
use tungstenite::{Message, WebSocket};

/// Alerts of the first table.
const ALERTS: usize = 500;
/// Rows of a series before its spike: its detector is still cold, and knows enough.
const BEFORE: usize = 12;
/// Events of a batch.
const BATCH: usize = 1_000;
/// Batches of a measurement of cost.
const BATCHES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    println!("**From POST to alert on the stream** ({ALERTS} alerts)\n");
    println!("| other events a second | p50 ms | p99 ms | most ms |\n|---:|---:|---:|---:|");
    for rate in [0, 1_000, 10_000] {
        latency(rate);
    }
    println!(
        "\n**The plugin's process** ({} events after the first {BATCH} x 100)\n",
        BATCH * BATCHES
    );
    println!(
        "| series | tier | CPU us an event | anonymous MiB | with a state saved |\n|---:|---|---:|---:|---:|"
    );
    for (series, tier) in [(100, "cheap"), (100, "full"), (10_000, "cheap")] {
        cost(series, tier);
    }
}

fn config(tier: &str) -> String {
    format!(
        "[log]\ningest_per_second = 0\n[plugins]\nbundled = []\n[[plugin]]\nname = \"anomaly\"\n\
         [plugin.limits]\nmemory_bytes = 4294967296\n[plugin.config]\ntier = \"{tier}\"\n"
    )
}

/// A line of NDJSON.
fn line(out: &mut String, id: &str, subject: &str, second: u64, value: f64) {
    let (hour, minute, second) = (second / 3_600 % 24, second / 60 % 60, second % 60);
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{{\"event_id\":\"{id}\",\"timestamp\":\"2026-01-01T{hour:02}:{minute:02}:{second:02}Z\",\
         \"kind\":\"load\",\"value\":{value},\"subject\":\"{subject}\",\"source\":\"bench\"}}"
    );
}

/// Posts a batch, again while the ring is full: the plugin holds back what it has not read.
fn post(client: &mut Client, body: &str) {
    let begun = Instant::now();
    loop {
        match client.post(body.as_bytes()) {
            200 => return,
            status => assert_eq!(status, 503, "the batch is taken or has to wait"),
        }
        assert!(begun.elapsed() < PATIENCE, "the ring stays full");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Subjects of alerts, with the moment at which each came.
fn listen(mut socket: WebSocket<TcpStream>, seen: &Sender<(String, Instant)>) {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                let now = Instant::now();
                let event: Value = serde_json::from_str(&text).expect("JSON");
                let Some(subject) = event["subject"].as_str() else { continue };
                if seen.send((subject.to_owned(), now)).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // The node ended with its measurement.
            Err(_) => return,
        }
    }
}

/// Posts `rate` events a second of a hundred steady series, until told to stop.
fn noise(address: SocketAddr, rate: usize, stop: &AtomicBool) {
    let mut client = Client::open(address).expect("a connection");
    let begun = Instant::now();
    let mut posted = 0;
    // Relaxed: it carries no data.
    while !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as usize;
        let mut body = String::new();
        for i in posted..due.min(posted + BATCH) {
            let value = 10.0 + (i / 100 * 7 % 13) as f64 / 13.0;
            line(
                &mut body,
                &format!("noise-{i}"),
                &format!("steady-{}", i % 100),
                i as u64 / 100,
                value,
            );
        }
        posted = due.min(posted + BATCH);
        if !body.is_empty() {
            post(&mut client, &body);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Sets a flag also where a measurement fails, so that nobody is waited for.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn latency(rate: usize) {
    let node = Server::start(&config("cheap"));
    let address = node.address;
    let (sender, seen) = channel();
    let stream = TcpStream::connect(address).expect("a connection");
    let url = format!("ws://{address}/stream?kind=alert");
    let (socket, _) = tungstenite::client(url, stream).expect("the stream opens");
    std::thread::spawn(move || listen(socket, &sender));
    let stop = AtomicBool::new(false);
    let mut took = std::thread::scope(|scope| {
        if rate > 0 {
            scope.spawn(|| noise(address, rate, &stop));
        }
        let _end = SetAtEnd(&stop);
        spikes(address, &seen)
    });
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|q| quantile(&mut took, q));
    println!("| {rate} | {p50:.1} | {p99:.1} | {most:.1} |");
}

/// Milliseconds from before the post of a spike until its alert was read, one after the other.
fn spikes(address: SocketAddr, seen: &Receiver<(String, Instant)>) -> Vec<f64> {
    let mut client = Client::open(address).expect("a connection");
    let one = |n: usize| {
        let subject = format!("spike-{n}");
        let mut before = String::new();
        for row in 0..BEFORE {
            let value = 10.0 + (row * 7 % 5) as f64 / 2.0;
            line(&mut before, &format!("{subject}-{row}"), &subject, row as u64, value);
        }
        post(&mut client, &before);
        let mut spike = String::new();
        line(&mut spike, &format!("{subject}-x"), &subject, BEFORE as u64, 90.0);
        let begun = Instant::now();
        post(&mut client, &spike);
        loop {
            let (of, at) = seen.recv_timeout(PATIENCE).expect("every spike raises its alert");
            if of == subject {
                break at.duration_since(begun).as_secs_f64() * 1e3;
            }
        }
    };
    (0..ALERTS).map(one).collect()
}

fn cost(series: usize, tier: &str) {
    let node = Server::start(&config(tier));
    let mut client = Client::open(node.address).expect("a connection");
    let [pid] = children(node.pid())[..] else { panic!("the plugin is the one child") };
    let mut next = 0;
    let mut batches = |client: &mut Client, count: usize| {
        for _ in 0..count {
            let mut body = String::with_capacity(BATCH * 160);
            for _ in 0..BATCH {
                let row = (next / series) as u64;
                let value = 10.0 + ((next * 7_919) % 1_009) as f64 / 1_009.0;
                line(&mut body, &format!("e-{next}"), &format!("s-{}", next % series), row, value);
                next += 1;
            }
            post(client, &body);
        }
        caught_up(client);
    };
    batches(&mut client, 100);
    let cpu = Cpu::of(pid);
    batches(&mut client, BATCHES);
    let us = cpu.ns_since() as f64 / 1e3 / (BATCH * BATCHES) as f64;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let full = mib(memory(pid).anon);
    // The state is written every few seconds where events came.
    let deadline = Instant::now() + Duration::from_secs(7);
    let mut most = full;
    while Instant::now() < deadline {
        batches(&mut client, 1);
        most = most.max(mib(memory(pid).anon));
    }
    println!("| {series} | {tier} | {us:.2} | {full:.0} | {most:.0} |");
}

/// Waits until the plugin has read all there is.
fn caught_up(client: &mut Client) {
    let begun = Instant::now();
    loop {
        let (_, card) = client.get("/api/plugin/anomaly");
        let card: Value = serde_json::from_slice(&card).expect("JSON");
        if card["lag_events"] == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the plugin does not catch up: {card:#}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
