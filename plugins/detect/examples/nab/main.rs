//! Scores the detectors on labelled series, as the Numenta Anomaly Benchmark does.
//!
//! The rule: the shipped threshold for every file, and no look ahead.
//!
//! `cargo run --release -p shimmer-detect --example nab -- FOLDER [cheap|full] [reversed]`, where the
//! folder holds `windows.json` and `data/CATEGORY/FILE.csv`. Rules: Lavin and Ahmad, Evaluating
//! real-time anomaly detection algorithms, 2015; the standard profile.

#![expect(clippy::unwrap_used, reason = "a tool that stops where its input is bad")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use shimmer_detect::{Detector, Tier, WARNING};

type Windows = BTreeMap<String, Vec<(String, String)>>;

/// Cost of a false alarm, next to 1 for a window that is missed.
const FALSE_ALARM: f64 = 0.11;

/// A series with the rows of its windows.
struct Labelled {
    times_ns: Vec<i64>,
    values: Vec<f64>,
    windows: Vec<(usize, usize)>,
}

/// What the alarms of a series are worth.
#[derive(Default)]
struct Tally {
    raw: f64,
    windows: usize,
    found: usize,
    false_alarms: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let folder = Path::new(arguments.first().expect("the first argument is a folder"));
    let tier = if has("cheap") { Tier::Cheap } else { Tier::Full };
    let windows = std::fs::read_to_string(folder.join("windows.json")).unwrap();
    let windows: Windows = serde_json::from_str(&windows).unwrap();
    let (mut total, mut rows, begun) = (Tally::default(), 0, Instant::now());
    for (name, windows) in &windows {
        let mut series = read(&folder.join("data").join(name), windows);
        if has("reversed") {
            series.reverse();
        }
        rows += series.values.len();
        let tally = series.score(&series.alarms(tier));
        let (found, all) = (tally.found, tally.windows);
        println!("{:7.2} {found} of {all}, {} false  {name}", tally.raw, tally.false_alarms);
        total.raw += tally.raw;
        total.windows += all;
        total.found += found;
        total.false_alarms += tally.false_alarms;
    }
    let all = total.windows as f64;
    let score = 100.0 * (total.raw + all) / (2.0 * all);
    let us = begun.elapsed().as_secs_f64() * 1e6 / rows as f64;
    let (found, false_alarms) = (total.found, total.false_alarms);
    println!(
        "score {score:.2}: {found} of {all} windows, {false_alarms} false alarms, {us:.2} us a row"
    );
}

fn read(path: &Path, windows: &[(String, String)]) -> Labelled {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    let (times, values): (Vec<i64>, Vec<f64>) =
        rows.map(|(time, value)| (seconds(time), value.trim().parse::<f64>().unwrap())).unzip();
    let row = |time: &str| times.iter().position(|&t| t == seconds(time)).unwrap();
    let windows = windows.iter().map(|(begin, end)| (row(begin), row(end))).collect();
    let times_ns = times.iter().map(|seconds| seconds * 1_000_000_000).collect();
    Labelled { times_ns, values, windows }
}

/// Seconds since 1970 of `YYYY-MM-DD HH:MM:SS` (Hinnant, chrono-compatible low-level date algorithms).
fn seconds(time: &str) -> i64 {
    let number = |from: usize, to: usize| time[from..to].parse::<i64>().unwrap();
    let (month, day) = (number(5, 7), number(8, 10));
    let year = number(0, 4) - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + day_of_year;
    let days = year / 400 * 146_097 + day_of_era - 719_468;
    days * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19)
}

impl Labelled {
    fn reverse(&mut self) {
        let last = self.values.len() - 1;
        let both = self.times_ns[0] + self.times_ns[last];
        self.times_ns = self.times_ns.iter().rev().map(|time| both - time).collect();
        self.values.reverse();
        self.windows = self.windows.iter().rev().map(|(a, b)| (last - b, last - a)).collect();
    }

    fn alarms(&self, tier: Tier) -> Vec<usize> {
        let mut detector = Detector::new(tier);
        let rows = self.times_ns.iter().zip(&self.values).enumerate();
        rows.filter_map(|(row, (&time_ns, &value))| {
            (detector.push(time_ns, value).unwrap().score > WARNING).then_some(row)
        })
        .collect()
    }

    fn score(&self, alarms: &[usize]) -> Tally {
        let probation = (0.15 * self.values.len() as f64).floor().min(750.0) as usize;
        let counted = |row: &usize| *row >= probation;
        let mut tally = Tally::default();
        for &(begin, end) in self.windows.iter().filter(|window| window.1 >= probation) {
            tally.windows += 1;
            let width = (end - begin + 1) as f64;
            let worth = |row: usize| weight(-((end - row + 1) as f64) / width) / weight(-1.0);
            let inside = alarms.iter().filter(|row| counted(row) && (begin..=end).contains(*row));
            let best = inside.map(|&row| worth(row)).reduce(f64::max);
            tally.found += usize::from(best.is_some());
            tally.raw += best.unwrap_or(-1.0);
        }
        for &row in alarms.iter().filter(|row| counted(row)) {
            if self.windows.iter().any(|&(begin, end)| (begin..=end).contains(&row)) {
                continue;
            }
            let before = self.windows.iter().rfind(|window| window.1 < row);
            let far = before.map(|&(begin, end)| (row - end) as f64 / (end - begin) as f64);
            tally.raw += FALSE_ALARM * far.map_or(-1.0, weight);
            tally.false_alarms += 1;
        }
        tally
    }
}

/// The benchmark's sigmoid: 1 well before the end of a window, -1 well after it.
fn weight(place: f64) -> f64 {
    if place > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * place).exp()) - 1.0 }
}
