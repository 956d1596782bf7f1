//! Nodes beside each other in memory: what they agree on, and what a bad peer gets.

mod hostile;
mod site;

use crate::envelope::LogKey;
use crate::log::MAX_EPOCHS;
use crate::node::{Allow, Config, Failure, MAX_PROOFS, Verdict};
use crate::reason::Reason;
use crate::store::{Span, Store};
use crate::sync::Peer;
use crate::wire::{Answer, Ask, Request};
use site::{Site, author, hybrid, join, settle, sign};

#[test]
fn a_late_joiner_gets_everything_at_once() {
    let mut sites = [Site::new(1), Site::new(2)];
    let mut writers: Vec<_> = (1..=5).map(author).collect();
    for writer in &mut writers {
        sites[0].publish(&sign(writer, 3_000), 0);
    }
    join(&mut sites, 0, 1, 0);
    let took_ms = settle(&mut sites, 0, 0);
    assert_eq!(sites[1].store.count(), 15_000);
    assert_eq!(sites[1].node.counters().synced, 15_000);
    // No round of the rhythm was needed.
    assert!(took_ms < 100, "{took_ms} ms");
    // Nothing is asked for twice.
    assert_eq!(sites[1].node.counters().duplicates, 0);
}

#[test]
fn pages_are_cut_where_they_are_full() {
    let mut sites = [Site::new(1), Site::new(2)];
    let mut writer = author(1);
    let event = |n: usize| format!("{{\"wisdom\":\"{:0>1$}\"}}", n, 1_000 + n * 29);
    let signed: Vec<_> = (0..300).map(|n| writer.sign(&event(n)).expect("JSON")).collect();
    sites[0].publish(&signed, 0);
    join(&mut sites, 0, 1, 0);
    settle(&mut sites, 0, 0);
    assert_eq!((sites[1].store.count(), sites[1].node.counters().duplicates), (300, 0));
    assert!(sites[0].pages >= 7 && sites[1].misdeeds.is_empty(), "{:?}", sites[1].misdeeds);
}

#[test]
fn both_sides_of_a_healed_partition_agree() {
    let mut sites = [Site::new(1), Site::new(2), Site::new(3)];
    for (at, count) in [(0, 700), (1, 400), (2, 1)] {
        let signed = sign(&mut author(at as u8 + 1), count);
        sites[at].publish(&signed, 0);
    }
    join(&mut sites, 0, 1, 0);
    join(&mut sites, 1, 2, 0);
    settle(&mut sites, 0, 30_000);
    for site in &sites {
        assert_eq!(site.store.count(), 1_101);
    }
    // Agreed means quiet: a round costs one small request and one small answer.
    let before: usize = sites.iter().map(|site| site.sent_bytes).sum();
    settle(&mut sites, 31_000, 20_000);
    let after: usize = sites.iter().map(|site| site.sent_bytes).sum();
    assert!(after - before < 40 * 64, "{} bytes", after - before);
}

#[test]
fn peers_share_the_work() {
    let mut sites: Vec<Site> = (1..=5).map(Site::new).collect();
    let signed = sign(&mut author(9), 4_000);
    for site in &mut sites[..4] {
        site.publish(&signed, 0);
    }
    (0..4).for_each(|at| join(&mut sites, at, 4, 0));
    settle(&mut sites, 0, 1_000);
    assert_eq!((sites[4].store.count(), sites[4].node.counters().duplicates), (4_000, 0));
    let shares: Vec<_> = sites[..4].iter().map(|site| site.pages).collect();
    assert!(shares.iter().all(|pages| *pages >= 1), "{shares:?}");
}

#[test]
fn only_what_is_stored_is_offered_and_nothing_is_fetched_twice() {
    let mut sites = [Site::new(1), Site::new(2), Site::new(3)];
    let signed = sign(&mut author(1), 10);
    sites[0].publish(&signed, 0);
    // The second takes them from the fast path and has not stored them yet.
    let received = sites[1].node.receive(&signed, 0);
    assert_eq!((received.verdict, received.fresh.len()), (Verdict::Accept, 10));
    join(&mut sites, 0, 1, 0);
    join(&mut sites, 1, 2, 0);
    settle(&mut sites, 0, 10_000);
    assert_eq!(sites[1].node.counters().total, 10, "in flight and not fetched");
    assert_eq!(sites[2].store.count(), 0, "not stored and not offered");
    // It fails: they are fetched again, and then offered.
    sites[1].node.failed(signed.iter().map(|e| e.id), Failure::Retry);
    settle(&mut sites, 10_000, 60_000);
    assert_eq!((sites[1].store.count(), sites[2].store.count()), (10, 10));
}

