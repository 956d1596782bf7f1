//! Events: order, resume, gaps and filters.

use super::*;

/// Asserts that events and gaps together are each sequence of `from..=to` once, in order.
fn assert_covers(told: &[Told], from: u64, to: u64) {
    let mut next = from;
    for told in told {
        match told {
            Told::Event(seq) => {
                assert_eq!(*seq, next);
                next += 1;
            }
            Told::Gap(first, last) => {
                assert_eq!(*first, next);
                assert!(last >= first);
                next = last + 1;
            }
            Told::Heartbeat => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(next, to + 1);
}

#[test]
fn fifty_clients_get_every_event_once_and_in_order_under_load() {
    const EVENTS: u64 = 6_000;
    let rig = rig(1 << 14, |config| config.shards = 2);
    std::thread::scope(|scope| {
        let mut readers = Vec::new();
        for number in 0..50 {
            let kind = if number % 5 == 4 { "beauty" } else { "*" };
            let wanted = filter(kind, "*", "*");
            let mut client: Box<dyn Listen + Send> = match number % 3 {
                0 => Box::new(rig.ws(|s| s.filter = wanted)),
                1 => Box::new(rig.sse(CHUNKED, |s| s.filter = wanted)),
                _ => Box::new(rig.sse(PLAIN, |s| s.filter = wanted)),
            };
            readers.push((kind, scope.spawn(move || client.to(EVENTS))));
        }
        for _ in 0..3 {
            scope.spawn(|| rig.put_many(EVENTS / 3, "x"));
        }
        for (kind, reader) in readers {
            let told = reader.join().unwrap();
            match kind {
                "beauty" => {
                    let even: Vec<_> = (1..=EVENTS / 2).map(|n| Told::Event(2 * n)).collect();
                    assert_eq!(told, even);
                }
                _ => assert_eq!(told, (1..=EVENTS).map(Told::Event).collect::<Vec<_>>()),
            }
        }
    });
    let stats = rig.hub.stats();
    assert_eq!(stats.messages_total, 40 * EVENTS + 10 * EVENTS / 2);
    assert_eq!((stats.gaps_total, stats.lapped_events_total), (0, 0));
    until("all clients are gone", || rig.hub.stats().clients() == 0);
    assert_eq!(rig.hub.stats().clients_slow, 0);
}

#[test]
fn a_client_that_does_not_read_is_told_exactly_what_it_lost() {
    let rig = rig(64, |config| {
        config.shards = 1;
        config.flush_ms = 0;
        config.send_buffer_bytes = 4096;
    });
    let mut slow = rig.ws(|_| {});
    let mut slow_sse = rig.sse(CHUNKED, |_| {});
    let mut slow_filtered = rig.sse(PLAIN, |s| s.filter = filter("beauty", "*", "*"));
    let mut quick = rig.ws(|_| {});
    let data = "x".repeat(2_000);
    let mut last = 0;
    for _ in 0..5_000 {
        last = rig.put_many(1, &data);
        assert_eq!(quick.next(), Told::Event(last), "the others do not wait for it");
    }
    assert_eq!(rig.hub.stats().clients_slow, 3);
    let told = slow.to(last);
    assert_covers(&told, 1, last);
    assert!(told.iter().any(|told| matches!(told, Told::Gap(..))));
    assert_covers(&slow_sse.to(last), 1, last);
    // For the filtered one every beauty event is told or inside a gap.
    let told = slow_filtered.to(last);
    for seq in (2..=last).step_by(2) {
        let inside = |told: &&Told| matches!(told, Told::Gap(a, b) if (*a..=*b).contains(&seq));
        let times = told.iter().filter(|told| **told == Told::Event(seq)).count();
        assert_eq!(times + told.iter().filter(inside).count(), 1, "{seq}");
    }
    until("they keep up again", || rig.hub.stats().clients_slow == 0);
    let last = rig.put_many(2, "");
    assert_eq!(slow.to(last), [Told::Event(last - 1), Told::Event(last)]);
    assert_eq!(slow_filtered.next(), Told::Event(last));
    assert!(rig.hub.stats().lapped_events_total > 0);
}

#[test]
fn without_since_seq_a_client_gets_what_comes_after_it() {
    let rig = rig(64, |_| {});
    rig.put_many(10, "");
    let mut client = rig.ws(|_| {});
    rig.put_many(3, "");
    assert_eq!(client.to(13), [Told::Event(11), Told::Event(12), Told::Event(13)]);
}

#[test]
fn since_seq_resumes_over_the_whole_ring_and_tells_what_is_beyond() {
    let rig = rig(64, |_| {});
    let last = rig.put_many(100, "");
    let oldest = rig.ring.oldest();
    assert!(oldest > 1);
    for protocol in [PLAIN, CHUNKED] {
        let mut all = rig.sse(protocol, |s| s.since_seq = Some(0));
        assert_eq!(all.next(), Told::Gap(1, oldest - 1));
        assert_eq!(all.last_id, Some(oldest - 1), "where a new connection would go on");
        assert_covers(&all.to(last), oldest, last);
    }
    let mut kept = rig.ws(|s| s.since_seq = Some(oldest - 1));
    assert_covers(&kept.to(last), oldest, last);
    let mut some = rig.ws(|s| s.since_seq = Some(last - 2));
    assert_eq!(some.to(last), [Told::Event(last - 1), Told::Event(last)]);
    let mut newest = rig.ws(|s| s.since_seq = Some(last));
    let mut newer = rig.sse(PLAIN, |s| s.since_seq = Some(1_000));
    let mut newest_of_all = rig.ws(|s| s.since_seq = Some(u64::MAX));
    assert_eq!(newer.next(), Told::Gap(last + 1, 1_000));
    assert_eq!(newer.last_id, Some(last));
    assert_eq!(newest_of_all.next(), Told::Gap(last + 1, u64::MAX));
    let last = rig.put_many(1, "");
    assert_eq!(newest.next(), Told::Event(last));
    assert_eq!(newer.next(), Told::Event(last));
    assert_eq!(newest_of_all.next(), Told::Event(last));
}

#[test]
fn a_resumed_client_joins_the_live_ones_without_a_seam() {
    const EVENTS: u64 = 20_000;
    let rig = rig(1 << 15, |config| config.shards = 1);
    rig.put_many(EVENTS / 2, "some data so that it takes several steps");
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|number| {
                let mut client = rig.ws(|s| s.since_seq = Some(number * 100));
                scope.spawn(move || (number, client.to(EVENTS)))
            })
            .collect();
        rig.put_many(EVENTS / 2, "more");
        for reader in readers {
            let (number, told) = reader.join().unwrap();
            assert_eq!(told, (number * 100 + 1..=EVENTS).map(Told::Event).collect::<Vec<_>>());
        }
    });
}

