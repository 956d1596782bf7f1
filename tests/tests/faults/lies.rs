//! A plugin that writes nonsense into its control page is ended, and nothing of what it wrote is believed.

use shimmer_host::{Delivery, PluginConfig, State};

use crate::bench::{Bench, plugin};

fn lies(lie: &str) {
    lies_of(plugin("lie"), lie);
}

fn lies_of(table: PluginConfig, lie: &str) {
    let mut bench = Bench::new(vec![table, plugin("counter")]);
    bench.post("good", 0..100, "{}");
    bench.caught_up("lie");
    bench.post("order", 0..1, &format!(r#"{{"lie":"{lie}"}}"#));
    bench.post("good", 100..200, "{}");
    let card = bench.until("lie", "be ended", |card| {
        card.crash_count > 0 && card.lag_events == 0 && card.state == State::Running
    });
    assert!(card.last_error.unwrap().contains("nonsense"), "{lie}");
    let published = bench.ring.published();
    assert!(card.quarantined.iter().all(|seq| *seq <= published), "{lie}: {:?}", card.quarantined);
    let counter = bench.caught_up("counter");
    assert_eq!((counter.crash_count, counter.event_count), (0, 201), "{lie}: nobody else notices");
}

#[test]
fn a_cursor_at_the_end_of_time_is_nonsense() {
    lies("max");
}

#[test]
fn a_cursor_beyond_the_stream_is_nonsense() {
    lies("beyond");
}

#[test]
fn a_cursor_beyond_the_stream_is_nonsense_without_a_gate_too() {
    lies_of(PluginConfig { delivery: Delivery::Lossy, ..plugin("lie") }, "max");
}

#[test]
fn a_page_full_of_scribble_is_nonsense() {
    lies("scribble");
}

#[test]
fn the_page_cannot_be_cut_from_under_the_host() {
    let mut bench = Bench::new(vec![plugin("lie")]);
    bench.post("order", 0..1, r#"{"lie":"truncate"}"#);
    let card = bench.caught_up("lie");
    assert_eq!(card.crash_count, 0);
    // Its word comes by another way than its cursor.
    crate::bench::wait("its word", || {
        let logs = bench.host.logs("lie", 10).unwrap();
        assert!(logs.iter().all(|line| line.message != "truncated"), "{logs:?}");
        logs.iter().any(|line| line.message == "truncation refused")
    });
}

#[test]
fn a_plugin_that_is_woken_often_is_no_liar() {
    let mut table = plugin("threads");
    table.config.insert("each".into(), 50_000.into());
    let bench = Bench::new(vec![table]);
    crate::bench::wait("all events", || bench.ring.published() >= 200_000);
    let card = bench.caught_up("threads");
    assert_eq!((card.crash_count, card.last_error), (0, None));
}

#[test]
fn one_that_only_says_that_it_is_busy_does_not_hold_the_ring_for_ever() {
    let mut bench = Bench::new(vec![plugin("lie")]);
    bench.post("order", 0..1, r#"{"lie":"busy"}"#);
    let card = bench.until("lie", "be ended", |card| card.crash_count > 0);
    assert!(card.last_error.unwrap().contains("made no progress"));
}
