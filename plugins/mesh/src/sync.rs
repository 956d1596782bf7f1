//! Anti-entropy, the asking side: a state machine for each peer.
//!
//! The rule: a peer has one request in flight at most, a sequence is asked of one peer at a time, and every exchange
//! ends, whatever the peer says. What a peer told is believed when nothing it offered is lacking any more.
//!
//! An exchange asks for a digest page by page, fetches what is lacking of each page, and begins again at once when it
//! brought something, so that a long history is not held up by the rhythm of rounds.

mod rtt;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use crate::envelope::{LogKey, Verified};
use crate::log::Logs;
use crate::ranges::RangeSet;
use crate::score::{Misdeed, Score};
use crate::wire::{Ask, Entry, Request};
use rtt::Rtt;
use wants::{claim, covered_by, release, strike};

/// A peer, by a number that the caller gives each connection's other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u64);

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// What the node wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send these bytes, and hand the answer to [`crate::Node::answered`] with the ticket.
    Request {
        /// To whom.
        peer: Peer,
        /// What its answer belongs to.
        ticket: Ticket,
        /// At most [`crate::MAX_REQUEST_BYTES`].
        bytes: Vec<u8>,
    },
    /// Take this into the peer's score.
    Misdeed {
        /// Whose.
        peer: Peer,
        /// What.
        misdeed: Misdeed,
    },
}

/// Sequences that one request asks for, at most: about a page.
const CHUNK: u64 = 512;
/// The first guess of how long an answer takes.
const TIMEOUT_MS: u64 = 1_000;
const MIN_TIMEOUT_MS: u64 = 200;
/// A page takes longer than what the round trips of small answers say.
const MIN_PAGE_TIMEOUT_MS: u64 = 400;
const MAX_TIMEOUT_MS: u64 = 16_000;
/// After an answer that did not come, somebody else is asked.
const SOON_MS: u64 = 250;
/// Requests without answer after which an exchange is given up.
const MISSES: u32 = 5;
/// Until somebody else may have brought it, or the peer is asked once more.
const PAUSE_MS: u64 = 200;
/// When a peer that has just come is asked again: its fast path needs a heartbeat or two to begin.
const EAGER_MS: [u64; 4] = [250, 500, 750, 1_500];
/// Pages of a digest in one exchange. A whole table is 300 pages in the worst case, and may change meanwhile.
const MAX_DIGEST_PAGES: u32 = 2_048;
/// A page that says there is more and holds less than this stalls.
const STALLING_BYTES: usize = 64 * 1024;
/// After so many exchanges everything is listed again, in case that something was missed.
const FULL_EVERY: u32 = 32;

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    sent_ms: u64,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Digest { since: u64 },
    Fetch { wants: Vec<(LogKey, RangeSet)> },
}

/// One exchange with one peer.
#[derive(Debug, Default)]
struct Exchange {
    instance: u64,
    upto: u64,
    more: bool,
    offers: Vec<(LogKey, RangeSet)>,
    pages: u32,
    /// Something that was offered is still lacking.
    lacking: bool,
    /// Something came.
    gained: bool,
}

#[derive(Debug, Default)]
struct PeerState {
    instance: u64,
    /// The peer's change up to which nothing is lacking.
    since: u64,
    exchanges: u32,
    /// How many of [`EAGER_MS`] are behind.
    eager: usize,
    flight: Option<Flight>,
    exchange: Option<Exchange>,
    misses: u32,
    /// Exchanges that were given up: the timeout doubles with each, and halves with each answer.
    slow: u32,
    rtt: Option<Rtt>,
    at_ms: Option<u64>,
    score: Score,
}

