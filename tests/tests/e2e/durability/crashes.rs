//! What a node makes of a journal that is torn, cut or not its own. Kills under load are the storm's.

use std::io::Read;
use std::os::unix::fs::FileExt;

use crate::server::{Home, general};

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
