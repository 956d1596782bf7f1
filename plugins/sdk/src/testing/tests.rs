//! The SDK's promises, each driven through the exported functions as a host would: transactions, panics, the end of a
//! host handle, routes, state.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use shimmer_abi::{LogLevel, MAX_EFFECTS, Severity, Status};

use super::{Bench, Input};
use crate::{Batch, Counter, Error, Gauge, Host, NoConfig, Plugin, Request, Response, Route};

/// Counts by kind, repeats what `data.emit` asks for, and fails in the way `data.fail` names.
struct Probe {
    host: Host,
    seen: BTreeMap<String, u64>,
    counter: Counter,
    gauge: Gauge,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    refuse: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Order {
    emit: usize,
    fail: String,
    weight: Option<f64>,
    source: String,
}

impl Plugin for Probe {
    const NAME: &'static str = "probe";
    const PERMISSIONS: &'static [&'static str] = &["weights", "source=a-*"];
    const TICK: Duration = Duration::from_millis(10);
    const ROUTES: &'static [Route] = &[
        Route::get("/x/probe/kinds/{kind}"),
        Route::post("/x/probe/echo"),
        Route::ws("/x/probe/live", "live"),
    ];
    const STATEFUL: bool = true;
    type Config = Settings;

    fn create(config: Settings, host: Host) -> Result<Self, Error> {
        if config.refuse {
            return Err(Error::config("refuse", "must be false"));
        }
        let counter = host.counter("events_total", "Events by kind", &["kind"])?;
        let gauge = host.gauge("kinds", "Kinds seen", &[])?;
        Ok(Self { host, seen: BTreeMap::new(), counter, gauge })
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        for event in batch {
            let order: Order = event.parse_data()?;
            for index in 0..order.emit {
                let id = format!("{}-{index}", event.event_id());
                let echo = self.host.event("echo").id(&id).source(&order.source);
                let seq = echo.value(event.value()).cause(&event).emit()?;
                assert_eq!(seq, None, "a transaction does not know sequences");
            }
            if let Some(weight) = order.weight {
                self.host.set_weight(event.source(), weight)?;
            }
            *self.seen.entry(event.kind().to_owned()).or_default() += 1;
            self.counter.inc(&[event.kind()]);
            match order.fail.as_str() {
                "panic" => panic!("poisoned by {}", event.event_id()),
                "error" => return Err("broken".into()),
                _ => {}
            }
        }
        self.gauge.set(&[], self.seen.len() as f64);
        Ok(())
    }

    fn tick(&mut self, now_ns: i64) -> Result<(), Error> {
        self.host.publish("live", "tick", &now_ns.to_string())?;
        self.host.alert("clock").severity(Severity::INFO).score(0.5).emit()?;
        if now_ns < 0 { Err("time runs backwards".into()) } else { Ok(()) }
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        match request.route() {
            ("GET", "/x/probe/kinds/{kind}") => {
                let count = self.seen.get(request.param("kind")).copied().unwrap_or_default();
                let unit = request.query("unit").unwrap_or_default();
                Ok(Response::text(format!("{count}{unit}")).header("x-kind", "count"))
            }
            ("POST", _) => {
                let order: Order = request.json()?;
                let seq = self.host.event("posted").id(&order.fail).emit()?;
                Ok(Response::json(&seq).status(202))
            }
            _ => Ok(Response::empty()),
        }
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        Ok(serde_json::to_vec(&self.seen)?)
    }

    fn restore(&mut self, blob: &[u8], _cursor: u64) -> Result<(), Error> {
        self.seen = serde_json::from_slice(blob)
            .map_err(|why| Error::Unsupported(format!("another version: {why}")))?;
        Ok(())
    }
}

fn order(fields: serde_json::Value) -> Input {
    Input::new("order", 1.0).data(&fields)
}

#[test]
fn effects_of_a_failed_call_never_happened() {
    let mut bench = Bench::<Probe>::new("{}").unwrap();
    let orders = [
        order(serde_json::json!({ "emit": 2, "weight": 0.5 })),
        order(serde_json::json!({ "emit": 1, "fail": "error" })),
    ];
    let failure = bench.feed(&orders).unwrap_err();
    assert_eq!((failure.status, failure.message.as_str()), (Status::FAILED, "broken"));
    assert!(bench.take_events().is_empty() && bench.weights().is_empty());

    bench.feed(&orders[..1]).unwrap();
    let events = bench.take_events();
    assert_eq!(events.len(), 2);
    assert_eq!((events[1].event_id.as_str(), events[1].cause_seq), ("test-3-1", 3));
    assert_eq!((events[1].kind.as_str(), events[1].source.as_str()), ("echo", "probe"));
    assert_eq!(bench.weights()["test"], 0.5);
    assert!(bench.tick(-1).is_err() && bench.take_messages().is_empty());
    bench.tick(5).unwrap();
    assert_eq!(bench.take_messages()[0].text, "5");
    assert_eq!(bench.take_events()[0].data["severity"], "info");
}

