//! The model of gossipsub's fast path (libp2p's gossipsub v1.1, without scores).
//!
//! The rule: a frame is pushed once along each mesh link that it did not come by; what gets lost is repaired by the ids
//! that are told at the next heartbeats, and what even that misses by anti-entropy.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::host::Frame;
use super::world::{Who, World};
use crate::fanout::{Beat, HIGH, LOW};
use crate::node::Verdict;
use crate::sync::Ticket;

/// Heartbeats of which ids are told.
const TOLD: usize = 3;
/// Heartbeats of which frames are kept.
const KEPT: usize = 5;
/// Peers outside the mesh that are told ids, at least, and their share otherwise.
const LAZY: usize = 6;
const LAZY_SHARE: f64 = 0.25;
/// How long somebody who refused is not grafted.
const BACKOFF_MS: u64 = 10_000;
/// After this what was asked for may be asked for again.
const IWANT_MS: u64 = 1_000;
/// Bytes that a node may send between two beats before it counts as fully loaded.
const CAPACITY: f64 = 2e6;
/// For so long what anti-entropy brings is a catch-up and says nothing of loss.
const CATCH_UP_MS: u64 = 5_000;
/// Bytes of an id, of a message's frame on the wire, and of a control message.
const ID_BYTES: usize = 34;
const OVERHEAD_BYTES: usize = 24;

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Frame(Rc<Frame>),
    IHave(Vec<u64>),
    IWant(Vec<u64>),
    Graft,
    Prune,
    Request(Ticket, Vec<u8>),
    Answer(Ticket, Vec<u8>),
}

impl Message {
    pub(crate) fn bytes(&self) -> usize {
        let body = match self {
            Self::Frame(frame) => frame.bytes.len(),
            Self::IHave(ids) | Self::IWant(ids) => ids.len() * ID_BYTES,
            Self::Graft | Self::Prune => 0,
            Self::Request(_, bytes) | Self::Answer(_, bytes) => bytes.len(),
        };
        body + OVERHEAD_BYTES
    }

    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Request(..) | Self::Answer(..))
    }
}

impl World {
    pub(super) fn receive(&mut self, from: Who, at: usize, message: Message) {
        let sender = from.0;
        match message {
            Message::Frame(frame) => self.frame(sender, at, frame),
            Message::IHave(ids) => {
                let now_ms = self.now_ms;
                let host = &mut self.hosts[at];
                let lacking = |id: &u64| {
                    !host.seen.contains(id)
                        && host.wanted.get(id).is_none_or(|until| *until <= now_ms)
                };
                let ids: Vec<u64> = ids.into_iter().filter(lacking).collect();
                host.wanted.extend(ids.iter().map(|id| (*id, now_ms + IWANT_MS)));
                if !ids.is_empty() {
                    self.send(at, sender, Message::IWant(ids));
                }
            }
            Message::IWant(ids) => {
                let ids: BTreeSet<u64> = ids.into_iter().collect();
                let kept = self.hosts[at].history.iter().flatten();
                let asked: Vec<_> = kept.filter(|frame| ids.contains(&frame.id)).cloned().collect();
                asked.into_iter().for_each(|frame| self.send(at, sender, Message::Frame(frame)));
            }
            Message::Graft => {
                let (_, high) = self.bounds(at);
                let mesh = self.mesh(at).len();
                let Some(link) = self.hosts[at].links.get_mut(&sender) else { return };
                if link.in_mesh || mesh < high {
                    link.in_mesh = true;
                } else {
                    self.send(at, sender, Message::Prune);
                }
            }
            Message::Prune => {
                if let Some(link) = self.hosts[at].links.get_mut(&sender) {
                    (link.in_mesh, link.backoff_ms) = (false, self.now_ms + BACKOFF_MS);
                }
            }
            Message::Request(ticket, bytes) => self.serve(sender, at, ticket, &bytes),
            Message::Answer(ticket, bytes) => self.answered(sender, at, ticket, &bytes),
        }
    }

    fn frame(&mut self, sender: usize, at: usize, frame: Rc<Frame>) {
        self.ledger.report.copies += frame.envelopes.len() as u64;
        // gossipsub passes over an id that it has seen, before anything is unpacked.
        if !self.hosts[at].seen.insert(frame.id) {
            return;
        }
        self.hosts[at].wanted.remove(&frame.id);
        let received = if self.plan.verify {
            let Ok(envelopes) = self.codec.open(&frame.bytes) else { return };
            self.hosts[at].node.receive(&envelopes, self.now_ms)
        } else {
            self.hosts[at].node.receive(&frame.envelopes, self.now_ms)
        };
        self.took(at, &received.fresh);
        if received.verdict == Verdict::Accept {
            self.push(at, Some(sender), frame);
        }
    }

