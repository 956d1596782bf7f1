//! What bends the average, and what cannot.

use proptest::prelude::*;

use super::*;

fn open(method: Method, trim: f64, share_cap: f64) -> Influence {
    Influence::new(Rule { method, trim, share_cap, ..Rule::default() }).unwrap()
}

fn shares_of(influence: &Influence) -> Vec<f64> {
    influence.sources().iter().map(|source| source.share).collect()
}

#[test]
fn each_source_counts_once_however_much_it_sends() {
    let mut influence = Influence::default();
    (0..1_000).for_each(|_| influence.push("loud", 1.5));
    influence.push("quiet", 0.5);
    assert_eq!(influence.average(), Some(1.0));
    influence.set_weight("loud", 0.25).unwrap();
    assert_eq!(influence.average(), Some(0.7));
    influence.set_weight("quiet", 0.0).unwrap();
    assert_eq!(influence.average(), Some(1.5));
    influence.set_weight("loud", 0.0).unwrap();
    assert_eq!(influence.average(), None, "nobody counts");
    assert_eq!(shares_of(&influence), [0.0, 0.0]);
}

#[test]
fn a_mean_is_of_the_newest_values_alone() {
    let rule = Rule { window: 2, ..Rule::default() };
    let mut influence = Influence::new(rule).unwrap();
    assert_eq!((influence.average(), influence.sources()), (None, Vec::new()));
    for value in [1.5, 0.1, 0.2] {
        influence.push("a", value);
    }
    let a = SourceShare { source: "a", weight: 1.0, share: 1.0, avg: 0.15, events: 3 };
    assert_eq!((influence.average(), influence.sources()), (Some(0.15), vec![a]));
}

#[test]
fn what_is_above_the_cap_goes_to_the_others_by_their_weights() {
    let mut influence = open(Method::TrimmedMean, 0.0, 0.4);
    for (source, weight) in [("a", 1.0), ("b", 0.2), ("c", 0.1), ("d", 0.0)] {
        influence.push(source, 0.5);
        influence.set_weight(source, weight).unwrap();
    }
    // Of 0.6 for b and c, b's two thirds are the cap itself.
    assert_eq!(shares_of(&influence), [0.4, 0.4, 0.2, 0.0]);
    influence.set_weight("b", 0.3).unwrap();
    assert_eq!(shares_of(&influence), [0.4, 0.4, 0.2, 0.0], "b too is capped");
    influence.set_weight("c", 0.0).unwrap();
    assert_eq!(shares_of(&influence), [0.5, 0.5, 0.0, 0.0], "two cannot have less than half each");
}

#[test]
fn the_outermost_shares_do_not_count() {
    let mut influence = open(Method::TrimmedMean, 0.25, 1.0);
    for (source, value) in [("a", 0.1), ("b", 0.2), ("c", 0.4), ("d", 1.5)] {
        influence.push(source, value);
    }
    assert_eq!(influence.average(), Some(0.3));
    influence.set_weight("d", 0.0).unwrap();
    // Thirds: a quarter off leaves a twelfth of a, all of b, a twelfth of c.
    let expected = (0.1 / 12.0 + 0.2 / 3.0 + 0.4 / 12.0) * 2.0;
    assert!((influence.average().unwrap() - expected).abs() < 1e-14);
}

#[test]
fn the_median_has_half_on_either_side() {
    let mut influence = open(Method::Median, 0.0, 1.0);
    for (source, value) in [("a", 0.1), ("b", 0.2), ("c", 0.4), ("d", 1.5)] {
        influence.push(source, value);
    }
    assert_eq!(influence.average(), Some(0.3));
    influence.set_weight("a", 0.5).unwrap();
    assert_eq!(influence.average(), Some(0.4));
}

#[test]
fn values_that_are_none_do_not_count_and_others_are_clamped() {
    let mut influence = Influence::default();
    influence.push("a", f64::NAN);
    assert_eq!(influence.average(), None);
    for value in [1e308, f64::INFINITY, -1e308, f64::NEG_INFINITY] {
        influence.push("a", value);
    }
    assert_eq!(influence.average(), Some(0.75));
}

#[test]
fn impossible_rules_and_weights_are_refused() {
    let good = Rule::default();
    for bad in [
        Rule { trim: 0.5, ..good },
        Rule { trim: -0.1, ..good },
        Rule { trim: f64::NAN, ..good },
        Rule { share_cap: 0.0, ..good },
        Rule { share_cap: 1.1, ..good },
        Rule { window: 0, ..good },
        Rule { window: MAX_SOURCE_WINDOW + 1, ..good },
        Rule { default_weight: f64::NAN, ..good },
    ] {
        assert_eq!(Influence::new(bad).unwrap_err(), InfluenceRefused::OutOfRange, "{bad:?}");
    }
    let mut influence = Influence::default();
    for bad in [-0.1, 1.1, f64::NAN] {
        assert_eq!(influence.set_weight("a", bad), Err(InfluenceRefused::OutOfRange));
    }
}

#[test]
fn weights_are_bounded() {
    let mut influence = Influence::default();
    for i in 0..MAX_WEIGHTS {
        assert_eq!(influence.set_weight(&i.to_string(), 0.5), Ok(()));
    }
    assert_eq!(influence.set_weight("one more", 0.5), Err(InfluenceRefused::Full));
    assert_eq!(influence.set_weight("0", 0.75), Ok(()));
    assert_eq!((influence.weight("0"), influence.weight("other")), (0.75, 1.0));
}

