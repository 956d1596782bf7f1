//! Killed under load, again and again: no acknowledged event is lost, none is there twice, no sequence is given twice.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::http::Request;
use crate::server::{Home, PATIENCE, TOKEN, TestServer, general, plugin_table, wait};

const KILLS: usize = 50;
const POSTERS: usize = 3;

/// What the node has said about events: their ids and first sequences.
type Acknowledged = Mutex<HashMap<String, u64>>;

/// Posts events one after another until the connection breaks.
fn post_until_broken(address: SocketAddr, name: &str, known: &Acknowledged) -> Option<()> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    for i in 0u32.. {
        let id = format!("{name}-{i}");
        let body = general(&id, "k", i.into()).to_string();
        socket.write_all(&Request::new("POST", "/event").token(TOKEN).body(body).bytes()).ok()?;
        let (mut line, mut length) = (String::new(), 0);
        while !line.ends_with("\r\n\r\n") {
            let before = line.len();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let header = &line[before..];
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["duplicate"], false, "{answer}");
        known.lock().unwrap().insert(id, answer["seq"].as_u64().unwrap());
    }
    None
}

/// The values of all events of a kind, in order of size.
fn values(server: &TestServer, kind: &str) -> Vec<u64> {
    let (mut since, mut values) = (0, Vec::new());
    loop {
        let page = server.json(&format!("/snapshot?kind={kind}&limit=5000&since_seq={since}"));
        if page["count"] == 0 {
            values.sort_unstable();
            return values;
        }
        let events = page["events"].as_array().unwrap();
        values.extend(events.iter().map(|event| event["value"].as_f64().unwrap() as u64));
        since = page["next_seq"].as_u64().unwrap();
    }
}

