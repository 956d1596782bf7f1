//! The life of alerts of every kind of rule.
//!
//! The rule: what is told is exactly what happened, in its order.

use shimmer_alerts::{AlertState, Sample, WishRefused};

use crate::play::{Play, parse, series};

const LOAD: &str = "
[[threshold]]
name = 'Load'
kind = 'load'
warning = { above = 10.0 }
for = '1m'
keep_firing_for = '2m'
runbook = 'https://example.org/load'
actions = ['Add a node.']
";

#[test]
fn pending_firing_resolved() {
    let mut play = Play::new(LOAD);
    play.value("load", "db", 9.9);
    assert_eq!(play.told(), [""; 0]);
    play.value("load", "db", 10.0);
    assert_eq!(play.told(), ["pending Load db/warning"], "the limit itself counts");
    play.run_to(59);
    assert_eq!(play.told(), [""; 0]);
    play.run_to(60);
    assert_eq!(play.told(), ["firing Load db/warning"]);
    let alert = play.only();
    assert_eq!((alert.state, alert.resolved), (AlertState::Firing, false));
    assert_eq!(
        alert.starts_at.to_string(),
        "1970-01-01T00:01:00Z",
        "as in Prometheus, when it fired"
    );
    assert_eq!(alert.timestamp.to_string(), "1970-01-01T00:00:00Z", "when it was measured");
    assert_eq!(alert.description, "db is 10, expected below 10");
    assert_eq!((alert.expected.low, alert.expected.high), (None, Some(10.0)));
    assert_eq!(alert.method, "threshold, normal is below 10");
    assert_eq!(alert.recommended_actions, ["Add a node."]);
    assert_eq!(alert.runbook_url, "https://example.org/load");
    play.run_to(100);
    play.value("load", "db", 1.0);
    play.run_to(219);
    assert_eq!(play.told(), [""; 0], "it goes on firing for two minutes");
    play.run_to(220);
    assert_eq!(play.told(), ["resolved Load db/warning"]);
    let alert = play.only();
    assert!(alert.resolved);
    assert_eq!(alert.resolution_time.expect("an end").to_string(), "1970-01-01T00:03:40Z");
}

#[test]
fn what_clears_while_pending_leaves_nothing() {
    let mut play = Play::new(LOAD);
    play.value("load", "db", 11.0);
    play.run_to(59);
    play.value("load", "db", 1.0);
    play.run_to(300);
    assert_eq!(play.told(), ["pending Load db/warning", "withdrawn Load db/warning"]);
    assert!(play.alerts().is_empty());
    play.value("load", "db", 11.0);
    play.run_to(330);
    play.value("load", "db", 11.0);
    play.run_to(360);
    assert_eq!(play.told(), ["pending Load db/warning", "firing Load db/warning"], "counted anew");
}

#[test]
fn a_sample_at_the_last_moment_decides() {
    let mut play = Play::new(LOAD);
    play.value("load", "db", 11.0);
    play.now_s = 60;
    play.value("load", "db", 1.0);
    assert_eq!(play.told(), ["pending Load db/warning", "withdrawn Load db/warning"]);
    play.value("load", "db", 11.0);
    play.now_s = 120;
    play.value("load", "db", 12.0);
    assert_eq!(play.told(), ["pending Load db/warning", "firing Load db/warning"]);
}

#[test]
fn flapping_within_the_hysteresis_is_one_alert() {
    let mut play = Play::new(LOAD);
    for at in 0..20 {
        play.run_to(at * 60);
        play.value("load", "db", if at % 2 == 0 || at < 2 { 11.0 } else { 1.0 });
    }
    assert_eq!(play.told(), ["pending Load db/warning", "firing Load db/warning"]);
    let alert = play.only();
    assert_eq!(alert.value, 11.0, "the newest value that is beyond the limit");
}

#[test]
fn a_tick_that_comes_hours_late_does_what_was_due() {
    let mut play = Play::new(&LOAD.replace("for = '1m'", "stale_after = '5m'\nfor = '1m'"));
    play.value("load", "db", 11.0);
    play.now_s = 36_000;
    let changes = play.manager.tick(play.now());
    play.changes.extend(changes);
    assert_eq!(
        play.told(),
        ["pending Load db/warning", "firing Load db/warning", "resolved Load db/warning"]
    );
    play.value("load", "db", 11.0);
    assert_eq!(play.told(), ["pending Load db/warning"]);
}

