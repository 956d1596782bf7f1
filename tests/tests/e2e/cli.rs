//! The commands against a running node: what they print, and how they exit.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{
    Home, Said, TestServer, beauty, finish, general, plugin_table, target_dir, wait_for,
};

fn lines(events: impl IntoIterator<Item = Value>) -> String {
    events.into_iter().map(|event| format!("{event}\n")).collect()
}

/// Runs a client command against the node, with its token in the environment.
fn client(server: &TestServer, args: &[&str], input: &str) -> Said {
    let url = server.url();
    server.home.feed(&[args, &["--url", &url]].concat(), input)
}

#[test]
fn post_sends_files_and_standard_input_and_tells_what_became_of_them() {
    let server = TestServer::start();
    let good = lines((0..250).map(|i| general(&format!("e{i}"), "k", f64::from(i))));
    let said = client(&server, &["post", "--json", "--batch", "100"], &good);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let tally: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(tally, json!({"accepted": 250, "duplicates": 0, "rejected": 0, "retries": 0}));
    let file = server.home.path().join("more.ndjson");
    let bad = json!({"event_id": "", "timestamp": "x", "beauty_score": 9});
    let more = [general("e1", "k", 1.0), bad, beauty("b", 1.0)];
    std::fs::write(&file, lines(more)).unwrap();
    let said = client(&server, &["post", "more.ndjson"], "");
    assert_eq!(said.code, Some(1), "a rejected event is a failure: {said:?}");
    assert!(said.err.contains("more.ndjson:2: event_id"), "{said:?}");
    assert!(said.err.contains("1 accepted, 1 duplicates, 1 rejected"), "{said:?}");
    // An array is as good as lines.
    let array = json!([general("array", "k", 1.0)]).to_string();
    assert_eq!(client(&server, &["post", "-q"], &array).code, Some(0));
    assert_eq!(server.json("/snapshot")["next_seq"], 252);
}

#[test]
fn a_closed_pipe_is_told_by_the_exit_alone_and_stops_no_sending() {
    let server = TestServer::start();
    let url = server.url();
    let run = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = server.home.command(&[args, &["--url", &url]].concat());
        command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap().code()
    };
    assert_eq!(run(&["health"]), Some(1));
    assert_eq!(run(&["reload"]), Some(1));
    let bad = json!({"event_id": "", "timestamp": "x", "beauty_score": 9});
    let events = lines([bad, general("behind", "k", 1.0)]);
    std::fs::write(server.home.path().join("mixed.ndjson"), events).unwrap();
    assert_eq!(run(&["post", "--batch", "1", "mixed.ndjson"]), Some(1), "one is rejected");
    assert_eq!(server.json("/snapshot")["next_seq"], 1, "the other one is sent");
}

#[test]
fn what_cannot_be_reached_or_written_to_exits_with_1_and_a_wrong_use_with_2() {
    let server = TestServer::start();
    let stranger = Home::without_token("").env("DASHBOARD_TOKEN", "wrong");
    let url = server.url();
    let event = general("e", "k", 1.0).to_string();
    let said = stranger.feed(&["post", "--url", &url], &event);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("token"), "{said:?}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{nobody}");
    for args in [
        &["post"][..],
        &["tail", "-n", "1"],
        &["plugin", "list"],
        &["reload"],
        &["plugin", "restart", "x"],
    ] {
        let said = server.home.feed(&[args, &["--url", &nowhere]].concat(), &event);
        assert_eq!(said.code, Some(1), "{args:?}: {said:?}");
        assert!(said.err.starts_with("error: no answer from"), "{args:?}: {said:?}");
        assert_eq!(said.err.lines().count(), 1, "{args:?}: {said:?}");
    }
    for args in [
        &["post", "--batch", "0"][..],
        &["nonsense"],
        &["plugin", "restart", "UPPER"],
        &["replay", "f", "--speed", "0"],
        &["run", "--nonsense"],
    ] {
        let said = server.home.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
    }
    assert_eq!(client(&server, &["plugin", "restart", "nobody"], "").code, Some(1));
    assert_eq!(client(&server, &["post", "no-such-file"], "").code, Some(1));
    assert_eq!(server.json("/snapshot")["next_seq"], 0);
}

