//! While batches pour in, every page still answers, and answers right. How fast is a matter for the benches.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use crate::http::{Request, Wire};
use crate::server::{TOKEN, TestServer, beauty, plugin_table};

/// Looks at each page during the flood.
const ROUNDS: usize = 30;

#[test]
fn every_page_answers_during_a_flood() {
    let server = TestServer::with(&plugin_table("http"));
    let (done, posted) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for poster in 0..2 {
            let (server, done, posted) = (&server, &done, &posted);
            scope.spawn(move || {
                let mut wire = Wire::open(server.address);
                let media = "application/x-ndjson";
                // Relaxed, here and below: flag and count stand alone; the scope joins.
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let event = |i| beauty(&format!("p{poster}-{round}-{i}"), 0.5).to_string();
                    let lines: Vec<String> = (0..500).map(event).collect();
                    let request = Request::new("POST", "/events").token(TOKEN);
                    let request = request.header("content-type", media).body(lines.join("\n"));
                    let answer = wire.ask(&request);
                    // A ring that its plugin holds full says so; the batch comes again.
                    match answer.status {
                        200 => posted.fetch_add(500, Ordering::Relaxed),
                        503 => 0,
                        other => panic!("{other}: {}", answer.text()),
                    };
                }
            });
        }
        // The posters end whatever becomes of the looks: a scope waits for its threads.
        let looked = catch_unwind(AssertUnwindSafe(|| look_at_all(&server)));
        done.store(true, Ordering::Relaxed);
        looked.unwrap_or_else(|panic| resume_unwind(panic));
    });
    let posted = posted.into_inner();
    assert!(posted > 0);
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains(&format!("\nchaos_beauty_events_total {posted}\n")), "{posted}");
    assert_eq!(server.json("/snapshot")["next_seq"], json!(posted));
}

fn look_at_all(server: &TestServer) {
    let mut last = 0;
    for _ in 0..ROUNDS {
        for path in [
            "/health",
            "/ready",
            "/snapshot",
            "/metrics",
            "/",
            "/api/metrics",
            "/api/plugin/http",
            "/api/plugin/http/logs",
            "/openapi.json",
            "/x/http/items/7",
            "/snapshot?limit=500&kind=beauty",
        ] {
            let answer = server.get(path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        let snapshot = server.json("/snapshot?limit=500");
        let events = snapshot["events"].as_array().unwrap();
        let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
        let next = snapshot["next_seq"].as_u64().unwrap();
        assert!(next >= last, "{next} after {last}");
        last = next;
    }
}
