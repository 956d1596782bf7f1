//! Requests of the caller's, and the introductions by which peers learn of each other.
//!
//! The rule: every request ends in one event; what a peer asks for is bounded in number, size and time.

use std::time::{Duration, Instant};

use libp2p::request_response::{self, InboundFailure, Message, OutboundFailure};
use libp2p::{Multiaddr, PeerId};

use super::address::{Address, ip, websocket};
use super::event::{Asked, Direction, Event, Reason, RequestFailed};
use super::hello::{Hello, MAX_TOLD, is_credible};
use super::node::Node;

/// Time from the first introduction to the next; it doubles.
pub(super) const FIRST_HELLO: Duration = Duration::from_secs(1);
/// Longest time between two of them.
const LONGEST_HELLO: Duration = Duration::from_secs(60);
/// Penalty for what cannot be read, or is too long.
const NONSENSE: f64 = 25.0;
/// Penalty for a request beyond the rate.
const PUSHY: f64 = 0.5;

type Exchanged = request_response::Event<Vec<u8>, Vec<u8>>;

impl Node {
    pub(super) fn on_ask(&mut self, event: Exchanged, now: Instant) {
        match event {
            Exchanged::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    if !self.may_ask(peer, request.len(), now) {
                        return;
                    }
                    if self.asked.len() >= self.limits.unanswered {
                        return self.reject(Reason::Limit, Some(peer), None);
                    }
                    self.next_asked += 1;
                    let id = Asked(self.next_asked);
                    self.asked.insert(id, channel);
                    self.asked_ids.insert(request_id, id);
                    self.tell(Event::Request { id, from: peer, bytes: request });
                }
                Message::Response { request_id, response } => {
                    self.answered(request_id, Ok(response));
                }
            },
            Exchanged::OutboundFailure { peer, request_id, error, .. } => {
                let failed = match error {
                    OutboundFailure::Timeout => RequestFailed::Timeout,
                    OutboundFailure::ConnectionClosed | OutboundFailure::DialFailure => {
                        RequestFailed::Gone
                    }
                    OutboundFailure::UnsupportedProtocols => RequestFailed::Refused,
                    OutboundFailure::Io(why) => {
                        self.nonsense(peer, &why, now);
                        RequestFailed::Refused
                    }
                };
                self.answered(request_id, Err(failed));
            }
            Exchanged::InboundFailure { peer, request_id, error, .. } => {
                if let Some(id) = self.asked_ids.remove(&request_id) {
                    self.asked.remove(&id);
                }
                if let InboundFailure::Io(why) = error {
                    self.nonsense(peer, &why, now);
                }
            }
            Exchanged::ResponseSent { request_id, .. } => {
                self.asked_ids.remove(&request_id);
            }
        }
    }

    pub(super) fn on_hello(&mut self, event: Exchanged, now: Instant) {
        match event {
            Exchanged::Message { peer, message, .. } => match message {
                Message::Request { request, channel, .. } => {
                    if !self.may_ask(peer, request.len(), now) {
                        return;
                    }
                    let answer = self.hello_for(peer).encode();
                    // An error says that the asker has gone or waits no longer.
                    let _ = self.swarm.behaviour_mut().hello.send_response(channel, answer);
                    self.heard(peer, &request, now);
                }
                Message::Response { response, .. } => self.heard(peer, &response, now),
            },
            Exchanged::InboundFailure { peer, error: InboundFailure::Io(why), .. }
            | Exchanged::OutboundFailure { peer, error: OutboundFailure::Io(why), .. } => {
                self.nonsense(peer, &why, now);
            }
            _ => {}
        }
    }

    /// Introduces this node to a peer.
    pub(super) fn say_hello(&mut self, to: PeerId, now: Instant) {
        let bytes = self.hello_for(to).encode();
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.next_hello = now + peer.hello_pause;
            peer.hello_pause = (peer.hello_pause * 2).min(LONGEST_HELLO);
            self.swarm.behaviour_mut().hello.send_request(&to, bytes);
        }
    }

    /// Introduces this node again to those it dialled, ever more seldom.
    pub(super) fn greet(&mut self, now: Instant) {
        let due = self.peers.iter().filter(|(_, peer)| {
            let dialled = peer.connections.iter().any(|made| made.direction == Direction::Out);
            dialled && peer.next_hello <= now
        });
        let due: Vec<PeerId> = due.map(|(id, _)| *id).collect();
        for peer in due {
            self.say_hello(peer, now);
        }
    }

    /// What `to` is told: where this node listens, and a few addresses of others.
    fn hello_for(&self, to: PeerId) -> Hello {
        let dialled = self.book.good().map(|(at, peer)| (at.clone(), peer));
        let met = self.peers.iter().filter_map(|(id, peer)| Some((peer.listens_at.clone()?, *id)));
        let mut others: Vec<(Multiaddr, PeerId)> = met.chain(dialled).collect();
        others.retain(|(_, peer)| *peer != to);
        others.sort_unstable();
        others.dedup();
        // Others than the last time: by chance each is told now and then.
        let turn = getrandom::u64().unwrap_or_default() as usize;
        if !others.is_empty() {
            let turn = turn % others.len();
            others.rotate_left(turn);
        }
        others.truncate(MAX_TOLD);
        Hello { port: self.port(), others, label: self.label.clone() }
    }

    fn heard(&mut self, from: PeerId, bytes: &[u8], now: Instant) {
        let Some(hello) = Hello::decode(bytes) else {
            self.reject(Reason::Malformed, Some(from), None);
            return self.penalise(from, NONSENSE, now);
        };
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.greeted = true;
        peer.label.clone_from(&hello.label);
        let connection = peer.connections.last();
        let stands_at = connection.and_then(|made| ip(&made.address));
        let came = connection.is_some_and(|made| made.direction == Direction::In);
        if came && hello.port != 0 {
            peer.listens_at = stands_at.map(|at| websocket(at, hello.port));
        }
        let own = peer.listens_at.clone().map(|at| (at, from));
        if let Some((at, _)) = &own {
            self.book.belongs(at, from);
        }
        self.introduced(from);
        for (at, who) in own.into_iter().chain(hello.others) {
            let address = Address { at, expect: None };
            if who != self.peer_id()
                && is_credible(&address.at, stands_at)
                && self.book.learn(&address, Some(who), now)
            {
                self.next_dial = self.next_dial.min(now);
            }
        }
    }

    fn answered(
        &mut self,
        id: request_response::OutboundRequestId,
        answer: Result<Vec<u8>, RequestFailed>,
    ) {
        let Some((from, id)) = self.asking.remove(&id) else { return };
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.asking = peer.asking.saturating_sub(1);
        }
        self.tell(Event::Answer { id, from, answer });
    }

    /// Whether a request is within its sender's rate.
    fn may_ask(&mut self, from: PeerId, bytes: usize, now: Instant) -> bool {
        let within = self
            .peers
            .get_mut(&from)
            .is_some_and(|peer| peer.requests.take(1.0, now) && peer.bytes.take(bytes as f64, now));
        if !within {
            self.reject(Reason::Rate, Some(from), None);
            self.penalise(from, PUSHY, now);
        }
        within
    }

    fn nonsense(&mut self, peer: PeerId, why: &std::io::Error, now: Instant) {
        let reason = match why.kind() {
            std::io::ErrorKind::FileTooLarge => Reason::Oversize,
            std::io::ErrorKind::InvalidData => Reason::Malformed,
            // The connection broke; nobody is to blame.
            _ => return,
        };
        self.reject(reason, Some(peer), None);
        self.penalise(peer, NONSENSE, now);
    }
}