#[test]
fn the_token_may_lie_in_the_data_folder() {
    let demo = Home::without_token("");
    let args = demo.node_args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.push("--demo");
    let server = demo.spawn_with(&args);
    let token = demo.data().join("token");
    let (url, data) = (server.url(), demo.data());
    for (path, owner_only) in [(&token, 0o600), (&data, 0o700)] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap());
        assert_eq!(mode & 0o777, owner_only, "{}", path.display());
    }
    let event = general("e", "k", 1.0).to_string();
    let said = demo.feed(&["post", "--url", &url, "--data-dir", data.to_str().unwrap()], &event);
    assert_eq!(said.code, Some(0), "{said:?}");
    let secret = std::fs::read_to_string(token).unwrap();
    assert!(!demo.log().contains(secret.trim()), "tokens never appear");
}

#[test]
fn replay_keeps_order_and_values_and_makes_new_ids() {
    let server = TestServer::start();
    let mut csv = String::from("timestamp,value\n");
    for i in 0..300 {
        csv.push_str(&format!(
            "2014-02-14 {:02}:{:02}:00,{}\n",
            i / 60,
            i % 60,
            f64::from(i) / 2.0
        ));
    }
    std::fs::write(server.home.path().join("series.csv"), csv).unwrap();
    for round in 1..=2 {
        let args = ["replay", "series.csv", "--speed", "max", "--json", "--kind", "cpu"];
        let said = client(&server, &args, "");
        assert_eq!(said.code, Some(0), "{said:?}");
        let tally: Value = serde_json::from_str(said.out.trim()).unwrap();
        assert_eq!(tally["accepted"], 300, "round {round}: {said:?}");
    }
    let shown = server.json("/snapshot?kind=cpu&since_seq=300&limit=300");
    let events = shown["events"].as_array().unwrap();
    let values: Vec<f64> = events.iter().map(|event| event["value"].as_f64().unwrap()).collect();
    assert_eq!(values, (0..300).map(|i| f64::from(i) / 2.0).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["subject"] == "series"), "{}", events[0]);
    let said = client(&server, &["replay", "series.csv", "--speed", "max", "--beauty", "-q"], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    let shown = server.json("/snapshot?kind=beauty&since_seq=600&limit=300");
    let (first, last) = (&shown["events"][0], &shown["events"][299]);
    assert_eq!((&first["beauty_score"], &last["beauty_score"]), (&json!(0.0), &json!(1.5)));
    std::fs::write(server.home.path().join("bad.csv"), "timestamp,value\n2014-02-14 00:00:00,x\n")
        .unwrap();
    let said = client(&server, &["replay", "bad.csv"], "");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("bad.csv:2"), "{said:?}");
}

