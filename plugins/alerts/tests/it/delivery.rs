//! Receivers that fail, refuse, or are away.
//!
//! The rule: what was due arrives once the receiver is back, once for each group, and says what is true then.

use shimmer_alerts::{Failure, Limits, Payload};

use crate::groups::RULES;
use crate::play::{Play, letter};

/// Each subject a group of its own.
fn split() -> String {
    RULES.replace("['alertname']", "['subject']")
}

#[test]
fn nothing_is_lost_in_a_minute_without_receiver_and_nothing_comes_twice() {
    let mut play = Play::new(&split());
    for subject in ["a", "b"] {
        play.value("load", subject, 15.0);
    }
    play.run_to(30);
    assert_eq!(play.mail().len(), 2);
    play.receivers = |_| Some(Failure::Unreachable);
    for at in 0..20 {
        play.run_to(31 + at);
        play.value("load", &format!("new-{at}"), 15.0);
    }
    play.value("load", "a", 1.0);
    play.run_to(360);
    let attempts = play.attempts;
    assert!(attempts < 40, "{attempts} attempts while it is away");
    // One that ends before the receiver is back: its end is all there is to tell.
    play.value("load", "new-0", 1.0);
    play.receivers = |_| None;
    play.run_to(400);
    let mut mail: Vec<_> = play.mail();
    mail.iter_mut().for_each(|line| *line = line.split_once(' ').expect("a second").1.to_owned());
    mail.sort();
    let mut wanted: Vec<_> = (1..20).map(|at| format!("ops firing: +new-{at}/warning")).collect();
    wanted.push("ops resolved: -a/warning".to_owned());
    wanted.push("ops resolved: -new-0/warning".to_owned());
    wanted.sort();
    assert_eq!(mail, wanted);
    play.run_to(3_000);
    assert_eq!(play.mail(), [""; 0], "no storm afterwards");
    assert_eq!(play.manager.sizes().notifications, 0);
}

#[test]
fn a_minute_away_is_made_up_for_within_half_a_minute() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 15.0);
    play.receivers = |_| Some(Failure::Unreachable);
    play.run_to(90);
    assert!((4..=9).contains(&play.attempts), "{} attempts in a minute", play.attempts);
    play.receivers = |_| None;
    play.run_to(120);
    assert_eq!(play.mail().len(), 1);
}

#[test]
fn what_was_due_is_told_though_it_ended_before_the_first_attempt() {
    let mut play = Play::new(&split());
    play.receivers = |_| Some(Failure::Unreachable);
    play.value("load", "a", 15.0);
    play.run_to(100);
    play.value("load", "short", 15.0);
    play.run_to(130);
    let attempts = play.attempts;
    // Due, but the receiver is left alone for now.
    play.value("load", "short", 1.0);
    assert_eq!(play.attempts, attempts);
    play.receivers = |_| None;
    play.run_to(200);
    let mail = play.mail();
    assert!(mail.iter().any(|line| line.ends_with("ops resolved: -short/warning")), "{mail:?}");
}

#[test]
fn who_joined_while_the_receiver_was_away_is_told_to_end_too() {
    let mut play = Play::new(RULES);
    play.receivers = |_| Some(Failure::Unreachable);
    play.value("load", "a", 15.0);
    play.run_to(40);
    play.value("load", "b", 15.0);
    play.run_to(50);
    play.receivers = |_| None;
    play.run_to(100);
    assert!(play.mail()[0].ends_with("ops firing: +a/warning +b/warning"));
    play.value("load", "b", 1.0);
    play.run_to(330);
    assert_eq!(play.mail(), ["330 ops firing: +a/warning -b/warning"]);
}

#[test]
fn what_is_refused_waits_for_the_next_look() {
    let mut play = Play::new(RULES);
    play.receivers = |_| Some(Failure::Refused);
    play.value("load", "a", 15.0);
    play.run_to(329);
    assert_eq!(play.attempts, 1, "an answer of 4xx is no reason to try again at once");
    play.receivers = |_| None;
    play.run_to(330);
    assert_eq!(play.mail(), ["330 ops firing: +a/warning"]);
}

#[test]
fn one_message_that_always_fails_does_not_hold_up_the_others() {
    let mut play = Play::new(&split());
    play.receivers = |n| letter(n).contains("+poison").then_some(Failure::Unreachable);
    play.value("load", "poison", 15.0);
    for at in 0..10 {
        play.value("load", &format!("fine-{at}"), 15.0);
    }
    play.run_to(60);
    assert_eq!(play.mail().len(), 10);
    let attempts = play.attempts;
    play.run_to(300);
    assert!(play.attempts - attempts < 12, "{} more attempts", play.attempts - attempts);
}

