//! `GET /snapshot`: limits, filters, going on from a sequence; and that an answered event is there.

use serde_json::{Value, json};

use crate::server::{TestServer, general};

fn seqs(snapshot: &Value) -> Vec<u64> {
    let events = snapshot["events"].as_array().unwrap();
    assert_eq!(snapshot["count"], events.len());
    let members: Vec<_> = snapshot.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 4, "{members:?}");
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_window_the_limit_and_the_cursor() {
    let server = TestServer::with("[ring]\nmax_events = 100\n");
    let none = server.json("/snapshot");
    assert_eq!((seqs(&none), &none["next_seq"]), (vec![], &0.into()));
    server.ndjson((1..=250).map(|i| general(&format!("e{i}"), "k", f64::from(i))));
    let newest = server.json("/snapshot");
    assert_eq!(seqs(&newest), (201..=250).collect::<Vec<_>>(), "the newest fifty, oldest first");
    assert_eq!((&newest["next_seq"], &newest["dropped_before"]), (&250.into(), &151.into()));
    assert_eq!(seqs(&server.json("/snapshot?limit=7")), (244..=250).collect::<Vec<_>>());
    assert_eq!(seqs(&server.json("/snapshot?limit=100000")), (151..=250).collect::<Vec<_>>());

    // Pages from the oldest: each next_seq leads to the next page, and none is missing or twice.
    let (mut since, mut all) = (0, Vec::new());
    loop {
        let page = server.json(&format!("/snapshot?limit=30&since_seq={since}"));
        if page["count"] == 0 {
            assert_eq!(page["next_seq"], 250);
            break;
        }
        all.extend(seqs(&page));
        since = page["next_seq"].as_u64().unwrap();
        assert_eq!(all.last(), Some(&since));
    }
    assert_eq!(all, (151..=250).collect::<Vec<_>>());
    let ahead = server.json("/snapshot?since_seq=9999");
    assert_eq!((seqs(&ahead), &ahead["next_seq"]), (vec![], &250.into()));
    for query in ["limit=0", "limit=-1", "limit=x", "since_seq=-1", "since_seq=1.5"] {
        server.get(&format!("/snapshot?{query}")).problem(400);
    }
}

#[test]
fn filters_select_and_the_cursor_passes_what_they_leave_out() {
    let server = TestServer::start();
    server.ndjson((1..=60).map(|i| {
        let mut event = general(&format!("e{i}"), if i % 2 == 0 { "even" } else { "odd" }, 1.0);
        event["subject"] = json!(format!("s {}", i % 3));
        event["source"] = json!(format!("src{}", i % 5));
        event
    }));
    let numbers = |keep: fn(u64) -> bool| (1..=60).filter(|i| keep(*i)).collect::<Vec<u64>>();
    let get = |query: &str| server.json(&format!("/snapshot?limit=60&{query}"));
    assert_eq!(seqs(&get("kind=even")), numbers(|i| i % 2 == 0));
    assert_eq!(seqs(&get("subject=s%201")), numbers(|i| i % 3 == 1));
    assert_eq!(seqs(&get("subject=s+1&kind=odd")), numbers(|i| i % 3 == 1 && i % 2 == 1));
    assert_eq!(
        seqs(&get("source=src4&kind=even&subject=s%200")),
        numbers(|i| i % 5 == 4 && i % 6 == 0)
    );
    let few = server.json("/snapshot?source=src0&since_seq=7&limit=2");
    assert_eq!((seqs(&few), &few["next_seq"]), (vec![10, 15], &15.into()));
    // Nothing passes: all was examined all the same.
    let none = get("kind=none&since_seq=3");
    assert_eq!((seqs(&none), &none["next_seq"]), (vec![], &60.into()));
    let last = get("kind=odd&since_seq=59");
    assert_eq!((seqs(&last), &last["next_seq"]), (vec![], &60.into()));
}

#[test]
fn an_event_is_visible_when_its_answer_arrives() {
    let server = TestServer::start();
    std::thread::scope(|scope| {
        for poster in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for i in 0..100 {
                    let id = format!("p{poster}-{i}");
                    let seq = server.general(&id, "k", 1.0);
                    let seen = server.json(&format!("/snapshot?since_seq={}&limit=1", seq - 1));
                    assert_eq!(seen["events"][0]["event_id"], id, "{seen}");
                }
            });
        }
    });
    assert_eq!(server.json("/snapshot")["next_seq"], 400);
}
