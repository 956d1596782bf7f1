//! Plugins' streams.

use super::*;

impl Rig {
    fn topic(&self, protocol: Protocol, topic: &str, first: Option<(&str, &str)>) -> TcpStream {
        let (client, server) = self.pair();
        let wanted = TopicSubscription {
            protocol,
            topic: topic.into(),
            first_message: first.map(|(event, text)| (event.into(), text.into())),
            heartbeat: Duration::from_secs(60),
            request_id: "test".into(),
            slot: None,
        };
        self.hub.attach_topic(server, Vec::new(), wanted).unwrap();
        client
    }

    fn topic_ws(&self, topic: &str, first: Option<(&str, &str)>) -> Ws {
        Ws(WebSocket::from_raw_socket(self.topic(Protocol::Ws, topic, first), Role::Client, None))
    }
}

fn other(name: &str, text: &str) -> Told {
    Told::Other(name.into(), text.into())
}

#[test]
fn readers_get_their_topic_after_their_first_message() {
    let rig = rig(64, |config| config.shards = 2);
    rig.hub.publish("a", "", b"nobody listens").unwrap();
    let mut ws: Vec<_> = (0..4).map(|_| rig.topic_ws("a", Some(("hello", "first")))).collect();
    let mut sse: Vec<_> = [PLAIN, CHUNKED]
        .into_iter()
        .map(|protocol| Sse::new(rig.topic(protocol, "a", Some(("hello", "first"))), protocol))
        .collect();
    let mut elsewhere = rig.topic_ws("b", None);
    rig.put_many(1, "");
    rig.hub.publish("a", "update", "zwei\nZeilen".as_bytes()).unwrap();
    rig.hub.publish("b", "", b"b").unwrap();
    rig.hub.publish("a", "", b"{}").unwrap();
    for client in &mut ws {
        assert_eq!(client.next(), other("", "first"));
        assert_eq!(client.next(), other("", "zwei\nZeilen"));
        assert_eq!(client.next(), other("", "{}"));
    }
    for client in &mut sse {
        assert_eq!(client.next(), other("hello", "first"));
        assert_eq!(client.next(), other("update", "zwei\nZeilen"));
        assert_eq!(client.next(), other("", "{}"));
    }
    assert_eq!(elsewhere.next(), other("", "b"));
    assert_eq!(rig.hub.stats().clients_topic, 7);
}

#[test]
fn nothing_is_lost_or_doubled_between_the_seat_and_the_client() {
    // Fewer than a shard's inbox holds, so that nothing is lost however late it looks.
    const MESSAGES: u32 = 4_000;
    let rig = rig(64, |config| config.topic_backlog_messages = MESSAGES as usize + 1);
    let numbers = std::sync::atomic::AtomicU32::new(0);
    let begun =
        |at: u32| until("messages", || numbers.load(std::sync::atomic::Ordering::SeqCst) >= at);
    std::thread::scope(|scope| {
        let (client, server) = rig.pair();
        let seat = rig.hub.seat("a");
        assert_eq!(seat.topic(), "a");
        scope.spawn(|| {
            for number in 1..=MESSAGES {
                rig.hub.publish("a", "", format!("{number} ").as_bytes()).unwrap();
                numbers.store(number, std::sync::atomic::Ordering::SeqCst);
            }
        });
        begun(100);
        let wanted = TopicSubscription {
            protocol: Protocol::Ws,
            topic: "a".into(),
            first_message: Some((String::new(), b"first".to_vec())),
            heartbeat: Duration::from_secs(60),
            request_id: "test".into(),
            slot: None,
        };
        rig.hub.attach_seated(server, Vec::new(), seat, wanted).unwrap();
        let mut client = Ws(WebSocket::from_raw_socket(client, Role::Client, None));
        assert_eq!(client.next(), other("", "first"));
        for number in 1..=MESSAGES {
            assert_eq!(client.next(), other("", &format!("{number} ")));
        }
    });
    assert_eq!(rig.hub.stats().topic_lost_total, 0);
}

#[test]
fn messages_that_cannot_be_sent_are_refused() {
    let rig = rig(64, |_| {});
    let mut client = rig.topic_ws("a", None);
    let most = vec![b'x'; TOPIC_MESSAGE_BYTES];
    assert_eq!(rig.hub.publish("a", "", &[&most[..], b"x"].concat()), Err(TopicError::TooLarge));
    assert_eq!(rig.hub.publish("a", "", b"\xFF"), Err(TopicError::NotText));
    assert_eq!(rig.hub.publish("a", "x\ndata: y", b""), Err(TopicError::BadEvent));
    rig.hub.publish("a", "", &most).unwrap();
    rig.hub.publish("a", "", b"after").unwrap();
    match client.next() {
        Told::Other(_, text) => assert_eq!(text.len(), TOPIC_MESSAGE_BYTES),
        told => panic!("{told:?}"),
    }
    assert_eq!(client.next(), other("", "after"));
}

#[test]
fn a_slow_reader_loses_the_oldest_and_the_others_nothing() {
    const MESSAGES: usize = 1_000;
    let rig = rig(64, |config| {
        config.shards = 1;
        config.send_buffer_bytes = 4096;
        config.topic_backlog_messages = 8;
    });
    let mut slow = rig.topic_ws("a", None);
    let mut quick = rig.topic_ws("a", None);
    let tail = "x".repeat(8_000);
    let number = |told: Told| match told {
        Told::Other(_, text) => text.split(' ').next().unwrap().parse::<usize>().unwrap(),
        told => panic!("{told:?}"),
    };
    for at in 0..MESSAGES {
        rig.hub.publish("a", "", format!("{at} {tail}").as_bytes()).unwrap();
        assert_eq!(number(quick.next()), at);
    }
    let mut got = vec![number(slow.next())];
    while got.last() != Some(&(MESSAGES - 1)) {
        got.push(number(slow.next()));
    }
    assert!(got.is_sorted_by(|a, b| a < b), "in order and once");
    assert!(got.len() < MESSAGES);
    assert_eq!(rig.hub.stats().topic_lost_total as usize, MESSAGES - got.len());
    // The newest eight waited; the one before them was under way.
    assert_eq!(got[got.len() - 8..], (MESSAGES - 8..MESSAGES).collect::<Vec<_>>());
}
