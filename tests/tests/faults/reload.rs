//! Hot reload: state is handed over, no event is lost, a bad library is rolled back.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use shimmer_host::{ControlError, PluginConfig, State};

use crate::bench::{Bench, PATIENCE, fixture, plugin, wait};
use crate::deaths::kill;

/// The counter with a library that a test can replace.
fn replaceable(dir: &Path, first: &str) -> (PluginConfig, PathBuf) {
    let path = dir.join("counter.so");
    std::fs::copy(fixture(first), &path).unwrap();
    (PluginConfig { path: path.clone(), ..plugin("counter") }, path)
}

/// Three times what the ring of 1,024 holds.
fn goes_round(bench: &mut Bench) {
    for chunk in 0..8 {
        bench.post("round", chunk * 400..(chunk + 1) * 400, "{}");
    }
    assert_eq!(bench.caught_up("counter").missed_count, 0);
}

/// The library that runs dies before it is proven, and the one before it runs again.
fn dies_on_probation(bench: &Bench) {
    kill(bench.card("counter").pid.unwrap());
    bench.until("counter", "be rolled back", |card| {
        card.crash_count == 1 && card.state == State::Running
    });
}

#[test]
fn a_library_without_state_holds_the_ring_for_none() {
    let temp = tempfile::tempdir().unwrap();
    let (table, library) = replaceable(temp.path(), "counter");
    let mut bench = Bench::small(1_024, vec![table]);
    bench.post("good", 0..100, "{}");
    bench.caught_up("counter");
    std::fs::copy(fixture("plain"), &library).unwrap();
    assert_eq!(bench.host.reload("counter"), Ok(()));
    goes_round(&mut bench);
}

#[test]
fn a_library_that_is_rolled_back_takes_its_state_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let (table, library) = replaceable(temp.path(), "plain");
    let mut bench = Bench::small(1_024, vec![table]);
    std::fs::copy(fixture("counter"), &library).unwrap();
    assert_eq!(bench.host.reload("counter"), Ok(()));
    dies_on_probation(&bench);
    goes_round(&mut bench);
}

#[test]
fn a_rollback_gives_the_old_library_its_old_state() {
    let temp = tempfile::tempdir().unwrap();
    let (table, library) = replaceable(temp.path(), "counter");
    let mut bench = Bench::small(65_536, vec![table]);
    bench.post("good", 0..400, "{}");
    bench.caught_up("counter");
    std::fs::copy(fixture("heir"), &library).unwrap();
    assert_eq!(bench.host.reload("counter"), Ok(()));
    bench.post("good", 400..1_200, "{}");
    let state = bench.dir().join("plugins/counter/state");
    wait("the new library's save", || std::fs::read(&state).unwrap().ends_with(b"heir 800"));
    dies_on_probation(&bench);
    bench.caught_up("counter");
    wait("the replay", || bench.counted("good") == 1_200);
    assert_eq!(
        bench.events("echo").len(),
        400,
        "what the new one has handled has no effects again"
    );
}

#[test]
fn whoever_reloads_what_is_then_disabled_is_told() {
    let bench = Bench::new(vec![plugin("counter")]);
    // It stops late, so that the second order comes before the end.
    let pid = Pid::from_raw(bench.card("counter").pid.unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let before = bench.copies("counter").len();
    let (sender, told) = mpsc::channel();
    let host = bench.host.clone();
    std::thread::spawn(move || sender.send(host.reload("counter")));
    wait("the copy", || bench.copies("counter").len() > before);
    bench.host.disable("counter").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(ControlError::Disabled)));
    // Nor does an order that comes before the end forget this one.
    bench.host.enable("counter").unwrap();
    bench.caught_up("counter");
}

#[test]
fn a_reload_keeps_state_and_loses_nothing() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    for round in 0..5 {
        bench.post("good", round * 400..(round + 1) * 400, "{}");
        // Not only once the one before has run through its probation.
        assert_eq!(bench.host.reload("counter"), Ok(()), "round {round}");
    }
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.event_count), (0, 2_000));
    let answer = bench.get("counter", "/x/counter/counts").unwrap();
    let state: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(state["counts"]["good"], 2_000);
    assert_eq!(bench.events("echo").len(), 2_000);
}

#[test]
fn a_library_that_does_not_load_is_rolled_back() {
    let temp = tempfile::tempdir().unwrap();
    let library = temp.path().join("counter.so");
    std::fs::copy(fixture("counter"), &library).unwrap();
    let mut table = plugin("counter");
    table.path.clone_from(&library);
    let mut bench = Bench::new(vec![table]);
    bench.post("good", 0..100, "{}");
    bench.caught_up("counter");
    // One that is on probation itself is not what a bad one after it is rolled back to.
    let proven = bench.copies("counter");
    assert_eq!(bench.host.reload("counter"), Ok(()));
    std::fs::write(&library, b"not a library").unwrap();
    let error = bench.host.reload("counter").unwrap_err();
    assert_eq!(bench.copies("counter"), proven);
    assert!(matches!(&error, ControlError::Failed(why) if why.contains("rolled back")), "{error}");
    bench.post("good", 100..200, "{}");
    let card = bench
        .until("counter", "run again", |card| card.state == State::Running && card.lag_events == 0);
    assert_eq!(card.event_count, 200);
    // Another plugin's library is refused too.
    std::fs::copy(fixture("flood"), &library).unwrap();
    let error = bench.host.reload("counter").unwrap_err().to_string();
    assert!(error.contains("make them equal") && error.contains("rolled back"), "{error}");
}

#[test]
fn disable_and_enable_are_seen_on_the_card() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    bench.host.disable("counter").unwrap();
    let card = bench.until("counter", "stop", |card| card.state == State::Disabled);
    assert_eq!((card.pid, card.crash_count), (None, 0));
    bench.post("good", 0..100, "{}");
    assert_eq!(bench.host.reload("counter"), Err(ControlError::Disabled));
    bench.host.enable("counter").unwrap();
    let card = bench.caught_up("counter");
    assert_eq!(card.event_count + card.missed_count, 100);
    assert_eq!(bench.host.enable("nobody"), Err(ControlError::Unknown));
}

#[test]
fn a_new_configuration_restarts_only_what_it_touches() {
    let bench = Bench::new(vec![plugin("counter"), plugin("flood")]);
    let (counter, flood) = (bench.card("counter").pid, bench.card("flood").pid);
    let mut changed = plugin("counter");
    changed.config.insert("ids".into(), false.into());
    let report = bench.host.apply(vec![changed.clone(), plugin("flood"), plugin("panic")]).unwrap();
    assert_eq!(report.restarted, ["counter"]);
    assert_eq!(report.started, ["panic"]);
    bench.until("counter", "run anew", |card| card.state == State::Running && card.pid != counter);
    bench.until("panic", "run", |card| card.state == State::Running);
    assert_eq!(bench.card("flood").pid, flood);
    let report = bench.host.apply(vec![changed]).unwrap();
    assert_eq!(report.stopped, ["flood", "panic"]);
    assert!(bench.host.card("flood").is_none());
}
