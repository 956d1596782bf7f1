//! The ring beside its peers: `publish_single` and `publish_batch_1000`, with one and two producers.
//!
//! The rule: like for like. Every pipe carries the same columns and text to one consumer that reads
//! all of it. The journal, the remembered ids and the names are ours alone and come on top.

mod ours;
mod peers;
mod pipe;

use criterion::{BenchmarkId, Criterion, Throughput};
use ours::Kind;
use pipe::{CAPACITY, Mode, Pipe};
use shimmer_benches::{BATCH, Case, Load, rounds};
use std::time::Duration;

/// Twice as many batches for each of two producers as an id is remembered for.
const LOAD_BATCHES: usize = 600;
/// Two laps, so that every page is there.
const WARM_BATCHES: usize = 2 * CAPACITY / BATCH + 2;
/// Batches of a measurement in the rounds.
const ROUND_BATCHES: usize = 200;
const ROUNDS: usize = 15;

type Make = fn(usize, Load) -> Pipe;

const CASES: [(&str, Make); 7] = [
    ("ours", |producers, load| ours::pipe(Kind::Journal, producers, load)),
    ("ours_memory", |producers, load| ours::pipe(Kind::Memory, producers, load)),
    ("ours_memory_no_ids", |producers, load| ours::pipe(Kind::NoIds, producers, load)),
    ("disruptor", peers::disruptor),
    ("disruptor_same", peers::disruptor_same),
    ("crossbeam", peers::crossbeam),
    ("tokio_broadcast", peers::tokio),
];
const REFERENCE: &str = "disruptor_same";
const GROUPS: [(&str, Mode); 2] =
    [("publish_single", Mode::Single), ("publish_batch_1000", Mode::Batch)];

fn warm(make: Make, producers: usize, mode: Mode, load: Load) -> Pipe {
    let mut pipe = make(producers, load);
    pipe.run(WARM_BATCHES, mode);
    pipe
}

fn groups(criterion: &mut Criterion, load: Load) {
    for (group, mode) in GROUPS {
        let mut group = criterion.benchmark_group(group);
        // One iteration is a batch, published in one way or the other.
        group.throughput(Throughput::Elements(BATCH as u64));
        for (name, make) in CASES {
            for producers in [1, 2] {
                let id = BenchmarkId::new(name, format!("{producers}p"));
                group.bench_function(id, |bencher| {
                    let mut pipe = warm(make, producers, mode, load);
                    bencher.iter_custom(|batches| {
                        pipe.run(usize::try_from(batches).expect("few batches"), mode)
                    });
                });
            }
        }
        group.finish();
    }
}

/// The tables: all cases in turn, again and again.
fn tables(load: Load) {
    println!(
        "\ntext of {} bytes and 14 columns an event, {CAPACITY} slots, one consumer\n",
        load.text_bytes()
    );
    for (group, mode) in GROUPS {
        for producers in [1, 2] {
            let case = |(name, make): (&str, Make)| Case {
                name: name.to_owned(),
                measure: Box::new(move || {
                    let took = warm(make, producers, mode, load).run(ROUND_BATCHES, mode);
                    took.as_nanos() as f64 / (ROUND_BATCHES * BATCH) as f64
                }),
            };
            let title = format!("{group}, {producers} producer(s)");
            println!("{}", rounds(&title, "ns an event", REFERENCE, ROUNDS, &mut CASES.map(case)));
        }
    }
}

fn main() {
    let load = Load::leak(LOAD_BATCHES);
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    groups(&mut criterion, load);
    criterion.final_summary();
    // Without `--bench` cargo only asks whether the benches still run; a profile wants one case.
    let told = |word: &str| std::env::args().any(|argument| argument == word);
    if told("--bench") && !told("--profile-time") {
        tables(load);
    }
}
