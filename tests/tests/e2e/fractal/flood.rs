//! More pictures than can be drawn: they are turned away, and everything else goes on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use super::{ENDLESS, figure};
use crate::http::{Request, Wire};
use crate::server::{TestServer, beauty, wait};

const QUEUE: usize = 4;
const FLOODERS: usize = 12;
/// Rounds of looks at everything else while it lasts.
const ROUNDS: usize = 25;

fn queued(server: &TestServer, lane: &str) -> f64 {
    figure(server, &format!("shimmer_fractal_queue{{lane=\"{lane}\"}}"))
}

fn cancelled(server: &TestServer) -> f64 {
    figure(server, "shimmer_renders_total{backend=\"none\",result=\"cancelled\"}")
}

#[test]
fn a_flood_of_deep_views_is_turned_away_and_events_go_on() {
    let settings = format!("[fractal]\nthreads = 1\nqueue = {QUEUE}\ntime_limit_ms = 300\n");
    let server = TestServer::with(&settings);
    let done = AtomicBool::new(false);
    let [drawn, refused] = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        for flooder in 0..FLOODERS {
            let (server, done, drawn, refused) = (&server, &done, &drawn, &refused);
            scope.spawn(move || {
                let mut wire = Wire::open(server.address);
                // Relaxed, here and below: flag and counts stand alone; the scope joins.
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // One of them asks for what only the time limit ends.
                    let path = match flooder {
                        0 => format!("{ENDLESS}&cols={}", 1 + round % 1_000),
                        _ => format!("/fractal/tiles/300/{flooder}/{round}.png"),
                    };
                    let answer = wire.ask(&Request::new("GET", &path));
                    match answer.status {
                        200 => drawn.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            assert!(answer.header("retry-after").is_some());
                            answer.problem(503);
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        other => panic!("{other}: {}", answer.text()),
                    };
                }
            });
        }
        // The flood ends whatever becomes of the looks: a scope waits for its threads.
        let looked = catch_unwind(AssertUnwindSafe(|| look_at_all(&server, [&drawn, &refused])));
        done.store(true, Ordering::Relaxed);
        looked.unwrap_or_else(|panic| resume_unwind(panic));
    });
    let (full, late) = ("{reason=\"full\"}", "{reason=\"late\"}");
    let rejected = |reason| figure(&server, &format!("shimmer_fractal_rejected_total{reason}"));
    assert_eq!(rejected(full) + rejected(late), refused.into_inner() as f64);
    assert!(rejected(full) > 0.0);
    wait("the queues to empty", || queued(&server, "deep") + queued(&server, "quick") == 0.0);
}

fn look_at_all(server: &TestServer, flood: [&AtomicU64; 2]) {
    wait("the flood", || flood.iter().all(|count| count.load(Ordering::Relaxed) > 0));
    for round in 0..ROUNDS {
        for event in 0..4 {
            let answer = server.event(&beauty(&format!("e{round}-{event}"), 0.5));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        for path in ["/health", "/ready", "/snapshot", "/metrics", "/", "/api/metrics"] {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
        // Shallow pictures have a lane of their own: one may be late on a busy machine, none is turned away.
        let shallow = format!("/fractal?format=png&width=64&height=64&max_iter={}", 50 + round);
        wait("a shallow picture", || {
            let answer = server.get(&shallow);
            if answer.status == 200 {
                return true;
            }
            assert!(answer.problem(503)["detail"].to_string().contains("time_limit_ms"));
            // Relaxed: as above.
            flood[1].fetch_add(1, Ordering::Relaxed);
            false
        });
        assert!(queued(server, "deep") <= QUEUE as f64);
    }
    assert_eq!(server.json("/snapshot")["next_seq"], json!(4 * ROUNDS));
}

#[test]
fn a_client_that_goes_away_takes_its_picture_along() {
    let server = TestServer::start();
    let begin = || {
        let mut wire = Wire::open(server.address);
        wire.write(&Request::new("GET", ENDLESS).bytes());
        wire
    };
    let shared = || figure(&server, "shimmer_fractal_lookups_total{result=\"shared\"}");
    let first = begin();
    wait("the wish", || figure(&server, "shimmer_fractal_lookups_total{result=\"miss\"}") == 1.0);
    // One that still waits is taken back without a word; this is about one that is being drawn.
    wait("the drawing", || queued(&server, "deep") == 0.0);
    let second = begin();
    wait("the second", || shared() == 1.0);
    drop(first);
    // The first is gone for certain once its connection is not counted any more.
    wait("the first to go", || figure(&server, "shimmer_http_connections") == 2.0);
    assert_eq!(cancelled(&server), 0.0, "the second still waits");
    drop(second);
    wait("the drawing to end", || cancelled(&server) == 1.0);
    assert_eq!(queued(&server, "deep"), 0.0);
}

#[test]
fn a_picture_that_takes_too_long_is_given_up() {
    let server = TestServer::with("[fractal]\ntime_limit_ms = 50\n");
    let answer = server.get(ENDLESS);
    let problem = answer.problem(503);
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("fractal.time_limit_ms")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    wait("the drawing to end", || cancelled(&server) == 1.0);
    // On a busy machine a small one, too, may take longer than that.
    let small = "/fractal?format=png&width=32&height=32&zoom=1e20";
    wait("a picture in time", || server.get(small).status == 200);
}

#[test]
fn a_node_stops_while_it_draws() {
    let mut server = TestServer::start();
    let mut wire = Wire::open(server.address);
    wire.write(&Request::new("GET", ENDLESS).bytes());
    wait("the drawing", || {
        figure(&server, "shimmer_fractal_lookups_total{result=\"miss\"}") == 1.0
    });
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended(), Some(0), "{}", server.home.log());
}