#[test]
fn what_nobody_heard_of_again_while_it_was_pending_never_fires() {
    let rules = LOAD.replace("for = '1m'", "stale_after = '5m'\nfor = '10m'");
    let mut play = Play::new(&rules);
    play.value("load", "db", 11.0);
    play.run_to(300);
    assert_eq!(play.told(), ["pending Load db/warning", "withdrawn Load db/warning"]);
    play.value("load", "db", 11.0);
    play.now_s = 36_000;
    let changes = play.manager.tick(play.now());
    play.changes.extend(changes);
    assert_eq!(play.told(), ["pending Load db/warning", "withdrawn Load db/warning"]);
}

#[test]
fn a_worse_anomaly_keeps_the_milder_one_of_its_episode() {
    let mut play = Play::new("[[anomaly]]\nname = 'Odd'");
    play.score("db", 0.8);
    for at in 1..20 {
        play.run_to(at * 60);
        play.score("db", 0.95);
    }
    let told = play.told();
    assert_eq!(
        told,
        ["firing Odd db/warning", "firing Odd db/critical", "inhibited Odd db/warning"]
    );
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut play = Play::new(LOAD);
    play.now_s = 1_000;
    play.value("load", "db", 11.0);
    play.now_s = 0;
    play.value("load", "db", 11.0);
    play.run_to(1_059);
    assert_eq!(play.told(), ["pending Load db/warning"]);
    play.run_to(1_060);
    assert_eq!(play.told(), ["firing Load db/warning"]);
}

const BUDGET: &str = "
[[threshold]]
name = 'Budget'
kind = 'spend'
budget = 1000
warning = { above = 0.80 }
critical = { above = 0.95 }
";

#[test]
fn a_budget_warns_at_80_percent_and_is_critical_at_95() {
    let mut play = Play::new(BUDGET);
    play.value("spend", "hack", 799.0);
    assert_eq!(play.told(), [""; 0]);
    play.value("spend", "hack", 800.0);
    assert_eq!(play.told(), ["firing Budget hack/warning"]);
    play.value("spend", "hack", 960.0);
    assert_eq!(play.told(), ["firing Budget hack/critical", "inhibited Budget hack/warning"]);
    assert_eq!(play.states(), ["firing Budget hack/critical", "inhibited Budget hack/warning"]);
    let critical = &play.alerts()[0];
    assert_eq!(critical.description, "hack is 960, 96 % of 1000, expected below 95 %");
    assert_eq!(critical.expected.high, Some(950.0), "in the unit of the value");
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), ["resolved Budget hack/critical", "firing Budget hack/warning"]);
    play.value("spend", "hack", 0.0);
    assert_eq!(play.told(), ["resolved Budget hack/warning"]);
}

#[test]
fn at_once_beyond_both_limits_only_the_worse_one_is_told() {
    let mut play = Play::new(BUDGET);
    play.value("spend", "hack", 960.0);
    assert_eq!(play.told(), ["firing Budget hack/critical", "inhibited Budget hack/warning"]);
}

#[test]
fn the_budget_may_come_with_the_event() {
    let mut play = Play::new(&BUDGET.replace("budget = 1000", "budget = 'event'"));
    let sample = |budget| Sample {
        series: series("spend", "hack"),
        at: shimmer_alerts::Time::from_s(0),
        value: 90.0,
        budget,
        verdict: None,
    };
    for silent in [None, Some(0.0), Some(-5.0), Some(1e9), Some(f64::MIN_POSITIVE / 4.0)] {
        play.sample(&sample(silent));
        assert_eq!(play.told(), [""; 0], "{silent:?}");
    }
    play.sample(&sample(Some(100.0)));
    assert_eq!(play.told(), ["firing Budget hack/warning"]);
}

#[test]
fn an_anomaly_has_the_severity_of_its_score_and_ends_by_itself() {
    let mut play = Play::new("[[anomaly]]\nname = 'Odd'");
    play.score("db", 0.7);
    assert_eq!(play.told(), [""; 0]);
    play.score("db", 0.71);
    assert_eq!(play.told(), ["firing Odd db/warning"]);
    let alert = play.only();
    assert_eq!(alert.description, "db is 50, expected 10 to 13 (score 0.71, robust z)");
    assert_eq!((alert.score, alert.value, alert.method.as_str()), (0.71, 50.0, "robust z"));
    assert!(!alert.recommended_actions.is_empty());
    play.run_to(10);
    play.score("db", 0.85);
    assert_eq!(play.only().score, 0.85, "the peak");
    play.score("db", 0.75);
    assert_eq!(play.only().score, 0.85, "the peak stays");
    play.score("db", 0.95);
    assert_eq!(play.told(), ["firing Odd db/critical", "inhibited Odd db/warning"]);
    play.score("db", 0.1);
    play.run_to(309);
    assert_eq!(play.told(), [""; 0]);
    play.run_to(310);
    assert_eq!(play.told().len(), 2, "both ended");
    assert!(play.alerts().iter().all(|alert| alert.resolved));
}