#[test]
fn tail_shows_what_it_is_asked_for() {
    let server = TestServer::start();
    server.ndjson(
        (1..=20).map(|i| {
            general(&format!("e{i}"), if i % 2 == 0 { "even" } else { "odd" }, f64::from(i))
        }),
    );
    let said =
        client(&server, &["tail", "--since", "3", "-n", "5", "--json", "--kind", "even"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let shown: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<_> = shown.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [4, 6, 8, 10, 12]);
    assert_eq!(shown[0]["event_id"], "e4");
    let said = client(&server, &["tail", "--since", "0", "-n", "2"], "");
    assert_eq!(said.out.lines().count(), 2, "{said:?}");
    assert!(said.out.contains("odd") && !said.out.contains('\x1b'), "{said:?}");
}

#[test]
fn plugins_are_listed_and_controlled() {
    let granted = "permissions = { net = ['connect:443'], folder = true }\n";
    let server = TestServer::with(&(plugin_table("counter") + granted));
    let said = client(&server, &["plugin", "list"], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("NAME") && said.out.contains("RUNNING"), "{said:?}");
    assert!(said.out.ends_with("  folder net=connect:443\n"), "{said:?}");
    let said = client(&server, &["plugin", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"counter".into(), &"RUNNING".into()));
    let pid = listed[0]["pid"].clone();
    for action in ["restart", "disable", "enable", "reload"] {
        let said = client(&server, &["plugin", action, "counter"], "");
        assert_eq!(said.code, Some(0), "{action}: {said:?}");
        let state = if action == "disable" { "DISABLED" } else { "RUNNING" };
        server.until("counter", |card| card["state"] == state);
    }
    assert_ne!(server.card("counter")["pid"], pid);
    let said = client(&server, &["plugin", "logs", "counter", "--json"], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["name"], "counter");
}

#[test]
fn the_configuration_is_checked_and_shown_with_where_it_comes_from() {
    let home = Home::new("[ring]\nmax_events = 77\n").env("DASHBOARD_ROLLING_WINDOW", "9");
    let said = home.run(&["config", "check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = home.run(&["config", "show", "--origin", "--json", "--port", "1234"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    for (key, value, origin) in [
        ("ring.max_events", json!(77), "shimmer.toml:2"),
        ("stats.rolling_window", json!(9), "DASHBOARD_ROLLING_WINDOW"),
        ("server.port", json!(1234), "--port"),
        ("stream.flush_ms", json!(25), "default"),
    ] {
        assert_eq!(shown[key]["value"], value, "{key}");
        let from = shown[key]["origin"].as_str().unwrap();
        assert!(from.contains(origin), "{key} from {from}");
    }
    assert!(!said.out.contains(crate::server::TOKEN), "secrets are not shown");
    home.configure("[ring]\nmax_events = 'many'\n");
    let said = home.run(&["config", "check"]);
    assert_eq!((said.code, said.out.as_str()), (Some(78), ""), "{said:?}");
    assert!(said.err.contains("shimmer.toml:2:14") && said.err.contains("max_events"), "{said:?}");
}

#[test]
fn the_log_can_be_json_and_carries_the_requests_ids() {
    let home = Home::new("");
    let args = home.node_args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--log-format", "json", "--log-level", "info"]);
    let server = home.spawn_with(&args);
    let answer = server.event(&beauty("logged", 0.75));
    let id = answer.header("x-request-id").unwrap();
    let line = wait_for("the line", || {
        let log = home.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.into_iter().find(|line| line["event_id"] == "logged")
    });
    assert_eq!((&line["level"], &line["beauty_score"]), (&"INFO".into(), &json!(0.75)), "{line}");
    assert_eq!((&line["request_id"], &line["seq"]), (&id.into(), &1.into()), "{line}");
}

fn cargo(dir: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", target_dir().join("e2e-plugin"));
    // Settings of the run around this test are not those of a user's.
    for name in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    finish(command, "")
}

#[test]
fn a_new_plugin_builds_offline_keeps_its_promises_and_runs() {
    let home = Home::new("");
    let said = home.run(&["plugin", "new", "e2e-probe"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(home.run(&["plugin", "new", "e2e-probe"]).code, Some(1), "nothing is overwritten");
    let dir = home.path().join("e2e-probe");
    let built = cargo(&dir, &["build", "--offline"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let library = target_dir().join("e2e-plugin/debug/libe2e_probe.so");
    let said = home.run(&["plugin", "test", library.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("promises kept") && !said.out.contains("broken"), "{said:?}");
    let table = format!("[[plugin]]\nname = 'e2e-probe'\npath = {library:?}\n");
    let server = TestServer::with(&table);
    server.general("e", "k", 1.0);
    server.until("e2e-probe", |card| card["event_count"].as_u64() >= Some(1));
    let status = Request::new("GET", "/x/e2e-probe/status").send(server.address);
    assert_eq!(status.status, 200, "{}", status.text());
    let text = home.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let said = home.run(&["plugin", "test", text.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
}
