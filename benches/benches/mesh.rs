//! What the bundled plugin `gossip` costs, and how fast and surely events travel: real nodes on this machine.
//!
//! The rule: the real program with the plugin in its own process; CPU and memory are that process's.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use shimmer_benches::{Client, Cpu, Server, children, median, memory, quantile};

/// Nodes of the mesh.
const NODES: usize = 8;
/// Events that are posted one by one, and the pause between two.
const SINGLE: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(5);
/// Events that are posted at once.
const BURST: usize = 4_000;
/// Events that a newcomer fetches.
const HISTORY: usize = 100_000;
/// Events of a batch.
const BATCH: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let nodes = mesh();
    single(&nodes);
    burst(&nodes);
    late(&nodes);
    drop(nodes);
    history();
    addresses();
}

/// A running node and the port of its mesh.
struct Node {
    server: Server,
    port: u16,
}

impl Node {
    fn start(name: &str, peers: &[u16]) -> Self {
        let port = free_port();
        let peers: Vec<_> = peers.iter().map(|p| format!("\"ws://127.0.0.1:{p}\"")).collect();
        let config = format!(
            "node = \"{name}\"\n[stream]\nflush_ms = 1\n[log]\ningest_per_second = 0\n\
             [plugins]\nbundled = []\n[[plugin]]\nname = \"gossip\"\n[plugin.config]\n\
             host = \"127.0.0.1\"\nport = {port}\npeers = [{}]\n",
            peers.join(", ")
        );
        Self { server: Server::start(&config), port }
    }

    fn client(&self) -> Client {
        Client::open(self.server.address).expect("a connection")
    }

    fn ask(&self, path: &str) -> Value {
        let (status, body) = self.client().get(path);
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).expect("JSON")
    }

    fn events(&self) -> u64 {
        self.ask("/health")["events"].as_u64().expect("a number")
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.client().get("/metrics");
        let text = String::from_utf8(body).expect("UTF-8");
        let prefix = format!("shimmer_gossip_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        // What was never counted is not shown.
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// The plugin's process.
    fn plugin(&self) -> u32 {
        let children = children(self.server.pid());
        assert_eq!(children.len(), 1, "one plugin");
        children[0]
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a free port").port()
}

/// Nodes that all know the first, and are connected to at least three.
fn mesh() -> Vec<Node> {
    let first = Node::start("node-0", &[]);
    let port = first.port;
    let others = (1..NODES).map(|n| Node::start(&format!("node-{n}"), &[port]));
    let nodes: Vec<Node> = std::iter::once(first).chain(others).collect();
    wait("peers", || {
        nodes.iter().all(|node| node.ask("/federated/health")["peers"].as_u64() >= Some(3))
    });
    // gossipsub's first heartbeats build the mesh that the figures are about.
    std::thread::park_timeout(Duration::from_secs(3));
    nodes
}

fn wait(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} within {} s", PATIENCE.as_secs());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    begun.elapsed()
}

fn event(id: &str) -> String {
    format!(
        "{{\"event_id\":\"{id}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"beauty_score\":0.75,\
         \"chaos_fingerprint\":\"ab12cd34\",\"dance_sequence\":\"shimmer-dissolve\",\
         \"wisdom\":\"Trust the process, whatever it may be today\"}}\n"
    )
}

/// Posts a batch, again while the ring is full: the plugin holds back what it has not read.
fn post(client: &mut Client, body: &str) {
    let begun = Instant::now();
    while client.post(body.as_bytes()) != 200 {
        assert!(begun.elapsed() < PATIENCE, "the ring stays full");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Numbers of the events that a node shows, with the moment at which each came.
fn listen(address: SocketAddr, node: usize, seen: Sender<(usize, usize, Instant)>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!("GET /stream/sse HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the program reads");
    let mut lines = BufReader::new(stream).lines();
    // The head of the answer: from here on nothing is missed.
    for line in lines.by_ref() {
        if line.expect("a line").is_empty() {
            break;
        }
    }
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let id = line.split_once("\"event_id\":\"single-").map(|(_, rest)| rest);
            let number = id.and_then(|rest| rest.split_once('"')).and_then(|(n, _)| n.parse().ok());
            if let Some(number) = number
                && seen.send((node, number, Instant::now())).is_err()
            {
                return;
            }
        }
    });
}