#[test]
fn what_the_host_refuses_or_the_store_drops_is_not_asked_for_again() {
    let mut sites = [Site::new(1), Site::new(2)];
    let signed = sign(&mut author(1), 20);
    sites[0].publish(&signed, 0);
    let received = sites[1].node.receive(&signed[..5], 0);
    sites[1].node.failed(received.fresh.iter().map(|e| e.id), Failure::Never);
    join(&mut sites, 0, 1, 0);
    settle(&mut sites, 0, 5_000);
    assert_eq!(sites[1].store.count(), 15);
    let Ok(dropped) = sites[1].store.prune(10 * signed[0].weight() as u64);
    let log = signed[0].id.log;
    assert_eq!(dropped, [Span { log, low: 6, high: 10 }]);
    sites[1].node.pruned(dropped);
    let before = sites[1].node.counters().total;
    settle(&mut sites, 5_000, 100_000);
    assert_eq!((sites[1].store.count(), sites[1].node.counters().total), (10, before));
    // Nor after a restart.
    let mut again = Site::new(4);
    let Ok(logs) = sites[1].store.logs();
    again.node.restore(logs.into_iter().chain(sites[1].node.logs()).take(1));
    assert!(again.node.logs().next().is_some_and(|state| state.skipped.contains(7)));
}

#[test]
fn a_peer_that_begins_anew_is_read_from_its_start() {
    let mut sites = [Site::new(1), Site::new(2)];
    let signed = sign(&mut author(1), 50);
    sites[0].publish(&signed[..30], 0);
    join(&mut sites, 0, 1, 0);
    settle(&mut sites, 0, 10_000);
    assert_eq!(sites[1].store.count(), 30);
    // The same peer, another life: its numbers of changes are small again.
    let mut store = sites[0].store.clone();
    let Ok(()) = store.put(&signed[30..]);
    let Ok(logs) = store.logs();
    sites[0] = Site::new(77);
    sites[0].store = store;
    sites[0].node.restore(logs);
    assert_eq!(sites[0].node.counters().seen, 50);
    sites[0].node.connected(Peer(1), 10_000);
    settle(&mut sites, 10_000, 16_000);
    assert_eq!(sites[1].store.count(), 50);
}

#[test]
fn the_fast_path_has_its_time_before_others_are_told() {
    let mut site = Site::new(1);
    let peer = Peer(5);
    assert!(site.node.connected(peer, 0));
    site.publish(&sign(&mut author(1), 3), 0);
    let mut told = |all: bool, now_ms| {
        let ask = Request::Digest(Ask { all, ..Ask::default() }).encode();
        let answer = site.answer(peer, &ask, now_ms).expect("an answer");
        let answer = Answer::open(&answer, &mut crate::Codec::default());
        let Ok(Answer::Digest { entries, more: false, .. }) = answer else { panic!("{answer:?}") };
        entries.len()
    };
    // Whoever has just come missed the fast path, and is told at once.
    assert_eq!((told(false, 999), told(true, 999), told(false, 1_000)), (0, 1, 1));
}

#[test]
fn an_allow_list_holds_on_every_way() {
    let mut sites = [Site::new(1), Site::new(2)];
    let (mut friend, mut stranger) = (author(1), author(2));
    let origins = [(friend.log().origin, None)].into();
    let config = Config { allow: Allow::Only(origins), ..Config::default() };
    sites[1] = Site::with(config, 2);
    let (known, unknown) = (sign(&mut friend, 5), sign(&mut stranger, 5));
    sites[0].publish(&known, 0);
    sites[0].publish(&unknown, 0);
    let received = sites[1].node.receive(&unknown, 0);
    assert_eq!((received.verdict, received.fresh.len()), (Verdict::Ignore, 0));
    assert_eq!(sites[1].node.counters().rejected[Reason::Auth.index()], 5);
    join(&mut sites, 0, 1, 0);
    settle(&mut sites, 0, 30_000);
    assert_eq!(sites[1].store.count(), 5);
    assert_eq!(sites[1].node.counters().rejected_total(), 5, "it was not asked for");
}

#[test]
fn own_events_need_no_permission_and_are_published_once() {
    let config = Config { allow: Allow::Only([].into()), ..Config::default() };
    let mut site = Site::with(config, 1);
    let own = sign(&mut author(1), 3);
    assert!(own.iter().all(|envelope| site.node.own(envelope)));
    site.keep(&own, 0);
    // After a crash the same events come again, with the same sequences.
    assert!(!sign(&mut author(1), 3).iter().any(|envelope| site.node.own(envelope)));
    // Echoes are repeats, not strangers.
    assert_eq!(site.node.receive(&own, 0).verdict, Verdict::Ignore);
    let counters = site.node.counters();
    assert_eq!((counters.seen, counters.duplicates, counters.rejected_total()), (3, 3, 0));
    let claims = own.iter().map(|envelope| (**envelope).clone()).collect();
    assert!(site.node.screen(claims).is_empty(), "known to the last byte");
}

