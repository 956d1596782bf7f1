//! Plugins that die of an event: the event is found and left out, everything else is processed.

use shimmer_host::{Isolation, State};

use crate::bench::{Bench, plugin};

/// An event that kills, in the middle of others.
fn dies_of_one_event(name: &str, says: &str) {
    let mut bench = Bench::new(vec![plugin(name)]);
    bench.post("good", 0..50, "{}");
    bench.post("bad", 0..1, r#"{"poison":true}"#);
    bench.post("good", 50..100, "{}");
    let card = bench.until(name, "get over the event", |card| {
        card.quarantined_count == 1 && card.lag_events == 0 && card.state == State::Running
    });
    assert_eq!(card.quarantined, [51], "the killing event, not its neighbours");
    assert_eq!(card.event_count, 100, "all others were processed, each counted once");
    assert!(
        (3..=4).contains(&card.crash_count),
        "twice in a batch, twice alone: {}",
        card.crash_count
    );
    assert_eq!(card.restart_count, card.crash_count);
    let error = card.last_error.unwrap();
    assert!(error.contains(says), "{error:?} does not say {says:?}");
}

#[test]
fn a_segmentation_fault_is_survived() {
    dies_of_one_event("segfault", "segmentation fault");
}

#[test]
fn an_abort_is_survived() {
    dies_of_one_event("abort", "abort");
}

#[test]
fn a_panic_is_survived_and_its_place_told() {
    dies_of_one_event("panic", "poisoned");
}

#[test]
fn a_hang_is_ended_at_its_deadline() {
    dies_of_one_event("hang", "took longer than 1.5 s");
}

#[test]
fn a_dead_plugin_harms_no_other() {
    let mut bench = Bench::new(vec![plugin("segfault"), plugin("counter")]);
    bench.post("bad", 0..3, r#"{"poison":true}"#);
    bench.post("good", 0..1_000, "{}");
    bench.until("segfault", "get over the events", |card| card.quarantined_count == 3);
    let counter = bench.caught_up("counter");
    assert_eq!((counter.crash_count, counter.event_count), (0, 1_003));
    assert_eq!(bench.events("echo").len(), 1_003);
}

#[test]
fn a_plugin_that_always_dies_trips_the_breaker_and_lets_the_ring_go() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    for kills in 1..=5 {
        let card = bench.until("counter", "run", |card| card.state == State::Running);
        kill(card.pid.unwrap());
        bench.until("counter", "die", |card| card.crash_count == kills);
    }
    let card = bench.until("counter", "stay down", |card| card.state == State::Crashed);
    assert_eq!(card.pid, None);
    // More than the ring holds: a gate that was not released would stop this.
    for chunk in 0..80 {
        bench.post("good", chunk * 1_000..(chunk + 1) * 1_000, "{}");
    }
    bench.host.restart("counter").unwrap();
    let card = bench
        .until("counter", "come back", |card| card.state == State::Running && card.lag_events == 0);
    assert!(card.missed_count > 0 && card.event_count > 0);
    assert_eq!(card.missed_count + card.event_count, 80_000, "the gap is counted exactly");
}

#[test]
fn a_hung_thread_is_abandoned_and_its_events_go_to_the_next() {
    let mut table = plugin("hang");
    table.isolation = Isolation::Thread;
    let mut bench = Bench::new(vec![table]);
    bench.post("good", 0..10, "{}");
    bench.post("bad", 0..1, r#"{"poison":true}"#);
    bench.post("good", 10..20, "{}");
    let card = bench.until("hang", "get over the event", |card| {
        card.quarantined_count == 1 && card.lag_events == 0 && card.state == State::Running
    });
    assert_eq!(card.event_count, 20);
}

pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
