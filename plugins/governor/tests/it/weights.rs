//! Weights as they follow from executions and time.
//!
//! The rule: what is due carries the time at which it was due, however late the clock looks.

use shimmer_governor::{Choice, Data, Entry, Refusal, State, Time};

use crate::dao::{CONFIG, Dao, at};

/// Type and seconds after the beginning of the entries from `first` on.
fn entries(dao: &Dao, first: usize) -> Vec<(&'static str, f64)> {
    let read = |line: &String| Entry::parse(line.as_bytes()).expect("an entry");
    let seconds = |time: Time| (time.as_ns() - at(0.0).as_ns()) as f64 / 1e9;
    dao.log[first..].iter().map(read).map(|entry| (entry.data.name(), seconds(entry.at))).collect()
}

fn automatic() -> String {
    CONFIG.replace("\"auto\":false", "\"auto\":true")
}

/// A proposal that is carried, its vote over at 20 s.
fn carried(dao: &mut Dao, changes: &str) -> String {
    dao.member(1, 10);
    let id = dao.propose(changes);
    dao.to(5.0).vote(1, &id, Choice::For).expect("a vote");
    id
}

#[test]
fn a_far_jump_yields_what_was_due_when_it_was_due() {
    let mut dao = Dao::new(&automatic());
    let id = carried(&mut dao, r#"{"timelock_s":60}"#);
    let before = dao.log.len();
    let mut slow = dao.clone();
    dao.try_to(Time::MAX).expect("it goes on");
    let (queued, eta) = (20.000_000_001, 80.000_000_001);
    let expected = [
        ("queue", queued),
        ("execute", eta),
        ("weights", eta),
        ("weights", eta + 10.0),
        ("weights", eta + 20.0),
        ("weights", eta + 1_000.0),
        ("weights", eta + 1_010.0),
        ("weights", eta + 1_020.0),
    ];
    let seen = entries(&dao, before);
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(
            seen.0 == expected.0 && (seen.1 - expected.1).abs() < 1e-10,
            "{seen:?} {expected:?}"
        );
    }
    assert_eq!(dao.view(&id).state, State::Executed);
    assert_eq!((dao.weight("a"), dao.governor.weights().version), (1.0, 6));
    // Second by second it is the same log.
    for s in 6..1_200 {
        slow.to(f64::from(s));
        let expected = match s {
            ..81 => 1.0,
            81..91 => 0.75,
            91..101 => 0.5,
            101..1_081 => 0.25,
            1_081..1_091 => 0.5,
            1_091..1_101 => 0.75,
            _ => 1.0,
        };
        assert_eq!(slow.weight("a"), expected, "{s}");
    }
    assert_eq!(slow.log, dao.log);
}

#[test]
fn what_is_due_comes_in_the_order_of_time() {
    let mut fast = Dao::new(&automatic());
    fast.member(1, 10);
    // The older ends later, and weights step between.
    let changes = [
        r#"{"period_s":60}"#,
        r#"{"source":"b","period_s":20,"timelock_s":7}"#,
        r#"{"source":"c"}"#,
    ];
    let ids = changes.map(|changes| fast.propose(changes));
    fast.to(5.0);
    for id in &ids {
        fast.vote(1, id, Choice::For).expect("a vote");
    }
    let (mut slow, before) = (fast.clone(), fast.log.len());
    fast.to(3_000.0);
    (6..=3_000).for_each(|s| {
        slow.to(f64::from(s));
    });
    assert_eq!(fast.log, slow.log);
    let times: Vec<f64> = entries(&fast, before).into_iter().map(|(_, at)| at).collect();
    assert!(times.is_sorted() && times.len() > 20, "{times:?}");
}

