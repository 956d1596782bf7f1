//! Both isolations run the same plugin to the same result; both deliveries keep their promise.

use shimmer_host::{CallError, Delivery, Isolation, State};

use crate::bench::{Bench, plugin, wait};

#[test]
fn thread_and_process_come_to_the_same() {
    let mut results = Vec::new();
    for isolation in [Isolation::Process, Isolation::Thread] {
        for delivery in [Delivery::Gating, Delivery::Lossy] {
            let mut table = plugin("counter");
            (table.isolation, table.delivery) = (isolation, delivery);
            let mut bench = Bench::new(vec![table]);
            bench.post("a", 0..3_000, "{}");
            bench.post("b", 0..2_000, r#"{"x":[1,"é"]}"#);
            let card = bench.caught_up("counter");
            assert_eq!(
                (card.event_count, card.missed_count),
                (5_000, 0),
                "{isolation:?} {delivery:?}"
            );
            let answer = bench.get("counter", "/x/counter/counts").unwrap();
            results.push(answer.body);
            assert_eq!(bench.events("echo").len(), 5_000);
        }
    }
    let first: serde_json::Value = serde_json::from_slice(&results[0]).unwrap();
    assert_eq!(first["counts"], serde_json::json!({"a": 3_000, "b": 2_000}));
    for other in &results[1..] {
        let other: serde_json::Value = serde_json::from_slice(other).unwrap();
        assert_eq!(other["counts"], first["counts"]);
    }
}

#[test]
fn no_plugin_receives_its_own_events() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    bench.post("good", 0..10, "{}");
    let card = bench.caught_up("counter");
    assert_eq!(card.event_count, 10, "its own echoes did not come back");
    assert_eq!(bench.events("echo").len(), 10);
}

#[test]
fn topics_carry_messages_of_events_and_ticks() {
    let mut bench = Bench::new(vec![plugin("http")]);
    bench.post("good", 0..3, "{}");
    bench.caught_up("http");
    let about = |topic: &str| {
        let topics = bench.topics.0.lock().unwrap();
        topics.iter().filter(|(plugin, t, _)| plugin == "http" && t == topic).count()
    };
    wait("a tick", || about("room.tick") > 0);
    assert_eq!(about("room.s"), 3, "one message an event, by its subject");
}

#[test]
fn routes_answer_and_failures_stay_with_their_request() {
    let bench = Bench::new(vec![plugin("http")]);
    let answer = bench.get("http", "/x/http/items/special").unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"static"[..]));
    assert!(
        matches!(bench.get("http", "/x/http/fail"), Err(CallError::Failed(why)) if why.contains("it failed"))
    );
    assert_eq!(bench.card("http").crash_count, 0, "a failed request is no death");
    assert!(
        matches!(bench.get("http", "/x/http/panic"), Err(CallError::Failed(why)) if why.contains("told to panic"))
    );
    bench
        .until("http", "be replaced", |card| card.crash_count == 1 && card.state == State::Running);
    assert!(matches!(
        bench.get("http", "/x/http/slow"),
        Err(CallError::Deadline | CallError::Down(_))
    ));
    bench.until("http", "be ended", |card| card.crash_count == 2);
}
