//! Strangers: garbage, silence, crowds, frames that are too long.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// Two honest nodes that talk.
fn pair(limits: Limits) -> (Member, Member) {
    let mut one = Member::start(NetConfig { limits, ..config(1, &[]) });
    let mut two = Member::start(config(2, &[one.url()]));
    two.say(b"hello");
    one.until("the honest frame", |one| one.frames.len() == 1);
    (one, two)
}

#[test]
fn garbage_is_counted_and_harms_nobody() {
    let (mut one, mut two) = pair(Limits::default());
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let attacks: [&[u8]; 4] = [
        b"\x00\x01\x02\x03 garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 70_000],
        &[upgrade.as_bytes(), &[0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]].concat(),
    ];
    for attack in attacks {
        let mut socket = TcpStream::connect(one.socket()).unwrap();
        // An error is a node that hung up before it had read everything.
        let _ = socket.write_all(attack);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    }
    one.until("four rejections", |one| one.net.counters().rejected(Reason::Transport) >= 4);
    two.say(b"still here");
    one.until("the honest frame", |one| one.frames.len() == 2);
}

#[test]
fn those_who_dawdle_leave_the_door() {
    let handshake = Duration::from_secs(600);
    let (mut one, mut two) = pair(Limits { pending_inbound: 8, handshake, ..Limits::default() });
    let silent: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(one.socket()).unwrap()).collect();
    let mut three = Member::start(config(3, &[one.url()]));
    three.until("a newcomer gets in", |three| three.up.contains_key(&one.id()));
    assert!(one.net.counters().rejected(Reason::Transport) > 0);
    two.say(b"still here");
    one.until("the honest frame", |one| one.frames.len() == 2);
    drop(silent);
}

#[test]
fn a_crowd_keeps_nobody_out() {
    let (mut one, mut two) = pair(Limits { inbound: 12, connections: 16, ..Limits::default() });
    // Silent sockets, half of them with a WebSocket, and full handshakes of nodes in another topic.
    let mut sockets = Vec::new();
    for n in 0..300 {
        let mut socket = TcpStream::connect(one.socket()).unwrap();
        if n % 2 == 0 {
            let _ = socket.write_all(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
        }
        sockets.push(socket);
    }
    let sybils: Vec<Member> = (100..130)
        .map(|n| {
            let other =
                NetConfig { topic: "another".into(), listen: None, ..config(n, &[one.url()]) };
            Member::start(other)
        })
        .collect();
    let mut three = Member::start(config(3, &[one.url()]));
    for n in 0..50_u8 {
        two.say(&[n; 300]);
    }
    one.until("honest frames", |one| one.frames.len() == 51);
    three.say(b"a newcomer");
    one.until("the newcomer's frame", |one| one.frames.contains(&b"a newcomer"[..]));
    assert!(one.up.contains_key(&two.id()), "who was of use stayed");
    assert!(one.net.peers().len() <= 16);
    let turned_away =
        one.net.counters().rejected(Reason::Transport) + one.net.counters().rejected(Reason::Limit);
    assert!(turned_away > 0);
    drop((sockets, sybils));
}

#[test]
fn long_frames_and_requests_are_refused() {
    let (mut one, mut two) = pair(Limits { frame: 1_000, request: 1_000, ..Limits::default() });
    two.published.clear();
    two.net.publish(0, vec![1; 100_000]).unwrap();
    two.until("its own bound", |two| two.published == [Err(NotPublished::Oversize)]);
    two.say(&[1; 1_001]);
    one.until("the frame is refused", |one| one.net.counters().rejected(Reason::Oversize) == 1);
    two.net.request(one.id(), vec![2; 1_001]).unwrap();
    one.until("the request is refused", |one| one.net.counters().rejected(Reason::Oversize) == 2);
    two.say(&[3; 1_000]);
    assert!(one.frames.iter().all(|frame| frame.len() <= 1_000));
}

#[test]
fn whoever_forges_is_banned() {
    let (mut one, two) = pair(Limits::default());
    for n in 0..10_u8 {
        two.net.publish(0, vec![n, 66]).unwrap();
    }
    let deadline = Instant::now() + DEADLINE;
    while one.up.contains_key(&two.id()) {
        assert!(Instant::now() < deadline, "the forger is still here");
        match one.events.recv_timeout(Duration::from_millis(100)) {
            Ok(Event::Frame { id, from, .. }) => one.net.verdict(id, from, Verdict::Reject),
            Ok(event) => one.take(event),
            Err(_) => {}
        }
    }
    one.until("it does not come back", |one| one.net.counters().rejected(Reason::Score) >= 2);
    assert!(one.up.is_empty());
}

#[test]
fn a_penalty_at_once_ends_the_connection() {
    let (mut one, two) = pair(Limits::default());
    one.net.penalise(two.id(), 50.0);
    one.until("a low score", |one| one.net.peers().iter().all(|peer| peer.score < -30.0));
    one.net.penalise(two.id(), 60.0);
    one.until("the end", |one| !one.up.contains_key(&two.id()));
}

#[test]
fn too_much_is_dropped_and_counted() {
    let frames = Rate { per_s: 1.0, burst: 20.0 };
    let (mut one, mut two) = pair(Limits { frames, ..Limits::default() });
    for n in 0..60_u8 {
        two.say(&[n; 50]);
    }
    one.until("the rest is dropped", |one| one.net.counters().rejected(Reason::Rate) >= 30);
    assert!(one.frames.len() < 32, "{}", one.frames.len());
}
