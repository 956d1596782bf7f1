//! The protocols: heartbeats, control frames, hostile input, bounds and the end.

use super::*;
use proptest::prelude::*;
use std::io::Write as _;
use tungstenite::protocol::CloseFrame;

#[test]
fn heartbeats_come_at_their_time() {
    let rig = rig(64, |config| config.shards = 1);
    let beat = Duration::from_millis(200);
    let mut ws = rig.ws(|s| s.heartbeat = beat);
    let mut sse: Vec<_> =
        [PLAIN, CHUNKED].into_iter().map(|it| rig.sse(it, |s| s.heartbeat = beat)).collect();
    let start = Instant::now();
    for turn in 1..=4 {
        assert_eq!(ws.next(), Told::Heartbeat);
        assert!(start.elapsed() + Duration::from_millis(50) >= beat * turn, "never early");
    }
    for client in &mut sse {
        assert_eq!(client.next(), Told::Heartbeat);
        assert_eq!(client.next(), Told::Heartbeat);
    }
    rig.put_many(1, "");
    assert!(ws.to(1).iter().all(|told| matches!(told, Told::Heartbeat | Told::Event(1))));
}

#[test]
fn a_ping_is_answered_and_a_close_echoed() {
    let rig = rig(64, |_| {});
    let Ws(mut client) = rig.ws(|_| {});
    client.send(Message::text("data is not listened to")).unwrap();
    client.send(Message::Ping("here?".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("here?".into()));
    let frame = CloseFrame { code: 4000.into(), reason: "done".into() };
    client.close(Some(frame)).unwrap();
    let Message::Close(Some(echo)) = client.read().unwrap() else { panic!("no echo") };
    assert_eq!(u16::from(echo.code), 4000);
    assert!(matches!(client.read(), Err(tungstenite::Error::ConnectionClosed)));
    until("it is gone", || rig.hub.stats().clients() == 0);
    assert!(rig.hub.has_room());
}

#[test]
fn what_was_read_behind_the_handshake_counts() {
    let rig = rig(64, |_| {});
    let (mut client, server) = rig.pair();
    let ping = [0x89, 0x81, 0, 0, 0, 0, 7];
    rig.hub.attach(server, ping[..3].to_vec(), subscription(Protocol::Ws)).unwrap();
    client.write_all(&ping[3..]).unwrap();
    let mut pong = [0; 3];
    client.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8A, 1, 7]);
}

#[test]
fn violations_are_closed_with_their_code_and_our_last_bytes_arrive() {
    let rig = rig(64, |config| config.shards = 1);
    let mut witness = rig.ws(|_| {});
    let too_big = [&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0][..], &[0; 70_000]].concat();
    for (bytes, code) in [(&b"\x81\x05hello and more"[..], 1002u16), (&too_big[..], 1009)] {
        let mut client = rig.attach(subscription(Protocol::Ws));
        client.write_all(bytes).unwrap();
        let mut said = Vec::new();
        client.read_to_end(&mut said).unwrap();
        assert_eq!(said, [&[0x88, 2][..], &code.to_be_bytes()].concat());
    }
    assert_eq!(rig.hub.stats().violations_total, 2);
    until("both are gone", || rig.hub.stats().clients() == 1);
    rig.put_many(1, "");
    assert_eq!(witness.next(), Told::Event(1));
}

