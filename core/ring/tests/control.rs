//! A child that lies in its control page, and consumers that come and go.
//!
//! Rule: whatever stands in a page, the host's cursor only moves forward within what is published.

#![cfg(not(any(loom, shuttle)))]

mod support;

use shimmer_ring::{
    ConsumerError, ConsumerSpec, ControlPage, Gate, MAX_CONSUMERS, MAX_GATES, MapError,
    PublishError, ReadMapping, Reserve, Ring, Start, Storage, Submission, Wait, WakeTarget,
};
use std::sync::Arc;
use std::time::Duration;
use support::{publish, small, spec};

fn ring(capacity: u64) -> Ring {
    Ring::open(&small(capacity), &Storage::Memory).expect("a ring in memory").0
}

fn page_spec(page: &Arc<ControlPage>) -> ConsumerSpec<'static> {
    ConsumerSpec {
        key: "child",
        durable: false,
        gate: Gate::Page,
        start: Start::Newest,
        wake: WakeTarget::Control(Arc::clone(page)),
    }
}

#[test]
fn lies_are_counted_and_not_believed() {
    let ring = ring(16);
    let page = Arc::new(ControlPage::create().expect("a page"));
    let handle = ring.register(&page_spec(&page)).expect("registered");
    for n in 1..=8 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    page.set_cursor(5);
    assert_eq!((handle.cursor(), handle.violations()), (5, 0));
    for (lie, violations) in [(4, 1), (0, 2), (9, 3), (u64::MAX, 4)] {
        page.set_cursor(lie);
        assert_eq!((handle.cursor(), handle.violations()), (5, violations), "{lie}");
    }
    // The gate stands at 5, whatever the page says.
    for n in 9..=19 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    assert!(matches!(publish(&ring.producer(), &[20], Reserve::Ingest), Err(PublishError::Full)));
    // A new page for the restarted child begins where the old one was believed.
    let fresh = Arc::new(ControlPage::create().expect("a page"));
    handle.reattach(WakeTarget::Control(Arc::clone(&fresh))).expect("attached");
    assert_eq!(fresh.cursor(), 5);
    page.set_cursor(19);
    assert_eq!(handle.cursor(), 5);
    fresh.set_cursor(19);
    assert_eq!(handle.cursor(), 19);
}

#[test]
fn foreign_files_are_refused() {
    let page = ControlPage::create().expect("a page");
    let copy = || page.fd().try_clone_to_owned().expect("a copy");
    assert!(matches!(ReadMapping::from_fd(copy()), Err(MapError::Foreign(_))));
    let ring = ring(16);
    let fd = ring.segment_fd().try_clone_to_owned().expect("a copy");
    assert!(matches!(ControlPage::from_fd(fd), Err(MapError::Foreign(_))));
    let file = tempfile::tempfile().expect("a file");
    file.set_len(1 << 20).expect("grown");
    assert!(ReadMapping::from_fd(file.into()).is_err());
}

#[test]
fn wakes_reach_every_kind_of_waiter() {
    let ring = ring(16);
    let local = ring.register(&spec("local", Gate::None, Start::Newest)).expect("registered");
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).expect("made");
    let eventfd = Arc::new(eventfd);
    let mut polled = spec("polled", Gate::None, Start::Newest);
    polled.wake = WakeTarget::EventFd(Arc::clone(&eventfd));
    let polled = ring.register(&polled).expect("registered");
    assert!(polled.arm(2), "not published yet");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut waits = 0;
            while local.wait(3, Duration::from_secs(60), &|| false) != Wait::Ready {
                waits += 1;
            }
            waits
        });
        for n in 1..=3 {
            publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
        }
        waiter.join().expect("woken");
    });
    let mut count = [0; 8];
    rustix::io::read(&*eventfd, &mut count).expect("one write");
    assert_eq!(u64::from_ne_bytes(count), 1);
    assert!(!polled.arm(3), "published already");
}

