//! Asking plugins whether they take their configuration: what they say is told, and nothing else happens.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use shimmer_host::{Enabled, HostConfig, Isolation, PluginConfig, Refused, State, rehearse};

use crate::bench::{Bench, PATIENCE, fixture, plugin, shimmer};

fn host(dir: &Path) -> HostConfig {
    let mut config = HostConfig::new(dir.join("data"), "node".into());
    config.executable = shimmer();
    config
}

/// The refuser with these settings.
fn refuser(settings: &serde_json::Value) -> PluginConfig {
    let mut table = plugin("config-refuser");
    table.config = settings.as_object().unwrap().clone();
    table
}

/// The refuser's words with these settings, in this isolation.
fn words_in(settings: &serde_json::Value, isolation: Isolation) -> Vec<String> {
    let temp = tempfile::tempdir().unwrap();
    let table = PluginConfig { isolation, ..refuser(settings) };
    let refused = rehearse(&host(temp.path()), &[table]).unwrap();
    refused.into_iter().flat_map(|refused| refused.words).collect()
}

fn words(settings: &serde_json::Value) -> Vec<String> {
    words_in(settings, Isolation::Process)
}

#[test]
fn those_that_cannot_run_are_told_in_order_with_all_their_words() {
    let temp = tempfile::tempdir().unwrap();
    let text = temp.path().join("text.so");
    std::fs::write(&text, "text").unwrap();
    let named = |name: &str, path: &Path| PluginConfig {
        name: name.into(),
        path: path.into(),
        ..PluginConfig::default()
    };
    let mut off = named("off", Path::new("/nowhere/off.so"));
    off.enabled = Enabled(false);
    let refused = rehearse(
        &host(temp.path()),
        &[
            named("ghost", Path::new("/nowhere/ghost.so")),
            plugin("counter"),
            refuser(&json!({"port": 1, "lines": ["a.toml: line 3: x; do y", "a.toml: line 5: z"]})),
            off,
            named("text", &text),
            named("misnamed", &fixture("flood")),
            named("bundled", Path::new("")),
        ],
    )
    .unwrap();
    let names: Vec<_> = refused.iter().map(|refused| refused.name.as_str()).collect();
    assert_eq!(names, ["ghost", "config-refuser", "text", "misnamed", "bundled"]);
    let words = |at: usize| refused[at].words.join("\n");
    assert!(words(0).contains("cannot read /nowhere/ghost.so"), "{}", words(0));
    assert_eq!(refused[1].words, ["a.toml: line 3: x; do y", "a.toml: line 5: z"]);
    assert!(words(2).contains("cannot load"), "{}", words(2));
    assert!(words(3).contains("says its name is \"flood\""), "{}", words(3));
    assert!(words(4).contains("libshimmer_bundled.so"), "{}", words(4));
    assert!(!temp.path().join("data").exists(), "nothing is written");
}

#[test]
fn a_plugin_is_created_and_destroyed_and_never_started() {
    let temp = tempfile::tempdir().unwrap();
    let calls = temp.path().join("calls");
    std::fs::write(&calls, "").unwrap();
    let mut table = refuser(&json!({"port": 1, "calls": calls}));
    // The walls stand as in a node: without the permission it cannot write.
    let refused = rehearse(&host(temp.path()), std::slice::from_ref(&table)).unwrap();
    assert!(refused[0].words.concat().contains("panicked"), "{refused:?}");
    table.permissions.write.push(calls.clone());
    assert_eq!(rehearse(&host(temp.path()), &[table]).unwrap(), []);
    assert_eq!(std::fs::read_to_string(&calls).unwrap(), "create\ndestroy\n");
}

#[test]
fn deaths_are_told_and_stay_outside_of_this_process() {
    let panic = words(&json!({"port": 1, "panic": true})).concat();
    assert!(panic.contains("told to panic while it is created"), "{panic}");
    for isolation in [Isolation::Process, Isolation::Thread] {
        let abort = words_in(&json!({"port": 1, "abort": true}), isolation);
        assert!(abort[0].contains("killed by signal 6"), "{abort:?}");
        assert!(abort.contains(&"told to abort".to_owned()), "its last lines: {abort:?}");
    }
}

#[test]
fn a_plugin_that_hangs_is_given_up_at_the_deadline() {
    let temp = tempfile::tempdir().unwrap();
    let mut config = host(temp.path());
    config.call_deadline = Duration::from_millis(300);
    let begun = Instant::now();
    let table = refuser(&json!({"port": 1, "hang": true}));
    let refused = rehearse(&config, &[table]).unwrap();
    assert_eq!(refused[0].words, ["it was not created within 0.3 s"]);
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[test]
fn a_running_host_asks_only_those_that_change() {
    // It runs, broken as it is, and is not asked again until its table is another one.
    let broken = refuser(&json!({"port": 0}));
    let bench = Bench::new(vec![broken.clone(), plugin("counter")]);
    assert_eq!(bench.card("config-refuser").state, State::Crashed);
    let same = [broken, plugin("counter")];
    assert_eq!(bench.host.rehearse(&same).unwrap(), []);
    let changed = [refuser(&json!({"port": 70_000})), plugin("counter"), plugin("flood")];
    let told = vec!["port: must be between 1 and 65535".to_owned()];
    let refused = vec![Refused { name: "config-refuser".into(), words: told }];
    assert_eq!(bench.host.rehearse(&changed).unwrap(), refused);
    let pid = bench.card("counter").pid;
    assert!(pid.is_some() && bench.host.card("flood").is_none(), "nothing was touched");
}

#[test]
fn a_reason_of_many_lines_is_a_line_each_in_the_log() {
    let lines = json!({"port": 1, "lines": ["a.toml: line 3: x; do y", "a.toml: line 5: z"]});
    let bench = Bench::new(vec![refuser(&lines)]);
    let logs = bench.host.logs("config-refuser", 10).unwrap();
    let said: Vec<_> = logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, ["a.toml: line 3: x; do y", "a.toml: line 5: z"]);
    let why = bench.card("config-refuser").last_error;
    assert_eq!(why.as_deref(), Some("a.toml: line 3: x; do y\na.toml: line 5: z"));
}
