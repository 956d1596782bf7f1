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
    name: String,
    pid: u32,
    generator: Generator,
    events: usize,
}

impl Target {
    fn new(name: String, pid: u32, connections: usize, shot: &Shot, of: SocketAddr) -> Self {
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

/// Prints the table of `targets`.
fn compare(title: &str, reference: &str, requests: u64, targets: &mut [Target]) {
    let mut cases: Vec<_> = targets
        .iter_mut()
        .map(|target| Case {
            name: target.name.clone(),
            measure: Box::new(|| target.measure(requests)),
        })
        .collect();
    let table = rounds(title, "CPU us", reference, wanted_rounds(), &mut cases);
    println!("{}", table.with_decimals(3));
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
fn singles(servers: &[Ours], depth: usize) -> Vec<Target> {
    let (hyper, salvo) = (Peer::start(Kind::Hyper), Peer::start(Kind::Salvo));
    let ours = servers.iter().map(|ours| (ours.name(""), ours.server.pid(), ours.server.address));
    let peer = |name: &str, peer: &Peer| (name.to_owned(), peer.pid(), peer.address);
    let mut targets: Vec<_> = ours
        .chain([peer("hyper", &hyper), peer("salvo", &salvo)])
        .map(|(name, pid, address)| {
            Target::new(name, pid, CONNECTIONS, &Shot::single(address, depth), address)
        })
        .collect();
    let title = format!("POST /event, {depth} in a write");
    compare(&title, "hyper", SINGLES * depth.min(4) as u64, &mut targets);
    targets
}

/// `POST /events`.
fn batches(servers: &[Ours]) -> Vec<Target> {
    let (receive, parse) = (Peer::start(Kind::Receive), Peer::start(Kind::Parse));
    let forms = [
        (", beauty events", Form::Beauty),
        (", general events", Form::General),
        (", an array of them", Form::Array),
        (", written otherwise", Form::Otherwise),
    ];
    let ours = servers.iter().flat_map(|ours| {
        let (pid, address) = (ours.server.pid(), ours.server.address);
        forms.into_iter().map(move |(what, form)| (ours.name(what), pid, address, form))
    });
    let peer = |name: &str, peer: &Peer| (name.to_owned(), peer.pid(), peer.address, Form::General);
    let mut targets: Vec<_> = ours
        .chain([
            peer("hyper, receiving alone", &receive),
            peer("hyper, sonic-rs, nothing stored", &parse),
        ])
        .map(|(name, pid, address, form)| {
            Target::new(name, pid, BATCH_CONNECTIONS, &Shot::batch(address, form), address)
        })
        .collect();
    let title = "POST /events, batches of 1,000, an event";
    compare(title, "shimmer, beauty events", BATCHES, &mut targets);
    targets
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
        costs(true, |servers| {
            let mut targets = Vec::new();
            if wanted("single") {
                targets.extend(singles(servers, 1));
            }
            if wanted("pipelined") {
                targets.extend(singles(servers, PIPELINED));
            }
            targets
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

/// A server of ours.
struct Ours {
    server: Server,
    /// It is the one that [`BESIDE`] names.
    is_beside: bool,
}

/// Names another build of the program, to be measured in the same rounds.
const BESIDE: &str = "BENCH_BESIDE";

impl Ours {
    fn start_all() -> Vec<Self> {
        let beside = std::env::var_os(BESIDE);
        let beside = beside.map(|program| (Server::start_as(program.as_ref(), ""), true));
        let all = [(Server::start(""), false)].into_iter().chain(beside);
        all.map(|(server, is_beside)| Self { server, is_beside }).collect()
    }

    fn name(&self, what: &str) -> String {
        format!("{OURS}{}{what}", if self.is_beside { " beside" } else { "" })
    }
}

/// What an event costs a server of ours, with or without a stream client that reads everything.
fn costs(is_heard: bool, measure: impl FnOnce(&[Ours]) -> Vec<Target>) {
    let servers = Ours::start_all();
    println!("{}:\n", if is_heard { "One stream client" } else { "No stream client" });
    let stop = AtomicBool::new(!is_heard);
    let (targets, heard) = std::thread::scope(|scope| {
        let listening = |ours: &Ours| {
            let (address, stop) = (ours.server.address, &stop);
            scope.spawn(move || listen(address, stop))
        };
        let ears: Vec<_> = servers.iter().map(listening).collect();
        let targets = measure(&servers);
        stop.store(true, Ordering::Relaxed);
        let heard = ears.into_iter().map(|ears| ears.join().expect("the client does not panic"));
        (targets, heard.collect::<Vec<_>>())
    });
    for (ours, heard) in servers.iter().zip(heard) {
        let pid = ours.server.pid();
        let told = targets
            .iter()
            .filter(|target| target.pid == pid)
            .fold(Told::default(), |told, target| told.and(target.generator.told));
        let counted = counted(ours.server.address);
        assert_eq!(counted, told, "the server counts what clients were told");
        println!(
            "{} answers of {}, {} events; its counters say the same. The stream client read {} \
             messages. Plugin processes: {}.\n",
            told.requests,
            ours.name(""),
            told.stored,
            heard.0,
            children(pid).len()
        );
    }
}
