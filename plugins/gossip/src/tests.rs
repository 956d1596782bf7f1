//! The whole plugin against those who mean ill, over real sockets of the loopback interface.
//!
//! The rule: a test waits for what must happen, with a deadline, and never for time to pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shimmer_mesh::{Author, Codec, Keys, MAX_FRAME_BYTES, Verified};
use shimmer_sdk::testing::{Bench, Handed, Input};

use crate::Gossip;
use crate::keys::Secret;
use crate::net::{Event, Limits, Net, NetConfig, NotPublished};
use crate::plugin::TOPIC;

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// A node, and everything that it handed to its host.
struct Node {
    bench: Bench<Gossip>,
    handed: Vec<Handed>,
    port: u16,
    folder: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let config = json!({ "host": "127.0.0.1", "port": port }).to_string();
        let bench = Bench::in_folder(folder.path(), &config, None).unwrap();
        Self { bench, handed: Vec::new(), port, folder }
    }

    /// Waits until `done`; panics with `what` at the deadline.
    #[track_caller]
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.bench.tick(0).unwrap();
            self.handed.extend(self.bench.take_handed());
            if done(self) {
                return;
            }
            assert!(Instant::now() < deadline, "not in time: {what}: {:?}", self.handed);
            std::thread::park_timeout(LOOK);
        }
    }

    fn has(&self, id: &str) -> usize {
        let is = |handed: &&Handed| {
            let event: Value = serde_json::from_str(&handed.json).unwrap();
            event["event_id"] == id
        };
        self.handed.iter().filter(is).count()
    }

    fn feed(&mut self, id: &str) {
        self.bench.feed(&[Input::beauty(0.5).id(id)]).unwrap();
    }

    /// An event that the node itself signed, in a life that it has forgotten.
    fn signed(&self, epoch: u64, seq: u64, id: &str) -> Verified {
        let secret = Secret::load(&self.folder.path().join("node.key")).unwrap();
        let event = json!({
            "event_id": id, "beauty_score": 0.5, "timestamp": "2026-01-01T00:00:00Z", "origin": "test-node",
        });
        let author = Author::new(Keys::ed25519(secret.bytes()), epoch, seq, 10);
        author.unwrap().sign(&event.to_string()).unwrap()
    }

    fn rejected(&self, reason: &str) -> f64 {
        self.bench.metric("rejected_total", &[reason])
    }
}

/// Who speaks the protocol of the network, and says in it what it likes.
struct Stranger {
    net: Net,
    events: Receiver<Event>,
}

impl Stranger {
    fn start(n: u8, node: &Node) -> Self {
        let (net, events) = Net::start(NetConfig {
            identity: Secret::new([n; 32]),
            label: format!("stranger-{n}"),
            listen: None,
            peers: vec![format!("ws://127.0.0.1:{}", node.port).parse().unwrap()],
            known: Vec::new(),
            shared: None,
            allow: None,
            topic: TOPIC.to_owned(),
            message_id: Arc::new(|bytes: &[u8]| Sha256::digest(bytes).to_vec()),
            limits: Limits { frame: 4 << 20, ..Limits::default() },
        })
        .unwrap();
        Self { net, events }
    }

    /// Publishes, again and again while nobody has subscribed.
    #[track_caller]
    fn say(&self, frame: &[u8]) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.net.publish(0, frame.to_vec()).unwrap();
            while let Ok(event) = self.events.recv_timeout(DEADLINE) {
                match event {
                    Event::Published { peers: Ok(1..) | Err(NotPublished::Known), .. } => return,
                    Event::Published { .. } => break,
                    _ => {}
                }
            }
            assert!(Instant::now() < deadline, "nobody listens");
        }
    }

    /// The frame with an event of the node in an epoch after `since`, once it comes.
    #[track_caller]
    fn hear(&self, id: &str, since: u64) -> Vec<Verified> {
        let (deadline, mut codec) = (Instant::now() + DEADLINE, Codec::default());
        loop {
            if let Ok(Event::Frame { bytes, .. }) = self.events.recv_timeout(LOOK) {
                let said = format!("\"event_id\":\"{id}\"");
                let envelopes = codec.open(&bytes).unwrap();
                let is = |one: &Verified| one.event.contains(&said) && one.id.log.epoch > since;
                if envelopes.iter().any(is) {
                    return envelopes;
                }
            }
            assert!(Instant::now() < deadline, "not heard: {id}");
        }
    }

    fn is_at_odds(&self, node: &mut Node) -> bool {
        let network = node.bench.request("GET", "/federated/network", b"").unwrap();
        let network: Value = serde_json::from_str(network.text()).unwrap();
        let id = self.net.peer_id().to_string();
        let peers = network["peers"].as_array().unwrap();
        // Turned away, or low in the node's esteem.
        peers
            .iter()
            .find(|peer| peer["peer_id"] == id)
            .is_none_or(|peer| peer["score"].as_f64() < Some(0.0))
    }
}

