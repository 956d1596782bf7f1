//! A node of the mesh without its sockets: what it knows, what it takes, what it asks and what it answers.
//!
//! The rule: an envelope is offered to others only after the caller has stored it, one that is on its way into the
//! store is not fetched a second time, and everything that is kept is bounded.
//!
//! Nothing here verifies: [`crate::Codec::open`] and [`Answer::open`] do, on any thread, and hand over [`Verified`]s.

mod config;
mod recent;

use std::collections::{BTreeMap, VecDeque};

use crate::envelope::{Envelope, Id, LogKey, Verified};
use crate::frame::MAX_ENVELOPES;
use crate::keys::Origin;
use crate::log::{LogState, Logs, NotTaken, Shown};
use crate::reason::Reason;
use crate::score::Misdeed;
use crate::serve::{Served, Shares, serve};
use crate::store::Span;
use crate::sync::{Action, Digest, Page, Peer, Sync, Ticket};
use crate::wire::{Answer, MAX_RETRY_MS, busy};
pub use config::{Allow, Config, Counters, Equivocation, Failure, Received, Verdict};
use recent::{Compared, Recent};

/// Envelopes that may be between the hands of the node and the store.
pub const MAX_PENDING: usize = 65_536;
/// Stored envelopes that wait for the fast path to be done with them; more are offered at once.
const MAX_SETTLING: usize = 65_536;
/// Proofs of equivocation that are kept; the first ones stay.
pub const MAX_PROOFS: usize = 64;
/// How far in the future an event may be, where a greatest age is set.
const FUTURE_MS: i64 = 300_000;

/// By which way an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Own,
    FastPath,
    Sync,
}

/// A node of the mesh.
///
/// All times are milliseconds since the Unix epoch, as `now_ms`: the caller takes the wall clock once and adds a
/// steady clock to it, so that timers do not jump.
#[derive(Debug)]
pub struct Node {
    config: Config,
    /// This node's own key, once it has signed.
    own: Option<Origin>,
    /// A number of this life, by which others know that its changes begin anew.
    instance: u64,
    logs: Logs,
    sync: Sync,
    shares: Shares,
    pending: BTreeMap<Id, Via>,
    settling: VecDeque<(u64, Id)>,
    recent: Recent,
    proofs: Vec<Equivocation>,
    counters: Counters,
}