/// All events of a node, by sequence.
fn all(server: &TestServer) -> HashMap<u64, String> {
    let (mut since, mut events, mut ids) = (0, HashMap::new(), HashSet::new());
    loop {
        let page = server.json(&format!("/snapshot?limit=5000&since_seq={since}"));
        if page["count"] == 0 {
            return events;
        }
        for event in page["events"].as_array().unwrap() {
            let id = event["event_id"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            events.insert(event["seq"].as_u64().unwrap(), id.to_owned());
        }
        since = page["next_seq"].as_u64().unwrap();
    }
}

#[test]
fn fifty_kills_lose_nothing_that_was_acknowledged() {
    let home = Home::new("[ring]\nmax_events = 65536\n[log]\nlevel = 'warn'\n");
    let known = Acknowledged::default();
    let mut last = 0;
    for round in 0..KILLS {
        let server = home.start();
        let published = server.json("/health")["events"].as_u64().unwrap();
        assert!(published >= last, "{published} of {last} events in round {round}");
        let before = known.lock().unwrap().len();
        let enough = before + 10 + round * 7 % 60;
        let address = server.address;
        std::thread::scope(|scope| {
            for poster in 0..POSTERS {
                let known = &known;
                scope.spawn(move || {
                    post_until_broken(address, &format!("r{round}p{poster}"), known)
                });
            }
            wait("acknowledgements", || known.lock().unwrap().len() >= enough);
            server.kill();
        });
        last = known.lock().unwrap().values().copied().max().unwrap();
    }
    let server = home.start();
    let events = all(&server);
    let known = known.into_inner().unwrap();
    for (id, seq) in &known {
        assert_eq!(events.get(seq), Some(id), "acknowledged as {seq}");
    }
    // Dense from the first: nothing was skipped, so nothing was lost unseen.
    assert_eq!(events.keys().copied().max(), Some(events.len() as u64));
    // The node knows every id and its first sequence.
    for (id, seq) in known.iter().take(500) {
        let again = server.event(&general(id, "k", 1.0)).json();
        let expected = json!({"status": "ok", "event_id": id, "seq": seq, "duplicate": true});
        assert_eq!(again, expected);
    }
    let name = server.json("/health")["node_id"].clone();
    drop(server);
    assert_eq!(home.start().json("/health")["node_id"], name, "the same node");
}

#[test]
fn what_a_plugin_emits_is_there_once_however_often_the_node_is_killed() {
    // Without ids of their own no deduplication makes a second echo look like the first.
    let counter = plugin_table("counter") + "[plugin.config]\nids = false\n";
    let home = Home::new(&format!("[ring]\nmax_events = 65536\n{counter}"));
    let known = Acknowledged::default();
    for round in 0..10 {
        let server = home.start();
        let enough = known.lock().unwrap().len() + 30 + round * 7;
        let address = server.address;
        std::thread::scope(|scope| {
            let known = &known;
            scope.spawn(move || post_until_broken(address, &format!("r{round}"), known));
            wait("acknowledgements", || known.lock().unwrap().len() >= enough);
            server.kill();
        });
    }
    let server = home.start();
    server.until("counter", |card| card["lag_events"] == 0 && card["state"] == "RUNNING");
    let posted = values(&server, "k");
    assert!(posted.len() >= known.into_inner().unwrap().len());
    assert_eq!(values(&server, "echo"), posted);
}

/// A node that was killed after twenty events, and its journal.
fn killed(home: &Home) -> std::fs::File {
    let server = home.start();
    for i in 1..=20 {
        assert_eq!(server.general(&format!("event-number-{i}"), "k", 1.0), i);
    }
    server.kill();
    let journal = home.data().join("ring.journal");
    std::fs::File::options().read(true).write(true).open(journal).unwrap()
}

/// Where these bytes stand for the last time.
fn last_place(file: &std::fs::File, text: &[u8]) -> u64 {
    let mut bytes = Vec::new();
    let mut file = file;
    file.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(text.len()).rposition(|window| window == text);
    at.expect("the journal holds the event") as u64
}

#[test]
fn a_torn_tail_is_cut_and_its_sequence_not_given_again() {
    let home = Home::new("");
    let file = killed(&home);
    // The end of the last record never reached the disk.
    let at = last_place(&file, b"event-number-20");
    file.write_all_at(&[0; 64], at).unwrap();
    let server = home.start();
    let snapshot = server.json("/snapshot");
    let ids: Vec<_> =
        snapshot["events"].as_array().unwrap().iter().map(|e| &e["event_id"]).collect();
    assert_eq!(ids.len(), 19, "{snapshot}");
    assert_eq!(ids[18], "event-number-19");
    let seq = server.event(&general("another", "k", 1.0)).json()["seq"].as_u64().unwrap();
    assert!(seq >= 20, "{seq}");
    drop(server);
    let server = home.start();
    assert_eq!(server.json("/snapshot")["count"], 20, "and it goes on");
}

#[test]
fn a_foreign_or_cut_journal_is_set_aside_with_a_word() {
    for (what, change) in [
        (
            "it is no journal",
            (|path| std::fs::write(path, "x".repeat(1 << 20)).unwrap()) as fn(&std::path::Path),
        ),
        ("it is too short", |path| std::fs::write(path, "mine").unwrap()),
        ("bytes, not those", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
    ] {
        let home = Home::new("");
        drop(killed(&home));
        let journal = home.data().join("ring.journal");
        change(&journal);
        let kept = std::fs::metadata(&journal).unwrap().len();
        let server = home.start();
        let log = home.log();
        let line = log.lines().find(|line| line.contains("moved aside"));
        assert!(line.is_some_and(|line| line.contains(what)), "{what}: {log}");
        assert_eq!(server.json("/snapshot")["count"], 0);
        assert_eq!(server.event(&general("new", "k", 1.0)).status, 200);
        // Whatever it was, it is still there.
        let files: Vec<_> =
            std::fs::read_dir(home.data()).unwrap().map(|file| file.unwrap()).collect();
        let aside = |file: &&std::fs::DirEntry| {
            file.path() != journal
                && file.file_name().to_string_lossy().starts_with("ring.journal")
                && file.metadata().unwrap().len() == kept
        };
        assert_eq!(files.iter().filter(aside).count(), 1, "{what}: {files:?}");
    }
}

#[test]
fn a_memory_ring_keeps_the_node_and_forgets_the_events() {
    let home = Home::new("[ring]\nstorage = 'memory'\n");
    let server = home.start();
    assert_eq!(server.general("e", "k", 1.0), 1);
    let name = server.json("/health")["node_id"].clone();
    server.kill();
    let server = home.start();
    assert_eq!(server.json("/health")["node_id"], name);
    assert_eq!(server.json("/snapshot")["count"], 0);
}
