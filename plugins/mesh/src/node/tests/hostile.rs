//! Peers that lie: each costs a bounded effort, is scored and left, and harms nobody else.

use super::site::{Site, author, join, settle, sign};
use crate::envelope::Verified;
use crate::frame::Codec;
use crate::ranges::RangeSet;
use crate::reason::Reason;
use crate::score::Misdeed;
use crate::sync::Peer;
use crate::wire::{self, DigestWriter, MAX_ANSWER_BYTES, Request};

const LIAR: Peer = Peer(9);

/// Asks the liar for a minute, and counts how often it was asked.
fn besiege(site: &mut Site, mut answer: impl FnMut(&Request) -> Option<Vec<u8>>) -> usize {
    assert!(site.node.connected(LIAR, 0));
    let mut asked = 0;
    let mut now_ms = 0;
    while now_ms < 60_000 {
        site.node.tick(now_ms);
        for (peer, ticket, request) in site.requests() {
            assert_eq!(peer, LIAR);
            asked += 1;
            let request = Request::decode(&request).expect("our own request");
            site.take(peer, ticket, answer(&request), now_ms);
        }
        now_ms += 10;
    }
    asked
}

fn offer(signed: &[Verified], upto: u64, more: bool) -> Vec<u8> {
    let mut digest = DigestWriter::new();
    let last = signed.last().expect("some").id;
    assert!(digest.push(&last.log, false, &RangeSet::of(1, last.seq)));
    digest.finish(7, upto, more)
}

#[test]
fn promises_that_are_not_kept() {
    let mut site = Site::new(1);
    let signed = sign(&mut author(1), 5_000);
    let asked = besiege(&mut site, |request| match request {
        Request::Digest(_) => Some(offer(&signed, 3, false)),
        Request::Fetch(_) => Some(wire::page(true, &[])),
    });
    assert!(site.misdeeds.contains(&Misdeed::Broken));
    assert!(site.node.points(LIAR, 60_000) >= 30.0 && asked < 60, "{asked}");
}

#[test]
fn a_promise_that_was_broken_once_is_asked_for_again() {
    let mut site = Site::new(1);
    let signed = sign(&mut author(1), 10);
    let page = Codec::default().encode(&signed);
    let (mut digests, mut fetched_after) = (0, Vec::new());
    besiege(&mut site, |request| match request {
        Request::Digest(ask) => {
            digests += 1;
            // Nothing changes there any more.
            let told = ask.since > 0;
            Some(if told {
                DigestWriter::new().finish(7, 3, false)
            } else {
                offer(&signed, 3, false)
            })
        }
        Request::Fetch(_) => {
            fetched_after.push(digests);
            let frames = if digests == 1 { &[][..] } else { std::slice::from_ref(&page) };
            Some(wire::page(true, frames))
        }
    });
    // At the very next digest, not when everything is listed anew for safety.
    assert_eq!((fetched_after, site.store_count()), (vec![1, 2], 10));
}

#[test]
fn what_was_not_asked_for() {
    let mut site = Site::new(1);
    let signed = sign(&mut author(1), 10);
    let other = Codec::default().encode(&sign(&mut author(2), 3));
    besiege(&mut site, |request| match request {
        Request::Digest(_) => Some(offer(&signed, 3, false)),
        Request::Fetch(_) => Some(wire::page(true, std::slice::from_ref(&other))),
    });
    assert!(site.misdeeds.contains(&Misdeed::Unasked));
    assert_eq!(site.node.counters().seen, 0);
    // The same envelope twice was asked for once.
    let mut site = Site::new(2);
    let twice = Codec::default().encode(&[signed[0].clone(), signed[0].clone()]);
    besiege(&mut site, |request| match request {
        Request::Digest(_) => Some(offer(&signed, 3, false)),
        Request::Fetch(_) => Some(wire::page(true, std::slice::from_ref(&twice))),
    });
    assert_eq!((site.misdeeds[0], site.node.counters().seen), (Misdeed::Unasked, 0));
}

#[test]
fn pages_without_end() {
    let signed = sign(&mut author(1), 600);
    // A digest that stands still, one that goes on for ever, and pages that stall.
    let mut site = Site::new(1);
    let one = Codec::default().encode(&signed[..1]);
    let asked = besiege(&mut site, |request| match request {
        Request::Digest(_) => Some(offer(&signed[..1], 1, true)),
        Request::Fetch(_) => Some(wire::page(true, std::slice::from_ref(&one))),
    });
    assert!(site.misdeeds.contains(&Misdeed::Endless) && asked < 60, "{asked}");
    let mut site = Site::new(2);
    let mut upto = 0;
    let asked = besiege(&mut site, |_| {
        upto += 1;
        Some(DigestWriter::new().finish(7, upto, true))
    });
    assert!(site.misdeeds.contains(&Misdeed::Endless) && asked < 10_000, "{asked}");
    let mut site = Site::new(3);
    let asked = besiege(&mut site, |request| match request {
        Request::Digest(_) => Some(offer(&signed, 3, false)),
        Request::Fetch(_) => Some(wire::page(false, std::slice::from_ref(&one))),
    });
    assert!(site.misdeeds.contains(&Misdeed::Endless) && asked < 40, "{asked}");
}

