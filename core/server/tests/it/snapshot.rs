//! `GET /snapshot`: the window, the filters and going on from a sequence.

use serde_json::Value;

use crate::node::Node;

fn seqs(snapshot: &Value) -> Vec<u64> {
    let events = snapshot["events"].as_array().expect("events");
    events.iter().map(|event| event["seq"].as_u64().expect("a sequence")).collect()
}

#[test]
fn an_empty_node_has_nothing_to_show() {
    let node = Node::start();
    let snapshot = node.json("/snapshot");
    assert_eq!(snapshot["events"], Value::Array(Vec::new()));
    assert_eq!((&snapshot["count"], &snapshot["next_seq"]), (&0.into(), &0.into()));
}

#[test]
fn the_newest_come_without_since_and_the_oldest_with_it() {
    let node = Node::with(|config| config.ring.max_events = 20);
    for i in 1..=30 {
        let kind = if i % 3 == 0 { "third" } else { "other" };
        assert_eq!(node.event(&format!("e{i}"), kind, f64::from(i)), u64::try_from(i).unwrap());
    }
    let newest = node.json("/snapshot?limit=3");
    assert_eq!(seqs(&newest), [28, 29, 30]);
    assert_eq!(newest["next_seq"], 30);
    assert_eq!(newest["dropped_before"], 11);
    assert_eq!(node.json("/snapshot?limit=1000")["count"], 20);

    let oldest = node.json("/snapshot?since_seq=15&limit=3");
    assert_eq!(seqs(&oldest), [16, 17, 18]);
    assert_eq!(oldest["next_seq"], 18);
    assert_eq!(seqs(&node.json("/snapshot?since_seq=0&limit=2")), [11, 12]);

    let filtered = node.json("/snapshot?kind=third&limit=2");
    assert_eq!(seqs(&filtered), [27, 30]);
    let filtered = node.json("/snapshot?kind=third&since_seq=12&limit=2");
    assert_eq!(seqs(&filtered), [15, 18]);
    assert_eq!(filtered["next_seq"], 18);
    let rest = node.json("/snapshot?kind=third&since_seq=28");
    assert_eq!((seqs(&rest), &rest["next_seq"]), (vec![30], &30.into()));
    let none = node.json("/snapshot?kind=unknown&since_seq=12");
    assert_eq!((seqs(&none), &none["next_seq"]), (vec![], &30.into()));
    assert_eq!(node.json("/snapshot?since_seq=30")["next_seq"], 30);
    assert_eq!(node.json("/snapshot?since_seq=99")["next_seq"], 30);
    assert_eq!(node.json("/snapshot?kind=&subject=&source=default")["count"], 20);
}

#[test]
fn nonsense_is_named() {
    let node = Node::start();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("since_seq=-1", "since_seq"),
        ("kind=%ff", "query"),
    ] {
        let problem = node.get(&format!("/snapshot?{query}")).problem(400);
        assert_eq!(problem["errors"][0]["field"], field, "{query}");
    }
}
