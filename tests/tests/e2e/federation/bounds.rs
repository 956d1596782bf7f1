//! How much room the events of others take.

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
