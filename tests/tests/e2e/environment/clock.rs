//! A wall clock that jumps: events keep their order, and nothing waits for a time that is gone.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::{Request, Wire};
use crate::server::{Home, TestServer, general, plugin_table, wait};

const YEAR: i64 = 31_556_952;

fn library(folder: &Path) -> PathBuf {
    let library = folder.join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/c/clock.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&library, &source])
        .output()
        .expect("a C compiler: apt-get install gcc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}

/// The year in which the node says that it received an event.
fn year(server: &TestServer, seq: u64) -> i64 {
    let page = server.json(&format!("/snapshot?since_seq={}&limit=1", seq - 1));
    let event = &page["events"][0];
    assert_eq!(event["seq"], seq, "{page}");
    event["received_at"].as_str().unwrap()[..4].parse().unwrap()
}

#[test]
fn a_clock_that_jumps_moves_times_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    std::fs::write(&offset, [0; 8]).unwrap();
    let file = File::options().write(true).open(&offset).unwrap();
    // In its place: the node has it mapped.
    let set = |seconds: i64| file.write_all_at(&seconds.to_le_bytes(), 0).unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let now = 1970 + since / YEAR;
    let home = Home::new(&plugin_table("counter"));
    let home = home.env("LD_PRELOAD", library(folder.path()).to_str().unwrap());
    let home = home.env("CLOCK_OFFSET", offset.to_str().unwrap());
    let mut server = home.start();
    let mut posted = 0;
    // Ahead, back, to where the clock of a machine without battery begins, beyond what nanoseconds count, and home.
    let jumps = [
        (2 * YEAR, now + 2),
        (-3 * YEAR, now - 3),
        (60 - since, 1970),
        (400 * YEAR, 2262),
        (0, now),
    ];
    for (jump, shown) in jumps {
        let mut stream = Wire::open(server.address);
        stream.write(&Request::new("GET", "/stream/sse?kind=k&heartbeat=1").bytes());
        assert_eq!(stream.head_answer().status, 200);
        set(jump);
        let id = format!("at-{shown}");
        let seq = server.general(&id, "k", 1.0);
        posted += 1;
        // A year of our count may begin a day beside that of the calendar.
        assert!((year(&server, seq) - shown).abs() <= 1, "{shown}: {}", year(&server, seq));
        let mut next = || String::from_utf8(stream.chunk().expect("the stream goes on")).unwrap();
        wait("the event", || next().contains(&id));
        wait("a heartbeat", || next().starts_with(':'));
        let card = server.until("counter", |card| card["lag_events"] == 0);
        assert_eq!(card["crash_count"], 0, "{card}");
        for path in ["/metrics", "/api/metrics", "/fractal?width=16&height=16", "/ready"] {
            assert_eq!(server.get(path).status, 200, "{path} in {shown}");
        }
        assert_eq!(server.event(&general(&id, "k", 1.0)).json()["duplicate"], true);
        // A node that starts at such a time is the same node.
        server.kill();
        server = home.start();
        assert_eq!(server.event(&general(&id, "k", 1.0)).json()["seq"], seq);
        wait("each echo once", || server.json("/snapshot?kind=echo")["count"] == posted);
        assert_eq!(server.json("/health")["events"], 2 * posted);
    }
}
