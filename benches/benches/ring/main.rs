//! The ring beside its peers: `publish_single` and `publish_batch_1000`, with one and two producers.
//!
//! The rule: like for like. Every pipe carries the same columns and text to one consumer that reads
//! all of it, in a thread or in a process of its own. The journal, the remembered ids and the names are
//! ours alone and come on top.

mod iceoryx;
mod ours;
mod peers;
mod pipe;
mod process;

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

type Make = fn(usize, Mode, Load) -> Pipe;

/// With a consumer in a thread.
const CASES: [(&str, Make); 7] = [
    ("ours", |producers, _, load| ours::pipe(Kind::Journal, producers, load)),
    ("ours_memory", |producers, _, load| ours::pipe(Kind::Memory, producers, load)),
    ("ours_memory_no_ids", |producers, _, load| ours::pipe(Kind::NoIds, producers, load)),
    ("disruptor", peers::disruptor),
    ("disruptor_same", peers::disruptor_same),
    ("crossbeam", peers::crossbeam),
    ("tokio_broadcast", peers::tokio),
];
const REFERENCE: &str = "disruptor_same";
/// With a consumer in a process of its own.
const PROCESS_CASES: [(&str, Make); 4] = [
    ("ours_to_process", |producers, _, load| ours::to_process(Kind::Journal, producers, load)),
    ("ours_memory_to_process", |producers, _, load| {
        ours::to_process(Kind::Memory, producers, load)
    }),
    ("ours_memory_no_ids_to_process", |producers, _, load| {
        ours::to_process(Kind::NoIds, producers, load)
    }),
    ("iceoryx2_same", iceoryx::pipe),
];
const PROCESS_REFERENCE: &str = "iceoryx2_same";
const GROUPS: [(&str, Mode); 2] =
    [("publish_single", Mode::Single), ("publish_batch_1000", Mode::Batch)];

fn warm(make: Make, producers: usize, mode: Mode, load: Load) -> Pipe {
    let mut pipe = make(producers, mode, load);
    pipe.run(WARM_BATCHES, mode);
    pipe
}

fn groups(criterion: &mut Criterion, load: Load) {
    for (group, mode) in GROUPS {
        let mut group = criterion.benchmark_group(group);
        // One iteration is a batch, published in one way or the other.
        group.throughput(Throughput::Elements(BATCH as u64));
        for (name, make) in CASES.into_iter().chain(PROCESS_CASES) {
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
            let title = format!("{group}, {producers} producer(s)");
            table(&title, &CASES, REFERENCE, producers, mode, load);
            let title = format!("{title} to a process");
            table(&title, &PROCESS_CASES, PROCESS_REFERENCE, producers, mode, load);
        }
    }
}

fn table(
    title: &str,
    cases: &[(&str, Make)],
    reference: &str,
    producers: usize,
    mode: Mode,
    load: Load,
) {
    let case = |&(name, make): &(&str, Make)| Case {
        name: name.to_owned(),
        measure: Box::new(move || {
            let took = warm(make, producers, mode, load).run(ROUND_BATCHES, mode);
            took.as_nanos() as f64 / (ROUND_BATCHES * BATCH) as f64
        }),
    };
    let mut cases: Vec<_> = cases.iter().map(case).collect();
    println!("{}", rounds(title, "ns an event", reference, ROUNDS, &mut cases));
}

fn main() {
    if let Some(role) = process::role() {
        match &role.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [ours::ROLE, ring, page] => ours::consume(ring, page),
            [iceoryx::ROLE, name, mode] => iceoryx::consume(name, mode),
            other => panic!("no consumer is called {other:?}"),
        }
        return;
    }
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