impl Node {
    /// A node that knows nothing yet. The seed decides whom it asks when; take it from the system's randomness, so
    /// that nobody can foresee it, or from a test.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let sync = Sync::new(config.round_ms, config.max_peers, config.max_exchanges, seed);
        Self {
            // 53 bits are enough, and never 0.
            instance: (seed.rotate_left(29) ^ seed) >> 11 | 1,
            logs: Logs::default(),
            shares: Shares::new(config.peer_bytes_per_second),
            sync,
            pending: BTreeMap::new(),
            settling: VecDeque::new(),
            recent: Recent::default(),
            proofs: Vec::new(),
            counters: Counters::default(),
            own: None,
            config,
        }
    }

    /// Takes up what the store has, before anything else.
    pub fn restore(&mut self, logs: impl IntoIterator<Item = LogState>) {
        for state in logs {
            self.counters.seen += state.have.count() + state.skipped.count();
            if self.logs.restore(state).is_err() {
                self.counters.bounded += 1;
            }
        }
    }

    /// What is known of every log: with what the host refused, which a store does not know.
    pub fn logs(&self) -> impl Iterator<Item = LogState> {
        self.logs.states()
    }

    /// An envelope that this node signed. It is to be sent as a frame, stored, and reported with [`Node::stored`].
    /// Whether it is new: after a crash the same event may come again, under the same sequence.
    pub fn own(&mut self, envelope: &Verified) -> bool {
        self.own = Some(envelope.id.log.origin);
        let new = self.logs.begin(envelope).is_ok();
        if new {
            self.pending.insert(envelope.id, Via::Own);
            self.recent.insert(envelope);
            self.counters.seen += 1;
            self.counters.propagated += 1;
        }
        new
    }

    /// Whether this content is known for this place from not long ago: it was taken, or is on its way.
    #[must_use]
    pub fn remembers(&self, envelope: &Verified) -> bool {
        matches!(self.recent.compare(envelope), Compared::Same)
    }

    /// Fetches this node's own `id` from the first peer that has it, to see in [`Received::disputed`] whether it is the
    /// same: a node that came back with older data does not know what it had signed.
    pub fn doubt(&mut self, id: Id) {
        self.logs.doubt(id);
        self.sync.forget_progress();
    }

    /// Drops the envelopes of a received frame that are known to the last byte, before anybody verifies them. Where
    /// none is left, the frame is to be ignored.
    #[must_use]
    pub fn screen(&mut self, mut envelopes: Vec<Envelope>) -> Vec<Envelope> {
        let before = envelopes.len();
        envelopes.retain(|envelope| !self.recent.has(envelope));
        let known = (before - envelopes.len()) as u64;
        self.counters.total += known;
        self.counters.duplicates += known;
        envelopes
    }

    /// Takes the envelopes of a frame of the fast path.
    pub fn receive(&mut self, envelopes: &[Verified], now_ms: u64) -> Received {
        let mut received = self.take(envelopes, Via::FastPath, now_ms);
        if received.verdict == Verdict::Accept {
            self.counters.propagated += received.fresh.len() as u64;
        }
        received.fresh.shrink_to_fit();
        received
    }

    /// A frame or a packet that could not be read or verified. Frames are then rejected.
    pub fn refused(&mut self, reason: Reason) -> Verdict {
        self.counters.rejected[reason.index()] += 1;
        Verdict::Reject(reason)
    }

    fn take(&mut self, envelopes: &[Verified], via: Via, now_ms: u64) -> Received {
        let mut received = Received::default();
        for envelope in envelopes {
            self.counters.total += 1;
            match self.admit(envelope, via, now_ms) {
                Ok(()) => received.fresh.push(envelope.clone()),
                Err(Refusal::Known) => {
                    self.counters.duplicates += 1;
                    self.logs.compared(&envelope.id);
                    match self.recent.compare(envelope) {
                        Compared::Same => {}
                        Compared::Unknown => received.suspects.push(envelope.clone()),
                        Compared::Other(first) => {
                            self.equivocated(first, envelope.clone());
                            let log = envelope.id.log;
                            received.disputed =
                                received.disputed.or((self.own == Some(log.origin)).then_some(log));
                        }
                    }
                }
                Err(Refusal::Full) => self.counters.bounded += 1,
                Err(Refusal::Reason(reason)) => self.counters.rejected[reason.index()] += 1,
            }
        }
        // Known, forbidden, old or of another kind than what came first here: all of that depends on what this node
        // holds and allows, so whoever forwarded it is not to blame.
        received.verdict =
            if received.fresh.is_empty() { Verdict::Ignore } else { Verdict::Accept };
        received
    }

    fn admit(&mut self, envelope: &Verified, via: Via, now_ms: u64) -> Result<(), Refusal> {
        if self.own != Some(envelope.id.log.origin) {
            self.config.allow.permits(envelope).map_err(Refusal::Reason)?;
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(Refusal::Full);
        }
        self.logs.begin(envelope).map_err(|refused| match refused {
            NotTaken::Known => Refusal::Known,
            NotTaken::Full => Refusal::Full,
            NotTaken::Downgrade => Refusal::Reason(Reason::Signature),
        })?;
        if self.is_out_of_time(envelope, now_ms) {
            // It is not asked for again.
            self.logs.skip(envelope.id.log, envelope.id.seq, envelope.id.seq);
            return Err(Refusal::Reason(Reason::Ttl));
        }
        self.pending.insert(envelope.id, via);
        self.recent.insert(envelope);
        self.counters.seen += 1;
        self.counters.synced += u64::from(via == Via::Sync);
        Ok(())
    }

    fn is_out_of_time(&self, envelope: &Verified, now_ms: u64) -> bool {
        let Some(most) = self.config.max_age_ms else { return false };
        // An event without a time is the host's to refuse.
        let Some(time_ms) = envelope.facts().time_ms else { return false };
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        time_ms < now_ms.saturating_sub(most) || time_ms > now_ms.saturating_add(FUTURE_MS)
    }

    /// Judges a suspect of [`Received`] beside what the store has at its place. Whether its origin equivocated.
    pub fn judge(&mut self, first: &Verified, second: &Verified) -> bool {
        let differs = first.id == second.id && !recent::says_the_same(first, second);
        if differs {
            self.equivocated(first.clone(), second.clone());
        }
        differs
    }

    fn equivocated(&mut self, first: Verified, second: Verified) {
        self.counters.equivocations += 1;
        let origin = first.id.log.origin;
        let known = self.proofs.iter().any(|proof| proof.first.id.log.origin == origin);
        if self.proofs.len() < MAX_PROOFS && !known {
            self.proofs.push(Equivocation { first, second });
        }
    }

    /// Proofs that an origin signed two contents for one place: the first of each origin, at most [`MAX_PROOFS`].
    #[must_use]
    pub fn equivocations(&self) -> &[Equivocation] {
        &self.proofs
    }

    /// These are in the store now, and will be offered to others: what anti-entropy brought at once, the rest when the
    /// fast path is done with it.
    pub fn stored(&mut self, ids: impl IntoIterator<Item = Id>, now_ms: u64) {
        for id in ids {
            let via = self.pending.remove(&id);
            let settled = via == Some(Via::Sync) || self.settling.len() >= MAX_SETTLING;
            let shown = if settled { Shown::All } else { Shown::Settled };
            if self.logs.stored(id, shown) && !settled {
                self.settling.push_back((now_ms + self.config.settle_ms, id));
            }
        }
    }

    /// These did not get into the store.
    pub fn failed(&mut self, ids: impl IntoIterator<Item = Id>, failure: Failure) {
        for id in ids {
            self.pending.remove(&id);
            match failure {
                Failure::Retry => {
                    self.recent.remove(&id);
                    self.logs.abort(id);
                    self.counters.seen = self.counters.seen.saturating_sub(1);
                }
                Failure::Never => self.logs.skip(id.log, id.seq, id.seq),
                Failure::Nameless => {
                    self.counters.bounded += 1;
                    self.logs.skip(id.log, id.seq, id.seq);
                }
            }
        }
        if failure == Failure::Retry {
            self.sync.forget_progress();
        }
    }

    /// The store dropped these. They stay known, and are neither offered nor fetched.
    pub fn pruned(&mut self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            self.logs.skip(span.log, span.low, span.high);
        }
    }

    /// Logs that are known no longer, since newer epochs took their places: the store need not remember them. To be
    /// asked often; between two calls there is one for each new epoch at most, and for each envelope that was stored.
    #[must_use]
    pub fn take_forgotten(&mut self) -> Vec<LogKey> {
        self.logs.take_forgotten()
    }

    /// A peer is there. Whether there was room: one beyond the bound takes part in the fast path alone.
    pub fn connected(&mut self, peer: Peer, now_ms: u64) -> bool {
        self.sync.connected(peer, &self.logs, now_ms)
    }

    /// A peer is gone.
    pub fn disconnected(&mut self, peer: Peer) {
        self.sync.disconnected(peer);
        self.shares.disconnected(peer);
    }

    /// Does what is due. To be called at [`Node::next_ms`], or more often.
    pub fn tick(&mut self, now_ms: u64) {
        while let Some((_, id)) = self.settling.pop_front_if(|(at, _)| *at <= now_ms) {
            self.logs.settle(id);
        }
        self.sync.tick(&self.logs, now_ms);
    }

    /// When [`Node::tick`] has something to do next.
    #[must_use]
    pub fn next_ms(&self) -> u64 {
        // What settles is only told at the next digest, which is served after a tick.
        self.sync.next_ms()
    }

    /// What is to be done now, in order. To be asked after every other call.
    #[must_use]
    pub fn actions(&mut self) -> Vec<Action> {
        self.sync.take_actions()
    }

    /// A peer's request. One that is not connected, or is beyond the bound of peers, is told to come later.
    pub fn serve(&mut self, peer: Peer, request: &[u8], now_ms: u64) -> Served {
        while let Some((_, id)) = self.settling.pop_front_if(|(at, _)| *at <= now_ms) {
            self.logs.settle(id);
        }
        if !self.sync.has(peer) {
            // Beyond the bound of peers: no share is kept for it.
            return Served::Answer(busy(MAX_RETRY_MS));
        }
        let served = serve(&self.logs, &mut self.shares, self.instance, (peer, request), now_ms);
        if let Served::Refused(reason) = &served {
            self.counters.rejected[reason.index()] += 1;
            self.sync.misdeed(peer, Misdeed::Refused(*reason), now_ms);
        } else if self.shares.is_greedy(peer) {
            self.sync.misdeed(peer, Misdeed::Greedy, now_ms);
        }
        served
    }

    /// A peer's answer, read with [`Answer::open`].
    pub fn answered(
        &mut self,
        peer: Peer,
        ticket: Ticket,
        answer: Result<Answer, Reason>,
        now_ms: u64,
    ) -> Received {
        let none = Received::default();
        match answer {
            Err(reason) => {
                self.counters.rejected[reason.index()] += 1;
                self.sync.refused(peer, ticket, Misdeed::Refused(reason), now_ms);
                none
            }
            Ok(Answer::Busy { retry_ms }) => {
                self.sync.busy(peer, ticket, retry_ms, now_ms);
                none
            }
            Ok(Answer::Same { instance, upto }) => {
                self.sync.same(peer, ticket, (instance, upto), &self.logs, now_ms);
                none
            }
            Ok(Answer::Digest { instance, upto, more, entries }) => {
                let digest = Digest { instance, upto, more, entries };
                let (logs, allow, own) = (&self.logs, &self.config.allow, self.own);
                let wanted = |log: LogKey, hybrid| {
                    let allowed = own == Some(log.origin) || allow.may_be(log, hybrid);
                    allowed && logs.wants(log, hybrid)
                };
                self.sync.digest(peer, ticket, digest, (logs, &wanted), now_ms);
                none
            }
            Ok(Answer::Page { done, envelopes }) => {
                let page = self.sync.page(peer, ticket, (done, envelopes), now_ms);
                let Page::Envelopes { envelopes, overdue } = page else { return none };
                let mut received = self.take(&envelopes, Via::Sync, now_ms);
                if overdue && received.fresh.len() <= MAX_ENVELOPES {
                    received.relay = received.fresh.clone();
                    self.counters.propagated += received.relay.len() as u64;
                }
                let known = |envelope: &Verified| self.logs.knows(&envelope.id);
                let refused = !envelopes.iter().all(known);
                self.sync.page_taken(peer, refused, &self.logs, now_ms);
                received
            }
        }
    }

    /// No answer will come: the stream broke, or the peer does not speak the protocol.
    pub fn unanswered(&mut self, peer: Peer, ticket: Ticket, now_ms: u64) {
        self.sync.unanswered(peer, ticket, now_ms);
    }

    /// How long the peer takes to answer, in milliseconds.
    #[must_use]
    pub fn rtt_ms(&self, peer: Peer) -> Option<f64> {
        self.sync.rtt_ms(peer)
    }

    /// The peer's misdeeds in points; at 100 it is asked nothing until they have faded.
    #[must_use]
    pub fn points(&self, peer: Peer, now_ms: u64) -> f64 {
        self.sync.points(peer, now_ms)
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Logs, envelopes on their way into the store, and peers that there are.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.logs.len(), self.pending.len(), self.sync.peers())
    }
}

enum Refusal {
    Known,
    Full,
    Reason(Reason),
}

#[cfg(test)]
mod tests;
