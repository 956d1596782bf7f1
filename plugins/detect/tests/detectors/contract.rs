//! Causal, deterministic, bounded, and never blind to bad input.
//!
//! The rule: whatever came before, a finite value gets a score from 0 to 1.

use proptest::prelude::*;
use shimmer_detect::{Detector, Method, Refused, Severity, Tier, Verdict, WARNING};

use crate::generator::{Fault, Random, Shape};

const MINUTE_NS: i64 = 60_000_000_000;

fn run(tier: Tier, values: &[f64]) -> Vec<Verdict> {
    let mut detector = Detector::new(tier);
    let rows = values.iter().zip(0..);
    rows.map(|(&value, row)| detector.push(row * MINUTE_NS, value).unwrap()).collect()
}

fn last_score(values: &[f64]) -> f64 {
    run(Tier::Cheap, values).last().unwrap().score
}

#[test]
fn the_first_rows_are_judged_as_a_dashboard_needs_them() {
    assert!(last_score(&[10.0, 12.0, 11.0, 13.0, 10.0, 12.0, 11.0]) < 0.3);
    assert!(last_score(&[10.0, 12.0, 11.0, 50.0]) > 0.8);
    for rows in 1..=6 {
        let gradual = [10.0, 12.0, 14.0, 16.0, 18.0, 20.0];
        assert!(last_score(&gradual[..rows]) < 0.5);
    }
    for rows in 1..40 {
        let mut flat = vec![10.0; rows];
        flat.push(11.0);
        assert!(last_score(&flat) <= WARNING, "11 after {rows} rows of 10");
    }
}

#[test]
fn normal_first_rows_rarely_raise_an_alarm() {
    let alarms = (0..400).map(|seed| {
        let mut random = Random::new(930_000 + seed);
        let values: Vec<f64> = (0..50).map(|_| random.normal()).collect();
        run(Tier::Cheap, &values).iter().filter(|v| v.score > WARNING).count()
    });
    let alarms: usize = alarms.sum();
    assert!(alarms <= 40, "{alarms} alarms in 20,000 first rows");
}

#[test]
fn a_prefix_gives_a_prefix_of_the_verdicts() {
    for tier in [Tier::Cheap, Tier::Full] {
        let mut random = Random::new(940_001);
        let mut series = Shape::Daily.series(1500, &mut random);
        Fault::LevelShift.put(&mut series, 1200, &mut random);
        let whole = run(tier, &series.values);
        for rows in [1, 49, 50, 51, 333, 1201, 1202] {
            assert_eq!(run(tier, &series.values[..rows]), whole[..rows], "{tier:?} {rows}");
        }
    }
}

#[test]
fn a_stored_detector_goes_on_as_if_nothing_had_been() {
    for tier in [Tier::Cheap, Tier::Full] {
        let series = Shape::Daily.series(700, &mut Random::new(940_002));
        let mut detector = Detector::new(tier);
        let rows = || series.times_ns.iter().zip(&series.values);
        for (&time_ns, &value) in rows().take(500) {
            detector.push(time_ns, value).unwrap();
        }
        let stored = postcard::to_stdvec(&detector).unwrap();
        assert!(stored.len() <= tier.bytes(), "{tier:?}: {} bytes", stored.len());
        let mut restored: Detector = postcard::from_bytes(&stored).unwrap();
        for (&time_ns, &value) in rows().skip(500) {
            assert_eq!(restored.push(time_ns, value), detector.push(time_ns, value));
        }
    }
}

#[test]
fn what_is_kept_does_not_grow() {
    for tier in [Tier::Cheap, Tier::Full] {
        let series = Shape::Period.series(9000, &mut Random::new(940_003));
        let mut detector = Detector::new(tier);
        let mut most = 0;
        for (row, (&time_ns, &value)) in series.times_ns.iter().zip(&series.values).enumerate() {
            detector.push(time_ns, value).unwrap();
            if row % 500 == 0 {
                most = most.max(postcard::to_stdvec(&detector).unwrap().len());
            }
        }
        assert!(most <= tier.bytes(), "{tier:?}: {most} bytes");
    }
}

#[test]
fn values_that_are_no_numbers_are_refused_and_leave_no_trace() {
    let mut detector = Detector::new(Tier::Full);
    let mut untouched = detector.clone();
    for (row, value) in (0..300).map(|row| (row, f64::from(row as i32 % 7))) {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(detector.push(row * MINUTE_NS, bad), Err(Refused::NotFinite));
        }
        assert_eq!(detector.push(row * MINUTE_NS, value), untouched.push(row * MINUTE_NS, value));
    }
}

#[test]
fn silence_is_noticed_before_the_next_row_and_by_it() {
    let mut detector = Detector::new(Tier::Cheap);
    let mut random = Random::new(940_004);
    for row in 0..200 {
        detector.push(row * MINUTE_NS, random.normal()).unwrap();
    }
    let last = 199 * MINUTE_NS;
    assert_eq!(detector.overdue(last + 15 * MINUTE_NS), None);
    let verdict = detector.overdue(last + 25 * MINUTE_NS).unwrap();
    assert_eq!((verdict.method, verdict.severity), (Method::Gap, Severity::Warning));
    let verdict = detector.push(last + 25 * MINUTE_NS, 0.1).unwrap();
    assert_eq!((verdict.method, verdict.severity), (Method::Gap, Severity::Warning));
    assert_eq!(detector.overdue(last + 26 * MINUTE_NS), None);
}

#[test]
fn the_expected_range_holds_what_is_normal_and_not_the_spike() {
    let mut random = Random::new(940_005);
    let mut series = Shape::Daily.series(3000, &mut random);
    Fault::Spike.put(&mut series, 2500, &mut random);
    let mut detector = Detector::new(Tier::Cheap);
    let mut outside = 0;
    for (row, (&time_ns, &value)) in series.times_ns.iter().zip(&series.values).enumerate() {
        let verdict = detector.push(time_ns, value).unwrap();
        let inside =
            verdict.expected.is_some_and(|range| (range.low..=range.high).contains(&value));
        outside += usize::from(row > 1000 && !inside);
        if row == 2500 {
            assert!(!inside, "{verdict:?}");
        }
    }
    assert!(outside <= 4, "{outside} of 2000 rows lie outside");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Nothing finite breaks a detector, and nothing it keeps stops to be finite.
    #[test]
    fn any_finite_rows_get_a_score(
        rows in prop::collection::vec((any::<i64>(), prop_oneof![
            any::<f64>().prop_filter("finite", |x| x.is_finite()), -1.0..1.0_f64, Just(0.0),
            Just(f64::MAX), Just(f64::MIN), Just(5e-324),
        ]), 1..400),
        full in any::<bool>(),
    ) {
        let mut detector = Detector::new(if full { Tier::Full } else { Tier::Cheap });
        for (time_ns, value) in rows {
            let verdict = detector.push(time_ns, value).unwrap();
            prop_assert!((0.0..=1.0).contains(&verdict.score), "{:?}", verdict);
            if let Some(range) = verdict.expected {
                prop_assert!(range.low <= range.high, "{:?}", range);
            }
        }
    }
}