/// What is known of an exchange's step, decided before envelopes are looked at.
pub(crate) enum Page {
    /// The answer was taken; there is nothing more to do with it.
    Taken,
    /// These were asked for.
    Envelopes {
        envelopes: Vec<Verified>,
        /// The peer has been here for long: the fast path should have brought them.
        overdue: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Sync {
    peers: BTreeMap<Peer, PeerState>,
    timers: BTreeSet<(u64, Peer)>,
    /// What is asked for, of anybody.
    asked: BTreeMap<LogKey, RangeSet>,
    exchanges: usize,
    tickets: u64,
    next_round_ms: u64,
    round_ms: u64,
    max_peers: usize,
    max_exchanges: usize,
    rng: Xoshiro256PlusPlus,
    actions: Vec<Action>,
}

/// Which logs are asked for at all.
pub(crate) type Wanted<'a> = &'a dyn Fn(LogKey, bool) -> bool;

impl Sync {
    pub(crate) fn new(round_ms: u64, max_peers: usize, max_exchanges: usize, seed: u64) -> Self {
        Self {
            peers: BTreeMap::new(),
            timers: BTreeSet::new(),
            asked: BTreeMap::new(),
            exchanges: 0,
            tickets: 0,
            next_round_ms: 0,
            round_ms,
            max_peers,
            max_exchanges,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            actions: Vec::new(),
        }
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn next_ms(&self) -> u64 {
        let timer = self.timers.first().map_or(u64::MAX, |(at, _)| *at);
        timer.min(self.next_round_ms)
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn has(&self, peer: Peer) -> bool {
        self.peers.contains_key(&peer)
    }

    pub(crate) fn rtt_ms(&self, peer: Peer) -> Option<f64> {
        self.peers.get(&peer)?.rtt.map(|rtt| rtt.mean_ms)
    }

    pub(crate) fn points(&self, peer: Peer, now_ms: u64) -> f64 {
        self.peers.get(&peer).map_or(0.0, |state| state.score.at(now_ms))
    }

    /// Whether there was room for it.
    pub(crate) fn connected(&mut self, peer: Peer, logs: &Logs, now_ms: u64) -> bool {
        if self.peers.contains_key(&peer) {
            return true;
        }
        if self.peers.len() >= self.max_peers {
            return false;
        }
        self.peers.insert(peer, PeerState::default());
        self.start(peer, logs, now_ms);
        true
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.set_timer(peer, None);
        if let Some(mut state) = self.peers.remove(&peer) {
            self.release(state.flight.take());
            self.exchanges -= usize::from(state.exchange.is_some());
        }
    }

    /// Something was lost that peers were believed to have given: everything is listed again.
    pub(crate) fn forget_progress(&mut self) {
        self.peers.values_mut().for_each(|state| state.since = 0);
    }

    pub(crate) fn tick(&mut self, logs: &Logs, now_ms: u64) {
        while let Some((at, peer)) = self.timers.first().copied().filter(|(at, _)| *at <= now_ms) {
            debug_assert!(at <= now_ms, "due");
            self.set_timer(peer, None);
            self.due(peer, logs, now_ms);
        }
        if now_ms >= self.next_round_ms {
            // Between three and five quarters of the rhythm, so that nodes started together do not ask together.
            let jitter = self.rng.random_range(0..=self.round_ms / 2);
            self.next_round_ms = now_ms + self.round_ms * 3 / 4 + jitter;
            let idle = |(_, state): &(&Peer, &PeerState)| {
                state.exchange.is_none() && !state.score.is_shunned(now_ms)
            };
            let idle: Vec<Peer> = self.peers.iter().filter(idle).map(|(peer, _)| *peer).collect();
            if !idle.is_empty() {
                let at = self.rng.random_range(0..idle.len());
                self.start(idle[at], logs, now_ms);
            }
        }
    }

    fn due(&mut self, peer: Peer, logs: &Logs, now_ms: u64) {
        let Some(state) = self.peers.get(&peer) else { return };
        match (&state.flight, &state.exchange) {
            (Some(flight), _) => self.unanswered(peer, flight.ticket, now_ms),
            (None, Some(_)) => self.advance(peer, logs, now_ms),
            (None, None) => self.start(peer, logs, now_ms),
        }
    }

    /// No answer will come any more.
    pub(crate) fn unanswered(&mut self, peer: Peer, ticket: Ticket, now_ms: u64) {
        let Some(flight) = self.land(peer, ticket) else { return };
        self.release(Some(flight));
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.misses += 1;
        if state.misses >= MISSES {
            state.misses = 0;
            state.slow = (state.slow + 1).min(5);
            self.misdeed(peer, Misdeed::Silent, now_ms);
            self.give_up(peer);
            return;
        }
        // Others may take over what it owes meanwhile.
        let (pause, early) = (PAUSE_MS << state.misses.min(3) >> 2, state.misses <= 2);
        self.set_timer(peer, Some(now_ms + pause));
        if early {
            self.next_round_ms = self.next_round_ms.min(now_ms + SOON_MS);
        }
    }

    fn start(&mut self, peer: Peer, logs: &Logs, now_ms: u64) {
        let full = self.exchanges >= self.max_exchanges;
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.exchange.is_some() || state.score.is_shunned(now_ms) {
            return;
        }
        if full {
            let pause = PAUSE_MS + self.rng.random_range(0..PAUSE_MS);
            self.set_timer(peer, Some(now_ms + pause));
            return;
        }
        state.exchanges = state.exchanges.wrapping_add(1);
        if state.exchanges.is_multiple_of(FULL_EVERY) {
            state.since = 0;
        }
        let (instance, upto) = (state.instance, state.since);
        state.exchange = Some(Exchange { instance, upto, more: true, ..Exchange::default() });
        self.exchanges += 1;
        self.advance(peer, logs, now_ms);
    }

    /// The next step of an exchange that waits for no answer.
    fn advance(&mut self, peer: Peer, logs: &Logs, now_ms: u64) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(exchange) = &mut state.exchange else { return };
        // On a slow way a smaller page comes where a large one does not.
        let seqs = CHUNK >> (2 * state.misses.min(3));
        let wants = claim(&mut exchange.offers, &mut self.asked, logs, seqs);
        if !wants.is_empty() {
            let request = Request::Fetch(wants.clone());
            self.send(peer, &request, Asked::Fetch { wants }, now_ms);
        } else if !exchange.offers.is_empty() {
            // Others were asked for the rest, and may fail.
            self.set_timer(peer, Some(now_ms + PAUSE_MS));
        } else if exchange.more {
            // An equal hash says nothing of what stands at the places.
            let first = exchange.pages == 0 && exchange.upto == 0 && !logs.doubts();
            let ask = Ask {
                instance: exchange.instance,
                since: exchange.upto,
                all: state.eager < EAGER_MS.len(),
                hash: first.then(|| logs.hash()),
            };
            let since = ask.since;
            self.send(peer, &Request::Digest(ask), Asked::Digest { since }, now_ms);
        } else {
            self.finish(peer, now_ms);
        }
    }

    fn send(&mut self, peer: Peer, request: &Request, asked: Asked, now_ms: u64) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        state.flight = Some(Flight { ticket, sent_ms: now_ms, asked });
        let usual = state.rtt.map_or(TIMEOUT_MS, Rtt::timeout_ms);
        let least = match request {
            Request::Digest(_) => MIN_TIMEOUT_MS,
            Request::Fetch(_) => MIN_PAGE_TIMEOUT_MS,
        };
        let timeout = usual.max(least) << state.slow;
        self.set_timer(peer, Some(now_ms + timeout.min(MAX_TIMEOUT_MS)));
        self.actions.push(Action::Request { peer, ticket, bytes: request.encode() });
    }

    /// Everything that the peer offered was asked for.
    fn finish(&mut self, peer: Peer, now_ms: u64) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(exchange) = state.exchange.take() else { return };
        self.exchanges -= 1;
        if !exchange.lacking {
            (state.instance, state.since) = (exchange.instance, exchange.upto);
        }
        let eager = EAGER_MS.get(state.eager).copied();
        state.eager = (state.eager + 1).min(EAGER_MS.len());
        let again = if exchange.gained { Some(0) } else { eager };
        self.set_timer(peer, again.map(|pause| now_ms + pause));
    }

    fn give_up(&mut self, peer: Peer) {
        self.set_timer(peer, None);
        let Some(state) = self.peers.get_mut(&peer) else { return };
        self.exchanges -= usize::from(state.exchange.take().is_some());
        let flight = state.flight.take();
        self.release(flight);
    }

    pub(crate) fn misdeed(&mut self, peer: Peer, misdeed: Misdeed, now_ms: u64) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.score.add(misdeed.points(), now_ms);
        let shunned = state.score.is_shunned(now_ms);
        self.actions.push(Action::Misdeed { peer, misdeed });
        if shunned {
            self.give_up(peer);
        }
    }