#[test]
fn a_call_may_emit_up_to_the_bound_and_not_one_more() {
    let mut bench = Bench::<Probe>::new("{}").unwrap();
    bench.feed(&[order(serde_json::json!({ "emit": MAX_EFFECTS }))]).unwrap();
    assert_eq!(bench.take_events().len(), MAX_EFFECTS);
    let failure = bench.feed(&[order(serde_json::json!({ "emit": MAX_EFFECTS + 1 }))]).unwrap_err();
    assert_eq!(failure.status, Status::LIMIT);
    assert!(bench.take_events().is_empty());
}

#[test]
fn a_panic_is_told_with_its_place_and_ends_the_instance() {
    let mut bench = Bench::<Probe>::new("").unwrap();
    let failure =
        bench.feed(&[order(serde_json::json!({ "fail": "panic" })).id("e\"1")]).unwrap_err();
    assert_eq!(failure.status, Status::PANIC);
    assert!(failure.message.contains("tests.rs:"), "{}", failure.message);
    assert!(failure.message.ends_with("poisoned by e\"1"), "{}", failure.message);
    let after = bench.feed(&[Input::beauty(1.0)]).unwrap_err();
    assert_eq!(after.status, Status::PANIC);
    assert_eq!(bench.save().unwrap_err().status, Status::PANIC, "half-made state is not saved");
}

