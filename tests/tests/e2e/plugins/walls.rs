//! What a node says and does where the kernel lacks a part of the sandbox.

use crate::server::{Home, plugin_table, wait};

const REQUIRED: &str = "[plugins]\nbundled = []\nsandbox = 'required'\n";

#[test]
fn a_node_that_requires_walls_does_not_start_without_them() {
    let home = Home::new(&(REQUIRED.to_owned() + &plugin_table("counter"))).on_an_old_kernel();
    let args = home.node_args();
    let said = home.run(&args.each_ref().map(String::as_str));
    assert_eq!(said.code, Some(1), "{said:?}");
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(lines.len(), 1, "{said:?}");
    for words in ["plugins.sandbox", "files and folders (Landlock, Linux 5.13)", "TCP ports"] {
        assert!(lines[0].contains(words), "{words}: {said:?}");
    }
    assert!(!home.data().exists(), "refused before anything was touched");
}

#[test]
fn a_node_that_does_not_says_what_is_missing_and_uses_the_rest() {
    let home = Home::new(&plugin_table("counter")).on_an_old_kernel();
    let server = home.start();
    let card = server.until("counter", |card| card["state"] == "RUNNING");
    wait("what is missing", || home.log().contains("the kernel lacks a part of the sandbox"));
    let told = home.log();
    assert_eq!(told.matches("the kernel lacks a part").count(), 1, "once, not for every plugin");
    assert!(told.contains("files and folders (Landlock, Linux 5.13)"), "{told}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", card["pid"])).unwrap();
    assert!(status.contains("\nNoNewPrivs:\t1\n") && status.contains("\nSeccomp:\t2\n"));
    assert!(status.contains("\nCapEff:\t0000000000000000\n"));
}

#[test]
fn a_node_that_requires_walls_runs_behind_them() {
    let server = Home::new(&(REQUIRED.to_owned() + &plugin_table("counter"))).start();
    server.until("counter", |card| card["state"] == "RUNNING");
    assert!(!server.home.log().contains("the kernel lacks"), "{}", server.home.log());
}

#[test]
fn a_thread_of_the_host_contradicts_required_walls() {
    let thread = plugin_table("counter") + "isolation = 'thread'\n";
    let home = Home::new(&(REQUIRED.to_owned() + &thread));
    let args = home.node_args();
    for args in [&["config", "check"][..], &args.each_ref().map(String::as_str)] {
        let said = home.run(args);
        assert_eq!(said.code, Some(78), "{args:?}: {said:?}");
        assert!(said.err.contains("the plugin `counter` would run without a sandbox"), "{said:?}");
        assert!(said.err.contains("isolation = 'thread'"), "points at the line: {said:?}");
    }
    // A reload that asks for it is refused as a whole.
    home.configure(&(REQUIRED.to_owned() + &plugin_table("counter")));
    let server = home.start();
    home.configure(&(REQUIRED.to_owned() + &thread));
    assert_eq!(server.operate("/api/reload").status, 422);
    assert_eq!(server.card("counter")["isolation"], "process");
}
