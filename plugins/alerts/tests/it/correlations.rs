//! What began together, and which of it may be the cause.
//!
//! The rule: the cause is early and connected; the confidence says how far both hold.

use proptest::prelude::*;
use shimmer_alerts::{CorrelationView, Sample, Series};

use crate::play::Play;

const RULES: &str = "[[threshold]]\nname = 'Load'\nwarning = { above = 10.0 }";

/// Plays alerts of (second, kind, subject, source) and answers the only correlation.
fn correlate(story: &[(i64, &str, &str, &str)]) -> CorrelationView {
    let mut play = Play::new(RULES);
    for &(at_s, kind, subject, source) in story {
        play.run_to(at_s);
        let series = Series { kind, subject, source };
        play.sample(&Sample { series, at: play.now(), value: 15.0, budget: None, verdict: None });
    }
    let mut all = play.manager.correlations().correlations;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn cause(correlation: &CorrelationView) -> usize {
    let at = correlation.alerts.iter().position(|id| *id == correlation.root_cause);
    at.expect("the cause is one of its alerts")
}

#[test]
fn the_first_of_equals_is_the_cause() {
    let one = correlate(&[(0, "cpu", "db", "a"), (5, "disk", "db", "a"), (9, "load", "db", "a")]);
    assert_eq!(cause(&one), 0);
    assert!(one.confidence > 0.5, "{one:?}");
}

#[test]
fn levels_of_one_rule_and_what_they_mute_are_one_alert() {
    let mut play = Play::new(
        "[[threshold]]\nname = 'Load'\nwarning = { above = 10.0 }\ncritical = { above = 20.0 }",
    );
    // Worse step by step, and both levels at once.
    for (at_s, subject, value) in [(0, "db", 15.0), (5, "db", 25.0), (9, "web", 25.0)] {
        play.run_to(at_s);
        play.value("cpu", subject, value);
    }
    assert_eq!(play.alerts().len(), 4);
    let all = play.manager.correlations().correlations;
    assert_eq!(all.len(), 1);
    let subject = |id: &String| play.manager.alert_of(id).map(|alert| alert.subject);
    let subjects: Vec<_> = all[0].alerts.iter().filter_map(subject).collect();
    assert_eq!(subjects, ["db", "web"]);
}

#[test]
fn a_stranger_that_was_first_by_chance_is_not_the_cause() {
    let one = correlate(&[
        (0, "rain", "roof", "weather"),
        (5, "cpu", "db", "a"),
        (6, "disk", "db", "a"),
        (7, "load", "db", "a"),
        (8, "queue", "db", "a"),
    ]);
    assert_eq!(cause(&one), 1);
    assert!(one.reason.starts_with("among 5 alerts; shares its subject with 3, its source with 3"));
}

#[test]
fn time_alone_gives_little_confidence() {
    let strangers = correlate(&[(0, "rain", "roof", "weather"), (5, "cpu", "db", "a")]);
    assert!(strangers.confidence < 0.1, "{strangers:?}");
    assert!(strangers.reason.ends_with("so time alone speaks for it"), "{strangers:?}");
    let two = correlate(&[(0, "cpu", "db", "a"), (5, "disk", "db", "a")]);
    let four: Vec<_> = ["cpu", "disk", "load", "queue"]
        .iter()
        .enumerate()
        .map(|(at, kind)| (i64::try_from(at).expect("few"), *kind, "db", "a"))
        .collect();
    assert!(two.confidence > strangers.confidence);
    assert!(correlate(&four).confidence > two.confidence, "more that agree say more");
}

#[test]
fn what_fires_later_than_the_window_begins_a_new_one() {
    let mut play = Play::new(RULES);
    for (at_s, subject) in [(0, "a"), (300, "b"), (301, "c"), (302, "d")] {
        play.run_to(at_s);
        play.value("load", subject, 15.0);
    }
    let lens: Vec<_> =
        play.manager.correlations().correlations.iter().map(|c| c.alerts.len()).collect();
    assert_eq!(lens, [2, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn confidence_is_a_share_and_the_cause_a_member(
        story in prop::collection::btree_set((0_i64..290, 0_usize..4, 0_usize..9, 0_usize..3), 2..12),
    ) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let mut seen = std::collections::BTreeSet::new();
        let story: Vec<_> = story
            .into_iter()
            .filter(|(_, kind, subject, source)| seen.insert((*kind, *subject, *source)))
            .map(|(at, kind, subject, source)| (at, names[kind], names[subject], names[source]))
            .collect();
        prop_assume!(story.len() > 1);
        let one = correlate(&story);
        prop_assert!((0.0..=1.0).contains(&one.confidence));
        prop_assert_eq!(one.alerts.len(), story.len());
        prop_assert!(cause(&one) < story.len() && !one.reason.is_empty());
    }
}
