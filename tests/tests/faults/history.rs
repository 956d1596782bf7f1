//! States and rings that do not belong together: a journal that is gone, or is of an earlier time, than what a plugin
//! remembers. What is new is never taken for what the plugin knows.

use std::path::Path;

use shimmer_host::{Enabled, PluginConfig, State};

use crate::bench::{Bench, plugin};

fn state_file(dir: &Path) -> std::path::PathBuf {
    dir.join("plugins/counter/state")
}

/// One run with so many events of a kind; what the counter knows then.
fn run(dir: &Path, kind: &str, count: u64) -> u64 {
    let mut bench = Bench::durable(dir, vec![plugin("counter")]);
    bench.post(kind, 0..count, "{}");
    bench.caught_up("counter");
    bench.counted(kind)
}

fn disabled() -> PluginConfig {
    PluginConfig { enabled: Enabled(false), ..plugin("counter") }
}

/// The plugin comes up and sees all events of the kind that were posted while it was not there; so it is after another
/// start, too.
fn goes_on(mut bench: Bench, dir: &Path, count: u64) {
    bench.post("new", 0..count, "{}");
    bench.host.enable("counter").unwrap();
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.missed_count), (0, 0), "{:?}", card.last_error);
    assert_eq!(bench.counted("new"), count, "each was given to it");
    let echoes = bench.events("echo");
    assert_eq!(echoes.iter().filter(|echo| echo["subject"] == "new").count() as u64, count);
    assert_eq!(bench.counted("old"), 2_000, "it keeps what it knew");
    drop(bench);
    let bench = Bench::durable(dir, vec![plugin("counter")]);
    bench.caught_up("counter");
    assert_eq!((bench.counted("new"), bench.counted("old")), (count, 2_000));
}

#[test]
fn a_state_of_another_ring_hides_no_event_of_this_one() {
    let (other, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(run(other.path(), "old", 2_000), 2_000);
    run(dir.path(), "first", 100);
    std::fs::copy(state_file(other.path()), state_file(dir.path())).unwrap();
    let bench = Bench::durable(dir.path(), vec![disabled()]);
    goes_on(bench, dir.path(), 1_500);
}

#[test]
fn a_state_that_is_newer_than_its_ring_hides_no_event_of_it() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "first", 100);
    let (journal, before) = (dir.path().join("ring.journal"), dir.path().join("before"));
    std::fs::copy(&journal, &before).unwrap();
    assert_eq!(run(dir.path(), "old", 2_000), 2_000);
    // As a loss of power may leave it: the state was written through, the journal was not.
    std::fs::rename(&before, &journal).unwrap();
    let bench = Bench::durable(dir.path(), vec![disabled()]);
    goes_on(bench, dir.path(), 1_500);
}

#[test]
fn a_plugin_may_have_the_name_of_the_file_that_was_among_the_folders() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("plugins")).unwrap();
    std::fs::write(dir.path().join("plugins/emitters"), "first\nsecond\n").unwrap();
    let table = PluginConfig { name: "emitters".into(), ..plugin("counter") };
    let bench = Bench::durable(dir.path(), vec![table]);
    let card = bench.until("emitters", "be refused", |card| card.state == State::Crashed);
    assert!(card.last_error.unwrap().contains("make them equal"), "the library's name is another");
    let names = std::fs::read_to_string(dir.path().join("plugins/emitters.txt")).unwrap();
    assert_eq!(names, "first\nsecond\nemitters\n", "numbers stay");
}
