//! Rings that are full of what a plugin has to do: it gets through, and whoever posts gets in again.

use shimmer_host::{Delivery, State};

use crate::bench::{Bench, plugin};

/// More than goes into the ring, so that it is posted only if nobody holds it for good.
fn goes_round(bench: &mut Bench, kind: &str) {
    for chunk in 0..8 {
        bench.post(kind, chunk * 400..(chunk + 1) * 400, "{}");
    }
}

#[test]
fn a_backlog_of_all_that_may_be_posted_is_worked_off() {
    for capacity in [64, 1_024, 4_096] {
        let mut bench = Bench::small(capacity, vec![plugin("counter")]);
        bench.post("good", 0..capacity * 7 / 8, "{}");
        let card = bench.caught_up("counter");
        assert_eq!((card.crash_count, card.event_count), (0, capacity * 7 / 8), "{capacity}");
    }
}

#[test]
fn a_plugin_that_was_away_for_a_ring_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::durable_over(dir.path(), 1_024, vec![plugin("counter")]);
    bench.post("good", 0..100, "{}");
    bench.caught_up("counter");
    bench.host.apply(vec![]).unwrap();
    goes_round(&mut bench, "away");
    bench.host.apply(vec![plugin("counter")]).unwrap();
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, &card.last_error), (0, &None));
    assert_eq!(card.missed_count + card.event_count, 3_200);
    goes_round(&mut bench, "back");
    assert_eq!(bench.caught_up("counter").crash_count, 0);
}

#[test]
fn what_was_missed_is_not_played_again() {
    let mut bench = Bench::small(1_024, vec![plugin("counter")]);
    bench.post("good", 0..100, "{}");
    bench.caught_up("counter");
    bench.host.disable("counter").unwrap();
    bench.until("counter", "stop", |card| card.state == State::Disabled);
    goes_round(&mut bench, "away");
    bench.host.enable("counter").unwrap();
    let card = bench.caught_up("counter");
    assert_eq!(card.missed_count + card.event_count, 3_300);
    assert!(card.missed_count > 0 && card.event_count > 100, "{card:?}");
    let counted = bench.counted("good") + bench.counted("away");
    assert_eq!(counted, card.event_count, "its state knows what it was given and no more");
}

#[test]
fn a_lossy_plugin_may_save_at_any_time() {
    let table = shimmer_host::PluginConfig { delivery: Delivery::Lossy, ..plugin("counter") };
    let mut bench = Bench::small(65_536, vec![table]);
    for round in 0..300 {
        bench.post("good", round * 10..(round + 1) * 10, "{}");
        // With each its save may come.
        bench.until("counter", "move", |card| card.event_count > round * 10);
    }
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.last_error), (0, None));
}