#[test]
fn a_peer_that_never_answers_our_close_is_dropped() {
    let rig = rig(64, |_| {});
    let mut silent = rig.attach(subscription(Protocol::Ws));
    let start = Instant::now();
    silent.write_all(&[0x81, 0]).unwrap();
    // Kept open on this side: only the time to linger ends it.
    until("it is gone", || rig.hub.stats().connects_total == 1 && rig.hub.stats().clients() == 0);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_client_that_takes_nothing_is_disconnected() {
    let rig = rig(64, |config| {
        config.stall_seconds = 1;
        config.send_buffer_bytes = 4096;
    });
    let _client = rig.ws(|s| s.heartbeat = Duration::from_millis(100));
    let data = "x".repeat(2_000);
    until("it is gone", || {
        rig.put_many(1, &data);
        rig.hub.stats().stalled_total == 1 && rig.hub.stats().clients() == 0
    });
}

#[test]
fn there_are_at_most_max_clients() {
    let rig = rig(64, |config| config.max_clients = 2);
    let first = rig.ws(|_| {});
    let _second = rig.sse(PLAIN, |_| {});
    assert!(!rig.hub.has_room());
    let (mut third, server) = rig.pair();
    let refused = rig.hub.attach(server, Vec::new(), subscription(Protocol::Ws));
    assert!(matches!(refused, Err(AttachError::Full)));
    let mut said = Vec::new();
    third.read_to_end(&mut said).unwrap();
    assert_eq!(said, [&[0x88, 2][..], &1013u16.to_be_bytes()].concat());
    assert_eq!(rig.hub.stats().refused_total, 1);
    drop(first);
    until("there is room again", || rig.hub.has_room());
    let mut fourth = rig.ws(|_| {});
    rig.put_many(1, "");
    assert_eq!(fourth.next(), Told::Event(1));
}

#[test]
fn a_shutdown_sends_what_is_published_and_says_goodbye() {
    let rig = rig(1 << 10, |config| config.flush_ms = 1000);
    let mut ws = rig.ws(|_| {});
    let mut chunked = rig.sse(CHUNKED, |_| {});
    let mut plain = rig.sse(PLAIN, |s| s.since_seq = Some(0));
    rig.put_many(1, "");
    for first in [ws.next(), chunked.next(), plain.next()] {
        assert_eq!(first, Told::Event(1));
    }
    // Too soon for another round before the shutdown.
    let last = rig.put_many(500, "");
    std::thread::scope(|scope| {
        let readers = [
            scope.spawn(|| (ws.to(last).len(), ws.next(), ws.0.read().is_err())),
            scope.spawn(|| (chunked.to(last).len(), chunked.next(), true)),
            scope.spawn(|| (plain.to(last).len(), plain.next(), true)),
        ];
        let start = Instant::now();
        rig.hub.shutdown(DEADLINE);
        // Shorter than the time to linger: the answer to our close frame ends it.
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        let ends = readers.map(|reader| reader.join().unwrap());
        assert_eq!(ends[0], (500, Told::End(1001), true));
        assert_eq!(ends[1], (500, Told::End(0), true));
        assert_eq!(ends[2], (500, Told::End(0), true));
    });
    let (_client, server) = rig.pair();
    let late = rig.hub.attach(server, Vec::new(), subscription(Protocol::Ws));
    assert!(matches!(late, Err(AttachError::Closed)));
    assert_eq!(rig.hub.stats().clients(), 0);
}

#[test]
fn a_shutdown_lets_those_who_read_catch_up() {
    let rig = rig(1 << 12, |config| config.send_buffer_bytes = 4096);
    let mut behind = rig.ws(|_| {});
    let last = rig.put_many(2_000, &"x".repeat(2_000));
    until("it is behind", || rig.hub.stats().clients_slow == 1);
    std::thread::scope(|scope| {
        scope.spawn(|| rig.hub.shutdown(2 * DEADLINE));
        assert_eq!(behind.to(last).len(), 2_000);
        assert_eq!(behind.next(), Told::End(1001));
    });
}

#[test]
fn a_shutdown_does_not_wait_longer_for_those_who_do_not_read() {
    let rig = rig(64, |config| config.send_buffer_bytes = 4096);
    let mut deaf = rig.attach(subscription(Protocol::Ws));
    let data = "x".repeat(2_000);
    until("it is behind", || {
        rig.put_many(1, &data);
        rig.hub.stats().clients_slow == 1
    });
    let start = Instant::now();
    rig.hub.shutdown(Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(rig.hub.stats().clients(), 0);
    let mut said = Vec::new();
    // Cut off: the end of what was under way is lost, not the process.
    let _ = deaf.read_to_end(&mut said);
}

#[test]
fn at_half_of_the_time_those_who_are_behind_get_their_goodbye() {
    const WITHIN: Duration = Duration::from_secs(2);
    let rig = rig(1 << 12, |config| config.send_buffer_bytes = 4096);
    let mut late = rig.ws(|_| {});
    let last = rig.put_many(4_000, &"x".repeat(2_000));
    std::thread::scope(|scope| {
        let start = Instant::now();
        scope.spawn(|| rig.hub.shutdown(WITHIN));
        until("more than half has passed", || start.elapsed() > WITHIN * 6 / 10);
        let mut events = 0;
        let end = loop {
            match late.next() {
                Told::Event(seq) => events = seq,
                told => break told,
            }
        };
        assert_eq!(end, Told::End(1001));
        assert!(events < last, "it was sent away before it had everything");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn hostile_bytes_stall_nobody_else(
        before in prop::collection::vec(any::<u8>(), 0..40),
        frames in prop::collection::vec((any::<u8>(), any::<u8>()), 0..4),
        after in prop::collection::vec(any::<u8>(), 0..400),
        protocol in prop_oneof![
            Just(Protocol::Ws), Just(Protocol::Deflate { chained: true }), Just(CHUNKED), Just(PLAIN)
        ],
    ) {
        static RIG: std::sync::OnceLock<Rig> = std::sync::OnceLock::new();
        let rig = RIG.get_or_init(|| rig(1 << 10, |config| config.shards = 1));
        let mut witness = rig.ws(|_| {});
        let (mut client, server) = rig.pair();
        rig.hub.attach(server, before, subscription(protocol)).unwrap();
        // Zeros are masks and payload for headers that may be right; it may have been closed on already.
        for (first, second) in frames {
            let frame = [&[first & 0xCF, second | 0x80][..], &[0; 200]].concat();
            let _ = client.write_all(&frame);
        }
        let _ = client.write_all(&after);
        let last = rig.put_many(1, "");
        prop_assert_eq!(witness.next(), Told::Event(last));
    }
}
