//! Processes that are stopped for longer than a call may take: whoever could not work is not to blame.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, plugin};

fn stop(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
}

#[test]
fn a_plugin_is_not_blamed_for_the_time_in_which_the_host_was_stopped_with_it() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    let pid = bench.card("counter").pid.unwrap();
    // As a container that is paused: the plugin has something to do, and the host of this bench is this process. The
    // host goes on first, and finds that nothing happened for twice as long as a call may take.
    stop(pid);
    bench.post("k", 0..100, "{}");
    let pause = format!("kill -STOP $PPID; sleep 3; kill -CONT $PPID; sleep 0.3; kill -CONT {pid}");
    let paused = Command::new("sh").args(["-c", &pause]).stdin(Stdio::null()).status().unwrap();
    assert!(paused.success(), "it was ended meanwhile: {:?}", bench.card("counter").last_error);
    let card = bench.caught_up("counter");
    assert_eq!((card.crash_count, card.last_error), (0, None));
    assert_eq!((card.pid, card.event_count), (Some(pid), 100));
}

#[test]
fn a_plugin_that_is_stopped_is_replaced_and_nothing_is_lost() {
    let mut bench = Bench::new(vec![plugin("counter")]);
    bench.post("k", 0..100, "{}");
    let card = bench.caught_up("counter");
    stop(card.pid.unwrap());
    bench.post("k", 100..200, "{}");
    let card = bench.until("counter", "be replaced", |card| card.crash_count == 1);
    let error = card.last_error.unwrap();
    assert!(error.contains("no progress") || error.contains("took longer"), "{error}");
    bench.caught_up("counter");
    assert_eq!(bench.events("echo").len(), 200, "each once");
}
