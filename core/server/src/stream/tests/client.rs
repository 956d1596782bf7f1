//! One client without a shard: what it does when its socket takes nothing.

use super::super::client::{Backlog, BacklogBound, Client, Feed, Linger, Place, Step};
use super::super::filter::Terms;
use super::super::tally::Tally;
use super::super::window::tests::Plain;
use super::super::window::{Gathered, Span, Window};
use super::*;
use std::io::Write as _;

/// A client with a full socket, after whose rest `junk` bytes of nothing have to be read.
fn blocked(feed: Feed) -> (Client, TcpStream, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut junk = 0;
    // The kernel moves bytes from one side to the other while we write, so it is full when it says so for a while.
    let mut refusals = 0;
    while refusals < 10_000 {
        match socket.write(&[0; 4096]) {
            Ok(sent) => (junk, refusals) = (junk + sent, 0),
            Err(_) => refusals += 1,
        }
    }
    (Client::new(socket, Protocol::Ws, Duration::from_secs(10), feed), peer, junk)
}

fn window(kept: std::ops::RangeInclusive<u64>) -> Window {
    let span = Span { from: *kept.start(), to: *kept.end(), bytes: 1 << 20 };
    let mut window = Window::default();
    window.fill(&Plain::new(kept), &mut Terms::new(), &span, [true, false, false, false, false]);
    window
}

fn events(cursor: u64) -> Feed {
    Feed::Events(Place { cursor, whole_from: cursor + 1, gap: None, filter: None })
}

fn skip(peer: &mut TcpStream, junk: usize) {
    std::io::copy(&mut peer.take(junk as u64), &mut std::io::sink()).unwrap();
}

#[test]
fn laps_before_the_gap_is_sent_widen_it() {
    let (mut client, mut peer, junk) = blocked(events(4));
    let (tally, mut gathered) = (Tally::default(), Gathered::default());
    for kept in [10..=12, 20..=22] {
        client.send_events(&window(kept), &mut gathered, &tally).unwrap();
        assert!(client.wants_to_write(0));
    }
    skip(&mut peer, junk);
    until("the socket takes more", || {
        client.send_events(&window(30..=31), &mut gathered, &tally).unwrap();
        !client.wants_to_write(31)
    });
    let mut ws = Ws(WebSocket::from_raw_socket(peer, Role::Client, None));
    assert_eq!(ws.to(31), [Told::Gap(5, 29), Told::Event(30), Told::Event(31)]);
    assert_eq!((tally.gaps.get(), tally.lapped.get()), (1, 25));
}

#[test]
fn a_chain_is_read_only_by_who_got_all_of_its_window_before() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let chained = Protocol::Deflate { chained: true };
    let mut client = Client::new(socket, chained, Duration::from_secs(10), events(4));
    let reads = |client: &Client, kept| client.can_read(&window(kept));
    assert!(reads(&client, 5..=9), "it begins where the window does");
    assert!(!reads(&client, 4..=9) && !reads(&client, 1..=9), "it has nothing of event 4");
    assert!(reads(&client, 7..=9), "it will be told a gap and begin there");
    let (mut gathered, tally) = (Gathered::default(), Tally::default());
    let mut some = Window::default();
    let span = Span { from: 10, to: 12, bytes: 1 << 20 };
    some.fill(&Plain::new(10..=12), &mut Terms::new(), &span, [false, false, false, false, true]);
    client.send_events(&some, &mut gathered, &tally).unwrap();
    assert!(!client.wants_to_write(12));
    assert!(reads(&client, 10..=14) && reads(&client, 12..=14), "it has 10 to 12");
    assert!(!reads(&client, 9..=14) && !reads(&client, 5..=14), "5 to 9 are lost to it");
    // Too many for a chain: they come as they are, and nothing may refer to them.
    let span = Span { from: 13, to: 2_012, bytes: 1 << 20 };
    some.fill(&Plain::new(13..=2_012), &mut Terms::new(), &span, [true; 5]);
    client.send_events(&some, &mut gathered, &tally).unwrap();
    assert!(!client.wants_to_write(2_012) && !some.is_chained());
    assert!(reads(&client, 2_013..=2_014) && !reads(&client, 2_012..=2_014));
}

#[test]
fn one_pong_waits_at_most_and_it_answers_the_newest_ping() {
    let (mut client, mut peer, junk) = blocked(events(0));
    let tally = Tally::default();
    for payload in 0..100u8 {
        client.receive(&[0x89, 0x81, 0, 0, 0, 0, payload], &tally);
        assert_eq!(client.flush(&tally).unwrap(), Step::Blocked);
    }
    skip(&mut peer, junk);
    until("the socket takes more", || client.flush(&tally).unwrap() == Step::Clear);
    client.leave(None, Linger::No, "test");
    client.flush(&tally).unwrap();
    assert!(client.is_done());
    drop(client);
    let mut said = Vec::new();
    peer.read_to_end(&mut said).unwrap();
    assert_eq!(said, [0x8A, 1, 99, 0x88, 0]);
}

#[test]
fn a_client_that_takes_nothing_is_noticed_by_its_heartbeats() {
    let (mut client, mut peer, junk) = blocked(events(0));
    let tally = Tally::default();
    client.slow = true;
    client.beat(); // until now it had taken bytes
    assert_eq!(client.beat(), Duration::from_secs(10));
    assert_eq!(client.beat(), Duration::from_secs(20));
    skip(&mut peer, junk);
    until("the socket takes more", || {
        client.send_beat("2025-10-21T04:30:00Z", &tally).unwrap();
        !client.owes_beat()
    });
    assert_eq!(client.beat(), Duration::ZERO);
    let mut ws = Ws(WebSocket::from_raw_socket(peer, Role::Client, None));
    assert_eq!(ws.next(), Told::Heartbeat);
}

#[test]
fn a_backlog_is_bounded_by_messages_and_by_bytes() {
    let topic = Feed::Topic { name: "t".into(), backlog: Backlog::default() };
    let (mut client, mut peer, junk) = blocked(topic);
    let tally = Tally::default();
    let bound = BacklogBound { messages: 3, bytes: 100 };
    let push = |client: &mut Client, text: &str| {
        let message = frame::topic(Protocol::Ws, "", text.as_bytes());
        client.push_message(message.into(), bound, &tally);
        tally.lost.get()
    };
    for text in ["a", "b", "c"] {
        assert_eq!(push(&mut client, text), 0);
    }
    assert_eq!(push(&mut client, "d"), 1, "a went");
    assert_eq!(push(&mut client, &"e".repeat(95)), 3, "b and c went, d fits beside");
    assert_eq!(push(&mut client, &"f".repeat(1_000)), 5, "the newest stays, whatever its length");
    client.send_backlog(&tally).unwrap();
    skip(&mut peer, junk);
    until("the socket takes more", || {
        client.send_backlog(&tally).unwrap();
        !client.wants_to_write(0)
    });
    assert_eq!(push(&mut client, "g"), 5);
    client.send_backlog(&tally).unwrap();
    let mut ws = Ws(WebSocket::from_raw_socket(peer, Role::Client, None));
    assert_eq!(ws.next(), Told::Other(String::new(), "f".repeat(1_000)));
    assert_eq!(ws.next(), Told::Other(String::new(), "g".into()));
}

#[test]
fn an_idle_client_is_small() {
    assert!(std::mem::size_of::<Client>() <= 512, "{}", std::mem::size_of::<Client>());
}
