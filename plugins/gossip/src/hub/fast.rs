//! The fast path: frames from peers, and verdicts on them.

use std::time::{Duration, Instant};

use shimmer_mesh::fanout::{Beat, START};
use shimmer_mesh::{Failure, LogKey, Reason, Verdict as Judged, Verified};

use super::{Done, State};
use crate::deliver::{Carried, Delivered, Fate, From, Item, Parcel};
use crate::epochs;
use crate::event::unsigned_id;
use crate::identity::origin_of;
use crate::net::{Event, MessageId, PeerId, Verdict};

/// Envelopes that are verified at once by the hub; more are a job for others.
const FEW: usize = 4;
/// Time between two looks at load and loss.
const BEAT: Duration = Duration::from_secs(1);
/// Frames a second that fill the way out, as a measure of load.
const FULL: f64 = 2_000.0;
/// Longest name of a node that the host takes.
const MAX_ORIGIN: usize = 128;

/// What the degree of the mesh is decided by.
pub(super) struct Heart {
    next: Instant,
    pub(super) sent: u64,
    pub(super) held_back: u64,
    fresh: u64,
    synced: u64,
    eager: usize,
}

impl Default for Heart {
    fn default() -> Self {
        Self { next: Instant::now() + BEAT, sent: 0, held_back: 0, fresh: 0, synced: 0, eager: 0 }
    }
}

impl State {
    pub(super) fn network(&mut self, event: Event) {
        match event {
            Event::Frame { id, from, bytes } => self.frame(id, from, &bytes),
            Event::Request { id, from, bytes } => self.request(id, from, &bytes),
            Event::Answer { id, from, answer } => self.answer(id, from, answer),
            Event::PeerUp { peer, .. } => self.peer_up(peer),
            Event::PeerDown { peer } => self.peer_down(peer),
            Event::SlowPeer { frames, .. } => self.beat.held_back += frames as u64,
            // The network counts these itself.
            Event::Published { .. } | Event::Rejected { .. } => {}
        }
    }

    fn frame(&mut self, id: MessageId, from: PeerId, bytes: &[u8]) {
        let envelopes = match self.pool.codec().decode(bytes) {
            Ok(envelopes) => self.node.screen(envelopes),
            Err(reason) => return self.reject(id, from, reason),
        };
        if envelopes.is_empty() {
            return self.net.verdict(id, from, Verdict::Ignore);
        }
        if envelopes.len() <= FEW {
            let opened = self.pool.codec().verify(envelopes);
            return self.frame_opened(id, from, opened);
        }
        let done = self.done.clone();
        self.pool.run(Box::new(move |codec| {
            drop(done.send(Done::Frame(id, from, codec.verify(envelopes))));
        }));
    }

    pub(super) fn frame_opened(
        &mut self,
        id: MessageId,
        from: PeerId,
        opened: Result<Vec<Verified>, Reason>,
    ) {
        let envelopes = match opened {
            Ok(envelopes) => envelopes,
            Err(reason) => return self.reject(id, from, reason),
        };
        let now_ms = self.clock.now_ms();
        let received = self.node.receive(&envelopes, now_ms);
        self.shown.lock().note(from).last_gossip_ms = Some(epochs::now_ms());
        self.publish(&received.relay);
        self.compare(received.suspects, received.disputed);
        match received.verdict {
            // The host has the last word on whether they are events.
            Judged::Accept => self.hand_over(received.fresh, From::Frame(id, from)),
            Judged::Ignore => self.net.verdict(id, from, Verdict::Ignore),
            Judged::Reject(_) => self.net.verdict(id, from, Verdict::Reject),
        }
    }

    fn reject(&mut self, id: MessageId, from: PeerId, reason: Reason) {
        self.node.refused(reason);
        self.net.verdict(id, from, Verdict::Reject);
    }

    /// Sends new envelopes to the host. One without a signature of its own goes only if it is not known.
    pub(super) fn hand_over(&mut self, envelopes: Vec<Verified>, from: From) {
        let mut items = Vec::with_capacity(envelopes.len());
        let mut known = Vec::new();
        for envelope in envelopes {
            let origin = self.name(&envelope);
            let event = match unsigned_id(&envelope.event) {
                None => Carried::Signed(envelope),
                Some(id) if self.unsigned.insert(id) => Carried::Marked(envelope, id),
                Some(_) => {
                    known.push(envelope);
                    continue;
                }
            };
            items.push(Item { origin, event });
        }
        if !known.is_empty() {
            // Another node took the same packet: others may not have it, so it is offered all the same.
            self.shown.lock().unsigned.duplicates += known.len() as u64;
            drop(self.tasks.send(crate::keeper::Task::Put(known)));
        }
        match (items.is_empty(), from) {
            (true, From::Frame(id, from)) => self.net.verdict(id, from, Verdict::Accept),
            (true, From::Page | From::Packet(..)) => {}
            (false, from) => drop(self.parcels.send(Parcel { items, from })),
        }
    }

