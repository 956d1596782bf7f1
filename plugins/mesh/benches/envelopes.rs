//! What an event costs in the mesh, in CPU time of one thread.
//!
//! The rule: the figures are for each event, however many share a frame; signing and verifying stand beside what is
//! ours, so that it shows which is which.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use shimmer_mesh::{
    Action, Answer, Author, Codec, Config, FrameId, Keys, MemoryStore, Node, Peer, Served,
    Store as _, Verified, Verifier, is_canonical,
};

fn author(hybrid: bool) -> Author {
    let keys = if hybrid { Keys::hybrid(&[1; 32], &[2; 32]) } else { Keys::ed25519(&[1; 32]) };
    Author::new(keys, 1_760_000_000_000, 1, 10).expect("good numbers")
}

/// An event as the host shows it.
fn event(n: u64) -> String {
    format!(
        r#"{{"beauty_score":0.{n:06},"chaos_fingerprint":"a1b2c3d4e5f6","dance_sequence":"spin-leap-fall","event_id":"event-{n}","kind":"beauty","origin":"node-1","received_at":"2025-10-21T04:30:00.123456789Z","source":"default","timestamp":"2025-10-21T04:30:00Z","value":0.{n:06},"wisdom":"whatever goes up comes down"}}"#
    )
}

fn signed(count: u64) -> Vec<Verified> {
    let mut author = author(false);
    (0..count).map(|n| author.sign(&event(n + 100_001)).expect("JSON")).collect()
}

fn signatures(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("mesh/signature");
    let text = event(100_001);
    for (name, hybrid) in [("ed25519", false), ("hybrid", true)] {
        group.bench_function(BenchmarkId::new("sign", name), |b| {
            let mut author = author(hybrid);
            b.iter(|| author.sign(black_box(&text)).expect("JSON"));
        });
        let envelope = author(hybrid).sign(&text).expect("JSON");
        group.bench_function(BenchmarkId::new("verify", name), |b| {
            let mut verifier = Verifier::default();
            b.iter_batched(
                || (*envelope).clone(),
                |envelope| verifier.verify(envelope).expect("it is good"),
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("canonical", |b| b.iter(|| is_canonical(black_box(&text))));
    group.finish();
}

fn frames(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("mesh/frame");
    for count in [1, 8, 64] {
        let envelopes = signed(count);
        let mut codec = Codec::default();
        let frame = codec.encode(&envelopes);
        println!("a frame of {count}: {} bytes an event", frame.len() as u64 / count);
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("encode", count), |b| {
            b.iter(|| codec.encode(black_box(&envelopes)));
        });
        group.bench_function(BenchmarkId::new("id", count), |b| {
            b.iter(|| FrameId::of(black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("decode", count), |b| {
            b.iter(|| codec.decode(black_box(&frame)).expect("a frame"));
        });
        group.bench_function(BenchmarkId::new("open", count), |b| {
            b.iter(|| codec.open(black_box(&frame)).expect("a frame"));
        });
        group.bench_function(BenchmarkId::new("receive", count), |b| {
            b.iter_batched_ref(
                || Node::new(Config::default(), 1),
                |node| {
                    let fresh = node.receive(black_box(&envelopes), 0).fresh;
                    node.stored(fresh.iter().map(|envelope| envelope.id), 0);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// From store to store in memory, everything included but a network.
fn sync(full: &mut (Node, MemoryStore), codec: &mut Codec) -> u64 {
    let mut empty = (Node::new(Config::default(), 2), MemoryStore::default());
    let (here, there) = (Peer(1), Peer(2));
    full.0.connected(there, 0);
    empty.0.connected(here, 0);
    let mut now_ms = 0;
    loop {
        let actions = empty.0.actions();
        if actions.is_empty() {
            break;
        }
        now_ms += 1;
        for action in actions {
            let Action::Request { peer, ticket, bytes } = action else { continue };
            let answer = match full.0.serve(there, &bytes, now_ms) {
                Served::Answer(answer) => answer,
                Served::Read(job) => job.run(&full.1, codec).expect("memory"),
                Served::Refused(reason) => panic!("{reason}"),
            };
            let answer = Answer::open(&answer, codec);
            let fresh = empty.0.answered(peer, ticket, answer, now_ms).fresh;
            empty.1.put(&fresh).expect("memory");
            empty.0.stored(fresh.iter().map(|envelope| envelope.id), now_ms);
        }
    }
    full.0.disconnected(there);
    empty.1.count()
}

fn history(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("mesh/sync");
    group.sample_size(10);
    let count = 100_000;
    let envelopes = signed(count);
    let config = Config { peer_bytes_per_second: 1 << 40, ..Config::default() };
    let mut full = (Node::new(config, 1), MemoryStore::default());
    for run in envelopes.chunks(10_000) {
        let fresh = full.0.receive(run, 0).fresh;
        full.1.put(&fresh).expect("memory");
        full.0.stored(fresh.iter().map(|envelope| envelope.id), 0);
    }
    let mut codec = Codec::default();
    group.throughput(Throughput::Elements(count));
    group.bench_function(BenchmarkId::new("history", count), |b| {
        b.iter(|| assert_eq!(sync(&mut full, &mut codec), count));
    });
    group.finish();
}

/// The time that this thread was on a processor: what others do on the machine is not in it.
struct CpuTime;

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it counts from zero")
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, began: Duration) -> Duration {
        cpu_time() - began
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = signatures, frames, history
}
criterion_main!(benches);