    /// It sent what cannot be used at all.
    pub(crate) fn refused(&mut self, peer: Peer, ticket: Ticket, misdeed: Misdeed, now_ms: u64) {
        let Some(flight) = self.land(peer, ticket) else { return };
        self.release(Some(flight));
        self.give_up(peer);
        self.misdeed(peer, misdeed, now_ms);
    }

    /// The flight of this ticket, if it is still awaited.
    fn land(&mut self, peer: Peer, ticket: Ticket) -> Option<Flight> {
        let state = self.peers.get_mut(&peer)?;
        let flight = state.flight.take_if(|flight| flight.ticket == ticket)?;
        self.set_timer(peer, None);
        Some(flight)
    }

    fn landed(&mut self, peer: Peer, ticket: Ticket, now_ms: u64) -> Option<Asked> {
        let flight = self.land(peer, ticket)?;
        let state = self.peers.get_mut(&peer)?;
        (state.misses, state.slow) = (0, state.slow / 2);
        let took = now_ms.saturating_sub(flight.sent_ms) as f64;
        state.rtt = Some(Rtt::after(state.rtt, took));
        if let Asked::Fetch { wants } = &flight.asked {
            release(&mut self.asked, wants);
        }
        Some(flight.asked)
    }

    fn release(&mut self, flight: Option<Flight>) {
        if let Some(Flight { asked: Asked::Fetch { wants }, .. }) = flight {
            release(&mut self.asked, &wants);
        }
    }

