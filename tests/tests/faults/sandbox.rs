//! What a plugin process cannot do, seen from inside by one that tries, and from outside in /proc.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::bench::{Bench, plugin, wait};

/// Everything that the prober tried, with its errno, and what it was left with.
fn probe(bench: &mut Bench, order: &Value) -> (BTreeMap<String, i64>, Value) {
    bench.post("trigger", 0..1, &order.to_string());
    wait("the probes", || !bench.events("belongings").is_empty());
    let card = bench.caught_up("prober");
    assert_eq!(card.crash_count, 0, "{:?}", card.last_error);
    let errno = |probe: &Value| {
        let name = probe["subject"].as_str().unwrap().to_owned();
        assert_eq!(probe["value"] == 1.0, probe["data"]["errno"] == 0);
        (name, probe["data"]["errno"].as_i64().unwrap())
    };
    let probes = bench.events("probe").iter().map(errno).collect();
    (probes, bench.events("belongings")[0]["data"].clone())
}

#[test]
fn every_way_out_is_closed() {
    let mut bench = Bench::new(vec![plugin("prober"), plugin("counter")]);
    let secret = bench.dir().join("token");
    std::fs::write(&secret, "secret").unwrap();
    let own = bench.dir().join("plugins/prober");
    let order = json!({
        "sibling": bench.card("counter").pid,
        "read": [&secret, bench.dir().join("plugins/emitters.txt"), "/proc/1/environ", "/etc/shadow"],
        "write": [
            secret.with_extension("new"),
            own.join("file"),
            own.join("../counter/file"),
            "/proc/self/oom_score_adj",
            "/dev/shm/file",
        ],
    });
    let (probes, _) = probe(&mut bench, &order);
    assert!(probes.len() >= 70, "{}", probes.len());
    let open: Vec<_> = probes.iter().filter(|(_, errno)| **errno == 0).collect();
    assert!(open.is_empty(), "allowed: {open:?}");
    // A kernel without these numbers would refuse them in another way.
    assert_eq!(probes["x32"], i64::from(libc::EPERM));
    let sibling = bench.caught_up("counter");
    assert_eq!((sibling.crash_count, sibling.restart_count), (0, 0));
}

#[test]
fn a_folder_of_its_own_is_all_that_it_may_write() {
    let mut table = plugin("prober");
    table.permissions.folder = true;
    let mut bench = Bench::new(vec![table]);
    let own = bench.dir().join("plugins/prober/own");
    let (inside, outside) = (own.join("file"), own.join("../file"));
    let (probes, _) = probe(&mut bench, &json!({ "write": [&inside, &outside] }));
    assert_eq!(probes[&format!("write {}", inside.display())], 0);
    assert_ne!(probes[&format!("write {}", outside.display())], 0);
    assert!(inside.exists() && !outside.exists());
    let open: Vec<_> = probes.values().filter(|errno| **errno == 0).collect();
    assert_eq!(open.len(), 1, "{probes:?}");
}

#[test]
fn a_permission_for_the_network_opens_no_other_sockets() {
    let mut table = plugin("prober");
    let mut open_with = |rule: &str| {
        table.permissions.net = vec![rule.into()];
        let mut bench = Bench::new(vec![table.clone()]);
        let (probes, _) = probe(&mut bench, &json!({}));
        probes
            .into_iter()
            .filter(|(_, errno)| *errno == 0)
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let sockets = ["socket-netlink", "socket-tcp", "socket-tcp6", "socket-udp"];
    assert_eq!(open_with("connect:443"), sockets);
    assert_eq!(open_with("listen:8443"), [&["listen"], &sockets[..]].concat());
}

#[test]
fn nothing_of_the_host_is_handed_down() {
    let mut bench = Bench::new(vec![plugin("prober"), plugin("counter")]);
    // Cargo gives a test dozens of variables.
    assert!(std::env::vars_os().any(|(name, _)| name == "CARGO_MANIFEST_DIR"));
    let (_, belongings) = probe(&mut bench, &json!({}));
    let environment: Vec<_> = belongings["environment"].as_array().unwrap().iter().collect();
    assert!(environment.iter().all(|name| *name == "RUST_BACKTRACE"), "{environment:?}");

    let descriptors = belongings["descriptors"].as_array().unwrap();
    let of = |start: &str| {
        let starts = |name: &&Value| name.as_str().unwrap().starts_with(start);
        descriptors.iter().filter(starts).collect::<Vec<_>>()
    };
    let sockets = of("socket:");
    assert!(sockets.iter().all(|socket| **socket == descriptors[0]), "{descriptors:?}");
    assert_eq!((of("pipe:").len(), of("/memfd:").len()), (2, 2), "{descriptors:?}");
    assert_eq!(descriptors.len(), sockets.len() + 4, "{descriptors:?}");

    let files = |name| files_in_memory(bench.card(name).pid.unwrap());
    let (prober, counter) = (files("prober"), files("counter"));
    let shared: Vec<_> = prober.iter().filter(|file| counter.contains(file)).collect();
    assert_eq!(shared.len(), 1, "the ring alone: {prober:?} {counter:?}");
}

/// Inodes of the unnamed files that a process has open.
fn files_in_memory(pid: u32) -> Vec<u64> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let in_memory = |path: &std::path::PathBuf| {
        std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:"))
    };
    paths.filter(in_memory).map(|path| path.metadata().unwrap().ino()).collect()
}

#[test]
fn the_walls_stand_around_every_thread() {
    let bench = Bench::new(vec![plugin("counter")]);
    let pid = bench.card("counter").pid.unwrap();
    let read = |path: String| std::fs::read_to_string(path).unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let tasks: Vec<_> = tasks.map(|task| task.unwrap().path()).collect();
    assert!(tasks.len() >= 2, "the worker and the reader");
    for task in tasks {
        let status = read(format!("{}/status", task.display()));
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} is missing")).trim().to_owned()
        };
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
    }
    let limits = read(format!("/proc/{pid}/limits"));
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let words: Vec<_> = line.split_whitespace().take(2).map(str::to_owned).collect();
        (words[0].clone(), words[1].clone())
    };
    for (name, value) in [
        ("Max core file size", "0"),
        ("Max open files", "256"),
        ("Max locked memory", "0"),
        ("Max msgqueue size", "0"),
        ("Max nice priority", "0"),
        ("Max realtime priority", "0"),
        ("Max data size", "2147483648"),
    ] {
        assert_eq!(limit(name), (value.into(), value.into()), "{name}");
    }
    // A session of its own: no terminal, and no signal that is meant for the host's group.
    let stat = read(format!("/proc/{pid}/stat"));
    let session = stat[stat.rfind(')').unwrap()..].split_whitespace().nth(4).unwrap().to_owned();
    assert_eq!(session, pid.to_string());
    assert_eq!(read(format!("/proc/{pid}/oom_score_adj")).trim(), "500");
}
