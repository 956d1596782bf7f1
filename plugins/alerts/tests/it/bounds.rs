//! Every bound, reached.
//!
//! The rule: at a bound the manager goes on, counts, and says what it left out.

use std::collections::BTreeMap;

use shimmer_alerts::{
    AlertState, AlertView, Counters, Filter, Limits, MAX_LABEL_VALUE, Manager, Sample,
    SampleRefused, SilenceDraft, SilenceRefused, State, StateRefused, Time, Transition,
};

use crate::groups::RULES;
use crate::play::{Play, parse, series};

fn limits() -> Limits {
    Limits {
        series: 4,
        live: 3,
        resolved: 2,
        silences: 2,
        groups: 2,
        correlations: 2,
        members: 2,
        ..Limits::default()
    }
}

fn flood(play: &mut Play, count: usize, value: f64) {
    for at in 0..count {
        play.value("load", &format!("s{at}"), value);
    }
}

#[test]
fn of_many_series_those_heard_of_last_are_known() {
    let mut play = Play::with("[[no_data]]\nname = 'Silent'\nafter = '1m'", limits());
    flood(&mut play, 10, 1.0);
    assert_eq!(play.manager.sizes().series, 4);
    assert_eq!(play.manager.sizes().series_evicted, 6);
    play.run_to(60);
    assert_eq!(play.manager.sizes().live, 3);
    assert_eq!(play.manager.counters().refused, 1);
    assert_eq!(play.told()[0], "firing Silent s6/warning");
}

#[test]
fn a_series_with_alerts_is_never_forgotten() {
    let limits = Limits { series: 3, ..Limits::default() };
    let mut play = Play::with(RULES, limits);
    flood(&mut play, 3, 15.0);
    play.value("load", "new", 15.0);
    let sizes = play.manager.sizes();
    assert_eq!((sizes.series, sizes.live, sizes.series_evicted), (3, 3, 0));
    assert_eq!(play.manager.counters().series_refused, 1);
    play.value("load", "s1", 1.0);
    play.value("load", "new", 15.0);
    assert_eq!(play.told().last().map(String::as_str), Some("firing Load new/warning"));
    assert_eq!(play.manager.sizes().series_evicted, 1);
}

#[test]
fn of_many_alerts_the_first_ones_stay_and_the_rest_is_counted() {
    let mut play = Play::with(RULES, Limits { live: 3, ..Limits::default() });
    flood(&mut play, 10, 15.0);
    assert_eq!(play.manager.sizes().live, 3);
    assert_eq!(play.manager.counters(), Counters { fired: 3, refused: 7, ..Counters::default() });
    play.value("load", "s0", 1.0);
    play.value("load", "s9", 15.0);
    assert_eq!(play.told().last().map(String::as_str), Some("firing Load s9/warning"));
}

#[test]
fn the_heartbeat_has_a_place_of_its_own() {
    let mut play = Play::with(RULES, Limits { live: 3, ..Limits::default() });
    flood(&mut play, 10, 15.0);
    let beat = format!("{RULES}[heartbeat]\nreceiver = 'ops'\n");
    play.manager.reload(play.now(), parse(&beat));
    play.run_to(1);
    assert_eq!(play.told().last().map(String::as_str), Some("firing Watchdog /info"));
    assert_eq!(play.manager.sizes().live, 4);
}

#[test]
fn of_resolved_alerts_the_oldest_are_forgotten_the_untold_last() {
    let limits = Limits { resolved: 2, ..Limits::default() };
    let mut play = Play::with(&RULES.replace("['alertname']", "['subject']"), limits);
    // Two that a receiver was told of, then some that nobody has to hear of.
    flood(&mut play, 2, 15.0);
    play.run_to(30);
    flood(&mut play, 2, 1.0);
    for _ in 0..3 {
        play.value("load", "later", 15.0);
        play.value("load", "later", 1.0);
    }
    let of = |play: &Play| -> Vec<_> {
        play.alerts().iter().map(|alert| alert.subject.clone()).collect()
    };
    assert_eq!(play.manager.sizes().resolved, 2);
    assert_eq!(of(&play), ["later", "s1"], "the oldest goes when all have still to be told");
    assert_eq!(play.manager.counters().untold, 1, "and that is counted");
}

#[test]
fn silences_are_bounded() {
    let mut play = Play::with(RULES, limits());
    let draft = || SilenceDraft {
        id: None,
        matchers: vec!["a=b".parse().expect("a matcher")],
        author: "ann".to_owned(),
        comment: String::new(),
        starts_at: None,
        ends_at: Time::from_s(100),
    };
    let now = play.now();
    for _ in 0..2 {
        play.manager.silence(now, draft()).expect("there is room");
    }
    assert_eq!(play.manager.silence(now, draft()).map(|_| ()), Err(SilenceRefused::Full(2)));
    let many = SilenceDraft { matchers: vec![draft().matchers[0].clone(); 17], ..draft() };
    assert!(matches!(
        play.manager.silence(now, many),
        Err(SilenceRefused::Invalid { field: "matchers", .. })
    ));
    play.run_to(100);
    let later = SilenceDraft { ends_at: Time::from_s(200), ..draft() };
    play.manager.silence(play.now(), later).expect("those that are over make room");
}

