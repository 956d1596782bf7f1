//! What of a node's events travels, and how much room others' events take.

use serde_json::json;

use super::{Place, connected, has, ids, metric};
use crate::server::{TestServer, general, wait};

fn log(server: &TestServer) -> String {
    server.get("/api/plugin/gossip/logs?limit=200").text()
}

#[test]
fn new_names_of_others_leave_room_for_those_of_the_node() {
    let a = Place::new("a", &[], "");
    let b = Place::new("b", &[a.port], "[ring]\nnames = 64\n");
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    for n in 0..100 {
        let mut event = general(&format!("e-{n}"), "load", 1.0);
        event["subject"] = format!("subject-{n}").into();
        here.event(&event);
    }
    here.event(&general("last", "load", 1.0));
    wait("what brings no new name", || has(&there, "load", "a", "last"));
    let refused = || metric(&there, "bounded_total");
    // The kind, the sources and the nodes have names as well.
    let taken = || ids(&there, "load").len();
    wait("each is taken or counted", || taken() as f64 + refused() == 101.0);
    assert!((20..=32).contains(&taken()), "{}", taken());
    assert!(log(&there).contains("half of ring.names is in use"), "{}", log(&there));
    for n in 0..20 {
        there.general(&format!("own-{n}"), &format!("kind-{n}"), 1.0);
    }
    // Nobody is to blame for it.
    assert_eq!(there.json("/federated/health")["peers"], 1);
}

#[test]
fn an_own_event_that_cannot_travel_is_told() {
    let a = Place::new("a", &[], "");
    let b = Place::new("b", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    let post = |id: &str, data: &str| {
        let event = general(id, "load", 1.0).to_string();
        let body = format!("{},\"data\":{data}}}", event.trim_end_matches('}'));
        let answer = here.post("/event", "application/json", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    post("twice", r#"{"a":1,"a":2}"#);
    // As deep as it may be.
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(63), "]".repeat(63));
    post("deep", &deep);
    wait("the deep one", || has(&there, "load", "a", "deep"));
    let shown = there.json("/snapshot?kind=load");
    assert_eq!(shown["count"], 1);
    assert_eq!(json!(shown["events"][0]["data"]).to_string(), deep);
    wait("the line", || log(&here).contains(r#"event \"twice\" stays on this node"#));
    wait("the count", || metric(&here, "unshared_total") == 1.0);
}
