//! Two nodes: frames, requests, keys, lists, the end.

use super::*;

#[test]
fn two_nodes_exchange_frames_and_requests() {
    let mut one = Member::start(config(1, &[]));
    let mut two = Member::start(config(2, &[one.url()]));
    assert_eq!(two.say(b"hello"), 1);
    one.until("the frame", |one| one.frames.contains(&b"hello"[..]));
    one.say(b"hello yourself");
    two.until("the frame back", |two| two.frames.contains(&b"hello yourself"[..]));
    assert_eq!((one.up[&two.id()], two.up[&one.id()]), (Direction::In, Direction::Out));

    let asked = two.net.request(one.id(), b"how are you".to_vec()).unwrap();
    one.until("the question", |one| !one.others.is_empty());
    let Some(Event::Request { id, from, bytes }) = one.others.pop() else { panic!("a question") };
    assert_eq!((from, &bytes[..]), (two.id(), &b"how are you"[..]));
    one.net.answer(id, Some(vec![7; 300_000]));
    two.until("the answer", |two| !two.others.is_empty());
    let Some(Event::Answer { id, answer, .. }) = two.others.pop() else { panic!("an answer") };
    assert_eq!((id, answer), (asked, Ok(vec![7; 300_000])));

    all_until(&mut [one, two], "a round trip is measured", |members| {
        members.iter().all(|member| {
            let peers = member.net.peers();
            peers.len() == 1 && peers[0].latency_ms.is_some_and(|latency| latency < 1e4)
        })
    });
}

