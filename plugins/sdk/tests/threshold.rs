//! The example of the crate does what it says, and stays short enough to be read at a glance.

#![forbid(unsafe_code)]

use shimmer_sdk::testing::{Bench, Input};

#[path = "../examples/threshold.rs"]
mod threshold;

use threshold::Threshold;

#[test]
fn it_alerts_once_for_each_crossing() {
    let mut bench = Bench::<Threshold>::new(r#"{"limit":0.8}"#).unwrap();
    let values = [0.5, 0.9, 1.0, 0.7, 0.81];
    bench.feed(&values.map(|value| Input::new("cpu", value).subject("node-1"))).unwrap();
    let alerts = bench.take_events();
    let causes: Vec<u64> = alerts.iter().map(|alert| alert.cause_seq).collect();
    assert_eq!(causes, [2, 5]);
    assert_eq!((alerts[0].kind.as_str(), alerts[0].subject.as_str()), ("alert", "node-1"));
    assert_eq!(alerts[0].data["description"], "0.9 is above 0.8");
    assert_eq!(bench.metric("alerts_total", &[]), 2.0);
    let status = bench.request("GET", "/x/threshold/status", b"").unwrap();
    assert_eq!(status.text(), r#"{"last":0.81,"limit":0.8}"#);
}

#[test]
fn it_names_a_wrong_setting() {
    let refused = Bench::<Threshold>::new(r#"{"limit":"high"}"#).err().unwrap();
    assert!(refused.message.starts_with("limit: "), "{refused}");
    assert!(Bench::<Threshold>::new("{}").err().unwrap().message.contains("missing field `limit`"));
}

#[test]
fn it_is_short() {
    let lines = include_str!("../examples/threshold.rs").lines();
    let code = lines.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"));
    assert!(code.count() <= 45);
}