#[test]
fn only_so_many_are_out_at_a_time() {
    let limits = Limits { in_flight: 5, per_receiver: 3, ..Limits::default() };
    let mut play = Play::with(&split(), limits);
    for at in 0..20 {
        play.value("load", &format!("s{at}"), 15.0);
    }
    play.manager.tick(shimmer_alerts::Time::from_s(30));
    let now = shimmer_alerts::Time::from_s(31);
    let out = play.manager.notifications(now);
    assert_eq!(out.len(), 3, "for one receiver");
    assert!(play.manager.notifications(now).is_empty(), "each leaves once");
    play.manager.failed(out[0].id, now, Failure::Unreachable);
    play.manager.failed(out[1].id, now, Failure::Unreachable);
    play.manager.failed(out[2].id, now, Failure::Unreachable);
    let later = shimmer_alerts::Time::from_s(40);
    let one = play.manager.notifications(later);
    assert_eq!(one.len(), 1, "one while it fails");
    play.manager.delivered(one[0].id, later);
    assert_eq!(play.manager.notifications(later).len(), 3, "it is back");
    assert_eq!(play.manager.counters().failed, 3);
    play.manager.delivered(one[0].id, later);
    play.manager.failed(u64::MAX, later, Failure::Unreachable);
    assert_eq!(
        play.manager.counters().delivered,
        1,
        "an outcome that nobody waits for is no matter"
    );
}

#[test]
fn due_says_when_there_is_something_to_do() {
    let mut play = Play::new(RULES);
    play.receivers = |_| Some(Failure::Unreachable);
    play.value("load", "a", 15.0);
    // A caller that looks only when it is told to.
    let (mut now, mut looks, mut attempts) = (play.now(), 0, 0);
    while now < shimmer_alerts::Time::from_s(300) {
        play.manager.tick(now);
        for notification in play.manager.notifications(now) {
            attempts += 1;
            play.manager.failed(notification.id, now, Failure::Unreachable);
        }
        let due = play.manager.due();
        assert!(due > now, "it never asks for a moment that is over");
        now = due;
        looks += 1;
    }
    assert!(attempts >= 10, "{attempts}");
    assert!(looks <= attempts + 5, "{looks} looks for {attempts} attempts");
}

#[test]
fn a_long_group_is_cut_and_says_so() {
    let limits = Limits { per_notification: 3, ..Limits::default() };
    let mut play = Play::with(RULES, limits);
    for at in 0..5 {
        play.run_to(at);
        play.value("load", &format!("s{at}"), 15.0);
    }
    play.run_to(30);
    let Payload::Webhook(message) = &play.arrived[0].1.payload else { panic!("a webhook") };
    assert_eq!((message.alerts.len(), message.truncated_alerts), (3, 2));
    let mut play = Play::new(&RULES.replace("webhook =", "max_alerts = 2\nwebhook ="));
    for at in 0..5 {
        play.value("load", &format!("s{at}"), 15.0);
    }
    play.run_to(30);
    let Payload::Webhook(message) = &play.arrived[0].1.payload else { panic!("a webhook") };
    assert_eq!((message.alerts.len(), message.truncated_alerts), (2, 3));
}

/// What a message has no room for is news still: the next one tells it, until all was told.
#[test]
fn what_a_message_had_no_room_for_comes_with_the_next() {
    let limits = Limits { per_notification: 3, ..Limits::default() };
    let mut play = Play::with(RULES, limits);
    for subject in ["a", "b", "c", "d", "e"] {
        play.value("load", subject, 15.0);
    }
    play.run_to(30);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning +b/warning +c/warning"]);
    play.value("load", "a", 1.0);
    play.value("load", "b", 1.0);
    play.run_to(630);
    assert_eq!(
        play.mail(),
        [
            "330 ops firing: +d/warning +e/warning -a/warning",
            "630 ops firing: +c/warning +d/warning -b/warning"
        ]
    );
    for subject in ["c", "d", "e"] {
        play.value("load", subject, 1.0);
    }
    play.run_to(3_000);
    assert_eq!(play.mail(), ["930 ops resolved: -c/warning -d/warning -e/warning"]);
}

#[test]
fn a_peer_gets_long_groups_in_parts() {
    let rules = RULES.replace("webhook = 'http://localhost/'", "alertmanager = 'http://localhost'");
    let mut play = Play::new(&rules);
    for at in 0..100 {
        play.value("load", &format!("s{at}"), 15.0);
    }
    play.run_to(30);
    let bodies = play.arrived[0].1.payload.bodies();
    let lens: Vec<_> = bodies
        .iter()
        .map(|body| serde_json::from_str::<Vec<serde_json::Value>>(body).expect("a list").len())
        .collect();
    assert_eq!(lens, [64, 36]);
}