#[test]
fn a_node_with_older_data_learns_what_others_hold_of_its_log() {
    for (again, disputes) in [(author(1), false), (author(1), true)] {
        let mut sites = [Site::new(1), Site::new(2)];
        let before = sign(&mut author(1), 10);
        sites[0].publish(&before[..5], 0);
        sites[1].publish(&before, 0);
        // As many events again as the others have: neither side lacks anything, and their hashes are equal.
        let mut again = again;
        let mut after = sign(&mut again, 5);
        for at in 6..=10 {
            let event = format!("{{\"event_id\":\"after-{at}\"}}");
            let event = if disputes { &event } else { &*before[at - 1].event };
            after.push(again.sign(event).expect("JSON"));
        }
        assert!(after[5..].iter().all(|envelope| sites[0].node.own(envelope)));
        sites[0].keep(&after[5..], 0);
        sites[0].node.doubt(after[5].id);
        join(&mut sites, 0, 1, 0);
        settle(&mut sites, 0, 20_000);
        assert_eq!(sites[0].disputed, disputes.then_some(after[5].id.log));
        assert!(sites[0].misdeeds.is_empty() && sites[1].misdeeds.is_empty());
        // It is seen once.
        assert_eq!(sites[0].node.counters().total, 5 + 1);
    }
}

#[test]
fn what_the_fast_path_lost_is_told_on_it_again() {
    let mut sites = [Site::new(1), Site::new(2)];
    join(&mut sites, 0, 1, 0);
    let mut writer = author(1);
    sites[0].publish(&sign(&mut writer, 50), 0);
    settle(&mut sites, 0, 20_000);
    assert_eq!((sites[1].store.count(), sites[1].relayed), (50, 0), "a catch-up is none");
    sites[0].publish(&sign(&mut writer, 7), 20_000);
    settle(&mut sites, 20_000, 30_000);
    assert_eq!((sites[1].store.count(), sites[1].relayed), (57, 7));
    // So many at once are a catch-up too.
    sites[0].publish(&sign(&mut writer, 200), 30_000);
    settle(&mut sites, 30_000, 40_000);
    assert_eq!((sites[1].store.count(), sites[1].relayed), (257, 7));
}

#[test]
fn a_hybrid_is_not_taken_without_its_second_key() {
    let mut site = Site::new(1);
    let (mut both, mut stripped) = (hybrid(1, 7), author(1));
    assert_eq!(both.log().origin, stripped.log().origin);
    // Before it was seen, nobody can know.
    let early = sign(&mut stripped, 1);
    let mut plain_epoch = early[0].id.log.epoch;
    plain_epoch += 1;
    assert_eq!(site.node.receive(&early, 0).verdict, Verdict::Accept);
    let mut next = crate::Author::new(crate::Keys::hybrid(&[1; 32], &[7; 32]), plain_epoch, 1, 10)
        .expect("good numbers");
    assert_eq!(site.node.receive(&sign(&mut next, 1), 0).verdict, Verdict::Accept);
    for refused in [sign(&mut stripped, 1), sign(&mut hybrid(1, 8), 1)] {
        // Another node may have seen the plain one first: whoever forwards it is not to blame.
        assert_eq!(site.node.receive(&refused, 0).verdict, Verdict::Ignore);
    }
    assert_eq!(site.node.counters().rejected[Reason::Signature.index()], 2);
    // An epoch is of one kind: the hybrid in the epoch that began plain.
    assert_eq!(site.node.receive(&sign(&mut both, 1), 0).verdict, Verdict::Ignore);
    assert_eq!(site.node.counters().rejected[Reason::Signature.index()], 3);
}

