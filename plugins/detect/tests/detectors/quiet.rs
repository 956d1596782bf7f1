//! What is no fault raises no alarm.
//!
//! The rule: the first rows of a series may surprise; after that, silence.

use std::f64::consts::TAU;

use shimmer_detect::Tier;

use crate::faults::alarms;
use crate::generator::{Random, SHAPES, Series, Shape};

const ROWS: usize = 3000;
/// Rows in which a series is got to know.
const LEARNING: usize = 700;
const SEEDS: std::ops::Range<u64> = 920_000..920_006;

fn made(step_s: i64, mut value: impl FnMut(usize) -> f64) -> Series {
    let times_ns = (0..ROWS).map(|row| row as i64 * step_s * 1_000_000_000).collect();
    Series { times_ns, values: (0..ROWS).map(&mut value).collect(), sigma: 1.0, period: None }
}

/// Mean number of alarms after the learning, per thousand rows.
fn rate(tier: Tier, mut make: impl FnMut(&mut Random) -> Series) -> f64 {
    let count = |seed| {
        let series = make(&mut Random::new(seed));
        alarms(&series, tier).iter().filter(|&&row| row >= LEARNING).count()
    };
    let total: usize = SEEDS.map(count).sum();
    1000.0 * total as f64 / ((ROWS - LEARNING) * SEEDS.count()) as f64
}

fn is_quiet(name: &str, make: impl Fn(&mut Random) -> Series) {
    for tier in [Tier::Cheap, Tier::Full] {
        let rate = rate(tier, &make);
        println!("{name} {tier:?} {rate:.2}");
        assert!(rate <= 0.3, "{name}, {tier:?}: {rate:.2} alarms per thousand rows");
    }
}

#[test]
fn slow_drift_is_normal() {
    is_quiet("drift", |random| made(300, |row| 50.0 + random.normal() + 0.005 * row as f64));
    is_quiet("late drift", |random| {
        made(300, |row| 50.0 + random.normal() + 0.005 * row.saturating_sub(1500) as f64)
    });
}

#[test]
fn a_counter_and_its_resets_are_normal() {
    is_quiet("counter", |random| {
        let mut count = 0.0;
        made(60, move |_| {
            count += (20.0 + 4.0 * random.normal()).max(0.0);
            if random.unit() < 0.002 {
                count = 20.0 * random.unit();
            }
            count
        })
    });
}

#[test]
fn a_counter_whose_rate_jumps_is_not() {
    for seed in SEEDS {
        let mut random = Random::new(seed);
        let mut count = 0.0;
        let series = made(60, |row| {
            let rate = if row < 2000 { 20.0 } else { 60.0 };
            count += (rate + 3.0 * random.normal()).max(0.0);
            count
        });
        let alarms = alarms(&series, Tier::Cheap);
        assert!(alarms.iter().any(|row| (2000..2050).contains(row)), "{seed}: {alarms:?}");
    }
}

type Noise = fn(&mut Random) -> f64;

/// Noise whose largest rows are ten to hundreds of usual ones, by a name.
const HEAVY: [(&str, Noise); 5] = [
    ("t5", |random| student(5, random)),
    ("t3", |random| student(3, random)),
    ("t2", |random| student(2, random)),
    ("Pareto", |random| (1.0 - random.unit()).powf(-1.0 / 3.0)),
    ("lognormal", |random| 100.0 * random.normal().exp()),
];

fn student(degrees: usize, random: &mut Random) -> f64 {
    let squares: f64 = (0..degrees).map(|_| random.normal().powi(2)).sum();
    random.normal() / (squares / degrees as f64).sqrt()
}

#[test]
fn heavy_tails_are_learnt() {
    for tier in [Tier::Cheap, Tier::Full] {
        let (mut early, mut late) = (0, 0);
        for (name, noise) in HEAVY {
            for seed in SEEDS {
                let mut random = Random::new(seed);
                let alarms = alarms(&made(300, |_| noise(&mut random)), tier);
                let young = alarms.iter().filter(|&&row| row < LEARNING).count();
                println!("{name} {tier:?} {seed}: {alarms:?}");
                early += young;
                late += alarms.len() - young;
            }
        }
        let series = HEAVY.len() * SEEDS.count();
        let late = 1000.0 * f64::from(late as u32) / ((ROWS - LEARNING) * series) as f64;
        assert!(late <= 0.1, "{tier:?}: {late:.2} alarms per thousand rows");
        assert!(
            2 * early <= 3 * series,
            "{tier:?}: {early} alarms in the first rows of {series} series"
        );
    }
}

#[test]
fn a_young_series_is_no_news() {
    // What a part of a detector cannot know yet must not look like a zero that ends.
    for tier in [Tier::Cheap, Tier::Full] {
        let made = SEEDS
            .flat_map(|seed| SHAPES.map(|shape| shape.series(LEARNING, &mut Random::new(seed))));
        let (series, alarms) =
            made.fold((0, 0), |(series, sum), made| (series + 1, sum + alarms(&made, tier).len()));
        println!("{tier:?}: {alarms} alarms in the first {LEARNING} rows of {series} series");
        assert!(3 * alarms <= series, "{tier:?}: {alarms} alarms in {series} series");
    }
}

#[test]
fn single_lost_rows_are_normal() {
    is_quiet("lost rows", |random| {
        let mut series = Shape::White.series(ROWS, random);
        for row in (50..ROWS).step_by(97).rev() {
            series.times_ns.remove(row);
            series.values.remove(row);
        }
        series
    });
}

#[test]
fn bursts_that_keep_coming_are_normal() {
    is_quiet("bursts", |random| {
        made(60, |row| random.normal() + if row % 60 < 5 { 30.0 } else { 0.0 })
    });
}

#[test]
fn a_constant_may_move_by_a_tenth_but_not_double() {
    let step = |to: f64| move |row: usize| if row < 1500 { 10.0 } else { to };
    for tier in [Tier::Cheap, Tier::Full] {
        assert_eq!(alarms(&made(60, step(11.0)), tier), [] as [usize; 0]);
        assert_eq!(alarms(&made(60, step(9.0)), tier), [] as [usize; 0]);
        assert_eq!(alarms(&made(60, step(20.0)), tier).first(), Some(&1500));
    }
}

#[test]
fn a_smooth_day_is_normal() {
    is_quiet("day", |random| {
        made(300, |row| 100.0 + 20.0 * (TAU * row as f64 / 288.0).sin() + random.normal())
    });
}