fn single(nodes: &[Node]) {
    let (sender, seen): (_, Receiver<(usize, usize, Instant)>) = channel();
    for (number, node) in nodes.iter().enumerate() {
        listen(node.server.address, number, sender.clone());
    }
    let (frames, copies) = copies(nodes);
    let mut clients: Vec<Client> = nodes.iter().map(Node::client).collect();
    let mut posted = Vec::new();
    for number in 0..SINGLE {
        posted.push(Instant::now());
        post(&mut clients[number % NODES], &event(&format!("single-{number}")));
        std::thread::park_timeout(PAUSE);
    }
    let mut took = Vec::new();
    while took.len() < SINGLE * (NODES - 1) {
        let Ok((node, number, at)) = seen.recv_timeout(PATIENCE) else { break };
        if number % NODES != node {
            took.push((at - posted[number]).as_secs_f64() * 1e3);
        }
    }
    // Metrics are told once a second.
    std::thread::park_timeout(Duration::from_millis(1_500));
    let (frames_after, copies_after) = self::copies(nodes);
    println!("**From POST on one node to the stream of another** ({NODES} nodes)\n");
    println!("| deliveries | p50 ms | p99 ms | most ms | copies per frame |");
    println!("|---:|---:|---:|---:|---:|");
    println!(
        "| {} of {} | {:.1} | {:.1} | {:.1} | {:.2} |",
        took.len(),
        SINGLE * (NODES - 1),
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99),
        quantile(&mut took, 1.0),
        (copies_after - copies) / (frames_after - frames)
    );
}

/// Frames that nodes received, without and with repeats.
fn copies(nodes: &[Node]) -> (f64, f64) {
    let sum = |name| nodes.iter().map(|node| node.metric(name)).sum();
    (sum("frames_total"), sum("frame_copies_total"))
}

fn batches(node: &Node, kind: &str, count: usize) {
    let mut client = node.client();
    for first in (0..count).step_by(BATCH) {
        let last = (first + BATCH).min(count);
        let body: String = (first..last).map(|n| event(&format!("{kind}-{n}"))).collect();
        post(&mut client, &body);
    }
}

fn burst(nodes: &[Node]) {
    let before = nodes[1].events();
    let cpu: Vec<Cpu> = nodes[1..].iter().map(|node| Cpu::of(node.plugin())).collect();
    let begun = Instant::now();
    batches(&nodes[0], "burst", BURST);
    let all = before + BURST as u64;
    wait("the burst", || nodes.iter().all(|node| node.events() >= all));
    let took = begun.elapsed().as_secs_f64();
    // What is still forwarded belongs to it.
    std::thread::park_timeout(Duration::from_secs(1));
    let mut cost: Vec<f64> =
        cpu.iter().map(|cpu| cpu.ns_since() as f64 / 1e3 / BURST as f64).collect();
    println!("\n**A burst of {BURST} on one node**\n");
    println!("| everywhere after s | CPU us a received event, median | least |\n|---:|---:|---:|");
    println!("| {took:.2} | {:.1} | {:.1} |", median(&mut cost), quantile(&mut cost, 0.0));
}

fn late(nodes: &[Node]) {
    let all = nodes[0].events();
    let joined = Node::start("late", &[nodes[NODES - 1].port]);
    let took = wait("what came before", || joined.events() >= all);
    println!(
        "\nOne that joins late has all {all} events {:.2} s after it is ready.",
        took.as_secs_f64()
    );
}

fn history() {
    let first = Node::start("first", &[]);
    batches(&first, "history", HISTORY);
    wait("the store", || first.metric("stored_events") as usize >= HISTORY);
    let second = Node::start("second", &[first.port]);
    let (there, here) = (Cpu::of(first.plugin()), Cpu::of(second.plugin()));
    let took = wait("the history", || second.events() as usize >= HISTORY);
    let us = |cpu: &Cpu| cpu.ns_since() as f64 / 1e3 / HISTORY as f64;
    println!("\n**{HISTORY} events fetched by a newcomer**\n");
    println!("| s | CPU us an event, receiving | serving | anonymous MiB, receiving |");
    println!("|---:|---:|---:|---:|");
    println!(
        "| {:.2} | {:.1} | {:.1} | {:.1} |",
        took.as_secs_f64(),
        us(&here),
        us(&there),
        memory(second.plugin()).anon as f64 / f64::from(1 << 20)
    );
}

fn addresses() {
    let dead: Vec<u16> = (0..1_000).map(|_| free_port()).collect();
    let node = Node::start("many", &dead);
    // Long enough for every address to have been tried.
    std::thread::park_timeout(Duration::from_secs(15));
    println!(
        "\nWith 1,000 addresses that do not answer: {:.1} MiB.",
        memory(node.plugin()).anon as f64 / f64::from(1 << 20)
    );
}