#[test]
fn garbage_and_forgery() {
    let signed = sign(&mut author(1), 3);
    let mut forged = (*signed[0]).clone();
    forged.event = "{}".into();
    let forged = Codec::default().encode(&[forged]);
    for (reason, bytes) in [
        (Reason::Signature, wire::page(true, &[forged])),
        (Reason::Malformed, vec![1, 9]),
        (Reason::Malformed, Vec::new()),
        (Reason::Oversize, vec![0; MAX_ANSWER_BYTES + 1]),
    ] {
        let mut site = Site::new(1);
        let asked = besiege(&mut site, |request| match request {
            Request::Digest(_) => Some(offer(&signed, 3, false)),
            Request::Fetch(_) => Some(bytes.clone()),
        });
        let rejected = &site.node.counters().rejected;
        assert!(rejected[reason.index()] >= 2 && asked < 20, "{reason}: {rejected:?} of {asked}");
        assert!(site.node.points(LIAR, 0) >= 100.0);
        assert_eq!(site.node.counters().seen, 0);
    }
}

#[test]
fn silence_holds_up_nobody() {
    let mut sites = [Site::new(1), Site::new(2)];
    let signed = sign(&mut author(1), 100);
    sites[0].publish(&signed, 0);
    // It offers everything, and then says nothing.
    assert!(sites[1].node.connected(LIAR, 0));
    let (peer, ticket, _) = sites[1].requests().remove(0);
    sites[1].take(peer, ticket, Some(offer(&signed, 3, false)), 0);
    assert_eq!(sites[1].requests().len(), 1, "the fetch that is never answered");
    join(&mut sites, 0, 1, 0);
    let mut now_ms = 0;
    while sites[1].store_count() < 100 {
        assert!(now_ms < 5_000, "{} of 100", sites[1].store_count());
        sites[1].node.tick(now_ms);
        for (peer, ticket, request) in sites[1].requests() {
            if peer != LIAR {
                let answer = sites[0].answer(Peer(1), &request, now_ms);
                sites[1].take(peer, ticket, answer, now_ms);
            }
        }
        now_ms += 10;
    }
}

#[test]
fn a_greedy_peer_gets_its_share() {
    let config = crate::Config { peer_bytes_per_second: 1 << 20, ..crate::Config::default() };
    let mut site = Site::with(config, 1);
    let signed = sign(&mut author(1), 600);
    site.publish(&signed, 0);
    assert!(site.node.connected(LIAR, 0));
    let log = signed[0].id.log;
    let fetch = Request::Fetch(vec![(log, RangeSet::of(1, 512))]).encode();
    for now_ms in 0..2_000 {
        assert!(site.answer(LIAR, &fetch, now_ms).is_some());
    }
    assert!((3..=12).contains(&site.pages), "{} pages in two seconds", site.pages);
    site.requests();
    assert!(site.misdeeds.contains(&Misdeed::Greedy));
    // An honest one beside it is served.
    let mut sites = [site, Site::new(2)];
    join(&mut sites, 0, 1, 2_000);
    settle(&mut sites, 2_000, 4_000);
    assert_eq!(sites[1].store_count(), 600);
}

#[test]
fn peers_beyond_the_bound_are_not_asked() {
    let config = crate::Config { max_peers: 3, max_exchanges: 2, ..crate::Config::default() };
    let mut site = Site::with(config, 1);
    let connected: Vec<bool> = (0..5).map(|n| site.node.connected(Peer(n), 0)).collect();
    assert_eq!(connected, [true, true, true, false, false]);
    assert_eq!(site.requests().len(), 2, "two exchanges at a time");
    let ask = Request::Digest(wire::Ask::default()).encode();
    assert_eq!(site.answer(Peer(4), &ask, 0), Some(wire::busy(10_000)), "nor served");
    site.node.disconnected(Peer(0));
    site.node.tick(1_000);
    assert_eq!(site.requests()[0].0, Peer(2), "the third has its turn");
    assert!(site.node.connected(Peer(4), 0));
    // Gone peers leave nothing.
    (0..5).for_each(|n| site.node.disconnected(Peer(n)));
    assert_eq!(site.node.sizes().2, 0);
}

#[test]
fn requests_are_refused_by_name() {
    let mut site = Site::new(1);
    assert!(site.node.connected(LIAR, 0));
    for (bytes, reason) in [
        (vec![0; crate::MAX_REQUEST_BYTES + 1], Reason::Oversize),
        (vec![2, 0], Reason::Malformed),
        (Vec::new(), Reason::Malformed),
    ] {
        assert!(site.answer(LIAR, &bytes, 0).is_none());
        assert!(site.node.counters().rejected[reason.index()] > 0);
    }
}
