//! A clock that was a year ahead for a while.
//!
//! The rule: whatever the clock said once, every timer runs its own time from when it was set.

use shimmer_alerts::{Limits, Manager, Matcher, SilenceDraft, Time};

use crate::groups::RULES;
use crate::play::{Play, parse};

const YEAR_S: i64 = 365 * 86_400;

/// A restart, after which the clock is right.
fn set_back(play: &mut Play, rules: &str) {
    let state = play.manager.state();
    let restored = Manager::restore(parse(rules), Limits::default(), state).expect("a good state");
    play.manager = restored.0;
    play.now_s -= YEAR_S;
    let (back, changes) = play.manager.rewind(play.now()).expect("the clock went back");
    assert_eq!((back.to_string(), changes), ("1y".to_owned(), Vec::new()));
}

#[test]
fn alerts_fire_and_end_though_the_clock_was_ahead() {
    let rules = RULES.replace(
        "name = 'Load'",
        "name = 'Load'\nfor = '20s'\nkeep_firing_for = '15s'\nstale_after = '5m'",
    );
    let mut play = Play::new(&rules);
    play.now_s = YEAR_S + 1_000;
    play.value("load", "old", 15.0);
    play.run_to(YEAR_S + 1_060);
    play.value("load", "young", 15.0);
    assert_eq!(play.mail(), [format!("{} ops firing: +old/warning", YEAR_S + 1_050)]);
    assert_eq!(play.states(), ["pending Load young/warning", "firing Load old/warning"]);
    play.told();
    set_back(&mut play, &rules);
    play.run_to(1_100);
    assert_eq!(play.told(), ["firing Load young/warning"], "after its 20 s");
    play.value("load", "old", 1.0);
    play.value("load", "young", 1.0);
    play.run_to(1_120);
    let mut told = play.told();
    told.sort();
    assert_eq!(told, ["resolved Load old/warning", "resolved Load young/warning"]);
    play.run_to(1_800);
    assert_eq!(play.manager.sizes().groups, 0, "{:?}", play.mail());
}

#[test]
fn a_silence_of_an_hour_is_one_though_the_clock_was_ahead() {
    let mut play = Play::new(RULES);
    play.now_s = YEAR_S + 1_000;
    play.value("load", "a", 15.0);
    set_back(&mut play, RULES);
    let matcher: Matcher = "subject=a".parse().expect("a matcher");
    let draft = SilenceDraft {
        id: None,
        matchers: vec![matcher],
        author: "ann".to_owned(),
        comment: String::new(),
        starts_at: None,
        ends_at: Time::from_s(1_000 + 3_600),
    };
    let (silence, changes) = play.manager.silence(play.now(), draft).expect("a good silence");
    assert_eq!((silence.starts_at, changes.len()), (play.now(), 1));
}

#[test]
fn a_clock_that_creeps_back_is_waited_for() {
    let mut play = Play::new(RULES);
    play.now_s = 1_000;
    play.value("load", "a", 15.0);
    assert!(play.manager.rewind(Time::from_s(941)).is_none());
    assert!(play.manager.rewind(Time::from_s(2_000)).is_none());
}