#[test]
fn a_refused_configuration_names_the_field() {
    let told = |config: &str| Bench::<Probe>::new(config).err().map(|failure| failure.message);
    assert_eq!(told(r#"{"refuse":true}"#).unwrap(), "refuse: must be false");
    assert!(told(r#"{"refuse":1}"#).unwrap().starts_with("refuse: invalid type"));
    assert!(told(r#"{"other":1}"#).unwrap().contains("unknown field `other`"));
}

#[test]
fn only_permitted_sources_are_taken() {
    let mut bench = Bench::<Probe>::new("{}").unwrap();
    bench.feed(&[order(serde_json::json!({ "emit": 1, "source": "a-1" }))]).unwrap();
    assert_eq!(bench.take_events()[0].source, "a-1");
    let failure =
        bench.feed(&[order(serde_json::json!({ "emit": 1, "source": "b" }))]).unwrap_err();
    assert_eq!(failure.status, Status::DENIED);
}

#[test]
fn routes_answer_and_errors_become_statuses() {
    let mut bench = Bench::<Probe>::new("{}").unwrap();
    bench.feed(&[Input::new("cpu", 1.0), Input::beauty(0.5), Input::new("cpu", 2.0)]).unwrap();
    let answer = bench.request("GET", "/x/probe/kinds/cpu?unit=%20%C2%B0", b"").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "2 °"));
    assert!(answer.headers.contains(&("x-kind".into(), "count".into())));
    let answer = bench.request("POST", "/x/probe/echo", br#"{"fail":"once"}"#).unwrap();
    assert_eq!((answer.status, answer.text()), (202, "4"), "outside a transaction it is stored");
    let again = bench.request("POST", "/x/probe/echo", br#"{"fail":"once"}"#).unwrap();
    assert_eq!(again.text(), "4", "a known id answers its first sequence");
    let answer = bench.request("POST", "/x/probe/echo", b"{").unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("body: "), "{}", answer.text());
    assert!(bench.request("GET", "/x/probe/live", b"").unwrap().body.is_empty());
    assert_eq!(bench.request("PUT", "/x/probe/echo", b"").unwrap_err().status, Status::UNSUPPORTED);
    assert_eq!(bench.metric("events_total", &["cpu"]), 2.0);
    assert_eq!(bench.metric("kinds", &[]), 2.0);
}

#[test]
fn state_goes_through_a_restart() {
    let mut bench = Bench::<Probe>::new("{}").unwrap();
    bench.feed(&[Input::new("cpu", 1.0), Input::new("cpu", 1.0)]).unwrap();
    let blob = bench.save().unwrap();
    let mut next = Bench::<Probe>::restored("{}", &blob, 2).unwrap();
    next.feed(&[order(serde_json::json!({ "emit": 1 }))]).unwrap();
    assert_eq!(next.take_events()[0].cause_seq, 3);
    assert_eq!(next.request("GET", "/x/probe/kinds/cpu", b"").unwrap().text(), "2");
    let refused = Bench::<Probe>::restored("{}", b"not ours", 2).err().unwrap();
    assert_eq!(refused.status, Status::UNSUPPORTED);
}

#[test]
fn an_event_shows_all_its_parts() {
    struct Look(Host);
    impl Plugin for Look {
        const NAME: &'static str = "look";
        const KINDS: &'static [&'static str] = &["cpu"];
        type Config = NoConfig;

        fn create(_: NoConfig, host: Host) -> Result<Self, Error> {
            Ok(Self(host))
        }

        fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
            assert_eq!((batch.len(), batch.first_seq(), batch.selection()), (2, 1, &[1][..]));
            assert_eq!(batch.columns().value, [0.5, 3.0]);
            let event = batch.iter().next().unwrap();
            assert_eq!((event.seq(), event.value(), event.hops()), (2, 3.0, 4));
            assert!(event.is_derived() && !event.is_beauty());
            assert_eq!((event.kind(), event.subject(), event.source()), ("cpu", "n\u{e9}", "s"));
            assert_eq!((event.origin(), event.data()), ("test-node", "{\"a\":1}"));
            assert_eq!(event.event_id(), "tab\tid");
            assert_eq!((event.time_ns(), event.received_ns()), (7, 7));
            assert!(event.text().starts_with("{\"event_id\":\"tab\\tid\""), "{}", event.text());
            let first = batch.get(0).unwrap();
            assert!(first.is_beauty() && first.data().is_empty() && first.subject().is_empty());
            assert!(batch.get(2).is_none());
            self.0.warn("looked");
            Ok(())
        }
    }
    let mut bench = Bench::<Look>::new("{}").unwrap();
    let seen = Input::new("cpu", 3.0).id("tab\tid").subject("n\u{e9}").source("s").derived(4);
    bench
        .feed(&[Input::beauty(0.5), seen.data(&serde_json::json!({ "a": 1 })).time_ns(7)])
        .unwrap();
    assert_eq!(bench.log(), [(LogLevel::WARN, "looked".to_owned())]);
    assert_eq!(bench.save().unwrap_err().status, Status::UNSUPPORTED, "it has no state");
}

#[test]
fn a_refused_metric_is_logged_once_and_fails_nothing() {
    struct Wrong(Counter);
    impl Plugin for Wrong {
        const NAME: &'static str = "wrong";
        type Config = NoConfig;

        fn create(_: NoConfig, host: Host) -> Result<Self, Error> {
            assert!(matches!(host.counter("no_suffix", "", &[]), Err(Error::Invalid(_))));
            Ok(Self(host.counter("a_total", "", &["one"])?))
        }

        fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
            batch.iter().for_each(|_| self.0.inc(&["1", "2", "3", "4", "5"]));
            Ok(())
        }
    }
    let mut bench = Bench::<Wrong>::new("{}").unwrap();
    bench.feed(&[Input::beauty(0.1), Input::beauty(0.2)]).unwrap();
    assert_eq!(bench.log().len(), 1);
    assert!(bench.log()[0].1.starts_with("metric a_total: "));
}

/// A thread of the plugin's own that emits until the host is gone, which nobody joins.
struct Restless {
    stray: Option<JoinHandle<u64>>,
}

static STRAYS: Mutex<Option<Receiver<JoinHandle<u64>>>> = Mutex::new(None);

impl Plugin for Restless {
    const NAME: &'static str = "restless";
    type Config = NoConfig;

    fn create(_: NoConfig, host: Host) -> Result<Self, Error> {
        let stray = std::thread::spawn(move || {
            let mut emitted = 0;
            loop {
                match host.event("stray").emit() {
                    Ok(seq) => emitted += u64::from(seq.is_some()),
                    Err(why) => {
                        assert_eq!(why, Error::Gone);
                        return emitted;
                    }
                }
            }
        });
        Ok(Self { stray: Some(stray) })
    }

    fn process(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        let (keep, take) = channel();
        if let Some(stray) = self.stray.take() {
            let _kept = keep.send(stray);
        }
        *STRAYS.lock().unwrap() = Some(take);
    }
}

#[test]
fn a_thread_that_outlives_the_instance_is_told_so() {
    let mut bench = Bench::<Restless>::new("{}").unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let mut seen = 0;
    while seen < 100 {
        seen += bench.take_events().len();
        assert!(std::time::Instant::now() < deadline, "the thread emits");
        std::thread::yield_now();
    }
    drop(bench);
    let stray = STRAYS.lock().unwrap().take().unwrap().recv().unwrap();
    assert!(stray.join().unwrap() >= 100);
}