#[test]
fn beyond_the_bound_groups_are_shared_and_nothing_is_lost() {
    let limits = Limits { groups: 2, ..Limits::default() };
    let mut play = Play::with(&RULES.replace("['alertname']", "['subject']"), limits);
    flood(&mut play, 6, 15.0);
    assert_eq!(play.manager.sizes().groups, 3);
    play.run_to(30);
    let mut mail = play.mail();
    mail.sort();
    assert_eq!(
        mail,
        [
            "30 ops firing: +s0/warning",
            "30 ops firing: +s1/warning",
            "30 ops firing: +s2/warning +s3/warning +s4/warning +s5/warning",
        ]
    );
    flood(&mut play, 6, 1.0);
    play.run_to(330);
    assert_eq!(play.mail().len(), 3);
    assert_eq!(play.manager.sizes().groups, 0);
}

#[test]
fn who_shares_a_group_stays_there_when_the_rules_are_read_again() {
    let limits = Limits { groups: 1, ..Limits::default() };
    let mut play = Play::with(&RULES.replace("['alertname']", "['subject']"), limits);
    flood(&mut play, 3, 15.0);
    play.run_to(30);
    play.value("load", "s0", 1.0);
    play.run_to(330);
    assert_eq!(play.mail().len(), 3);
    assert_eq!(play.manager.sizes().groups, 1, "there is room again");
    play.manager.reload(play.now(), parse(&RULES.replace("['alertname']", "['subject']")));
    play.run_to(700);
    assert_eq!(play.mail(), [""; 0], "nobody is told twice");
}

#[test]
fn correlations_and_their_members_are_bounded() {
    let mut play = Play::with(RULES, Limits { live: 100, ..limits() });
    for window in 0..5 {
        play.run_to(window * 400);
        flood(&mut play, 4, 1.0);
        flood(&mut play, 4, 15.0);
    }
    let all = play.manager.correlations().correlations;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|correlation| correlation.alerts.len() == 2));
    assert!(all[0].reason.ends_with("2 further alerts are not named here"), "{}", all[0].reason);
    assert!(all[0].starts_at > all[1].starts_at, "the newest first");
}

#[test]
fn names_are_bounded_and_nothing_infinite_gets_in() {
    let mut manager = Manager::new(parse(RULES), Limits::default(), 0);
    let long = "x".repeat(MAX_LABEL_VALUE + 1);
    let good = Sample {
        series: series("load", "a"),
        at: Time::from_s(0),
        value: 15.0,
        budget: None,
        verdict: None,
    };
    let name = Sample { series: series("load", &long), ..good };
    assert_eq!(manager.observe(Time::from_s(0), &name), Err(SampleRefused::Name));
    for value in [f64::NAN, f64::INFINITY] {
        let sample = Sample { value, ..good };
        assert_eq!(manager.observe(Time::from_s(0), &sample), Err(SampleRefused::NotFinite));
    }
    assert_eq!(manager.sizes().series, 0, "nothing was kept of them");
}

#[test]
fn an_alert_fits_into_an_event_however_long_its_names() {
    let mut play = Play::new(&RULES.replace(
        "name = 'Load'",
        "name = 'Load'\nactions = ['Look.', 'Act.']\nlabels = { team = 'ops' }",
    ));
    let long = "\"".repeat(MAX_LABEL_VALUE);
    play.value("load", "a", 15.0);
    play.value("load", &long, 15.0);
    let [large, small] = &play.alerts()[..] else { panic!("two alerts") };
    assert_eq!(small.clone().fit(4_096).as_ref(), Some(small), "what fits stays as it is");
    let fitted = large.clone().fit(3_000).expect("it can be made to fit");
    assert!(serde_json::to_string(&fitted).expect("serialises").len() <= 3_000);
    assert_eq!(fitted.id, large.id);
    assert!(fitted.recommended_actions.is_empty());
    assert_eq!(small.clone().fit(10), None);
}

