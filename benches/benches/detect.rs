//! What a row costs the detectors, by tier: recorded series one by one, many series in turn, and what
//! they hold in memory and in a file.
//!
//! The rule: CPU time of the thread that works, on detectors that know their series.

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use shimmer_benches::{median, memory};
use shimmer_detect::{Detector, Detectors, Limits, Tier};

/// Recorded series, by the name of their file.
const SERIES: [&str; 4] = ["ambient_temperature", "ec2_request_latency", "nyc_taxi", "tweets_aapl"];
const TIERS: [(&str, Tier); 2] = [("cheap", Tier::Cheap), ("full", Tier::Full)];
const SECOND_NS: i64 = 1_000_000_000;
const STEP_NS: i64 = 300 * SECOND_NS;
/// Rows that a series has before it counts as known.
const WARM_ROWS: usize = 2_000;
/// Series at once, as many as a table holds by default.
const MANY: usize = 10_000;
const MANY_FULL: usize = 100;
/// Has a process of this program measure its own memory, with the name of a tier.
const RESIDENT: &str = "DETECT_RESIDENT";
/// Detectors written and read at once.
const STORED: usize = 1_000;
const ROUNDS: usize = 7;

/// The values of a recorded series: their times are given anew, since the demo's are of the demo.
fn read(name: &str) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo");
    let text = std::fs::read_to_string(path.join(name).with_extension("csv")).expect("a series");
    let values = text.lines().skip(1).filter_map(|line| line.rsplit(',').next());
    values.map(|value| value.trim().parse().expect("a number")).collect()
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).expect("time goes forward"),
        u32::try_from(now.tv_nsec).expect("less than a second"),
    )
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = cpu();
    work();
    cpu() - begun
}

/// Gives rows `rows` of the series, which begins again at its end, to a detector.
fn push(detector: &mut Detector, values: &[f64], rows: std::ops::Range<usize>) {
    for row in rows {
        let verdict = detector.push(row as i64 * STEP_NS, values[row % values.len()]);
        std::hint::black_box(verdict.expect("recorded values are finite"));
    }
}

fn known(tier: Tier, values: &[f64]) -> Detector {
    let mut detector = Detector::new(tier);
    push(&mut detector, values, 0..WARM_ROWS);
    detector
}

fn one_series(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("detect");
    group.throughput(Throughput::Elements(1));
    for (tier_name, tier) in TIERS {
        for name in SERIES {
            let values = read(name);
            group.bench_function(BenchmarkId::new(tier_name, name), |bencher| {
                let mut detector = known(tier, &values);
                let mut at = WARM_ROWS;
                bencher.iter_custom(|rows| {
                    let end = at + usize::try_from(rows).expect("few rows");
                    let took = timed(|| push(&mut detector, &values, at..end));
                    at = end;
                    took
                });
            });
        }
    }
    group.finish();
}

/// A table of `count` series that know `rows` rows each.
fn table(tier: Tier, count: usize, rows: usize, series: &[Vec<f64>]) -> Detectors<usize> {
    let mut table = Detectors::new(Limits { series: count, bytes: usize::MAX });
    for key in 0..count {
        let values = &series[key % series.len()];
        let mut detector = Detector::new(tier);
        push(&mut detector, values, 0..rows);
        table.insert(key, detector);
    }
    table
}

/// A row for each of many series in turn: each comes with caches that others have used meanwhile.
fn in_turn(series: &[Vec<f64>]) {
    let mut detectors = table(Tier::Cheap, MANY, WARM_ROWS, series);
    let mut took: Vec<f64> = (WARM_ROWS..WARM_ROWS + 10)
        .map(|row| {
            let round = timed(|| {
                for key in 0..MANY {
                    let values = &series[key % series.len()];
                    let (time_ns, value) = (row as i64 * STEP_NS, values[row % values.len()]);
                    let verdict = detectors.push(&key, Tier::Cheap, time_ns, value);
                    std::hint::black_box(verdict.expect("recorded values are finite"));
                }
            });
            round.as_nanos() as f64 / MANY as f64
        })
        .collect();
    let least = took.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "a row of {MANY} cheap series in turn: {least:.0} ns at least, {:.0} in the median",
        median(&mut took)
    );
}

/// What this process grows by when it holds so many. A process measures once: memory that one table
/// gave back would hide what the next one takes.
fn resident(name: &str) {
    let (tier, count) = if name == "cheap" { (Tier::Cheap, MANY) } else { (Tier::Full, MANY_FULL) };
    let series = SERIES.map(read);
    let own = std::process::id();
    let before = memory(own).anon;
    let held = table(tier, count, WARM_ROWS, &series);
    let grown = memory(own).anon - before;
    println!(
        "{count} {name} series: {:.1} MB resident, {:.1} KB each (Tier::bytes says {:.1})",
        grown as f64 / 1e6,
        grown as f64 / 1e3 / count as f64,
        held.bytes() as f64 / 1e3 / count as f64
    );
}

/// Bytes and times of detectors in postcard, as a plugin keeps its state.
fn stored(name: &str, tier: Tier, series: &[Vec<f64>]) {
    let detectors: Vec<_> =
        (0..STORED).map(|key| known(tier, &series[key % series.len()])).collect();
    let (mut writing, mut reading, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut all = Vec::new();
        let took = timed(|| {
            let write = |detector| postcard::to_stdvec(detector).expect("memory is all it takes");
            all = detectors.iter().map(write).collect();
        });
        writing.push(took.as_secs_f64() * 1e3);
        bytes = all.iter().map(Vec::len).sum();
        let took = timed(|| {
            for one in &all {
                let detector: Detector = postcard::from_bytes(one).expect("just written");
                std::hint::black_box(detector);
            }
        });
        reading.push(took.as_secs_f64() * 1e3);
    }
    println!(
        "{STORED} {name} series in postcard: {} bytes each; written in {:.1} ms, read in {:.1} ms",
        bytes / STORED,
        median(&mut writing),
        median(&mut reading)
    );
}

fn main() {
    if let Ok(name) = std::env::var(RESIDENT) {
        resident(&name);
        return;
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    one_series(&mut criterion);
    criterion.final_summary();
    // Without `--bench` cargo only asks whether the benches still run; a profile wants one case.
    let told = |word: &str| std::env::args().any(|argument| argument == word);
    if !told("--bench") || told("--profile-time") {
        return;
    }
    let series = SERIES.map(read);
    let own = std::env::current_exe().expect("a bench has a path");
    for (name, _) in TIERS {
        let done = std::process::Command::new(&own).env(RESIDENT, name).status();
        assert!(done.expect("the bench itself starts").success(), "{name}");
    }
    in_turn(&series);
    for (name, tier) in TIERS {
        stored(name, tier, &series);
    }
}
