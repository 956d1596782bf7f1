//! Files that change are taken over by themselves, and nothing is lost on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cards::{each_once, posting};
use crate::server::{Home, TestServer, fixture, wait_for};

/// A node that watches a library of its own, and that library.
fn start() -> (TestServer, std::path::PathBuf) {
    let home = Home::new("");
    let library = home.path().join("counter.so");
    std::fs::copy(fixture("counter"), &library).unwrap();
    home.configure(&config(true));
    (home.start(), library)
}

fn config(ids: bool) -> String {
    format!(
        "[ring]\nmax_events = 65536\n[plugins]\nbundled = []\nwatch = true\n[[plugin]]\n\
         name = 'counter'\npath = 'counter.so'\n[plugin.config]\nids = {ids}\n"
    )
}

/// Puts a new file in the place of the library, as `mv` and package managers do.
fn replace(library: &Path) {
    let new = library.with_extension("new");
    std::fs::copy(fixture("counter"), &new).unwrap();
    std::fs::rename(new, library).unwrap();
}

/// Waits until another process runs; how long that took.
fn another(server: &TestServer, before: &Value) -> (Value, Duration) {
    let begun = Instant::now();
    let pid = wait_for("another process", || {
        let card = server.card("counter");
        let runs = card["state"] == "RUNNING" && card["pid"] != *before;
        runs.then(|| card["pid"].clone())
    });
    (pid, begun.elapsed())
}

#[test]
fn a_changed_library_is_loaded_with_its_state_and_no_event_is_lost() {
    let (server, library) = start();
    let mut took = Vec::new();
    let posted = posting(&server, || {
        let mut pid = server.card("counter")["pid"].clone();
        for _ in 0..5 {
            replace(&library);
            let (next, time) = another(&server, &pid);
            pid = next;
            took.push(time);
        }
    });
    eprintln!("from the new file to the card: {took:?}");
    let card = server.until("counter", |card| card["lag_events"] == 0);
    each_once(&server, posted);
    assert_eq!((&card["crash_count"], &card["missed_count"]), (&json!(0), &json!(0)));
}

#[test]
fn a_library_that_is_half_written_changes_nothing() {
    let (server, library) = start();
    let pid = server.card("counter")["pid"].clone();
    let whole = std::fs::read(fixture("counter")).unwrap();
    std::fs::write(&library, &whole[..4096]).unwrap();
    wait_for("the refusal", || {
        server.home.log().contains("a changed library was not taken over").then_some(())
    });
    server.until("counter", |card| card["state"] == "RUNNING");
    server.general("meanwhile", "k", 1.0);
    server.until("counter", |card| card["lag_events"] == 0);
    std::fs::write(&library, &whole).unwrap();
    another(&server, &pid);
    server.general("then", "k", 2.0);
    let card = server.until("counter", |card| card["event_count"] == 2);
    assert_eq!(card["missed_count"], 0);
    assert_eq!(server.json("/x/counter/counts")["counts"]["k"], 2, "its state went along");
}

#[test]
fn a_changed_configuration_is_taken_over_and_a_bad_one_is_not() {
    let (server, _) = start();
    let pid = server.card("counter")["pid"].clone();
    server.home.configure("[nonsense]\nplugins = 1\n");
    wait_for("the refusal", || {
        server.home.log().contains("configuration not reloaded").then_some(())
    });
    assert_eq!(server.card("counter")["pid"], pid);
    server.home.configure(&config(false));
    another(&server, &pid);
}