#[test]
fn every_request_ends_in_one_event() {
    let mut one = Member::start(config(1, &[]));
    let mut limited = config(2, &[one.url()]);
    limited.limits.streams = 2;
    limited.limits.request_timeout = Duration::from_millis(300);
    let mut two = Member::start(limited);
    two.until("a peer", |two| two.up.len() == 1);
    let gone = two.net.request(PeerId::random(), Vec::new()).unwrap();
    let unanswered = two.net.request(one.id(), b"1".to_vec()).unwrap();
    let refused = two.net.request(one.id(), b"2".to_vec()).unwrap();
    let busy = two.net.request(one.id(), b"3".to_vec()).unwrap();
    one.until("two questions", |one| one.others.len() == 2);
    for event in one.others.drain(..) {
        if let Event::Request { id, bytes, .. } = event
            && bytes == b"2"
        {
            one.net.answer(id, None);
        }
    }
    two.until("all answers", |two| two.others.len() == 4);
    let answers: HashMap<RequestId, _> = two
        .others
        .iter()
        .map(|event| match event {
            Event::Answer { id, answer, .. } => (*id, answer.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers[&gone], Err(RequestFailed::Gone));
    assert_eq!(answers[&busy], Err(RequestFailed::Busy));
    assert_eq!(answers[&unanswered], Err(RequestFailed::Timeout));
    assert!(answers[&refused].is_err());
}

#[test]
fn another_shared_key_gives_no_connection() {
    let keyed =
        |n, key, peers: &[String]| NetConfig { shared: Some(secret(key)), ..config(n, peers) };
    let mut one = Member::start(keyed(1, 100, &[]));
    let two = Member::start(keyed(2, 101, &[one.url()]));
    let open = Member::start(config(3, &[one.url()]));
    let mut friend = Member::start(keyed(4, 100, &[one.url()]));
    assert_eq!(friend.say(b"psst"), 1);
    one.until("the friend's frame", |one| one.frames.len() == 1);
    one.until("two strangers refused", |one| one.net.counters().rejected(Reason::Transport) >= 2);
    assert_eq!(one.up.keys().collect::<Vec<_>>(), [&friend.id()]);
    assert!(two.net.peers().is_empty() && open.net.peers().is_empty());
}

#[test]
fn only_the_allow_list_comes_in() {
    let friend = Member::start(config(2, &[])).id();
    let mut one = Member::start(NetConfig { allow: Some([friend].into()), ..config(1, &[]) });
    let stranger = Member::start(config(3, &[one.url()]));
    // It is counted before it is told.
    one.until("a refusal", |one| !one.others.is_empty());
    assert!(one.net.counters().rejected(Reason::Auth) > 0);
    assert!(matches!(one.others[0], Event::Rejected { reason: Reason::Auth, peer, .. }
        if peer == Some(stranger.id())));
    let mut friend = Member::start(config(2, &[one.url()]));
    friend.say(b"it is me");
    one.until("the friend's frame", |one| one.frames.len() == 1);
    assert_eq!(one.up.keys().collect::<Vec<_>>(), [&friend.id()]);
}

#[test]
fn an_unexpected_peer_is_not_talked_to() {
    let one = Member::start(config(1, &[]));
    let expected = format!("{}/p2p/{}", one.url(), PeerId::random());
    let mut two = Member::start(config(2, &[expected]));
    two.until("a refusal", |two| two.net.counters().rejected(Reason::Auth) > 0);
    assert!(two.up.is_empty());
    let expected = format!("{}/p2p/{}", one.url(), one.id());
    let mut three = Member::start(config(3, &[expected]));
    three.until("a connection", |three| three.up.contains_key(&one.id()));
}

#[test]
fn all_interfaces_are_listened_on() {
    let any = NetConfig { listen: Some(SocketAddr::from(([0, 0, 0, 0], 0))), ..config(1, &[]) };
    let mut one = Member::start(any);
    let at = format!("ws://localhost:{}", one.socket().port());
    let mut two = Member::start(config(2, &[at]));
    two.say(b"by name");
    one.until("the frame", |one| one.frames.len() == 1);
}

#[test]
fn a_taken_port_is_told() {
    let one = Member::start(config(1, &[]));
    let again = NetConfig { listen: Some(one.socket()), ..config(2, &[]) };
    let why = Net::start(again).err().unwrap();
    assert!(why.to_string().contains("choose a free port"), "{why}");
}

#[test]
fn a_node_stops_at_once_and_leaves_no_thread() {
    let threads = || -> Vec<String> {
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        std::fs::read_dir("/proc/self/task").unwrap().filter_map(name).collect()
    };
    let mut members = Member::star(4);
    until_meshed(&mut members, 2);
    for n in 0..100_u8 {
        members[0].net.publish(0, vec![n; 300]).unwrap();
    }
    for member in members {
        let begin = Instant::now();
        member.net.stop();
        let took = begin.elapsed();
        assert!(took < Duration::from_millis(50), "{took:?}");
    }
    // Other tests in this process have nodes of their own under `cargo test`; nextest runs each alone.
    if std::env::var_os("NEXTEST").is_some() {
        assert!(!threads().iter().any(|name| name.starts_with("gossip-net")), "{:?}", threads());
    }
}

#[test]
fn a_slow_peer_is_told_of_and_delays_nobody() {
    let limits = Limits { queue: 8, ..Limits::default() };
    let mut one = Member::start(NetConfig { limits, ..config(1, &[]) });
    let mut deaf = config(2, &[one.url()]);
    deaf.limits.events = 1;
    let deaf = Member::start(deaf);
    let mut three = Member::start(config(3, &[one.url()]));
    one.until("both", |one| one.up.len() == 2);
    let mut n = 0_u32;
    one.until("the deaf one is told of", |one| {
        n += 1;
        one.published.clear();
        one.net.publish(0, n.to_be_bytes().repeat(15_000)).unwrap();
        one.until("an answer", |one| one.published.len() == 1);
        let of_deaf = |event: &Event| {
            matches!(event, Event::SlowPeer { peer, frames }
            if *peer == deaf.id() && *frames > 0)
        };
        one.others.iter().any(of_deaf)
    });
    one.say(b"the last");
    three.until("the last", |three| three.frames.contains(&b"the last"[..]));
}

#[test]
fn frames_go_to_as_many_more_as_are_wanted() {
    let mut members = Member::star(8);
    all_until(&mut members, "everybody knows everybody", |members| {
        members.iter().all(|member| member.net.peers().len() == 7)
    });
    let reached = |member: &mut Member, what| {
        member.say(what);
        member.net.peers().iter().filter(|peer| peer.in_mesh).count()
    };
    assert!(reached(&mut members[0], b"few") < 7);
    members[0].net.set_eager(7);
    all_until(&mut members, "all of them", |members| {
        members[0].net.peers().iter().all(|peer| peer.in_mesh)
    });
    assert_eq!(members[0].say(b"many"), 7);
    members[0].net.set_eager(0);
    all_until(&mut members, "fewer again", |members| {
        members[0].net.peers().iter().any(|peer| !peer.in_mesh)
    });
}

#[test]
fn nothing_is_lost_when_the_caller_is_slow() {
    let mut one = Member::start(config(1, &[]));
    let mut slow = config(2, &[one.url()]);
    slow.limits.events = 4;
    let mut two = Member::start(slow);
    one.say(b"first");
    two.until("the first", |two| two.frames.len() == 1);
    for n in 0..500_u32 {
        let frame = n.to_be_bytes().repeat(75);
        while one.net.publish(0, frame.clone()) == Err(NotSent::Busy) {
            one.hear(Duration::from_millis(1));
        }
    }
    one.until("all are on their way", |one| one.published.len() == 501);
    assert!(two.events.len() <= 4, "the bound holds");
    two.until("all of them", |two| two.frames.len() == 501);
}