/// Event `id` as the node of the secret `n` signs it at place `seq`.
fn signed(n: u8, seq: u64, id: &str, score: f64) -> Verified {
    let keys = Keys::ed25519(&[n; 32]);
    let event = json!({
        "event_id": id, "beauty_score": score, "timestamp": "2026-01-01T00:00:00Z", "origin": format!("node-{n}"),
    });
    Author::new(keys, 1, seq, 10).unwrap().sign(&event.to_string()).unwrap()
}

fn frame(envelopes: &[Verified]) -> Vec<u8> {
    Codec::default().encode(envelopes)
}

/// The frame with these bytes in the place of those.
fn forged(frame: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = frame.windows(from.len()).position(|window| window == from).unwrap();
    [&frame[..at], to, &frame[at + from.len()..]].concat()
}

/// A frame that says of itself what a good one says, and unpacks to `bytes` zeros.
fn bomb(n: u8, bytes: usize) -> Vec<u8> {
    // Long enough to be compressed.
    let many: Vec<_> = (1..=16).map(|seq| signed(n, seq, "e", 0.5)).collect();
    let packed = frame(&many);
    let at = packed.windows(4).position(|four| four == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    [&packed[..at], &zstd::bulk::compress(&vec![0; bytes], 1).unwrap()].concat()
}

#[test]
fn whoever_lies_is_refused_by_reason_and_honest_events_arrive() {
    let mut node = Node::start();
    let honest = Stranger::start(9, &node);
    let mut seq = 0;
    let mut honest_event = |node: &mut Node| {
        seq += 1;
        let id = format!("good-{seq}");
        honest.say(&frame(&[signed(9, seq, &id, 0.5)]));
        node.until("the honest event", |node| node.has(&id) == 1);
    };
    honest_event(&mut node);

    let garbage: Vec<u8> = (0..500_u32).map(|n| (n * 167 % 251) as u8).collect();
    let plain = frame(&[signed(1, 1, "forged", 0.5)]);
    let attacks: [(u8, &str, Vec<u8>); 5] = [
        (1, "signature", forged(&plain, b"0.5", b"0.7")),
        (2, "oversize", vec![1; MAX_FRAME_BYTES + 1]),
        (3, "malformed", bomb(3, 256 << 20)),
        (4, "malformed", garbage),
        (5, "malformed", forged(&frame(&[signed(5, 1, "cut", 0.5)]), b"{", b"")),
    ];
    for (n, reason, bytes) in attacks {
        let before = node.rejected(reason);
        let stranger = Stranger::start(n, &node);
        stranger.say(&bytes);
        node.until(reason, |node| node.rejected(reason) > before && stranger.is_at_odds(node));
        honest_event(&mut node);
    }
    assert!(node.handed.iter().all(|handed| handed.origin == "node-9"), "{:?}", node.handed);
}

#[test]
fn a_place_has_one_content_and_an_id_one_owner() {
    let mut node = Node::start();
    let (honest, two_faced, thief) =
        (Stranger::start(9, &node), Stranger::start(6, &node), Stranger::start(7, &node));
    honest.say(&frame(&[signed(9, 1, "good", 0.5)]));
    node.until("the honest event", |node| node.has("good") == 1);

    // Two contents for one place: the first stays, and the second is told of.
    two_faced.say(&frame(&[signed(6, 1, "first", 0.5)]));
    node.until("the first", |node| node.has("first") == 1);
    two_faced.say(&frame(&[signed(6, 1, "second", 0.5)]));
    node.until("the proof", |node| node.bench.metric("equivocations_total", &[]) >= 1.0);
    // The same id of another origin is another event, and the label that it steals is marked with its key.
    let event = json!({
        "event_id": "good", "beauty_score": 0.1, "timestamp": "2026-01-01T00:00:00Z", "origin": "node-9",
    });
    let stolen = Author::new(Keys::ed25519(&[7; 32]), 1, 1, 10).unwrap().sign(&event.to_string());
    thief.say(&frame(&[stolen.unwrap()]));
    node.until("the thief's", |node| node.has("good") == 2);
    let is_good = |handed: &&Handed| handed.json.contains("\"good\"");
    let owners: Vec<_> = node.handed.iter().filter(is_good).collect();
    assert_eq!(owners[0].origin, "node-9");
    assert!(owners[1].origin.starts_with("node-9 ") && owners[1].json.contains("0.1"));
    // A replay, in a frame of its own with something new.
    thief.say(&frame(&[signed(9, 1, "good", 0.5), signed(7, 2, "new", 0.5)]));
    node.until("what is new", |node| node.has("new") == 1);
    assert_eq!((node.has("good"), node.has("second")), (2, 0));
}

#[test]
fn what_the_host_refuses_is_not_held_against_who_forwards_it() {
    let mut node = Node::start();
    let honest = Stranger::start(9, &node);
    // Three frames that are wrong for everybody would end the link.
    for seq in 1..=4 {
        let before = node.rejected("malformed");
        honest.say(&frame(&[node.signed(1, seq, "own")]));
        node.until("the refusal", |node| node.rejected("malformed") > before);
    }
    honest.say(&frame(&[signed(9, 1, "good", 0.5)]));
    node.until("the honest event", |node| node.has("good") == 1);
    assert!(!honest.is_at_odds(&mut node) && node.has("own") == 0);
}

#[test]
fn an_event_that_stays_here_is_counted_and_told_once_in_a_while() {
    let mut node = Node::start();
    for id in ["long", "longer"] {
        let event = Input::beauty(0.5).id(id).data(&json!({ "text": "x".repeat(70_000) }));
        node.bench.feed(&[event]).unwrap();
    }
    node.until("the count", |node| node.bench.metric("unshared_total", &[]) == 2.0);
    let log = node.bench.log();
    let told: Vec<_> = log.iter().filter(|(_, line)| line.contains("stays on this node")).collect();
    assert!(matches!(&told[..], [(_, line)] if line.contains("\"long\"")), "{log:?}");
}

#[test]
fn a_node_that_lost_events_counts_anew() {
    let mut node = Node::start();
    let witness = Stranger::start(9, &node);
    witness.say(&frame(&[signed(9, 1, "good", 0.5)]));
    node.until("the honest event", |node| node.has("good") == 1);
    node.feed("one");
    let one = witness.hear("one", 0).remove(0);
    // What it signed next, before its data came back from an older copy.
    let lost = node.signed(one.id.log.epoch, one.id.seq + 1, "lost");
    let before = node.rejected("malformed");
    witness.say(&frame(&[lost]));
    node.until("the lost one", |node| node.rejected("malformed") > before);

    node.feed("two");
    let again = witness.hear("two", one.id.log.epoch);
    let places: Vec<_> = again.iter().map(|envelope| envelope.id.seq).collect();
    assert_eq!((places, &again[0].event), (vec![1, 2], &one.event));
    let two = &again[1];
    assert!(node.bench.log().iter().any(|(_, line)| line.contains("counted anew")));
    // It stays so.
    let saved = node.bench.save().unwrap();
    let Node { bench, folder, port, .. } = node;
    drop(bench);
    let config = json!({ "host": "127.0.0.1", "port": port }).to_string();
    let bench = Bench::in_folder(folder.path(), &config, Some((&saved, 3))).unwrap();
    let mut node = Node { bench, handed: Vec::new(), port, folder };
    let witness = Stranger::start(9, &node);
    witness.say(&frame(&[signed(9, 2, "more", 0.5)]));
    node.until("the honest event", |node| node.has("more") == 1);
    node.feed("three");
    let three = witness.hear("three", 0).remove(0);
    assert_eq!((three.id.log, three.id.seq), (two.id.log, 3));
}
