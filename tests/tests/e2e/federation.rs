//! Nodes that show each other's events: what enters the mesh here comes out there, once, whatever dies in between.

mod bounds;
mod dao;
mod gateway;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::server::{Home, TestServer, beauty, general, wait};
use crate::streams::Ws;

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A node of a mesh, running or not.
struct Place {
    home: Home,
    port: u16,
}

impl Place {
    /// A node of this name that dials these ports.
    fn new(name: &str, peers: &[u16], more: &str) -> Self {
        let port = free_port();
        let peers: Vec<_> = peers.iter().map(|port| format!("ws://127.0.0.1:{port}")).collect();
        let home = Home::new(&toml(more))
            .env("FEDERATED_ENABLE", "1")
            .env("FEDERATED_NODE_ID", name)
            .env("FEDERATED_PORT", &port.to_string())
            .env("FEDERATED_PEERS", &peers.join(","));
        Self { home, port }
    }

    fn start(&self) -> TestServer {
        self.home.start()
    }

    /// Writes another configuration of the mesh.
    fn configure(&self, more: &str) {
        self.home.configure(&toml(more));
    }
}

fn toml(more: &str) -> String {
    format!("[[plugin]]\nname = 'gossip'\n[plugin.config]\nhost = '127.0.0.1'\n{more}")
}

fn connected(server: &TestServer, peers: u64) {
    wait("peers", || server.json("/federated/health")["peers"].as_u64() >= Some(peers));
}

/// Origins and ids of all that a node shows of a kind.
fn ids(server: &TestServer, kind: &str) -> Vec<(String, String)> {
    let shown = server.json(&format!("/snapshot?kind={kind}&limit=500"));
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let events = shown["events"].as_array().unwrap();
    events.iter().map(|event| (text(event, "origin"), text(event, "event_id"))).collect()
}

/// How often a node refused something for this reason.
fn rejected(server: &TestServer, reason: &str) -> f64 {
    metric(server, &format!("rejected_total{{reason=\"{reason}\"}}"))
}

/// A figure of the federation as the metrics have it; -1 without one.
fn metric(server: &TestServer, name: &str) -> f64 {
    let name = format!("shimmer_gossip_{name} ");
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned));
    line.and_then(|count| count.parse::<f64>().ok()).unwrap_or(-1.0)
}

fn has(server: &TestServer, kind: &str, origin: &str, id: &str) -> bool {
    ids(server, kind).contains(&(origin.to_owned(), id.to_owned()))
}

