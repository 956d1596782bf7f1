//! The world of a simulation: time, links, and what happens when.
//!
//! The rule: things happen in the order of their times and, at one time, in the order in which they were planned.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::rc::Rc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use super::Plan;
use super::gossip::Message;
use super::host::{Frame, Host};
use super::report::{Ledger, Report};
use crate::envelope::{Author, Verified};
use crate::frame::{Codec, pack};
use crate::keys::Keys;
use crate::serve::Served;
use crate::store::Store as _;
use crate::sync::{Action, Peer, Ticket};
use crate::wire::Answer;

/// Before the first event, for the meshes to form.
pub(crate) const WARM_UP_MS: u64 = 5_000;
const BEAT_MS: u64 = 1_000;

/// A node in one of its lives.
pub(crate) type Who = (usize, u32);

enum What {
    Deliver { from: Who, to: Who, message: Message },
    Connect { from: Who, to: Who },
    Beat(Who),
    Tick(Who),
    Publish,
    Leave,
    Return(usize),
    Notice { who: Who, gone: usize },
}

struct Planned {
    at_ms: u64,
    order: u64,
    what: What,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

pub(crate) struct World {
    pub(super) plan: Plan,
    pub(super) now_ms: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) rng: Xoshiro256PlusPlus,
    pub(super) ledger: Ledger,
    pub(super) codec: Codec,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    frames: u64,
    authors: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut world = Self {
            plan: plan.clone(),
            now_ms: 0,
            hosts: Vec::new(),
            rng: Xoshiro256PlusPlus::seed_from_u64(plan.seed),
            ledger: Ledger::default(),
            codec: Codec::default(),
            queue: BinaryHeap::new(),
            planned: 0,
            frames: 0,
            authors: 0,
        };
        for at in 0..plan.nodes {
            let (author, seed) = (world.author(), world.rng.random());
            world.hosts.push(Host::new(author, plan.round_ms, seed));
            world.hosts[at].alive = true;
        }
        for at in 0..plan.nodes {
            world.born(at);
        }
        let step = |per_s: f64| (1000.0 / per_s.max(1e-9)) as u64;
        world.plan_at(WARM_UP_MS + step(plan.events_per_s).min(1000), What::Publish);
        if plan.churn > 0.0 {
            world.plan_at(WARM_UP_MS, What::Leave);
        }
        world
    }

    fn end_ms(&self) -> u64 {
        WARM_UP_MS + self.plan.publish_ms + self.plan.deadline_ms + 1
    }

    pub(crate) fn run(&mut self, progress: &mut dyn FnMut(f64)) {
        let end_ms = self.end_ms();
        let mut told = 0;
        while let Some(Reverse(next)) = self.queue.pop() {
            if next.at_ms > end_ms {
                break;
            }
            self.now_ms = next.at_ms;
            if self.now_ms / 1000 > told {
                told = self.now_ms / 1000;
                progress(self.now_ms as f64 / end_ms as f64);
            }
            self.happen(next.what);
        }
        progress(1.0);
    }

    pub(crate) fn report(mut self) -> Report {
        let end_ms = self.end_ms();
        let alive: Vec<_> = self.hosts.iter().filter(|host| host.alive).collect();
        let degrees: usize =
            alive.iter().map(|host| host.links.values().filter(|link| link.in_mesh).count()).sum();
        self.ledger.report.mesh_degree = degrees as f64 / alive.len().max(1) as f64;
        self.ledger.finish(self.plan.deadline_ms, end_ms)
    }

    fn plan_at(&mut self, at_ms: u64, what: What) {
        self.planned += 1;
        self.queue.push(Reverse(Planned { at_ms, order: self.planned, what }));
    }

    fn author(&mut self) -> Author {
        self.authors += 1;
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&self.authors.to_le_bytes());
        secret[8..16].copy_from_slice(&self.plan.seed.to_le_bytes());
        let author = Author::new(Keys::ed25519(&secret), 1, 1, 10);
        author.expect("numbers in their bounds")
    }

    pub(super) fn who(&self, at: usize) -> Who {
        (at, self.hosts[at].life)
    }

    fn is_there(&self, who: Who) -> bool {
        let host = &self.hosts[who.0];
        host.alive && host.life == who.1
    }

    fn happen(&mut self, what: What) {
        match what {
            // What comes over a link that this end does not know (any more) is nobody's.
            What::Deliver { from, to, message }
                if self.is_there(to) && self.hosts[to.0].links.contains_key(&from.0) =>
            {
                self.receive(from, to.0, message);
                self.pump(to.0);
            }
            What::Connect { from, to } if self.is_there(from) && self.is_there(to) => {
                self.link(from.0, to.0, true);
                self.link(to.0, from.0, false);
            }
            What::Beat(who) if self.is_there(who) => {
                self.beat(who.0);
                self.dial(who.0);
                self.plan_at(self.now_ms + BEAT_MS, What::Beat(who));
            }
            What::Tick(who) if self.is_there(who) => {
                self.hosts[who.0].tick_at = u64::MAX;
                self.hosts[who.0].node.tick(self.now_ms);
                self.pump(who.0);
            }
            What::Publish => self.publish(),
            What::Leave => self.leave(),
            What::Return(at) => self.come_back(at),
            What::Notice { who, gone } if self.is_there(who) => self.unlink(who.0, gone),
            _ => {}
        }
    }

    fn born(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let who = self.who(at);
        let host = &mut self.hosts[at];
        (host.alive, host.born_ms) = (true, now_ms);
        let Ok(logs) = host.store.logs();
        let has = logs.into_iter().flat_map(|state| {
            let ranges = state.have.ranges().to_vec();
            ranges.into_iter().flat_map(move |(low, high)| {
                (low..=high).map(move |seq| crate::Id { log: state.log, seq })
            })
        });
        self.ledger.born(who, now_ms, has);
        self.dial(at);
        let phase = self.rng.random_range(0..BEAT_MS);
        self.plan_at(now_ms + phase, What::Beat(who));
        self.pump(at);
    }

    /// Keeps up the number of connections. Whoever is dialled is there: finding peers is not simulated.
    fn dial(&mut self, at: usize) {
        let links = self.hosts[at].links.values().filter(|link| link.dialled).count();
        for _ in links..self.plan.dials.min(self.hosts.len() - 1) {
            let other = self.rng.random_range(0..self.hosts.len());
            let known = other == at || self.hosts[at].links.contains_key(&other);
            if known || !self.hosts[other].alive {
                continue;
            }
            // A handshake takes two ways.
            let after = 2 * self.latency(at, other);
            let (from, to) = (self.who(at), self.who(other));
            self.plan_at(self.now_ms + after, What::Connect { from, to });
        }
    }

    fn peer(&self, at: usize) -> Peer {
        Peer(u64::from(self.hosts[at].life) << 32 | at as u64)
    }

    fn link(&mut self, at: usize, other: usize, dialled: bool) {
        let peer = self.peer(other);
        let host = &mut self.hosts[at];
        if host.links.contains_key(&other) {
            return;
        }
        host.links.insert(other, super::host::Link { dialled, ..Default::default() });
        host.node.connected(peer, self.now_ms);
        self.pump(at);
    }

    fn unlink(&mut self, at: usize, gone: usize) {
        let host = &mut self.hosts[at];
        host.links.remove(&gone);
        // Of whichever life: the next one is another peer.
        for life in 0..=self.hosts[gone].life {
            let peer = Peer(u64::from(life) << 32 | gone as u64);
            self.hosts[at].node.disconnected(peer);
        }
        self.pump(at);
    }

    fn leave(&mut self) {
        let every = 60_000.0 / (self.plan.churn * self.plan.nodes as f64);
        let pause = self.rng.random_range(0.5..1.5) * every;
        if self.now_ms + pause as u64 <= WARM_UP_MS + self.plan.publish_ms {
            self.plan_at(self.now_ms + pause as u64, What::Leave);
        }
        let at = self.rng.random_range(0..self.hosts.len());
        if !self.hosts[at].alive {
            return;
        }
        self.ledger.died(self.who(at), self.now_ms);
        self.hosts[at].alive = false;
        let peers: Vec<usize> = self.hosts[at].links.keys().copied().collect();
        for other in peers {
            let who = self.who(other);
            self.plan_at(self.now_ms + self.plan.detect_ms, What::Notice { who, gone: at });
        }
        let back = self.now_ms + self.rng.random_range(5_000..20_000_u64);
        self.plan_at(back.max(self.now_ms + self.plan.detect_ms + 1), What::Return(at));
    }

    fn come_back(&mut self, at: usize) {
        let seed = self.rng.random();
        let same: bool = self.rng.random();
        let fresh = Host::new(self.author(), self.plan.round_ms, seed);
        let life = self.hosts[at].life;
        let before = std::mem::replace(&mut self.hosts[at], fresh);
        if same {
            self.hosts[at] = before.restarted(self.plan.round_ms, seed);
        }
        self.hosts[at].life = life + 1;
        self.born(at);
    }

    fn publish(&mut self) {
        let end_ms = WARM_UP_MS + self.plan.publish_ms;
        let pause = self.rng.random_range(0.5..1.5) * 1000.0 / self.plan.events_per_s;
        if self.now_ms + pause as u64 <= end_ms {
            self.plan_at(self.now_ms + (pause as u64).max(1), What::Publish);
        }
        let at = self.rng.random_range(0..self.hosts.len());
        if !self.hosts[at].alive {
            return;
        }
        let score: f64 = self.rng.random();
        let host = &mut self.hosts[at];
        let event = format!(
            r#"{{"beauty_score":{score},"event_id":"{at}-{}-{}","timestamp":"2025-10-21T04:30:00Z","wisdom":"whatever goes up comes down"}}"#,
            host.life,
            host.author.next()
        );
        let signed = host.author.sign(&event).expect("an event in its bounds");
        let who = self.who(at);
        self.ledger.published(signed.id, who, self.now_ms);
        let host = &mut self.hosts[at];
        let new = host.node.own(&signed);
        assert!(new, "an author counts on");
        host.keep(std::slice::from_ref(&signed), self.now_ms);
        self.launch(at, vec![signed]);
        self.pump(at);
    }

    /// A link's own latency is the same in every run with this seed, whoever sends.
    fn latency(&mut self, a: usize, b: usize) -> u64 {
        let mean = self.plan.latency_ms as f64;
        let link = (a.min(b) as u64) << 32 | a.max(b) as u64;
        let own = Xoshiro256PlusPlus::seed_from_u64(self.plan.seed ^ link).random_range(0.5..1.5);
        let jitter = self.rng.random_range(1.0..1.2);
        ((mean * own * jitter).round() as u64).max(1)
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        let half = self.hosts.len() / 2;
        self.plan.partition_ms.is_some_and(|(from, to)| {
            let since = self.now_ms.saturating_sub(WARM_UP_MS);
            (from..to).contains(&since) && (a < half) != (b < half)
        })
    }

    pub(super) fn send(&mut self, from: usize, to: usize, message: Message) {
        let bytes = message.bytes() as u64;
        let sums = &mut self.ledger.report.bytes;
        *(if message.is_sync() { &mut sums.1 } else { &mut sums.0 }) += bytes;
        self.ledger.report.messages.0 += 1;
        let lost = self.plan.loss > 0.0 && self.rng.random_bool(self.plan.loss);
        if lost || self.is_cut(from, to) {
            self.ledger.report.messages.1 += 1;
            return;
        }
        let after = self.latency(from, to);
        let (from, to) = (self.who(from), self.who(to));
        self.plan_at(self.now_ms + after, What::Deliver { from, to, message });
    }

    /// Does what the node wants, and plans its next tick.
    fn pump(&mut self, at: usize) {
        for action in self.hosts[at].node.actions() {
            if let Action::Request { peer, ticket, bytes } = action {
                let to = (peer.0 & u64::from(u32::MAX)) as usize;
                self.send(at, to, Message::Request(ticket, bytes));
            }
        }
        let next = self.hosts[at].node.next_ms().max(self.now_ms + 1);
        if next < self.hosts[at].tick_at {
            self.hosts[at].tick_at = next;
            let who = self.who(at);
            self.plan_at(next, What::Tick(who));
        }
    }

    pub(super) fn serve(&mut self, from: usize, at: usize, ticket: Ticket, request: &[u8]) {
        let peer = self.peer(from);
        let answer = match self.hosts[at].node.serve(peer, request, self.now_ms) {
            Served::Answer(answer) => answer,
            Served::Read(job) => {
                let Ok(page) = job.run(&self.hosts[at].store, &mut self.codec);
                page
            }
            Served::Refused(_) => return,
        };
        self.send(at, from, Message::Answer(ticket, answer));
    }

    pub(super) fn answered(&mut self, from: usize, at: usize, ticket: Ticket, answer: &[u8]) {
        let peer = self.peer(from);
        let answer = Answer::open(answer, &mut self.codec);
        let before = self.hosts[at].node.counters().total;
        let received = self.hosts[at].node.answered(peer, ticket, answer, self.now_ms);
        self.ledger.report.copies += self.hosts[at].node.counters().total - before;
        self.ledger.report.synced += received.fresh.len() as u64;
        self.took(at, &received.fresh);
        for run in pack(&received.relay) {
            self.launch(at, run.to_vec());
        }
    }

    /// Publishes a frame of this node's.
    fn launch(&mut self, at: usize, envelopes: Vec<Verified>) {
        self.frames += 1;
        let bytes = self.codec.encode(&envelopes);
        let frame = Rc::new(Frame { id: self.frames, bytes, envelopes });
        self.hosts[at].seen.insert(frame.id);
        self.push(at, None, frame);
    }

    pub(super) fn took(&mut self, at: usize, fresh: &[Verified]) {
        let who = self.who(at);
        self.hosts[at].keep(fresh, self.now_ms);
        for envelope in fresh {
            self.ledger.got(who, envelope.id, self.now_ms);
        }
    }
}