#[test]
fn consumers_are_bounded_and_keyed() {
    let ring = ring(16);
    let keys: Vec<String> = (0..=MAX_CONSUMERS).map(|n| format!("c{n}")).collect();
    let mut handles = Vec::new();
    for (n, key) in keys[..MAX_CONSUMERS].iter().enumerate() {
        let gate = if n < MAX_GATES { Gate::Host } else { Gate::None };
        handles.push(ring.register(&spec(key, gate, Start::Newest)).expect("registered"));
        if n + 1 == MAX_GATES {
            let refused = ring.register(&spec("g", Gate::Host, Start::Newest)).map(drop);
            assert_eq!(refused, Err(ConsumerError::TooMany));
        }
    }
    let refused = |key: &str| ring.register(&spec(key, Gate::None, Start::Newest)).map(drop);
    assert_eq!(refused(&keys[MAX_CONSUMERS]), Err(ConsumerError::TooMany));
    handles.pop();
    assert_eq!(refused("c3"), Err(ConsumerError::Taken));
    assert_eq!(refused(""), Err(ConsumerError::Key));
    assert_eq!(refused(&"k".repeat(65)), Err(ConsumerError::Key));
    assert_eq!(refused("fits"), Ok(()));
}

#[test]
fn a_cursor_comes_with_its_effects_or_not_at_all() {
    let ring = ring(16);
    let handle = ring.register(&spec("c", Gate::Host, Start::Newest)).expect("registered");
    publish(&ring.producer(), &[1, 2, 3], Reserve::Ingest).expect("room");
    let mut outcomes = Vec::new();
    let mut move_to = |to| {
        let cursor = Some((handle.id(), to));
        let submission = Submission { entries: &[], cursor, reserve: Reserve::Effects };
        ring.producer().publish(&submission, &mut outcomes)
    };
    move_to(2).expect("forward");
    assert_eq!(handle.cursor(), 2);
    assert!(matches!(move_to(1), Err(PublishError::Cursor)));
    assert!(matches!(move_to(4), Err(PublishError::Cursor)));
    assert_eq!((handle.cursor(), handle.lag()), (2, 1));
}

#[test]
fn a_hold_keeps_the_gate_behind_the_cursor() {
    let ring = ring(16);
    let handle = ring.register(&spec("c", Gate::Host, Start::Newest)).expect("registered");
    assert_eq!(handle.hold(0), Ok(0), "at the gate");
    for n in 1..=14 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    handle.advance(14).expect("forward");
    assert!(matches!(publish(&ring.producer(), &[15], Reserve::Ingest), Err(PublishError::Full)));
    assert_eq!(handle.hold(15), Err(ConsumerError::Cursor));
    assert_eq!(handle.hold(10), Ok(10), "forward");
    for n in 15..=24 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("room");
    }
    assert_eq!(handle.hold(9), Ok(10), "its place is taken");
    assert_eq!(handle.hold(12), Ok(12), "forward");
    assert_eq!(handle.hold(5), Ok(10), "back to what is kept");
    assert!(matches!(publish(&ring.producer(), &[25], Reserve::Ingest), Err(PublishError::Full)));
    handle.release();
    for n in 25..=60 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("no gate");
    }
    // The newest seven eighths: the rest is for what the consumer emits.
    assert_eq!(handle.regate(), Ok(60 - 14));
    assert_eq!(handle.missed(), 46 - 14);
    assert!(matches!(publish(&ring.producer(), &[61], Reserve::Ingest), Err(PublishError::Full)));
    publish(&ring.producer(), &[61], Reserve::Effects).expect("the reserve");
}

#[test]
fn a_consumer_that_was_away_comes_back_with_room_for_what_it_emits() {
    let dir = tempfile::tempdir().expect("a directory");
    let sync = shimmer_ring::SyncMode::Never;
    let storage = Storage::Journal { dir: dir.path().to_owned(), sync, log_bytes: None };
    let (ring, _) = Ring::open(&small(16), &storage).expect("a ring");
    let register = || ring.register(&spec("c", Gate::Host, Start::Newest)).expect("registered");
    let handle = register();
    assert_eq!(handle.hold(0), Ok(0));
    drop(handle);
    for n in 1..=60 {
        publish(&ring.producer(), &[n], Reserve::Ingest).expect("no gate");
    }
    let handle = register();
    assert_eq!((handle.cursor(), handle.missed()), (60 - 14, 46));
    publish(&ring.producer(), &[61, 62], Reserve::Effects).expect("the reserve");
    // Nothing that a gate protected to the end is let go: not even where no room is left.
    drop(handle);
    let handle = register();
    assert_eq!((handle.cursor(), handle.missed()), (60 - 14, 0));
}
