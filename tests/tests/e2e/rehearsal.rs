//! A plugin that does not take its configuration: `config check` says so, and a reload changes nothing.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::server::{Home, TestServer, plugin_table, wait};

/// A table that its plugin refuses with two lines.
fn refused() -> String {
    let lines = "lines = ['a.toml: line 3, column 9: x; do y', 'a.toml: line 5, column 1: z']";
    format!("{}[plugin.config]\nport = 1\n{lines}\n", plugin_table("config-refuser"))
}

const WORDS: [&str; 2] = ["a.toml: line 3, column 9: x; do y", "a.toml: line 5, column 1: z"];

#[test]
fn the_check_asks_every_plugin_and_tells_all_that_refuse() {
    let counter = plugin_table("counter");
    let ghost = "[[plugin]]\nname = 'ghost'\npath = '/nowhere/libghost.so'\n";
    let off = "[[plugin]]\nname = 'off'\npath = '/nowhere/liboff.so'\nenabled = false\n";
    let http = format!("{}[plugin.config]\nunknown = 1\n", plugin_table("http"));
    let none = "[plugins]\nbundled = []\n";
    let home = Home::new(&[none, &counter, &refused(), ghost, off, &http].concat());
    let said = home.run(&["config", "check", "--config", "shimmer.toml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(78), ""), "{said:?}");
    let errors: Vec<&str> = said.err.split("error: ").skip(1).collect();
    assert_eq!(errors.len(), 3, "{}", said.err);
    for (error, line, name, words) in [
        (errors[0], 6, "config-refuser", &WORDS[..]),
        (errors[1], 12, "ghost", &["cannot read /nowhere/libghost.so: "]),
        (errors[2], 19, "http", &["unknown"]),
    ] {
        assert!(error.contains(&format!("--> shimmer.toml:{line}:1\n")), "{error}");
        assert!(error.starts_with(&format!("the plugin `{name}` ")), "{error}");
        let told: Vec<_> = error.lines().filter(|line| line.starts_with("  = ")).collect();
        assert_eq!(told.len(), words.len(), "{error}");
        assert!(told.iter().zip(words).all(|(told, word)| told.contains(word)), "{error}");
    }
    assert!(!home.data().exists(), "nothing is written");
    home.configure(&format!("{none}{counter}{off}"));
    let said = home.run(&["config", "check", "--config", "shimmer.toml"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.out.contains("plugins that take it: counter\n"), "{said:?}");
}

#[test]
fn a_reload_that_a_plugin_refuses_changes_nothing_and_says_so() {
    let counter = plugin_table("counter");
    let home = Home::new(&format!("[ring]\nmax_events = 10\n{counter}"));
    let server = home.start();
    let before = server.card("counter");
    let ids = format!("{counter}[plugin.config]\nids = false\n");
    home.configure(&format!("[ring]\nmax_events = 20\n{}{ids}", refused()));
    let told = server.operate("/api/reload");
    let problem = told.problem(422);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("shimmer.toml:3:1"), "{detail}");
    assert!(WORDS.iter().all(|words| detail.contains(&format!("  = {words}\n"))), "{detail}");
    let sentence = format!(
        "the plugin `config-refuser` cannot run as it is configured: {}; {}",
        WORDS[0], WORDS[1]
    );
    assert_eq!(problem["problems"], json!([sentence]));
    let log = home.log();
    let line = log.lines().find(|line| line.contains("not reloaded")).unwrap();
    assert!(line.contains(&sentence), "{line}");
    server.ndjson((0..30).map(|i| crate::server::general(&format!("e{i}"), "k", 1.0)));
    assert_eq!(server.json("/snapshot?limit=100")["count"], 10, "the old window holds");
    let card = server.card("counter");
    assert_eq!((&card["pid"], &card["state"]), (&before["pid"], &"RUNNING".into()), "{card}");
    server.get("/api/plugin/config-refuser").problem(404);
    // Once it is mended, all of it is taken.
    home.configure(&format!("[ring]\nmax_events = 20\n{ids}"));
    assert_eq!(server.operate("/api/reload").status, 200);
    assert_eq!(server.json("/snapshot?limit=100")["count"], 20);
}

#[test]
fn a_node_that_starts_with_it_runs_and_keeps_all_lines() {
    let server = TestServer::with(&refused());
    let card = server.until("config-refuser", |card| card["state"] == "CRASHED");
    assert_eq!(card["last_error"], WORDS.join("\n"));
    let log = server.home.log();
    let of_plugin = |line: &&str| line.contains("plugin=\"config-refuser\"");
    let lines: Vec<_> = log.lines().filter(of_plugin).collect();
    assert!(WORDS.iter().all(|words| lines.iter().any(|line| line.contains(words))), "{log}");
}

#[test]
fn an_end_does_not_wait_for_a_plugin_that_is_asked() {
    let home = Home::new("");
    let mut server = home.start();
    let calls = home.path().join("calls");
    std::fs::write(&calls, "").unwrap();
    let settings = format!("port = 1\nhang = true\ncalls = {calls:?}");
    let write = format!("permissions = {{ write = [{calls:?}] }}");
    let table = plugin_table("config-refuser");
    home.configure(&format!("{table}{write}\n[plugin.config]\n{settings}\n"));
    server.signal(Signal::HUP);
    wait("the question", || std::fs::read_to_string(&calls).unwrap() == "hang\n");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    // A question takes ten seconds at most.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
}
