//! Figures: latency over eight nodes, processor time per frame, memory.
//!
//! The rule: each is printed, and held against a bound that only a blunder would miss.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;

/// The entry under `/proc` of the thread that a node runs on.
type Thread = Arc<Mutex<Option<PathBuf>>>;

/// A node that notes its thread when it first computes the id of a frame.
fn noting(config: NetConfig) -> (NetConfig, Thread) {
    let thread = Thread::default();
    let (noted, id_of) = (Arc::clone(&thread), config.message_id);
    let message_id = Arc::new(move |bytes: &[u8]| {
        let here = || Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap());
        noted.lock().unwrap().get_or_insert_with(here);
        id_of(bytes)
    });
    (NetConfig { message_id, ..config }, thread)
}

/// Processor time so far in microseconds.
fn cpu_us(thread: &Thread) -> f64 {
    let at = thread.lock().unwrap().clone().unwrap().join("schedstat");
    let stat = std::fs::read_to_string(at).unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

fn frame(n: u32) -> Vec<u8> {
    n.to_be_bytes().repeat(75)
}

#[test]
fn latency_over_eight_nodes() {
    const FRAMES: usize = 1_000;
    let mut members = Member::star(8);
    until_meshed(&mut members, 2);
    let mut took = Vec::new();
    for n in 0..FRAMES {
        let from = n % 8;
        let begin = Instant::now();
        members[from].net.publish(0, frame(n as u32)).unwrap();
        let mut missing: Vec<usize> = (0..8).filter(|member| *member != from).collect();
        while !missing.is_empty() {
            assert!(begin.elapsed() < DEADLINE, "{missing:?} have not heard");
            for (at, member) in members.iter_mut().enumerate() {
                let before = member.frames.len();
                while let Ok(event) = member.events.try_recv() {
                    member.take(event);
                }
                if member.frames.len() > before {
                    took.push(begin.elapsed());
                    missing.retain(|other| *other != at);
                }
            }
            std::thread::yield_now();
        }
    }
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    let (p50, p99) = (at(0.5), at(0.99));
    println!("{} deliveries: p50 {p50:?}, p99 {p99:?}, most {:?}", took.len(), at(1.0));
    assert_eq!(took.len(), FRAMES * 7);
    assert!(p99 < Duration::from_secs(1));
}

#[test]
fn processor_time_per_frame() {
    let (config_of_one, receiver) = noting(config(1, &[]));
    let mut one = Member::start(config_of_one);
    let (config_of_two, publisher) = noting(config(2, &[one.url()]));
    let mut two = Member::start(config_of_two);
    two.say(b"first");
    one.until("the first", |one| one.frames.len() == 1);
    let idle = cpu_us(&receiver);
    let until = Instant::now() + Duration::from_secs(2);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        one.hear(left);
    }
    println!("idle: {:.0} us a second", (cpu_us(&receiver) - idle) / 2.0);
    // One publishes; the other receives, asks its caller, and has nobody to forward to.
    let mut sent = 0;
    for (frames, at_once, pause_ms) in [(200_u32, 1, 10), (4_000, 20, 10)] {
        let (received, published) = (cpu_us(&receiver), cpu_us(&publisher));
        let begin = Instant::now();
        for n in 0..frames {
            if n % at_once == 0 {
                let due = begin + Duration::from_millis(u64::from(n / at_once * pause_ms));
                while let Some(left) = due.checked_duration_since(Instant::now()) {
                    one.hear(left);
                }
            }
            while two.net.publish(0, frame(sent)) == Err(NotSent::Busy) {
                two.hear(Duration::from_millis(1));
            }
            sent += 1;
            while two.events.len() > 100 {
                two.hear(Duration::ZERO);
            }
        }
        one.until("all of them", |one| one.frames.len() == 1 + sent as usize);
        let rate = f64::from(frames) / begin.elapsed().as_secs_f64();
        let received = (cpu_us(&receiver) - received) / f64::from(frames);
        let published = (cpu_us(&publisher) - published) / f64::from(frames);
        println!("{rate:.0} frames/s: {received:.1} us to receive, {published:.1} us to publish");
        assert!(received < 5_000.0 && published < 5_000.0);
    }
}

#[test]
fn memory_with_a_thousand_addresses() {
    // In a process of its own: other tests beside it would be measured too.
    const ALONE: &str = "SHIMMER_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "net::tests::measure::memory_with_a_thousand_addresses";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = again.args(["--exact", name, "--nocapture"]).env(ALONE, "1").status();
        return assert!(ended.unwrap().success(), "see above");
    }
    let before = resident_bytes();
    let many: Vec<String> =
        (0..1_000).map(|n| format!("ws://127.7.{}.{}:9", n / 250, n % 250 + 1)).collect();
    let mut one = Member::start(config(1, &many));
    one.until("every address was tried", |one| {
        one.net.addresses().iter().filter(|info| info.failures > 0).count() == 1_000
    });
    let grown = resident_bytes().saturating_sub(before);
    println!("{:.1} MB more with 1,000 addresses", grown as f64 / 1e6);
    assert!(grown < 64_000_000, "{grown}");
    let mut two = Member::start(config(2, &[one.url()]));
    two.say(b"hello");
    one.until("a frame in spite of them", |one| one.frames.len() == 1);
}