    pub(crate) fn same(
        &mut self,
        peer: Peer,
        ticket: Ticket,
        told: (u64, u64),
        logs: &Logs,
        now_ms: u64,
    ) {
        let Some(asked) = self.landed(peer, ticket, now_ms) else { return };
        let Some(exchange) = self.peers.get_mut(&peer).and_then(|p| p.exchange.as_mut()) else {
            return;
        };
        if matches!(asked, Asked::Fetch { .. }) {
            self.give_up(peer);
            self.misdeed(peer, Misdeed::Broken, now_ms);
            return;
        }
        (exchange.instance, exchange.upto) = told;
        exchange.more = false;
        self.advance(peer, logs, now_ms);
    }

    pub(crate) fn busy(&mut self, peer: Peer, ticket: Ticket, retry_ms: u64, now_ms: u64) {
        if self.landed(peer, ticket, now_ms).is_some() {
            self.set_timer(peer, Some(now_ms + retry_ms.max(10)));
        }
    }

    pub(crate) fn digest(
        &mut self,
        peer: Peer,
        ticket: Ticket,
        digest: Digest,
        (logs, wanted): (&Logs, Wanted<'_>),
        now_ms: u64,
    ) {
        let Some(asked) = self.landed(peer, ticket, now_ms) else { return };
        let Some(exchange) = self.peers.get_mut(&peer).and_then(|p| p.exchange.as_mut()) else {
            return;
        };
        let Asked::Digest { since } = asked else {
            self.give_up(peer);
            self.misdeed(peer, Misdeed::Broken, now_ms);
            return;
        };
        // The peer began anew: its numbers say nothing of before.
        let stands = exchange.instance == digest.instance && digest.upto <= since;
        exchange.pages += 1;
        if digest.more && (stands || exchange.pages >= MAX_DIGEST_PAGES) {
            self.give_up(peer);
            self.misdeed(peer, Misdeed::Endless, now_ms);
            return;
        }
        exchange.instance = digest.instance;
        exchange.upto = digest.upto;
        exchange.more = digest.more;
        for entry in digest.entries {
            let lacking = logs.lacking(&entry.log, &entry.ranges);
            if lacking.is_empty() {
                continue;
            }
            // What is not wanted now is listed again when its log changes, or all logs are.
            if wanted(entry.log, entry.hybrid) {
                exchange.offers.push((entry.log, lacking));
            }
        }
        self.advance(peer, logs, now_ms);
    }

    /// Looks at a page. What was asked for is returned; [`Sync::page_taken`] comes next.
    pub(crate) fn page(
        &mut self,
        peer: Peer,
        ticket: Ticket,
        (done, envelopes): (bool, Vec<Verified>),
        now_ms: u64,
    ) -> Page {
        let Some(asked) = self.landed(peer, ticket, now_ms) else { return Page::Taken };
        let Some(state) = self.peers.get_mut(&peer) else { return Page::Taken };
        let overdue = state.eager >= EAGER_MS.len();
        let Some(exchange) = &mut state.exchange else { return Page::Taken };
        let Asked::Fetch { mut wants } = asked else {
            self.give_up(peer);
            self.misdeed(peer, Misdeed::Unasked, now_ms);
            return Page::Taken;
        };
        let covered = if done { None } else { envelopes.last().map(|last| last.id) };
        let promised = covered_by(&wants, covered);
        if !envelopes.iter().all(|envelope| strike(&mut wants, envelope.id)) {
            self.give_up(peer);
            self.misdeed(peer, Misdeed::Unasked, now_ms);
            return Page::Taken;
        }
        for (log, set) in &promised {
            if let Some((_, offer)) = exchange.offers.iter_mut().find(|(key, _)| key == log) {
                offer.subtract(set);
            }
        }
        exchange.offers.retain(|(_, offer)| !offer.is_empty());
        let due: u64 = promised.iter().map(|(_, set)| set.count()).sum();
        let weight: usize = envelopes.iter().map(|e| e.weight()).sum();
        let broken = (envelopes.len() as u64) < due;
        exchange.lacking |= broken;
        exchange.gained |= !envelopes.is_empty();
        if !done && weight < STALLING_BYTES {
            self.misdeed(peer, Misdeed::Endless, now_ms);
        } else if broken {
            self.misdeed(peer, Misdeed::Broken, now_ms);
        }
        Page::Envelopes { envelopes, overdue }
    }

    /// Goes on after a page; `refused` when some of it was not taken into the logs.
    pub(crate) fn page_taken(&mut self, peer: Peer, refused: bool, logs: &Logs, now_ms: u64) {
        if let Some(exchange) = self.peers.get_mut(&peer).and_then(|p| p.exchange.as_mut()) {
            exchange.lacking |= refused;
        }
        self.advance(peer, logs, now_ms);
    }

    fn set_timer(&mut self, peer: Peer, at_ms: Option<u64>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if let Some(before) = state.at_ms.take() {
            self.timers.remove(&(before, peer));
        }
        if let Some(at_ms) = at_ms {
            state.at_ms = Some(at_ms);
            self.timers.insert((at_ms, peer));
        }
    }
}

/// A digest as it came.
pub(crate) struct Digest {
    pub(crate) instance: u64,
    pub(crate) upto: u64,
    pub(crate) more: bool,
    pub(crate) entries: Vec<Entry>,
}
