//! Every hostile plugin at once, beside an honest one and people who post.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{PATIENCE, Request, Wire};
use crate::server::{TOKEN, TestServer, general, plugin_table};

/// No answer takes longer, whatever plugins do. How fast answers are is a matter for the benches.
const LONGEST: Duration = Duration::from_secs(2);
/// Those who attack; they are lossy, since who has a gate may hold the stream up by its contract.
const ATTACKERS: [&str; 6] = ["flood", "hang", "hostile", "leak", "lie", "prober"];

/// Those of them who are ended for it.
const STRUCK: [&str; 5] = ["flood", "hang", "hostile", "leak", "lie"];

/// One connection that posts one event after the other.
struct Poster {
    wire: Wire,
    accepted: u64,
    refused: u64,
    why: String,
    took: Vec<Duration>,
}

impl Poster {
    fn post(&mut self) {
        let event = general(&format!("good-{}", self.accepted), "good", 1.0).to_string();
        let request = Request::new("POST", "/event").token(TOKEN);
        let request = request.header("content-type", "application/json").body(event);
        let begun = Instant::now();
        let answer = self.wire.ask(&request);
        self.took.push(begun.elapsed());
        match answer.status {
            200 => self.accepted += 1,
            // The same event comes again.
            503 => {
                self.refused += 1;
                self.why = answer.text();
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }

    /// The times since the last look: the half, 99 of 100, the longest.
    fn times(&mut self) -> [Duration; 3] {
        let mut took = std::mem::take(&mut self.took);
        took.sort_unstable();
        [took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]]
    }
}

#[test]
fn posts_are_answered_in_time_while_every_attack_goes_on() {
    let lossy = |name: &&str| plugin_table(name) + "delivery = 'lossy'\n";
    let attackers: String = ATTACKERS.iter().map(lossy).collect();
    let server = TestServer::with(&(plugin_table("counter") + &attackers));
    for name in ATTACKERS {
        server.until(name, |card| card["state"] == "RUNNING");
    }
    let wire = Wire::open(server.address);
    let mut poster = Poster { wire, accepted: 0, refused: 0, why: String::new(), took: Vec::new() };
    (0..2_000).for_each(|_| poster.post());
    let before = poster.times();

    for (attack, count) in
        [("emits", 500_000), ("forks", 20_000), ("descriptors", 0), ("threads", 0)]
    {
        let mut order = general(attack, "trigger", 1.0);
        order["data"] = json!({
            "attack": attack, "count": count, "poison": true, "lie": "max", "emit": 10_000_000,
            "insist": true,
        });
        assert_eq!(server.event(&order).status, 200);
    }
    let counted = |name: &&str| server.card(name)["crash_count"].as_u64() > Some(0);
    let until = Instant::now() + PATIENCE;
    let mut again: usize = 0;
    while !STRUCK.iter().all(counted) || poster.took.len() < 5_000 {
        let missing: Vec<_> = STRUCK.iter().filter(|name| !counted(name)).collect();
        let cards = || missing.iter().map(|name| server.card(name)).collect::<Vec<_>>();
        assert!(Instant::now() < until, "not counted: {:#?}, {:?}", cards(), poster.times());
        (0..100).for_each(|_| poster.post());
        if poster.took.len() > 5_000 * (again + 1) && missing.iter().any(|name| **name == "hostile")
        {
            // It is lossy: the flood may have gone over its order before it was read.
            again += 1;
            let mut order = general(&format!("threads-{again}"), "trigger", 1.0);
            order["data"] = json!({ "attack": "threads" });
            // Refused like any post while the ring is full.
            assert!(matches!(server.event(&order).status, 200 | 503));
        }
    }
    let during = poster.times();
    let Poster { accepted, refused, why, .. } = &poster;
    println!("p50, p99, longest before: {before:?}, during: {during:?}");
    println!("{accepted} accepted, {refused} refused, {why}");
    assert!(during[2] < LONGEST, "{during:?}");

    // What was accepted is there, and the honest plugin has seen it.
    let card = server.until("counter", |card| card["lag_events"] == 0);
    assert_eq!((&card["crash_count"], &card["missed_count"]), (&0.into(), &0.into()), "{card:#}");
    let counts = server.json("/x/counter/counts");
    assert_eq!(counts["counts"]["good"], poster.accepted, "{counts}");
    assert_eq!(server.get("/ready").status, 200);
}
