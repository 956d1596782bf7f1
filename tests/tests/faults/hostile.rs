//! Plugins that use up what they can and say what no runner would: each is contained and counted, and those beside them
//! do not notice.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shimmer_host::{CallError, State};

use crate::bench::{Bench, plugin};

/// A host with the attacker and an honest plugin, after the attack was ordered.
fn attack(name: &str, count: usize) -> Bench {
    let mut bench = Bench::new(vec![plugin("hostile"), plugin("counter")]);
    bench.post("order", 0..1, &format!(r#"{{"attack":"{name}","count":{count}}}"#));
    bench
}

/// The honest one has seen everything, and nothing happened to it.
fn unharmed(bench: &mut Bench) {
    bench.post("good", 0..1_000, "{}");
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.missed_count), (0, 0), "{:?}", card.last_error);
    let good = bench.events("echo").iter().filter(|echo| echo["subject"] == "good").count();
    assert_eq!(good, 1_000);
}

/// An attack that leads to nothing: how often it succeeded.
fn survives(name: &str, count: usize) -> f64 {
    let mut bench = attack(name, count);
    let card = bench.caught_up("hostile");
    assert_eq!(card.crash_count, 0, "{:?}", card.last_error);
    let survived = bench.events("survived");
    unharmed(&mut bench);
    survived[0]["value"].as_f64().unwrap()
}

/// An attack after which the plugin is ended, told why, and stays down or goes on without the event.
fn is_ended(name: &str, count: usize, why: &str) {
    let mut bench = attack(name, count);
    let card = bench.until("hostile", "be ended for good", |card| {
        let goes_on = card.quarantined_count == 1 && card.state == State::Running;
        // Where it died while it waited for the host no event is to blame; some may have died before.
        goes_on || card.crash_count >= 5 && card.state == State::Crashed
    });
    let error = card.last_error.unwrap();
    assert!(error.contains(why) && error.len() <= 64 << 10, "{name}: {error:.300}");
    unharmed(&mut bench);
}

#[test]
fn a_fork_bomb_has_no_children() {
    assert_eq!(survives("forks", 50_000), 0.0);
}

#[test]
fn open_files_end_at_the_limit_and_are_its_own() {
    let files = survives("descriptors", 0);
    assert!((200.0..256.0).contains(&files), "{files}");
}

#[test]
fn a_thread_bomb_is_ended_before_it_uses_up_the_machine() {
    is_ended("threads", 0, "its limits.threads is 64");
}

#[test]
fn bytes_that_are_no_messages_end_it() {
    is_ended("garbage", 1 << 20, "it broke the protocol");
    is_ended("nonsense", 0, "it broke the protocol");
}

#[test]
fn a_transaction_of_a_million_effects_is_no_message() {
    is_ended("commit", 1_000_000, "it broke the protocol");
}

#[test]
fn commits_without_end_leave_room_for_everyone_else() {
    let mut bench = Bench::small(4_096, vec![plugin("hostile"), plugin("counter")]);
    // Nobody takes anything away meanwhile.
    let counter = Pid::from_raw(bench.card("counter").pid.unwrap().cast_signed()).unwrap();
    kill_process(counter, Signal::STOP).unwrap();
    // Three rings full, from one event.
    bench.post("order", 0..1, r#"{"attack":"commits","count":200}"#);
    let card = bench.until("hostile", "be ended", |card| card.crash_count > 0);
    kill_process(counter, Signal::CONT).unwrap();
    let error = card.last_error.unwrap();
    assert!(error.contains("before the answer to the one before"), "{error}");
    unharmed(&mut bench);
}

#[test]
fn one_that_closes_its_connection_is_ended() {
    is_ended("shut", 0, "it closed its connection");
}

#[test]
fn a_commit_that_nobody_asked_for_is_not_believed() {
    // One effect is a message; its cursor is the one event that the plugin is in the middle of.
    let mut bench = attack("commit", 1);
    bench.caught_up("hostile");
    unharmed(&mut bench);
}

#[test]
fn forged_metrics_end_it_and_are_shown_to_nobody() {
    let mut bench = attack("metrics", 0);
    let card = bench.until("hostile", "be ended", |card| {
        card.crash_count > 0 && card.lag_events == 0 && card.state == State::Running
    });
    assert!(card.last_error.unwrap().contains("metrics"));
    let series = bench.host.series();
    let forged = |name: &str| name.contains("forged");
    assert!(series.iter().flat_map(|of| of.series.iter()).all(|one| !forged(&one.name)));
    unharmed(&mut bench);
}

#[test]
fn last_words_of_megabytes_are_cut() {
    let mut bench = attack("reason", 32 << 20);
    bench.caught_up("hostile");
    let ended = bench.host.restart("hostile");
    assert_eq!(ended, Ok(()));
    bench.post("order", 1..2, r#"{"attack":"garbage","count":64}"#);
    let card = bench.until("hostile", "be ended", |card| card.crash_count > 0);
    assert!(card.last_error.unwrap().len() <= 64 << 10);
    unharmed(&mut bench);
}

#[test]
fn half_a_message_is_waited_for_no_longer_than_a_call() {
    // What the runner says next becomes the rest, which is never whole. No event is to blame: it stays down.
    let mut bench = attack("half", 1_000);
    let card = bench.until("hostile", "stay down", |card| card.state == State::Crashed);
    let error = card.last_error.unwrap();
    assert!(card.crash_count == 5 && error.contains("no progress"), "{error}");
    unharmed(&mut bench);
}

#[test]
fn ten_million_effects_from_one_call_are_bounded_by_the_deadline() {
    let mut bench = Bench::new(vec![plugin("flood"), plugin("counter")]);
    bench.post("order", 0..1, r#"{"emit":10000000,"insist":true}"#);
    let card = bench
        .until("flood", "be through", |card| card.lag_events == 0 && card.state == State::Running);
    assert!(bench.events("flood").len() <= 4_096, "{card:?}");
    unharmed(&mut bench);
}

#[test]
fn answers_without_measure_are_no_answers() {
    let bench = Bench::new(vec![plugin("hostile"), plugin("counter")]);
    let get = |route: &str| {
        let begun = Instant::now();
        let answer = bench.get("hostile", route);
        assert!(begun.elapsed() < Duration::from_secs(20), "{route}: {:?}", begun.elapsed());
        bench.until("hostile", "run again", |card| card.state == State::Running);
        answer.map(|answer| (answer.status, answer.headers.len(), answer.body.len()))
    };
    let never = get("/x/hostile/never");
    assert!(matches!(never, Err(CallError::Deadline | CallError::Down(_))), "{never:?}");
    let gigabyte = get("/x/hostile/gigabyte");
    assert!(matches!(gigabyte, Err(CallError::Failed(_) | CallError::Down(_))), "{gigabyte:?}");
    let headers = get("/x/hostile/headers");
    assert!(matches!(headers, Err(CallError::Down(_))), "{headers:?}");
    let switch = get("/x/hostile/switch");
    assert!(matches!(&switch, Err(CallError::Failed(why)) if why.contains("bounds")), "{switch:?}");
    let counter = bench.card("counter");
    assert_eq!(counter.crash_count, 0);
}