#[test]
fn an_anomaly_without_further_samples_ends_too() {
    let mut play = Play::new("[[anomaly]]\nname = 'Odd'");
    play.score("db", 0.95);
    assert_eq!(play.told(), ["firing Odd db/critical"], "one anomaly is one alert");
    play.run_to(299);
    assert_eq!(play.told(), [""; 0]);
    play.run_to(300);
    assert_eq!(play.told(), ["resolved Odd db/critical"]);
    play.score("db", 0.95);
    assert_eq!(play.told(), ["firing Odd db/critical"]);
    let [new, old] = &play.alerts()[..] else { panic!("two starts") };
    assert_eq!(new.fingerprint, old.fingerprint);
    assert_ne!(new.id, old.id);
}

#[test]
fn a_series_that_goes_silent_is_told_and_its_return_ends_it() {
    let rules = "[[no_data]]\nname = 'Silent'\nafter = '10m'\nseverity = 'critical'";
    let mut play = Play::new(rules);
    play.value("load", "db", 1.0);
    play.run_to(300);
    play.value("load", "db", 1.0);
    play.run_to(899);
    assert_eq!(play.told(), [""; 0]);
    play.run_to(900);
    assert_eq!(play.told(), ["firing Silent db/critical"]);
    assert_eq!(play.only().description, "db was silent for 10m");
    assert_eq!((play.only().value, play.only().expected.high), (600.0, Some(600.0)));
    play.run_to(2_000);
    assert_eq!(play.told(), [""; 0]);
    play.value("load", "db", 1.0);
    assert_eq!(play.told(), ["resolved Silent db/critical"]);
    play.run_to(2_600);
    assert_eq!(play.told(), ["firing Silent db/critical"]);
}

#[test]
fn silent_again_before_the_alert_ended_is_the_same_alert() {
    let mut play = Play::new("[[no_data]]\nname = 'Silent'\nafter = '1m'\nkeep_firing_for = '2m'");
    play.value("load", "db", 1.0);
    play.run_to(100);
    play.value("load", "db", 1.0);
    play.run_to(1_000);
    assert_eq!(play.told(), ["firing Silent db/warning"]);
    for at in 1_000..1_120 {
        play.run_to(at);
        play.value("load", "db", 1.0);
    }
    play.run_to(1_120);
    assert_eq!(play.told(), ["resolved Silent db/warning"]);
}

#[test]
fn a_series_that_never_comes_back_is_given_up() {
    let mut play = Play::new("[[no_data]]\nname = 'Silent'\nafter = '1h'");
    play.value("load", "db", 1.0);
    play.now_s = 3_600;
    let changes = play.manager.tick(play.now());
    play.changes.extend(changes);
    play.now_s += 7 * 86_400;
    let changes = play.manager.tick(play.now());
    play.changes.extend(changes);
    assert_eq!(play.told(), ["firing Silent db/warning", "resolved Silent db/warning"]);
    assert_eq!(play.manager.sizes().series, 0);
    play.now_s += 86_400;
    assert!(play.manager.tick(play.now()).is_empty());
}

#[test]
fn the_heartbeat_always_fires() {
    let rules = "
        [[receiver]]
        name = 'deadman'
        webhook = 'http://localhost/'
        [heartbeat]
        receiver = 'deadman'
        interval = '1m'";
    let mut play = Play::new(rules);
    play.run_to(300);
    assert_eq!(play.told(), ["firing Watchdog /info"]);
    let beats: Vec<_> = play.mail();
    assert_eq!(beats.len(), 5, "{beats:?}");
    let id = play.only().id;
    assert_eq!(play.manager.resolve_by_hand(play.now(), &id), Err(WishRefused::Heartbeat));
    play.manager.reload(play.now(), parse(""));
    play.run_to(400);
    assert!(play.alerts().iter().all(|alert| alert.resolved));
}