#[test]
fn filters_combine_and_know_names_that_come_later() {
    let rig = rig(1 << 10, |config| config.shards = 1);
    let client = |kind, subject, source| rig.ws(|s| s.filter = filter(kind, subject, source));
    let mut kind = client("beauty", "*", "*");
    let mut subject = client("*", "room", "*");
    let mut none = client("*", "", "*");
    let mut all_three = client("beauty", "room", "a");
    rig.put("alert", "room", "a", ""); // 1
    rig.put("beauty", "", "a", ""); // 2
    rig.put("beauty", "room", "b", ""); // 3
    rig.put("beauty", "room", "a", ""); // 4
    let mut resumed = rig.ws(|s| {
        s.filter = filter("*", "*", "b");
        s.since_seq = Some(0);
    });
    rig.put("end", "", "b", ""); // 5
    rig.put("beauty", "room", "a", ""); // 6
    let events = |seqs: &[u64]| seqs.iter().map(|seq| Told::Event(*seq)).collect::<Vec<_>>();
    assert_eq!(kind.to(6), events(&[2, 3, 4, 6]));
    assert_eq!(subject.to(6), events(&[1, 3, 4, 6]));
    assert_eq!(none.to(5), events(&[2, 5]));
    assert_eq!(all_three.to(6), events(&[4, 6]));
    assert_eq!(resumed.to(5), events(&[3, 5]));
}

#[test]
fn a_name_that_was_evicted_and_came_back_still_matches() {
    let config =
        RingConfig { capacity: 8, text_bytes: 1 << 16, names: 64, ..RingConfig::default() };
    let rig = rig_with(config, |_| {});
    let mut client = rig.ws(|s| s.filter = filter("*", "wanted", "*"));
    for turn in 0..10 {
        // More names than the table has, so that every earlier one is forgotten.
        for other in 0..100 {
            rig.put("k", &format!("other-{turn}-{other}"), "s", "");
        }
        let seq = rig.put("k", "wanted", "s", "");
        let told = loop {
            match client.next() {
                Told::Gap(..) => {} // a ring of eight is easily lapped
                told => break told,
            }
        };
        assert_eq!(told, Told::Event(seq), "turn {turn}");
    }
}

#[test]
fn sequences_near_the_end_of_their_range_are_told_whole() {
    let start_seq = (1 << 63) - 3;
    let config =
        RingConfig { capacity: 8, text_bytes: 1 << 16, start_seq, ..RingConfig::default() };
    let rig = rig_with(config, |_| {});
    let mut client = rig.sse(CHUNKED, |s| s.since_seq = Some(start_seq - 1));
    let last = rig.put_many(6, "");
    assert_eq!(last, (1 << 63) + 2);
    assert_covers(&client.to(last), start_seq, last);
}

#[test]
fn an_idle_shard_sends_at_once_and_a_busy_one_gathers() {
    let rig = rig(1 << 10, |config| {
        config.shards = 1;
        config.flush_ms = 1000;
    });
    let mut client = rig.ws(|_| {});
    until("it is there", || rig.hub.stats().clients() == 1);
    let start = Instant::now();
    rig.put_many(1, "");
    assert_eq!(client.next(), Told::Event(1));
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    let last = rig.put_many(200, "");
    client.to(last);
    assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
    assert_eq!(rig.hub.stats().rounds_total, 2);
}

#[test]
fn what_comes_during_a_round_reaches_everybody() {
    let rig = rig(1 << 12, |config| {
        config.shards = 1;
        config.flush_ms = 2;
    });
    let mut clients: Vec<_> = (0..200).map(|_| rig.ws(|_| {})).collect();
    until("they are there", || rig.hub.stats().clients() == 200);
    for turn in 0..100 {
        let rounds = rig.hub.stats().rounds_total;
        rig.put_many(1, "");
        until("a round has begun", || rig.hub.stats().rounds_total > rounds);
        let last = rig.put_many(1, "");
        // Nothing more comes that would ring, so that who had their turn early must get the rest all the same.
        for client in &mut clients {
            assert_covers(&client.to(last), 2 * turn + 1, last);
        }
    }
}
