//! Hot reload: state is handed over, no event is lost, a bad library is rolled back.

use shimmer_host::{ControlError, State};

use crate::bench::{Bench, fixture, plugin};

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