#[test]
fn a_state_that_is_not_sound_is_refused() {
    let mut play = Play::new(RULES);
    flood(&mut play, 3, 15.0);
    let json = serde_json::to_string(&play.manager.state()).expect("serialises");
    let restore = |json: &str, limits: Limits| {
        let state: State = serde_json::from_str(json).expect("it has the form");
        Manager::restore(parse(RULES), limits, state).map(|(manager, ..)| manager)
    };
    let other = json.replace("\"version\":1", "\"version\":2");
    assert_eq!(restore(&other, Limits::default()).err(), Some(StateRefused::Version(2)));
    let small = Limits { live: 1, ..Limits::default() };
    assert!(matches!(restore(&json, small), Err(StateRefused::Damaged(_))));
    let relabelled = json.replacen("\"subject\":\"s0\"", "\"subject\":\"s7\"", 1);
    assert!(matches!(restore(&relabelled, Limits::default()), Err(StateRefused::Damaged(_))));
    let manager = restore(&json, Limits::default()).expect("a good state");
    assert_eq!(manager.alerts(&Filter::default()), play.manager.alerts(&Filter::default()));
}

/// A silence of `subject`, whose expressions take some 400 kB each.
fn heavy(subject: &str, expressions: usize) -> SilenceDraft {
    let subject = format!("subject={subject}").parse().expect("a matcher");
    let expression = "source=~\"(\\\\w{2})?x?.*\"".parse().expect("a matcher");
    SilenceDraft {
        id: None,
        matchers: [vec![subject], vec![expression; expressions]].concat(),
        author: "ann".to_owned(),
        comment: String::new(),
        starts_at: None,
        ends_at: Time::from_s(10_000),
    }
}

#[test]
fn the_expressions_of_all_silences_together_are_bounded() {
    let mut play = Play::new(RULES);
    let mut put = |draft| play.manager.silence(Time::from_s(0), draft).map(|(one, _)| one.id);
    let taken: Vec<_> = (0..1_024).map_while(|_| put(heavy("a", 15)).ok()).collect();
    assert!((8..32).contains(&taken.len()), "{} heavy silences", taken.len());
    let most = Limits::default().silence_bytes;
    assert_eq!(put(heavy("a", 15)), Err(SilenceRefused::Heavy(most)));
    put(heavy("a", 0)).expect("what compiles nothing has room");
    put(SilenceDraft { id: Some(taken[0]), ..heavy("b", 15) }).expect("in the place of its like");
    play.manager.unsilence(Time::from_s(0), taken[1]).expect("ended");
    let (freed, _) = play.manager.silence(Time::from_s(0), heavy("a", 10)).expect("there is room");
    assert!(freed.id > taken[1], "no id twice, refused or not: {}", freed.id);
}

#[test]
fn a_silence_for_each_ordinary_expression_has_room() {
    let mut play = Play::new(RULES);
    let mut draft = heavy("a", 0);
    for text in ["subject=~\"db-[0-9]+-west.*\"", "source=~\"web|api\""] {
        draft.matchers.push(text.parse().expect("a matcher"));
    }
    for _ in 0..Limits::default().silences {
        play.manager.silence(Time::from_s(0), draft.clone()).expect("it has room");
    }
}

#[test]
fn silences_of_a_state_are_compiled_as_far_as_there_is_room() {
    let roomy = Limits { silence_bytes: usize::MAX, ..Limits::default() };
    let mut play = Play::with(RULES, roomy);
    flood(&mut play, 6, 15.0);
    for (at, expressions) in [3, 3, 3, 1, 0].into_iter().enumerate() {
        let draft = heavy(&format!("s{at}"), expressions);
        play.manager.silence(Time::from_s(0), draft).expect("a good silence");
    }
    let state = play.manager.state();
    let tight = Limits { silence_bytes: 4 << 20, ..Limits::default() };
    let (mut manager, changes, left_out) =
        Manager::restore(parse(RULES), tight, state).expect("a good state");
    assert_eq!(left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["s2"]);
    let told: Vec<_> = changes.iter().map(|c| (c.what, c.alert.subject.as_str())).collect();
    assert_eq!(told, [(Transition::Firing, "s2")], "nothing mutes it any more");
    let state = |alert: &AlertView| (alert.subject.clone(), alert.state);
    let alerts: BTreeMap<_, _> =
        manager.alerts(&Filter::default()).alerts.iter().map(state).collect();
    let muted = alerts.iter().filter(|(_, state)| **state == AlertState::Silenced);
    assert_eq!(muted.map(|(subject, _)| &**subject).collect::<Vec<_>>(), ["s0", "s1", "s3", "s4"]);
    let (next, _) = manager.silence(Time::from_s(0), heavy("s5", 0)).expect("a good silence");
    assert_eq!(
        next.id.to_string(),
        "s5",
        "the ids of those that were left out are not given again"
    );
}

#[test]
fn after_a_restart_other_rules_count() {
    let mut play = Play::new(RULES);
    flood(&mut play, 2, 15.0);
    let state = play.manager.state();
    let (manager, changes, _) =
        Manager::restore(parse(&RULES.replace("'Load'", "'Other'")), Limits::default(), state)
            .expect("a good state");
    assert_eq!(changes.len(), 2, "alerts of rules that are gone end");
    assert_eq!(manager.sizes().live, 0);
}