    /// What the node of an envelope is called here.
    fn name(&mut self, envelope: &Verified) -> Box<str> {
        let name = self.shown.lock().labels.see(envelope);
        if name.len() <= MAX_ORIGIN && !name.chars().any(char::is_control) {
            return name.into();
        }
        envelope.id.log.origin.to_string().into()
    }

    /// What the host did with a parcel.
    pub(super) fn delivered(&mut self, delivered: Delivered) {
        let Delivered { parcel: Parcel { items, from }, fates } = delivered;
        let (mut keep, mut taken, mut unsigned) = (Vec::new(), Vec::new(), Vec::new());
        let (mut refused, mut nameless) = (0, 0);
        for (item, fate) in items.into_iter().zip(fates) {
            let (envelope, id) = match item.event {
                Carried::Signed(envelope) => (envelope, None),
                Carried::Marked(envelope, id) => (envelope, Some(id)),
                Carried::Bare(event, id) => {
                    self.bare_delivered(&event, id, fate, &from);
                    continue;
                }
            };
            match fate {
                Fate::Taken | Fate::Known => {
                    unsigned.extend(id);
                    if fate == Fate::Taken {
                        taken.push(envelope.clone());
                    }
                    keep.push(envelope);
                }
                Fate::Refused => {
                    refused += 1;
                    self.node.failed([envelope.id], Failure::Never);
                }
                Fate::Nameless => {
                    nameless += 1;
                    id.iter().for_each(|id| self.unsigned.remove(id));
                    self.node.failed([envelope.id], Failure::Nameless);
                }
                Fate::Later => {
                    id.iter().for_each(|id| self.unsigned.remove(id));
                    self.node.failed([envelope.id], Failure::Retry);
                }
            }
        }
        if refused > 0 {
            self.node.refused(Reason::Malformed);
        }
        if nameless > 0 {
            self.seldom(|| {
                "events of other nodes are refused: they bring new names, and half of ring.names is in use"
                    .to_owned()
            });
        }
        self.feel(&taken);
        if !unsigned.is_empty() {
            drop(self.tasks.send(crate::keeper::Task::Unsigned(unsigned)));
        }
        match from {
            From::Frame(id, peer) => {
                // What the host refuses depends on its limits, and the next node may take it: nobody is to blame.
                let verdict = if keep.is_empty() { Verdict::Ignore } else { Verdict::Accept };
                self.net.verdict(id, peer, verdict);
                self.to_gateways(&taken);
            }
            From::Page => self.to_gateways(&taken),
            From::Packet(talker, ttl) => return self.packet_delivered(keep, talker, ttl),
        }
        if !keep.is_empty() {
            drop(self.tasks.send(crate::keeper::Task::Put(keep)));
        }
    }

    /// Whether an envelope at a known place says the same as the first one there.
    pub(super) fn compare(&mut self, suspects: Vec<Verified>, mut disputed: Option<LogKey>) {
        for second in suspects.into_iter().take(16) {
            let (log, seq) = (second.id.log, second.id.seq);
            let mut first = Vec::new();
            let span = shimmer_mesh::Span { log, low: seq, high: seq };
            if shimmer_mesh::Store::read(&self.disk, span, 0, &mut first).is_err() {
                continue;
            }
            if first.first().is_some_and(|first| self.node.judge(first, &second)) {
                let label = self.shown.lock().labels.name(log.origin);
                self.seldom(|| format!("{label:?} signed two different events for one place"));
                disputed = disputed.or(Some(log));
            }
        }
        if disputed == Some(self.author.log()) {
            self.begin_anew();
        }
    }

    /// Decides once a second to how many peers frames go directly.
    pub(super) fn heartbeat(&mut self) {
        let now = Instant::now();
        if now < self.beat.next {
            return;
        }
        self.beat.next = now + BEAT;
        let counters = self.node.counters();
        let repaired = counters.synced - self.beat.synced;
        let fresh = counters.seen - self.beat.fresh.min(counters.seen);
        let load =
            (self.beat.sent as f64 / FULL).max(if self.beat.held_back > 0 { 1.0 } else { 0.0 });
        let beat = Beat { pushed: fresh.saturating_sub(repaired), repaired, load };
        (self.beat.synced, self.beat.fresh) = (counters.synced, counters.seen);
        (self.beat.sent, self.beat.held_back) = (0, 0);
        let degree = self.fanout.beat(beat);
        let eager = degree.saturating_sub(START);
        if eager != self.beat.eager {
            self.beat.eager = eager;
            self.net.set_eager(eager);
        }
        self.shown.lock().degree = degree;
        self.keep_names();
    }

    /// Binds what peers say they are called, and has the keeper remember what was bound.
    fn keep_names(&mut self) {
        let peers = self.net.peers();
        let new = {
            let labels = &mut self.shown.lock().labels;
            for peer in peers {
                if let Some(origin) = origin_of(&peer.peer) {
                    labels.claim(origin, &peer.label);
                }
            }
            labels.take_new()
        };
        if !new.is_empty() {
            drop(self.tasks.send(crate::keeper::Task::Labels(new)));
        }
    }
}
