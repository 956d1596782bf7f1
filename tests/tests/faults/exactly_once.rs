//! Every input has its effect once, whatever is killed: the counter echoes each event, without ids that could hide a
//! repetition.

use std::collections::HashMap;

use shimmer_host::{PluginConfig, State};

use crate::bench::{Bench, plugin};
use crate::deaths::kill;

const KILLS: u64 = 100;

fn counter() -> PluginConfig {
    let mut table = plugin("counter");
    table.config.insert("ids".into(), false.into());
    table
}

/// Echoes by the value of their input.
fn echoes(bench: &Bench) -> HashMap<u64, u32> {
    let mut found = HashMap::new();
    for event in bench.events("echo") {
        *found.entry(event["value"].as_f64().unwrap() as u64).or_default() += 1;
    }
    found
}

#[test]
fn a_plugin_killed_a_hundred_times_under_load_echoes_each_event_once() {
    let mut bench = Bench::new(vec![counter()]);
    let mut posted = 0;
    for kills in 1..=KILLS {
        let before = bench.card("counter").event_count;
        bench.post("good", posted..posted + 200, "{}");
        posted += 200;
        // Kills in the middle of the work, after some progress.
        let card = bench.until("counter", "move", |card| {
            card.event_count > before && card.state == State::Running
        });
        kill(card.pid.unwrap());
        bench.until("counter", "be seen dead", |card| card.crash_count == kills);
    }
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.restart_count), (KILLS, KILLS));
    assert_eq!(card.event_count, posted, "every event counted once");
    assert_eq!((card.missed_count, card.quarantined_count), (0, 0));
    let echoes = echoes(&bench);
    for value in 0..posted {
        assert_eq!(echoes.get(&value), Some(&1), "input {value}");
    }
    let state: serde_json::Value =
        serde_json::from_slice(&bench.get("counter", "/x/counter/counts").unwrap().body).unwrap();
    assert_eq!(state["counts"]["good"], posted, "the state saw every event once");
}

#[test]
fn a_stopped_host_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let mut bench = Bench::durable(dir.path(), vec![counter()]);
        bench.post("good", round * 500..(round + 1) * 500, "{}");
        if round % 2 == 0 {
            bench.caught_up("counter");
        }
        // Odd rounds stop in the middle of the work.
    }
    let bench = Bench::durable(dir.path(), vec![counter()]);
    bench.caught_up("counter");
    let echoes = echoes(&bench);
    for value in 0..2_500 {
        assert_eq!(echoes.get(&value), Some(&1), "input {value}");
    }
}

#[test]
fn threads_of_a_plugin_emit_with_an_answer() {
    let mut bench = Bench::new(vec![plugin("threads")]);
    bench.post("good", 0..10, "{}");
    crate::bench::wait("all threads to emit", || bench.events("thread").len() == 1_000);
    // Killed and started again it emits the same ids: nothing is stored twice.
    kill(bench.card("threads").pid.unwrap());
    bench.until("threads", "come back", |card| {
        card.crash_count == 1 && card.state == State::Running
    });
    crate::bench::wait("the second round", || {
        let answer = bench.get("threads", "/x/threads/status").unwrap();
        let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(status["failed"], serde_json::Value::Null);
        status["emitted"] == 1_000
    });
    assert_eq!(bench.events("thread").len(), 1_000);
}