#[test]
fn what_one_node_takes_the_other_shows() {
    let a = Place::new("berlin", &[], "");
    let b = Place::new("lima", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    connected(&here, 1);
    connected(&there, 1);
    let mut stream = Ws::open(&there, "/stream?kind=beauty");
    here.event(&beauty("b-1", 0.75));
    let event =
        std::iter::repeat_with(|| stream.next()).find(|m| m["type"] != "heartbeat").unwrap();
    assert_eq!(
        (&event["origin"], &event["event_id"], &event["beauty_score"]),
        (&json!("berlin"), &json!("b-1"), &json!(0.75))
    );
    // The same id of another node is another event.
    there.event(&beauty("b-1", 0.25));
    wait("the other way", || has(&here, "beauty", "lima", "b-1"));
    assert_eq!(ids(&here, "beauty").len(), 2, "nothing comes back");
    assert_eq!(ids(&there, "beauty").len(), 2, "nothing comes back");
    assert_eq!(here.json("/api/metrics")["score"]["avg"], 0.5, "statistics see both");

    let health = here.json("/federated/health");
    assert_eq!((&health["status"], &health["node_id"]), (&json!("ok"), &json!("berlin")));
    assert_eq!(
        (&health["beauty_avg"], &health["beauty_min"], &health["beauty_max"]),
        (&json!(0.5), &json!(0.25), &json!(0.75))
    );
    assert_eq!((&health["gossip_seen"], &health["peers"]), (&json!(2), &json!(1)));
    wait("the names", || there.json("/federated/network")["peers"][0]["node_id"] == "berlin");
    let network = there.json("/federated/network");
    assert_eq!(
        (&network["node_id"], &network["peers"][0]["node_id"], &network["peers"][0]["direction"]),
        (&json!("lima"), &json!("berlin"), &json!("out"))
    );
    assert_eq!(network["peers"][0]["peer_id"], health["peer_id"]);
    assert!(network["peers"][0]["last_gossip"].is_string(), "{network}");
    let summary = there.json("/federated/gossip/summary");
    assert_eq!((&summary["seen"], &summary["rejected"]), (&json!(2), &json!(0)));
    assert!(summary["propagated"].as_u64() >= Some(1), "{summary}");
    let map = there.json("/federated/heatmap");
    assert_eq!(map["bucket_seconds"], 60);
    let bucket = &map["buckets"][0];
    assert_eq!(
        (&bucket["count"], &bucket["avg"], &bucket["min"], &bucket["max"]),
        (&json!(2), &json!(0.5), &json!(0.25), &json!(0.75))
    );
    assert_eq!(
        bucket["nodes"],
        json!({"berlin": {"count": 1, "avg": 0.75}, "lima": {"count": 1, "avg": 0.25}})
    );
    let page = here.get("/federated/map");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
}

#[test]
fn who_was_away_gets_everything_it_missed() {
    let a = Place::new("a", &[], "");
    let b = Place::new("b", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    connected(&here, 1);
    here.event(&general("before", "k", 1.0));
    wait("the first", || has(&there, "k", "a", "before"));
    there.event(&general("mine", "k", 1.0));
    wait("the other", || has(&here, "k", "b", "mine"));
    there.kill();
    here.ndjson((0..200).map(|n| general(&format!("missed-{n}"), "k", 1.0)));
    let there = b.start();
    wait("what it missed", || ids(&there, "k").len() == 202);
    // It has told nobody anything twice, and nothing came back to where it came from.
    there.event(&general("mine-2", "k", 1.0));
    wait("the newest", || has(&here, "k", "b", "mine-2"));
    assert_eq!(ids(&here, "k").len(), 203);
    // One who comes late hears all of it from whoever is there.
    let c = Place::new("c", &[b.port], "");
    let late = c.start();
    wait("the late one", || ids(&late, "k").len() == 203);
    here.kill();
    let d = Place::new("d", &[c.port], "");
    let later = d.start();
    wait("the later one", || ids(&later, "k").len() == 203);
}

#[test]
fn events_of_plugins_stay_at_home_unless_they_are_to_travel() {
    let counter = crate::server::plugin_table("counter");
    let a = Place::new("a", &[], &counter);
    let b = Place::new("b", &[a.port], "");
    let c = Place::new("c", &[a.port], &format!("derived = true\n{counter}"));
    let (here, there, third) = (a.start(), b.start(), c.start());
    connected(&here, 2);
    connected(&there, 1);
    here.event(&general("posted", "k", 1.0));
    wait("the posted one", || has(&there, "k", "a", "posted"));
    third.event(&general("posted", "k", 1.0));
    wait("the posted one", || has(&there, "k", "c", "posted"));
    let derived = |server: &TestServer, origin: &str| {
        let shown = server.json("/snapshot?source=counter&limit=500");
        shown["events"].as_array().unwrap().iter().any(|event| event["origin"] == origin)
    };
    wait("a derived event", || derived(&here, "a") && derived(&third, "c"));
    wait("one that travels", || derived(&there, "c"));
    assert!(!derived(&there, "a"));
}

#[test]
fn an_event_that_is_too_long_here_is_refused_for_good() {
    let a = Place::new("a", &[], "");
    let b = Place::new("b", &[a.port], "[ring]\nevent_bytes = 1024\n");
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    let mut long = general("long", "k", 1.0);
    long["data"] = json!({"x": "y".repeat(2000)});
    here.event(&long);
    wait("the refusal", || rejected(&there, "malformed") >= 1.0);
    here.event(&general("short", "k", 1.0));
    wait("the next one", || has(&there, "k", "a", "short"));
    assert_eq!((ids(&there, "k").len(), rejected(&there, "malformed")), (1, 1.0));
}

#[test]
fn a_mesh_with_a_key_has_no_room_for_others() {
    let home = tempfile::tempdir().unwrap();
    let key = |name: &str, digits: &str, mode: u32| {
        let path = home.path().join(name);
        std::fs::write(&path, digits.repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        format!("psk_file = '{}'\n", path.display())
    };
    let (ours, theirs) = (key("ours", "a1", 0o600), key("theirs", "b2", 0o600));
    let a = Place::new("a", &[], &ours);
    let b = Place::new("b", &[a.port], &ours);
    let c = Place::new("c", &[a.port], &theirs);
    let d = Place::new("d", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    let (other, open) = (c.start(), d.start());
    connected(&there, 1);
    other.event(&general("e", "k", 1.0));
    open.event(&general("e", "k", 1.0));
    there.event(&general("e", "k", 1.0));
    wait("the event", || has(&here, "k", "b", "e"));
    wait("two refusals", || rejected(&here, "transport") >= 2.0);
    assert_eq!(rejected(&here, "signature"), 0.0, "every reason is there from the beginning");
    assert_eq!((ids(&here, "k").len(), &here.json("/federated/health")["peers"]), (1, &json!(1)));
    // A key that others can read is none.
    let wide = Place::new("e", &[], &key("wide", "a1", 0o644));
    let said =
        wide.home.run(&["config", "check", "--config", wide.home.config().to_str().unwrap()]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("psk_file") && said.err.contains("chmod 600"), "{said:?}");
    let log = a.home.log() + &b.home.log();
    assert!(!log.contains("a1a1a1a1") && !log.contains("peer_id"), "{log}");
    let own = a.home.data().join("plugins/gossip/own/node.key");
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn only_listed_nodes_are_let_in_and_hybrid_signatures_travel() {
    let a = Place::new("a", &[], "hybrid = true\n");
    let b = Place::new("b", &[a.port], "hybrid = true\n");
    let c = Place::new("c", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    connected(&here, 1);
    let listed = there.json("/federated/health")["peer_id"].as_str().unwrap().to_owned();
    here.kill();
    a.configure(&format!("hybrid = true\nallow = ['{listed}']\n"));
    let (here, other) = (a.start(), c.start());
    connected(&here, 1);
    other.event(&general("e", "k", 1.0));
    there.event(&general("e", "k", 1.0));
    wait("the event of the one", || has(&here, "k", "b", "e"));
    here.event(&general("e", "k", 1.0));
    wait("that of the other", || has(&there, "k", "a", "e"));
    wait("the refusal", || rejected(&here, "auth") >= 1.0);
    assert_eq!((ids(&here, "k").len(), ids(&other, "k").len()), (2, 1));
}

#[test]
fn a_thousand_strangers_at_the_door_harm_nobody() {
    const UPGRADE: &[u8] =
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let a = Place::new("a", &[], "");
    let b = Place::new("b", &[a.port], "");
    let c = Place::new("c", &[a.port], "");
    let (here, there) = (a.start(), b.start());
    connected(&there, 1);
    // Silent ones, those who stop after half a line or after the upgrade, garbage, and a frame without end.
    let openings: [&[u8]; 5] = [
        b"",
        &UPGRADE[..20],
        UPGRADE,
        &[0xff; 3000],
        &[UPGRADE, b"\x82\x7f\xff\xff\xff\xff"].concat(),
    ];
    let strangers: Vec<TcpStream> = (0..1000)
        .map(|n| {
            let mut stranger = TcpStream::connect(("127.0.0.1", a.port)).unwrap();
            // Whoever was shown the door already cannot be written to.
            let _ = stranger.write_all(openings[n % openings.len()]);
            if n % 50 == 0 {
                there.event(&general(&format!("e-{n}"), "k", 1.0));
            }
            stranger
        })
        .collect();
    let newcomer = c.start();
    connected(&newcomer, 1);
    newcomer.event(&general("new", "k", 1.0));
    wait("all events of the honest", || ids(&here, "k").len() == 21);
    wait("the newcomer's", || has(&there, "k", "c", "new") && ids(&newcomer, "k").len() == 21);
    wait("the count of the refused", || rejected(&here, "transport") >= 600.0);
    let health = here.json("/federated/health");
    assert_eq!((&health["status"], &health["peers"]), (&json!("ok"), &json!(2)), "{health}");
    drop(strangers);
}

#[test]
fn a_wrong_configuration_is_told_with_all_its_errors() {
    let place = Place::new("a", &[], "ttl = 0\nallow = ['nobody']\njson_port = 70000\n");
    let said =
        place.home.run(&["config", "check", "--config", place.home.config().to_str().unwrap()]);
    assert_eq!(said.code, Some(78), "{said:?}");
    let place =
        Place::new("a", &[], "ttl = 0\nallow = ['nobody']\nhistory_mb = 0\nconnections = 1\n");
    let said =
        place.home.run(&["config", "check", "--config", place.home.config().to_str().unwrap()]);
    for part in [
        "ttl: must be 1 to 255",
        "allow: \"nobody\"",
        "history_mb: must be",
        "connections: must be",
    ] {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
}