    /// Sends a frame to the mesh, and keeps it for those who ask.
    pub(super) fn push(&mut self, at: usize, source: Option<usize>, frame: Rc<Frame>) {
        let mut to = self.mesh(at);
        if to.is_empty() {
            // Without a mesh yet: as gossipsub's fan-out.
            let all = self.hosts[at].links.keys().copied().collect();
            to = self.some_of(all, self.hosts[at].fanout.degree());
        }
        for other in to.into_iter().filter(|other| Some(*other) != source) {
            self.send(at, other, Message::Frame(frame.clone()));
        }
        let history = &mut self.hosts[at].history;
        match history.front_mut() {
            Some(newest) => newest.push(frame),
            None => history.push_front(vec![frame]),
        }
    }

    fn mesh(&self, at: usize) -> Vec<usize> {
        let links = self.hosts[at].links.iter();
        links.filter(|(_, link)| link.in_mesh).map(|(other, _)| *other).collect()
    }

    /// Below the first a mesh is filled up, above the second it is cut, both to the degree.
    fn bounds(&self, at: usize) -> (usize, usize) {
        let degree = self.hosts[at].fanout.degree();
        ((degree - 1).max(LOW), (degree + 2).min(HIGH))
    }

    pub(super) fn beat(&mut self, at: usize) {
        self.adapt(at);
        let degree = self.hosts[at].fanout.degree();
        let (low, high) = self.bounds(at);
        let mesh = self.mesh(at);
        if mesh.len() < low {
            let now_ms = self.now_ms;
            let free = self.hosts[at].links.iter();
            let free = free.filter(|(_, link)| !link.in_mesh && link.backoff_ms <= now_ms);
            let free = free.map(|(other, _)| *other).collect();
            for other in self.some_of(free, degree - mesh.len()) {
                if let Some(link) = self.hosts[at].links.get_mut(&other) {
                    link.in_mesh = true;
                }
                self.send(at, other, Message::Graft);
            }
        } else if mesh.len() > high {
            let cut = mesh.len() - degree;
            for other in self.some_of(mesh, cut) {
                if let Some(link) = self.hosts[at].links.get_mut(&other) {
                    (link.in_mesh, link.backoff_ms) = (false, self.now_ms + BACKOFF_MS);
                }
                self.send(at, other, Message::Prune);
            }
        }
        self.tell(at);
        let host = &mut self.hosts[at];
        host.history.push_front(Vec::new());
        host.history.truncate(KEPT);
    }

    /// Tells some who are not in the mesh what was there of late.
    fn tell(&mut self, at: usize) {
        let told = self.hosts[at].history.iter().take(TOLD).flatten();
        let ids: Vec<u64> = told.map(|frame| frame.id).collect();
        if ids.is_empty() {
            return;
        }
        let links = self.hosts[at].links.iter();
        let others: Vec<usize> =
            links.filter(|(_, link)| !link.in_mesh).map(|(other, _)| *other).collect();
        let count = LAZY.max((others.len() as f64 * LAZY_SHARE) as usize);
        for other in self.some_of(others, count) {
            self.send(at, other, Message::IHave(ids.clone()));
        }
    }

    fn adapt(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let host = &mut self.hosts[at];
        let counters = host.node.counters();
        let now = (counters.seen - counters.synced.min(counters.seen), counters.synced);
        let before = std::mem::replace(&mut host.counted, now);
        if now_ms < host.born_ms + CATCH_UP_MS {
            return;
        }
        let pushed = now.0.saturating_sub(before.0);
        let mesh = host.links.values().filter(|link| link.in_mesh).count();
        let sent = (pushed * mesh as u64) as f64 * 400.0;
        let repaired = now.1.saturating_sub(before.1);
        host.fanout.beat(Beat { pushed, repaired, load: sent / CAPACITY });
    }

    /// `count` of them, in random order.
    fn some_of(&mut self, mut all: Vec<usize>, count: usize) -> Vec<usize> {
        use rand::RngExt as _;
        let count = count.min(all.len());
        for at in 0..count {
            let other = self.rng.random_range(at..all.len());
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}