#[test]
fn equivocation_is_kept_and_nobody_else_is_blamed() {
    let mut site = Site::new(1);
    let first = sign(&mut author(1), 1).remove(0);
    let mut liar = author(1);
    let second = liar.sign(r#"{"event_id":"other"}"#).expect("JSON");
    assert_eq!(site.node.receive(std::slice::from_ref(&first), 0).verdict, Verdict::Accept);
    let received = site.node.receive(&[second.clone(), first.clone()], 0);
    assert_eq!(received.verdict, Verdict::Ignore);
    assert!(received.fresh.is_empty() && received.suspects.is_empty());
    let proof = &site.node.equivocations()[0];
    assert_eq!((&proof.first, &proof.second), (&first, &second));
    assert_eq!((site.node.counters().equivocations, site.node.counters().duplicates), (1, 2));
    // From before a restart, only the store can tell.
    let mut again = Site::new(2);
    again.publish(std::slice::from_ref(&first), 0);
    let Ok(logs) = again.store.logs();
    let mut later = Site::new(3);
    later.node.restore(logs);
    let received = later.node.receive(&[second.clone(), first.clone()], 0);
    assert_eq!(received.suspects, [second.clone(), first.clone()]);
    assert!(later.node.judge(&first, &second) && !later.node.judge(&first, &first));
    assert_eq!(later.node.equivocations().len(), 1);

    for n in 0..=MAX_PROOFS {
        let mut author = author(n as u8 + 10);
        let first = sign(&mut author, 1).remove(0);
        let mut liar = site::author(n as u8 + 10);
        let second = liar.sign(r#"{"event_id":"other"}"#).expect("JSON");
        site.node.receive(&[first, second], 0);
    }
    assert_eq!(site.node.equivocations().len(), MAX_PROOFS);
    assert_eq!(site.node.counters().equivocations, 2 + MAX_PROOFS as u64);
}

#[test]
fn an_old_event_is_refused_once() {
    let config = Config { max_age_ms: Some(60_000), ..Config::default() };
    let mut sites = [Site::new(1), Site::with(config, 2)];
    let mut author = author(1);
    let at = |minute: u8| format!(r#"{{"timestamp":"1970-01-01T01:{minute:02}:00Z"}}"#);
    let events = [at(0), at(1), at(30), "{}".to_owned()];
    let signed: Vec<_> = events.iter().map(|event| author.sign(event).expect("JSON")).collect();
    sites[0].publish(&signed, 3_660_000);
    join(&mut sites, 0, 1, 3_660_000 + 59_000);
    settle(&mut sites, 3_660_000 + 59_000, 3_760_000);
    // The second is 59 s old, the last has no time; the third is of the future.
    assert_eq!(sites[1].store.count(), 2);
    assert_eq!(sites[1].node.counters().rejected[Reason::Ttl.index()], 2);
}

#[test]
fn epochs_and_ranges_of_a_log_are_bounded() {
    let mut site = Site::new(1);
    let epoch = |epoch: u64| {
        let keys = crate::Keys::ed25519(&[1; 32]);
        let mut author = crate::Author::new(keys, epoch, 1, 1).expect("good numbers");
        [author.sign("{}").expect("JSON")]
    };
    for number in 1..=MAX_EPOCHS as u64 + 1 {
        assert_eq!(site.node.receive(&epoch(number * 10), 0).verdict, Verdict::Accept);
    }
    // The oldest made room, and stays forgotten; so does what is older than all.
    assert_eq!(site.node.sizes().0, MAX_EPOCHS);
    for old in [10, 5, 15] {
        assert_eq!(site.node.receive(&epoch(old), 0).verdict, Verdict::Ignore);
    }
    assert_eq!(site.node.counters().bounded, 3);

    let signed = sign(&mut author(2), 600);
    let odd: Vec<_> = signed.iter().step_by(2).cloned().collect();
    let received = site.node.receive(&odd, 0);
    assert_eq!(received.fresh.len(), crate::MAX_RANGES);
    // Filling a gap is always possible, and then the rest is.
    assert_eq!(site.node.receive(&signed[1..2], 0).fresh.len(), 1);
    let mut left = site.node.receive(&signed, 0).fresh.len();
    left += received.fresh.len() + 1;
    assert_eq!(left, 600);
}

#[test]
fn logs_are_bounded_and_the_first_come_stay() {
    let mut site = Site::new(1);
    let state = |n: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        let log = LogKey { origin: crate::Origin::from_bytes(bytes), epoch: 1 };
        let have = crate::RangeSet::of(1, 5);
        crate::LogState { log, pq: None, have, skipped: crate::RangeSet::default() }
    };
    site.node.restore((0..crate::MAX_LOGS as u64).map(state));
    assert_eq!(site.node.sizes().0, crate::MAX_LOGS);
    assert_eq!(site.node.receive(&sign(&mut author(1), 2), 0).verdict, Verdict::Ignore);
    assert_eq!((site.node.counters().bounded, site.node.sizes().0), (2, crate::MAX_LOGS));
    // Their digest goes page by page.
    let mut sites = [site, Site::new(2)];
    sites[1].node.restore([state(0)]);
    join(&mut sites, 0, 1, 0);
    settle(&mut sites, 0, 1_000);
    assert!(sites[0].largest_answer <= crate::MAX_ANSWER_BYTES);
}
