//! Silences and inhibition: what is muted, what is told about it, and how it comes back.
//!
//! The rule: what is muted is not told to fire; what was told to fire is told to end, muted or not.

use shimmer_alerts::{Matcher, SilenceDraft, SilenceId, SilenceRefused, Time};

use crate::groups::RULES;
use crate::play::Play;

fn silence(play: &mut Play, matcher: &str, starts_s: Option<i64>, ends_s: i64) -> SilenceId {
    let draft = draft(matcher, starts_s, ends_s);
    let (silence, changes) = play.manager.silence(play.now(), draft).expect("a good silence");
    play.changes.extend(changes);
    silence.id
}

fn draft(matcher: &str, starts_s: Option<i64>, ends_s: i64) -> SilenceDraft {
    let matcher: Matcher = matcher.parse().expect("a matcher");
    SilenceDraft {
        id: None,
        matchers: vec![matcher],
        author: "ann".to_owned(),
        comment: "work on it".to_owned(),
        starts_at: starts_s.map(Time::from_s),
        ends_at: Time::from_s(ends_s),
    }
}

#[test]
fn a_worse_alert_mutes_the_milder_ones_and_gives_them_back() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 25.0);
    play.run_to(30);
    assert_eq!(play.mail(), ["30 ops firing: +a/critical"]);
    play.value("load", "a", 15.0);
    assert_eq!(
        play.told(),
        [
            "firing Load a/critical",
            "inhibited Load a/warning",
            "resolved Load a/critical",
            "firing Load a/warning"
        ]
    );
    play.run_to(330);
    assert_eq!(play.mail(), ["330 ops firing: +a/warning -a/critical"]);
    play.value("load", "a", 1.0);
    play.run_to(630);
    assert_eq!(play.mail(), ["630 ops resolved: -a/warning"]);
}

#[test]
fn the_end_of_what_was_told_is_told_though_it_was_muted_meanwhile() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 15.0);
    play.run_to(30);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning"]);
    play.value("load", "a", 25.0);
    play.run_to(330);
    assert_eq!(play.mail(), ["330 ops firing: +a/critical"]);
    silence(&mut play, "subject=a", None, 10_000);
    play.value("load", "a", 1.0);
    play.run_to(630);
    assert_eq!(play.mail(), ["630 ops resolved: -a/critical -a/warning"]);
}

#[test]
fn a_series_of_another_name_is_not_muted() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 25.0);
    play.value("load", "b", 15.0);
    play.value("heat", "a", 15.0);
    play.run_to(30);
    assert_eq!(play.mail(), ["30 ops firing: +a/critical +b/warning +a/warning"]);
}

#[test]
fn a_silence_mutes_from_its_start_to_before_its_end() {
    let mut play = Play::new(RULES);
    silence(&mut play, "subject=~\"a|b\"", Some(100), 1_000);
    play.value("load", "a", 15.0);
    play.run_to(99);
    assert_eq!(play.mail(), ["30 ops firing: +a/warning"]);
    assert_eq!(play.told(), ["firing Load a/warning"]);
    play.run_to(100);
    assert_eq!(play.told(), ["silenced Load a/warning"]);
    play.value("load", "b", 15.0);
    assert_eq!(play.told(), ["silenced Load b/warning"], "new ones are born silent");
    assert_eq!(play.states(), ["silenced Load b/warning", "silenced Load a/warning"]);
    play.run_to(999);
    assert_eq!((play.mail(), play.told()), (vec![], vec![]));
    play.run_to(1_000);
    assert_eq!(play.told(), ["firing Load a/warning", "firing Load b/warning"]);
    assert!(play.manager.silences().silences.is_empty(), "it is over");
    play.run_to(1_300);
    assert_eq!(play.mail(), ["1230 ops firing: +a/warning +b/warning"]);
}

#[test]
fn a_silence_can_be_changed_and_ended_early() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 15.0);
    let id = silence(&mut play, "subject=a", None, 1_000);
    assert_eq!(play.told(), ["firing Load a/warning", "silenced Load a/warning"]);
    let other = SilenceDraft { id: Some(id), ..draft("subject=b", None, 1_000) };
    let (changed, changes) = play.manager.silence(play.now(), other).expect("changed");
    play.changes.extend(changes);
    assert_eq!((changed.id, play.told()), (id, vec!["firing Load a/warning".to_owned()]));
    play.value("load", "b", 15.0);
    assert_eq!(play.told(), ["silenced Load b/warning"]);
    let changes = play.manager.unsilence(play.now(), id).expect("ended");
    play.changes.extend(changes);
    assert_eq!(play.told(), ["firing Load b/warning"]);
    assert_eq!(play.manager.unsilence(play.now(), id), Err(SilenceRefused::Unknown));
}

#[test]
fn a_silence_outweighs_an_inhibition_and_both_can_end_in_any_order() {
    let mut play = Play::new(RULES);
    play.value("load", "a", 25.0);
    let id = silence(&mut play, "severity=warning", None, 1_000);
    assert_eq!(play.states(), ["silenced Load a/warning", "firing Load a/critical"]);
    play.told();
    play.value("load", "a", 15.0);
    assert_eq!(play.told(), ["resolved Load a/critical"], "still silenced");
    play.manager.unsilence(play.now(), id).expect("ended");
    assert_eq!(play.states()[0], "firing Load a/warning");
}

#[test]
fn events_of_the_stream_have_the_names_of_the_contract() {
    let mut play = Play::new(&RULES.replace("critical =", "for = '10s'\ncritical ="));
    play.value("load", "a", 15.0);
    play.run_to(10);
    let id = silence(&mut play, "subject=a", None, 1_000);
    let changes = play.manager.unsilence(play.now(), id).expect("ended");
    play.changes.extend(changes);
    let alert = play.only().id;
    let changes = play.manager.ack(play.now(), &alert, "ann").expect("acked");
    play.changes.extend(changes);
    play.value("load", "a", 1.0);
    let names: Vec<_> = play.changes.iter().filter_map(|change| change.sse_event()).collect();
    assert_eq!(names, ["firing", "silenced", "firing", "firing", "resolved"]);
    let ids: std::collections::BTreeSet<_> = play.changes.iter().map(|c| &c.event_id).collect();
    assert_eq!(ids.len(), play.changes.len(), "every change has an id of its own");
}

#[test]
fn silences_that_would_surprise_are_refused() {
    let mut play = Play::new(RULES);
    play.now_s = 100;
    let now = play.now();
    let mut field = |draft: SilenceDraft| match play.manager.silence(now, draft) {
        Err(SilenceRefused::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(draft("subject=~\".*\"", None, 200)), "matchers", "it would mute everything");
    assert_eq!(field(draft("subject!=a", None, 200)), "matchers");
    assert_eq!(field(draft("subject=a", None, 100)), "ends_at");
    assert_eq!(field(draft("subject=a", Some(300), 200)), "ends_at");
    let good = draft("subject=a", None, 200);
    assert_eq!(field(SilenceDraft { matchers: Vec::new(), ..good.clone() }), "matchers");
    assert_eq!(field(SilenceDraft { author: " ".to_owned(), ..good.clone() }), "author");
    assert_eq!(field(SilenceDraft { comment: "x".repeat(513), ..good.clone() }), "comment");
    let unknown = SilenceDraft { id: Some("s7".parse().expect("an id")), ..good };
    assert_eq!(play.manager.silence(now, unknown), Err(SilenceRefused::Unknown));
}