#[test]
fn nothing_happens_by_itself_without_auto() {
    let mut dao = Dao::new(CONFIG);
    let id = carried(&mut dao, r#"{"timelock_s":60}"#);
    let before = dao.log.len();
    dao.to(1e6);
    assert_eq!((dao.log.len(), dao.view(&id).state), (before, State::Succeeded));
    dao.queue(&id).expect("it succeeded");
    dao.to(1e6 + 60.0).execute(&id).expect("it was queued");
    assert_eq!(
        entries(&dao, before),
        [("queue", 1e6), ("execute", 1e6 + 60.0), ("weights", 1e6 + 60.0)]
    );
    assert_eq!(dao.weight("a"), 0.75);
    let shown = serde_json::to_value(dao.governor.weights()).expect("JSON");
    assert_eq!(shown["weights"], serde_json::json!({"a": 0.75}));
    assert_eq!(shown["hash"].as_str().map(str::len), Some(64));
}

#[test]
fn auto_switched_on_acts_from_then_on() {
    let mut dao = Dao::new(CONFIG);
    let id = carried(&mut dao, "{}");
    dao.to(100.0);
    let before = dao.log.len();
    dao.configure(&automatic()).expect("another configuration");
    let now = ["config", "queue", "execute", "weights"].map(|name| (name, 100.0));
    assert_eq!(entries(&dao, before), now);
    assert_eq!(dao.view(&id).state, State::Executed);
    dao.restart();
    assert_eq!(dao.weight("a"), 0.75);
}

#[test]
fn proposals_of_one_instant_make_one_weight_set() {
    let mut dao = Dao::new(&automatic());
    dao.member(1, 10);
    let ids = ["a", "b", "c"]
        .map(|source| dao.propose(&format!(r#"{{"source":"{source}","options":[0.5]}}"#)));
    dao.to(5.0);
    for id in &ids[..2] {
        dao.vote(1, id, Choice::For).expect("a vote");
    }
    let before = dao.log.len();
    dao.to(21.0);
    let names: Vec<_> = entries(&dao, before).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["queue", "execute", "queue", "execute", "weights"]);
    assert_eq!(["a", "b", "c"].map(|source| dao.weight(source)), [0.75, 0.75, 1.0]);
}

#[test]
fn another_default_is_a_new_weight_set() {
    let mut dao = Dao::new(&automatic());
    carried(&mut dao, "{}");
    dao.to(50.0);
    assert_eq!((dao.weight("a"), dao.weight("b")), (0.25, 1.0));
    let before = dao.log.len();
    let other = automatic().replace("\"default_weight\":1", "\"default_weight\":0.25");
    dao.configure(&other).expect("another configuration");
    assert_eq!(entries(&dao, before), [("config", 50.0), ("weights", 50.0)]);
    assert_eq!((dao.weight("a"), dao.weight("b")), (0.25, 0.25));
    assert_eq!(dao.governor.weights().weights.len(), 0);
    assert_eq!(dao.configure(&other).map(|_| ()), Err(Refusal::Unchanged));
    assert!(matches!(dao.configure(&other.replace("test", "else")), Err(Refusal::Malformed(_))));
}

#[test]
fn the_clock_does_not_go_back() {
    let mut dao = Dao::new(CONFIG);
    dao.to(5.0).member(1, 1);
    assert_eq!(dao.try_to(at(4.0)), Err(Refusal::Backwards(at(5.0))));
    dao.now = at(4.0);
    assert_eq!(dao.try_member(2, 1).map(|_| ()), Err(Refusal::Backwards(at(5.0))));
    dao.now = at(5.0);
    dao.member(2, 1);
}

#[test]
fn a_timer_is_told_when_to_wake() {
    let mut dao = Dao::new(&automatic());
    assert_eq!(dao.governor.wakes_at(dao.now), None);
    carried(&mut dao, r#"{"timelock_s":60}"#);
    let mut wakes = Vec::new();
    while let Some(next) = dao.governor.wakes_at(dao.now) {
        assert!(next > dao.now && wakes.len() < 20, "{wakes:?}");
        dao.try_to(next).expect("it goes on");
        wakes.push(next);
    }
    // The end, the execution and two steps, three steps back.
    assert_eq!(wakes.len(), 7, "{wakes:?}");
    assert_eq!(dao.governor.weights().version, 6);
}

#[test]
fn a_crash_between_two_entries_loses_nothing() {
    let mut dao = Dao::new(&automatic());
    carried(&mut dao, "{}");
    let mut whole = dao.clone();
    whole.to(2_000.0);
    for kept in dao.log.len()..=whole.log.len() {
        let mut crashed = dao.clone();
        crashed.log = whole.log[..kept].to_vec();
        crashed.restart();
        assert_eq!(crashed.governor.head().entries, kept as u64);
        crashed.to(2_000.0);
        assert_eq!(crashed.log, whole.log, "{kept}");
        assert_eq!(crashed.governor, whole.governor);
    }
}

#[test]
fn a_log_that_cannot_be_written_changes_nothing() {
    let mut dao = Dao::new(&automatic());
    carried(&mut dao, "{}");
    let before = dao.governor.clone();
    let mut room = 1;
    let result = dao.governor.advance(at(2_000.0), |entry| {
        assert!(matches!(entry.data, Data::Queue(_) | Data::Execute(_)));
        room -= 1;
        if room < 0 { Err("full") } else { Ok(()) }
    });
    assert!(matches!(result, Err(shimmer_governor::Failed::Log("full"))));
    assert_eq!(dao.governor.head().entries, before.head().entries + 1, "one was written");
    dao.governor = before;
    dao.to(2_000.0);
    assert_eq!(dao.governor.weights().version, 6);
}