#[test]
fn the_source_that_was_silent_longest_makes_room() {
    let mut influence = Influence::default();
    (0..MAX_SOURCES).for_each(|i| influence.push(&i.to_string(), 0.5));
    influence.push("0", 0.5);
    influence.push("new", 1.0);
    let names: Vec<_> = influence.sources().iter().map(|s| s.source.to_owned()).collect();
    assert_eq!(names.len(), MAX_SOURCES);
    assert!(names.contains(&"0".to_owned()) && names.contains(&"new".to_owned()));
    assert!(!names.contains(&"1".to_owned()));
}

#[test]
fn long_windows_leave_room_for_fewer_sources() {
    let mut influence =
        Influence::new(Rule { window: MAX_SOURCE_WINDOW, ..Rule::default() }).unwrap();
    (0..=MAX_VALUES / MAX_SOURCE_WINDOW).for_each(|i| influence.push(&i.to_string(), 0.5));
    assert_eq!(influence.sources().len(), MAX_VALUES / MAX_SOURCE_WINDOW);
}

/// Sources with a weight and their values.
fn crowd(prefix: &'static str, most: usize) -> impl Strategy<Value = Vec<(String, f64, Vec<f64>)>> {
    let values = prop::collection::vec(0.0..=1.5, 1..8);
    prop::collection::vec((0.01..=1.0, values), 1..most).prop_map(move |sources| {
        let named = sources.into_iter().enumerate();
        named.map(|(i, (weight, values))| (format!("{prefix}{i}"), weight, values)).collect()
    })
}

fn fill(influence: &mut Influence, crowd: &[(String, f64, Vec<f64>)]) {
    for (source, weight, values) in crowd {
        influence.set_weight(source, *weight).unwrap();
        values.iter().for_each(|value| influence.push(source, *value));
    }
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::TrimmedMean), Just(Method::Median)]
}

proptest! {
    #[test]
    fn shares_add_up_and_stay_below_the_cap(crowd in crowd("s", 40), cap in 0.01..=1.0) {
        let mut influence = open(Method::TrimmedMean, 0.0, cap);
        fill(&mut influence, &crowd);
        let shares = shares_of(&influence);
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let cap = cap.max(1.0 / crowd.len() as f64);
        prop_assert!(shares.iter().all(|share| *share <= cap + 2e-15), "{shares:?}");
        // Whoever weighs more has no less.
        let mut rows = influence.sources();
        rows.sort_by(|a, b| a.weight.total_cmp(&b.weight));
        prop_assert!(rows.windows(2).all(|w| w[0].share <= w[1].share + 1e-13));
    }

    #[test]
    fn who_has_less_than_the_trim_stays_within_the_range_of_the_others(
        honest in crowd("h", 20),
        liars in crowd("l", 6),
        lies in prop::collection::vec(prop_oneof![Just(1e308), Just(-1e308), Just(f64::MIN_POSITIVE), 0.0..=1.5], 6),
        trim in 0.05..0.49,
        cap in 0.05..=1.0,
        method in method(),
    ) {
        let mut influence = open(method, trim, cap);
        fill(&mut influence, &honest);
        fill(&mut influence, &liars);
        for ((liar, _, _), lie) in liars.iter().zip(lies) {
            (0..60).for_each(|_| influence.push(liar, lie));
        }
        let rows = influence.sources();
        let theirs: f64 = rows.iter().filter(|r| r.source.starts_with('l')).map(|r| r.share).sum();
        let below = if method == Method::Median { 0.5 } else { trim };
        prop_assume!(theirs < below - 1e-12);
        let means = || rows.iter().filter(|r| r.source.starts_with('h')).map(|r| r.avg);
        let (least, most) = (means().fold(2.0, f64::min), means().fold(-1.0, f64::max));
        let figure = influence.average().unwrap();
        prop_assert!((least..=most).contains(&figure), "{least} {figure} {most}");
    }

    #[test]
    fn volume_alone_moves_nothing(crowd in crowd("s", 20), times in 1_usize..30, method in method()) {
        let mut once = open(method, 0.2, 0.3);
        let mut often = once.clone();
        for (source, weight, values) in &crowd {
            once.set_weight(source, *weight).unwrap();
            often.set_weight(source, *weight).unwrap();
            once.push(source, values[0]);
            (0..times).for_each(|_| often.push(source, values[0]));
        }
        prop_assert_eq!(once.average(), often.average());
    }

    #[test]
    fn what_was_kept_is_taken_back_to_the_bit(crowd in crowd("s", 20), method in method()) {
        let mut before = open(method, 0.2, 0.3);
        fill(&mut before, &crowd);
        let mut after = open(method, 0.2, 0.3);
        before.windows().for_each(|(source, values, events)| after.restore(source, &values, events));
        after.set_weights(crowd.iter().map(|(source, weight, _)| (source.as_str(), *weight)));
        prop_assert_eq!(before.sources(), after.sources());
        prop_assert_eq!(before.average().map(f64::to_bits), after.average().map(f64::to_bits));
        prop_assert!(before.windows().eq(after.windows()));
    }

    #[test]
    fn the_order_of_sources_does_not_matter(crowd in crowd("s", 20), method in method()) {
        let mut forth = open(method, 0.2, 0.3);
        let mut back = forth.clone();
        fill(&mut forth, &crowd);
        let reversed: Vec<_> = crowd.iter().rev().cloned().collect();
        fill(&mut back, &reversed);
        prop_assert_eq!(forth.average().map(f64::to_bits), back.average().map(f64::to_bits));
        prop_assert_eq!(forth.sources(), back.sources());
    }
}