#[test]
fn a_noisy_series_is_capped_and_says_so() {
    let rules = "
        noise_cap = { alerts = 3, per = '10m' }
        [[threshold]]
        name = 'Load'
        warning = { above = 10.0 }";
    let mut play = Play::new(rules);
    for at in 0..10 {
        play.run_to(at * 10);
        play.value("load", "db", 11.0);
        play.value("load", "db", 1.0);
    }
    let told = play.told();
    let count = |what: &str| told.iter().filter(|line| *line == what).count();
    assert_eq!(count("firing Load db/warning"), 3);
    assert_eq!(count("firing NoiseCap db/warning"), 1);
    assert_eq!(play.manager.counters().capped, 7);
    play.value("load", "web", 11.0);
    assert_eq!(play.told(), ["firing Load web/warning"], "other series are not held back");
    play.run_to(690);
    assert_eq!(play.told(), ["resolved NoiseCap db/warning"], "ten minutes after the last one");
    play.value("load", "db", 11.0);
    assert_eq!(play.told(), ["firing Load db/warning"]);
}

#[test]
fn resolved_by_hand_stays_so_while_the_condition_goes_on() {
    let mut play = Play::new(BUDGET);
    play.value("spend", "hack", 900.0);
    let id = play.only().id;
    let changes = play.manager.resolve_by_hand(play.now(), &id).expect("resolved");
    play.changes.extend(changes);
    assert_eq!(play.told(), ["firing Budget hack/warning", "resolved Budget hack/warning"]);
    assert_eq!(play.manager.resolve_by_hand(play.now(), &id), Err(WishRefused::Resolved));
    play.run_to(60);
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), [""; 0]);
    play.value("spend", "hack", 1.0);
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), ["firing Budget hack/warning"], "it had cleared in between");
    let id = play.alerts()[0].id.clone();
    let changes = play.manager.resolve_by_hand(play.now(), &id).expect("resolved");
    play.changes.extend(changes);
    play.run_to(60 + 3_599);
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), ["resolved Budget hack/warning"]);
    play.run_to(60 + 3_600);
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), ["firing Budget hack/warning"], "nothing is hidden for ever");
}

#[test]
fn missing_data_that_was_resolved_by_hand_is_told_again_after_an_hour() {
    let mut play = Play::new("[[no_data]]\nname = 'Silent'\nafter = '1m'");
    play.value("load", "db", 1.0);
    play.run_to(60);
    let id = play.only().id;
    play.manager.resolve_by_hand(play.now(), &id).expect("resolved");
    play.told();
    play.run_to(60 + 3_599);
    assert_eq!(play.told(), [""; 0]);
    play.run_to(60 + 3_600);
    assert_eq!(play.told(), ["firing Silent db/warning"]);
}

#[test]
fn wishes_for_what_is_not_there_are_refused() {
    let mut play = Play::new(BUDGET);
    for id in ["", "x", "0000000000000000-0", "-0", "0-18446744073709551615"] {
        assert_eq!(play.manager.ack(play.now(), id, "me"), Err(WishRefused::Unknown), "{id}");
    }
    play.value("spend", "hack", 900.0);
    let id = play.only().id;
    let other = format!("0000000000000000-{}", id.split_once('-').expect("two parts").1);
    assert_eq!(play.manager.alert_of(&other), None);
    assert_eq!(play.manager.ack(play.now(), &id, " "), Err(WishRefused::Name));
    play.manager.ack(play.now(), &id, "me").expect("acked");
    assert_eq!(play.only().acked_by.as_deref(), Some("me"));
}

#[test]
fn other_rules_end_what_they_would_not_raise() {
    let mut play = Play::new(&format!("{BUDGET}{LOAD}"));
    play.value("spend", "hack", 900.0);
    play.value("load", "db", 11.0);
    play.run_to(60);
    play.told();
    let changes = play.manager.reload(play.now(), parse(&format!("{BUDGET}{LOAD}")));
    assert!(changes.is_empty(), "the same rules change nothing: {changes:?}");
    let changes = play.manager.reload(play.now(), parse(BUDGET));
    play.changes.extend(changes);
    assert_eq!(play.told(), ["resolved Load db/warning"]);
    let changed = BUDGET.replace("kind = 'spend'", "kind = 'spend'\nsubject = 'other'");
    let changes = play.manager.reload(play.now(), parse(&changed));
    play.changes.extend(changes);
    assert_eq!(play.told(), ["resolved Budget hack/warning"]);
    play.value("spend", "hack", 900.0);
    assert_eq!(play.told(), [""; 0], "the new rules hold for series that were there before");
}
