//! Bounds on what a plugin may use and emit.

use shimmer_host::{PluginConfig, State};

use crate::bench::{Bench, plugin};

#[test]
fn a_leak_is_ended_at_the_memory_limit() {
    let mut table = plugin("leak");
    table.limits.memory_bytes = 64 << 20;
    let mut bench = Bench::new(vec![table]);
    bench.post("bad", 0..1, r#"{"poison":true}"#);
    bench.post("good", 0..10, "{}");
    let card = bench.until("leak", "get over the event", |card| {
        card.quarantined_count == 1 && card.lag_events == 0 && card.state == State::Running
    });
    assert_eq!(card.event_count, 10);
    let error = card.last_error.unwrap();
    assert!(
        error.contains("limits.memory_bytes is 64 MiB") || error.contains("abort"),
        "neither the watch nor the allocator ended it: {error}"
    );
}

/// A plugin that stays over a limit is ended and told which. The allocator may end a leak before the host looks.
fn ended_for(table: PluginConfig, limit: &str) {
    let name = table.name.clone();
    let bench = Bench::new(vec![table]);
    let card = bench.until(&name, "be ended", |card| card.crash_count > 0);
    let error = card.last_error.unwrap();
    assert!(error.contains(limit), "{error}");
}

fn busy_threads() -> PluginConfig {
    let mut table = plugin("threads");
    table.config.insert("each".into(), u32::MAX.into());
    table
}

#[test]
fn more_memory_than_allowed_is_noticed() {
    let mut table = plugin("counter");
    table.limits.memory_bytes = 1 << 20;
    ended_for(table, "limits.memory_bytes is 1 MiB");
}

#[test]
fn more_threads_than_allowed_are_noticed() {
    let mut table = busy_threads();
    table.limits.threads = 4;
    ended_for(table, "limits.threads is 4");
}

#[test]
fn more_of_the_processor_than_allowed_is_noticed() {
    let mut table = busy_threads();
    table.config.insert("threads".into(), 1.into());
    table.limits.cpu_percent = 1;
    ended_for(table, "limits.cpu_percent");
}

#[test]
fn a_call_emits_up_to_the_bound_and_no_further() {
    let mut bench = Bench::new(vec![plugin("flood")]);
    bench.post("order", 0..1, r#"{"emit":4096}"#);
    bench.caught_up("flood");
    assert_eq!(bench.events("flood").len(), 4_096);
    bench.post("order", 1..2, r#"{"emit":100000,"insist":true}"#);
    let card = bench.caught_up("flood");
    assert_eq!(bench.events("flood").len(), 8_192, "the bound, then refusals");
    assert_eq!(card.crash_count, 0);
}

#[test]
fn effects_of_a_call_that_fails_never_happen() {
    let mut bench = Bench::new(vec![plugin("flood")]);
    // Over the bound without insisting: the call fails, again and again, until the event is left out.
    bench.post("order", 0..1, r#"{"emit":4097}"#);
    bench.post("order", 1..2, r#"{"emit":1}"#);
    let card = bench.until("flood", "get over the event", |card| {
        card.quarantined_count == 1 && card.lag_events == 0 && card.state == State::Running
    });
    assert!(card.crash_count >= 2);
    assert_eq!(bench.events("flood").len(), 1, "4,096 effects of each failed call were discarded");
}

#[test]
fn a_refused_configuration_names_field_and_keeps_the_plugin_down() {
    let mut table = plugin("config-refuser");
    table.config.insert("nonsense".into(), 1.into());
    let bench = Bench::new(vec![table]);
    let card = bench.card("config-refuser");
    assert_eq!(card.state, State::Crashed);
    assert!(card.last_error.unwrap().contains("nonsense"));
    assert_eq!(card.crash_count, 0, "a refusal is no crash");
}

#[test]
fn what_was_printed_stands_in_the_log() {
    let bench = Bench::new(vec![plugin("config-refuser")]);
    let missing = bench.host.logs("nobody", 10);
    assert!(missing.is_none());
}
