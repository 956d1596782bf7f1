//! Ingest: what the release program pays for an event, beside servers that do less.
//!
//! The rule: the figure is processor time of the server's threads alone, and a run counts only when
//! every answer was right and the server's own counters say what its clients were told.

mod bodies;
mod generator;
mod overload;
mod peers;

use bodies::{Form, Shot};
use generator::{Expect, Generator, Told};
use peers::{Kind, Peer};
use shimmer_benches::{Case, Client, Cpu, Server, children, listen, rounds};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds, unless `INGEST_ROUNDS` says otherwise.
const ROUNDS: usize = 15;
/// Connections that post single events, each with one write under way.
const CONNECTIONS: usize = 64;
/// Requests in one write of the pipelined mode.
const PIPELINED: usize = 16;
/// Connections that post batches.
const BATCH_CONNECTIONS: usize = 4;
/// Requests of one measurement.
const SINGLES: u64 = 20_000;
const BATCHES: u64 = 200;

/// Who is asked, and whose processor time counts.
struct Target {
    name: &'static str,
    pid: u32,
    generator: Generator,
    events: usize,
}

impl Target {
    fn new(name: &'static str, pid: u32, connections: usize, shot: &Shot, of: SocketAddr) -> Self {
        let expect = if name.starts_with(OURS) { Expect::Stored } else { Expect::Status };
        let mut generator = Generator::open(of, connections, shot, expect);
        // Warm: connections accepted, buffers grown, names known.
        generator.run((connections * shot.requests) as u64 * 4);
        Self { name, pid, generator, events: shot.events }
    }

    /// Microseconds an event.
    fn measure(&mut self, requests: u64) -> f64 {
        let (cpu, before) = (Cpu::of(self.pid), self.generator.told.requests);
        self.generator.run(requests);
        let requests = self.generator.told.requests - before;
        cpu.ns_since() as f64 / 1e3 / (requests * self.events as u64) as f64
    }
}

/// How the names of our own cases begin.
const OURS: &str = "shimmer";

/// Prints the table of `targets`, and gives what ours were told.
fn compare(title: &str, reference: &str, requests: u64, targets: &mut [Target]) -> Told {
    let mut cases: Vec<_> = targets
        .iter_mut()
        .map(|target| Case {
            name: target.name.to_owned(),
            measure: Box::new(|| target.measure(requests)),
        })
        .collect();
    let table = rounds(title, "CPU us", reference, wanted_rounds(), &mut cases);
    println!("{}", table.with_decimals(3));
    drop(cases);
    let ours = targets.iter().filter(|target| target.name.starts_with(OURS));
    ours.fold(Told::default(), |told, target| told.and(target.generator.told))
}

fn wanted_rounds() -> usize {
    let given = std::env::var("INGEST_ROUNDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(ROUNDS).clamp(1, 1_000)
}

/// What the server counted, from its own page.
fn counted(address: SocketAddr) -> Told {
    let mut client = Client::open(address).expect("a connection");
    let (status, page) = client.get("/metrics");
    assert_eq!(status, 200);
    let page = String::from_utf8(page).expect("the page is text");
    let value = |series: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |number| number.parse::<f64>().expect("a number") as u64)
    };
    let events =
        |result: &str| value(&format!("shimmer_ingest_events_total{{result=\"{result}\"}}"));
    let requests = |route: &str| {
        value(&format!("shimmer_http_requests_total{{route=\"{route}\",status=\"200\"}}"))
    };
    Told {
        requests: requests("/event") + requests("/events"),
        stored: events("stored"),
        duplicates: events("duplicate"),
        rejected: events("rejected"),
    }
}

/// `POST /event` on 64 connections, `depth` requests in each write.
fn singles(server: &Server, depth: usize) -> Told {
    let (hyper, salvo) = (Peer::start(Kind::Hyper), Peer::start(Kind::Salvo));
    let ours = ("shimmer", server.pid(), server.address);
    let peer = |name, peer: &Peer| (name, peer.pid(), peer.address);
    let mut targets: Vec<_> = [ours, peer("hyper", &hyper), peer("salvo", &salvo)]
        .into_iter()
        .map(|(name, pid, address)| {
            Target::new(name, pid, CONNECTIONS, &Shot::single(address, depth), address)
        })
        .collect();
    let title = format!("POST /event, {depth} in a write");
    compare(&title, "hyper", SINGLES * depth.min(4) as u64, &mut targets)
}

/// `POST /events`.
fn batches(server: &Server) -> Told {
    let (receive, parse) = (Peer::start(Kind::Receive), Peer::start(Kind::Parse));
    let ours = (server.pid(), server.address);
    let peer = |peer: &Peer| (peer.pid(), peer.address);
    let mut targets: Vec<_> = [
        ("shimmer, beauty events", ours, Form::Beauty),
        ("shimmer, general events", ours, Form::General),
        ("shimmer, an array of them", ours, Form::Array),
        ("shimmer, written otherwise", ours, Form::Otherwise),
        ("hyper, receiving alone", peer(&receive), Form::General),
        ("hyper, sonic-rs, nothing stored", peer(&parse), Form::General),
    ]
    .into_iter()
    .map(|(name, (pid, address), form)| {
        Target::new(name, pid, BATCH_CONNECTIONS, &Shot::batch(address, form), address)
    })
    .collect();
    let title = "POST /events, batches of 1,000, an event";
    compare(title, "shimmer, beauty events", BATCHES, &mut targets)
}

fn main() {
    if let Some(kind) = Kind::of_arguments() {
        return peers::serve(kind);
    }
    // Without `--bench` cargo only asks whether the benches still run.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |group: &str| only.as_ref().is_none_or(|only| only == group);
    if ["single", "pipelined"].into_iter().any(wanted) {
        costs(true, |server| {
            let none = Told::default;
            let single = if wanted("single") { singles(server, 1) } else { none() };
            let pipelined = if wanted("pipelined") { singles(server, PIPELINED) } else { none() };
            single.and(pipelined)
        });
    }
    if wanted("batch") {
        // What a stream costs is another group's question, but it is part of what a node does.
        costs(false, batches);
        costs(true, batches);
    }
    if wanted("overload") {
        overload::head();
        overload::cases().iter().for_each(overload::run);
    }
}

/// What an event costs a server of ours, with or without a stream client that reads everything.
fn costs(is_heard: bool, measure: impl FnOnce(&Server) -> Told) {
    let server = Server::start("");
    println!("{}:\n", if is_heard { "One stream client" } else { "No stream client" });
    let stop = AtomicBool::new(!is_heard);
    let (told, heard) = std::thread::scope(|scope| {
        let ears = scope.spawn(|| listen(server.address, &stop));
        let told = measure(&server);
        stop.store(true, Ordering::Relaxed);
        (told, ears.join().expect("the client does not panic"))
    });
    assert_eq!(counted(server.address), told, "the server counts what clients were told");
    println!(
        "{} answers of Shimmer, {} events; its counters say the same. The stream client read {} \
         messages. Plugin processes: {}.\n",
        told.requests,
        told.stored,
        heard.0,
        children(server.pid()).len()
    );
}
