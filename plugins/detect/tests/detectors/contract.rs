//! Causal, deterministic, bounded, and never blind to bad input.
//!
//! The rule: whatever came before, a finite value gets a score from 0 to 1.

use crate::generator::{FAULTS, Fault, Random, SHAPES, Series, Shape};
use proptest::prelude::*;
use shimmer_detect::{Detector, Method, Refused, Severity, Tier, Verdict, WARNING};

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
fn what_is_kept_does_not_grow() {
    for tier in [Tier::Cheap, Tier::Full] {
        let series = Shape::Period.series(18_000, &mut Random::new(940_003));
        let mut detector = Detector::new(tier);
        let (mut written, mut known, mut most) = (0, 0, 0);
        for (row, (&time_ns, &value)) in series.times_ns.iter().zip(&series.values).enumerate() {
            detector.push(time_ns, value).unwrap();
            if row % 500 == 0 {
                written = written.max(postcard::to_stdvec(&detector).unwrap().len());
                // What is not written is held as well: the text shows every number.
                let held = format!("{detector:?}").split(',').count();
                *(if row < 9000 { &mut known } else { &mut most }) = held.max(most.max(known));
            }
        }
        let bound = if tier == Tier::Cheap { 6600 } else { tier.bytes() };
        assert!(written <= bound, "{tier:?}: {written} bytes");
        assert!(most <= known + known / 50, "{tier:?}: {most} numbers, {known} before");
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

/// A series of some kind with some fault in it, or a counter, or one that mostly stands still.
fn some_series(kind: usize, seed: u64, rows: usize) -> Series {
    let mut random = Random::new(seed);
    let mut series = SHAPES[kind % SHAPES.len()].series(rows, &mut random);
    match kind / SHAPES.len() {
        0 => drop(FAULTS[seed as usize % FAULTS.len()].put(&mut series, 600, &mut random)),
        1 => {
            let mut count = 0.0;
            for value in &mut series.values {
                count += value.abs();
                *value = count;
            }
        }
        _ => series.values.iter_mut().for_each(|value| *value = (*value / 5.0).trunc()),
    }
    series
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Written and read after any row, a detector says for ever what it would have said.
    #[test]
    fn a_stored_detector_goes_on_as_if_nothing_had_been(
        (kind, seed, at, again) in (0..3 * SHAPES.len(), 0_u64..1000, 0_usize..900, 1_usize..300),
        full in prop::bool::weighted(0.3),
    ) {
        let series = some_series(kind, seed, 1300);
        let mut whole = Detector::new(if full { Tier::Full } else { Tier::Cheap });
        let mut stored = whole.clone();
        for (row, (&time_ns, &value)) in series.times_ns.iter().zip(&series.values).enumerate() {
            if row == at || row == at + again {
                let bytes = postcard::to_stdvec(&stored).unwrap();
                prop_assert!(bytes.len() <= stored.tier().bytes());
                stored = postcard::from_bytes(&bytes).unwrap();
                prop_assert_eq!(postcard::to_stdvec(&stored).unwrap(), bytes, "nothing is lost");
            }
            let (one, other) = (whole.push(time_ns, value), stored.push(time_ns, value));
            prop_assert_eq!(one, other, "row {}", row);
        }
    }

    /// Whatever a file holds, it is refused or makes a detector that goes on.
    #[test]
    fn a_broken_state_breaks_nothing(
        (kind, rows) in (0..3 * SHAPES.len(), 0_usize..700),
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        full in prop::bool::weighted(0.3),
    ) {
        let series = some_series(kind, 7, 1300);
        let mut detector = Detector::new(if full { Tier::Full } else { Tier::Cheap });
        let mut all = series.times_ns.iter().zip(&series.values);
        for (&time_ns, &value) in all.by_ref().take(rows) {
            detector.push(time_ns, value).unwrap();
        }
        let mut bytes = postcard::to_stdvec(&detector).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(postcard::from_bytes::<Detector>(&bytes).is_err(), "cut at {}", at);
        } else {
            bytes[at] = byte;
            if let Ok(mut detector) = postcard::from_bytes::<Detector>(&bytes) {
                for (&time_ns, &value) in all {
                    detector.push(time_ns, value).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_detector_is_read_from_text_too() {
    let mut detector = Detector::new(Tier::Cheap);
    for row in 0..300 {
        detector.push(row * MINUTE_NS, (row % 7) as f64).unwrap();
    }
    let text = serde_json::to_string(&detector).unwrap();
    let mut read: Detector = serde_json::from_str(&text).unwrap();
    assert_eq!(read.push(300 * MINUTE_NS, 3.0), detector.push(300 * MINUTE_NS, 3.0));
    let foreign = text.replace("\"version\":1", "\"version\":0");
    assert!(foreign != text && serde_json::from_str::<Detector>(&foreign).is_err());
    let other = text.replace("\"cheap\"", "\"full\"");
    assert!(other != text && serde_json::from_str::<Detector>(&other).is_err());
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

/// Cold start ends where the watches begin: between the two nobody would look.
#[test]
fn an_absurd_value_is_told_at_any_age() {
    let shapes: [fn(usize, &mut Random) -> f64; 4] = [
        |row, _| 50.0 + (row * 7 % 5) as f64,
        |_, random| 50.0 + random.normal(),
        |_, random| 50.0 + random.unit(),
        |_, _| 50.0,
    ];
    for (which, shape) in shapes.into_iter().enumerate() {
        for tier in [Tier::Cheap, Tier::Full] {
            let mut random = Random::new(which as u64);
            let mut detector = Detector::new(tier);
            for row in 0..400 {
                if row > 10 {
                    let mut then = detector.clone();
                    let verdict = then.push(row as i64 * MINUTE_NS, 400.0).unwrap();
                    assert!(
                        verdict.score > WARNING,
                        "{tier:?}, shape {which}, row {row}: {verdict:?}"
                    );
                }
                detector.push(row as i64 * MINUTE_NS, shape(row, &mut random)).unwrap();
            }
        }
    }
}

/// Nothing but rounding is left of the errors of a wave without noise, and nobody wants to hear of that.
#[test]
fn waves_without_noise_are_quiet_and_what_leaves_them_is_told() {
    for period in [5, 7, 13, 24, 31, 50, 60, 96] {
        for tier in [Tier::Cheap, Tier::Full] {
            let wave = |row: usize| {
                10.0 + (std::f64::consts::TAU * (row % period) as f64 / period as f64).sin()
            };
            let values: Vec<f64> = (0..1_000).map(wave).collect();
            let loud = run(tier, &values).iter().position(|verdict| verdict.score > WARNING);
            assert_eq!(loud, None, "{tier:?}, a period of {period} rows");
            let mut broken = values;
            broken[900] += 2.0;
            let verdict = run(tier, &broken)[900];
            assert!(verdict.score > WARNING, "{tier:?}, a period of {period} rows: {verdict:?}");
        }
    }
}

#[test]
fn the_end_of_the_warm_up_is_no_shift() {
    for (period, step) in [(13, 2), (7, 3), (24, 5), (31, 11)] {
        let values: Vec<f64> =
            (0..200).map(|row| 10.0 + (row * step % period) as f64 / period as f64).collect();
        let told = run(Tier::Cheap, &values).iter().position(|verdict| verdict.score > WARNING);
        assert_eq!(told, None, "a period of {period} rows");
    }
}

/// Clocks are wrong by centuries where a timestamp is 0 or a maximum; a counter's gain is then told per
/// a pause that no 64 bits hold.
#[test]
fn a_counter_whose_clock_leaps_by_centuries_goes_on() {
    let mut detector = Detector::new(Tier::Cheap);
    for row in 0..60 {
        detector.push(row * MINUTE_NS, 10.0 * row as f64).unwrap();
    }
    for (row, time_ns) in [(60, i64::MIN), (61, i64::MAX), (62, i64::MIN)] {
        let verdict = detector.push(time_ns, 10.0 * f64::from(row)).unwrap();
        assert!((0.0..=1.0).contains(&verdict.score), "{verdict:?}");
    }
}

/// The residue of a subtraction, a denormal: a sensor's first row is often no row of its series.
#[test]
fn a_tiny_first_value_blinds_no_detector() {
    for tier in [Tier::Cheap, Tier::Full] {
        for first in [5.55e-17, -1e-30, 5e-324] {
            let mut random = Random::new(940_006);
            let mut values: Vec<f64> = (0..600).map(|_| 100.0 + 5.0 * random.normal()).collect();
            values[0] = first;
            values[500] = 1e5;
            let verdicts = run(tier, &values);
            let critical = verdicts[500].severity == Severity::Critical;
            assert!(critical, "{tier:?}, {first} first: {:?}", verdicts[500]);
            let early = verdicts[100..500].iter().filter(|verdict| verdict.score > WARNING);
            assert!(early.count() <= 1, "{tier:?}, {first} first");
        }
    }
}

/// It is the series that sets the unit: a value of another order comes and goes.
#[test]
fn a_tiny_series_with_one_large_early_value_is_watched_in_its_own_unit() {
    let mut random = Random::new(940_007);
    let mut values: Vec<f64> = (0..900).map(|_| 1e-200 * (100.0 + random.normal())).collect();
    values[20] = 1.0;
    values[800] = 2e-198;
    let verdicts = run(Tier::Cheap, &values);
    assert!(verdicts[20].score > WARNING, "{:?}", verdicts[20]);
    assert!(verdicts[800].score > WARNING, "{:?}", verdicts[800]);
}

/// Rows of one moment, late ones and a row sent twice say nothing of how often rows come.
#[test]
fn an_odd_first_pause_hides_no_gap() {
    for second in [0, -MINUTE_NS, 1, MINUTE_NS / 60_000] {
        let mut detector = Detector::new(Tier::Cheap);
        let mut random = Random::new(940_008);
        detector.push(0, random.normal()).unwrap();
        let time_ns = |row: i64| second.max(0) + (row - 1) * MINUTE_NS;
        detector.push(second, random.normal()).unwrap();
        for row in 2..400 {
            detector.push(time_ns(row), random.normal()).unwrap();
        }
        let verdict = detector.push(time_ns(499), 0.1).unwrap();
        assert_eq!(verdict.method, Method::Gap, "{second} ns: {verdict:?}");
    }
    // Two rows at a time are regular as well.
    let mut detector = Detector::new(Tier::Cheap);
    let mut random = Random::new(940_009);
    for row in 0..400 {
        detector.push(row / 2 * MINUTE_NS, random.normal()).unwrap();
    }
    let verdict = detector.push(300 * MINUTE_NS, 0.1).unwrap();
    assert_eq!(verdict.method, Method::Gap, "{verdict:?}");
}
