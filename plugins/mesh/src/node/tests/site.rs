//! A node with its store, and a network without loss between such.

use crate::envelope::{Author, Verified};
use crate::frame::Codec;
use crate::keys::Keys;
use crate::node::{Config, Node};
use crate::serve::Served;
use crate::store::{MemoryStore, Store};
use crate::sync::{Action, Peer, Ticket};
use crate::wire::Answer;

pub(super) struct Site {
    pub(super) node: Node,
    pub(super) store: MemoryStore,
    pub(super) sent_bytes: usize,
    pub(super) pages: usize,
    pub(super) relayed: usize,
    pub(super) largest_answer: usize,
    pub(super) misdeeds: Vec<crate::Misdeed>,
    pub(super) disputed: Option<crate::LogKey>,
    codec: Codec,
}

pub(super) fn author(n: u8) -> Author {
    Author::new(Keys::ed25519(&[n; 32]), 1_000, 1, 10).expect("good numbers")
}

pub(super) fn hybrid(n: u8, pq: u8) -> Author {
    Author::new(Keys::hybrid(&[n; 32], &[pq; 32]), 1_000, 1, 10).expect("good numbers")
}

/// Envelopes of the author whose events are of a usual size.
pub(super) fn sign(author: &mut Author, count: usize) -> Vec<Verified> {
    let event = |seq: u64| {
        format!(
            r#"{{"beauty_score":0.5,"event_id":"event-{seq:05}","timestamp":"2025-10-21T04:30:00Z","wisdom":"{:0>80}"}}"#,
            seq
        )
    };
    (0..count).map(|_| author.sign(&event(author.next())).expect("JSON")).collect()
}

impl Site {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(Config::default(), seed)
    }

    pub(super) fn with(config: Config, seed: u64) -> Self {
        Self {
            node: Node::new(config, seed),
            store: MemoryStore::default(),
            sent_bytes: 0,
            pages: 0,
            relayed: 0,
            largest_answer: 0,
            misdeeds: Vec::new(),
            disputed: None,
            codec: Codec::default(),
        }
    }

    pub(super) fn store_count(&self) -> u64 {
        self.store.count()
    }

    /// Takes envelopes as if from the fast path, and stores them.
    pub(super) fn publish(&mut self, envelopes: &[Verified], now_ms: u64) {
        let fresh = self.node.receive(envelopes, now_ms).fresh;
        self.keep(&fresh, now_ms);
    }

    pub(super) fn keep(&mut self, fresh: &[Verified], now_ms: u64) {
        let Ok(()) = self.store.put(fresh);
        self.node.stored(fresh.iter().map(|envelope| envelope.id), now_ms);
    }

    pub(super) fn answer(&mut self, from: Peer, request: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        let answer = match self.node.serve(from, request, now_ms) {
            Served::Answer(answer) => answer,
            Served::Read(job) => {
                self.pages += 1;
                let Ok(page) = job.run(&self.store, &mut self.codec);
                page
            }
            Served::Refused(_) => return None,
        };
        self.sent_bytes += answer.len();
        self.largest_answer = self.largest_answer.max(answer.len());
        Some(answer)
    }

    pub(super) fn take(
        &mut self,
        peer: Peer,
        ticket: Ticket,
        answer: Option<Vec<u8>>,
        now_ms: u64,
    ) {
        let Some(answer) = answer else { return self.node.unanswered(peer, ticket, now_ms) };
        let answer = Answer::open(&answer, &mut self.codec);
        let received = self.node.answered(peer, ticket, answer, now_ms);
        self.relayed += received.relay.len();
        self.disputed = self.disputed.or(received.disputed);
        self.keep(&received.fresh, now_ms);
    }

    /// The requests that are due.
    pub(super) fn requests(&mut self) -> Vec<(Peer, Ticket, Vec<u8>)> {
        let mut requests = Vec::new();
        for action in self.node.actions() {
            match action {
                Action::Request { peer, ticket, bytes } => {
                    self.sent_bytes += bytes.len();
                    requests.push((peer, ticket, bytes));
                }
                Action::Misdeed { misdeed, .. } => self.misdeeds.push(misdeed),
            }
        }
        requests
    }
}

/// Connects two of them. A peer's number is its place.
pub(super) fn join(sites: &mut [Site], a: usize, b: usize, now_ms: u64) {
    assert!(sites[a].node.connected(Peer(b as u64), now_ms));
    assert!(sites[b].node.connected(Peer(a as u64), now_ms));
}

/// Delivers at once, each step a millisecond, until nothing is said or, where it is later, `until_ms`. The time taken.
pub(super) fn settle(sites: &mut [Site], from_ms: u64, until_ms: u64) -> u64 {
    let mut now_ms = from_ms;
    loop {
        let mut quiet = true;
        for at in 0..sites.len() {
            sites[at].node.tick(now_ms);
            for (peer, ticket, request) in sites[at].requests() {
                quiet = false;
                let to = peer.0 as usize;
                let answer = sites[to].answer(Peer(at as u64), &request, now_ms);
                sites[at].take(peer, ticket, answer, now_ms);
            }
        }
        if quiet && now_ms >= until_ms {
            return now_ms - from_ms;
        }
        let next = sites.iter().map(|site| site.node.next_ms()).min().unwrap_or(u64::MAX);
        now_ms = if quiet { next.clamp(now_ms + 1, until_ms.max(now_ms + 1)) } else { now_ms + 1 };
    }
}
