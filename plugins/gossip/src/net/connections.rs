//! Connections: dialled, let in, doubled, closed, refused.
//!
//! The rule: of two connections to one peer both sides keep the same one, and the other closes only when what was
//! begun on it is through.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId};

use super::book::Dial;
use super::bucket::Bucket;
use super::event::{Direction, Event, Reason};
use super::exchange::FIRST_HELLO;
use super::gate::Refusal;
use super::node::{BehaviourEvent, Connection, Node, Peer};

/// How long a second connection lives: gossipsub says once to whom it is subscribed, on either of them.
const SURPLUS: Duration = Duration::from_secs(2);
/// Least time between two looks at the address book.
const LOOK: Duration = Duration::from_millis(50);
/// Longest time between them: peers come and go.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn on_connection(&mut self, event: SwarmEvent<BehaviourEvent>, now: Instant) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.established(peer_id, connection_id, &endpoint, now);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.closed(peer_id, connection_id, num_established == 0, now);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(at) = self.dials.remove(&connection_id) {
                    self.not_reached(&at, &error, now);
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, peer_id, .. } => {
                let reason = match error {
                    ListenError::LocalPeerId { .. } => return,
                    ListenError::Denied { ref cause } => match cause.downcast_ref::<Refusal>() {
                        Some(Refusal(reason)) => *reason,
                        None => Reason::Limit,
                    },
                    ListenError::WrongPeerId { .. } => Reason::Auth,
                    ListenError::Transport(_) | ListenError::Aborted => Reason::Transport,
                };
                self.reject(reason, peer_id, Some(send_back_addr));
            }
            _ => {}
        }
    }

    /// Dials whatever is due.
    pub(super) fn dial(&mut self, now: Instant) {
        let connected: HashSet<PeerId> = self.peers.keys().copied().collect();
        let wanted = self.limits.peers_wanted;
        for Dial { at, expect } in
            self.book.due(now, wanted, self.limits.pending_outbound, &connected)
        {
            // A port of its own for each dial: sharing the listener's would let two dials collide.
            let opts = match expect {
                Some(peer) => DialOpts::peer_id(peer)
                    .addresses(vec![at.clone()])
                    .condition(PeerCondition::Always)
                    .allocate_new_port()
                    .build(),
                None => DialOpts::unknown_peer_id().address(at.clone()).allocate_new_port().build(),
            };
            let id = opts.connection_id();
            match self.swarm.dial(opts) {
                Ok(()) => drop(self.dials.insert(id, at)),
                Err(why) => self.not_reached(&at, &why, now),
            }
        }
        let soonest = self.book.next(now).unwrap_or(now + LONGEST_LOOK);
        self.next_dial = soonest.clamp(now + LOOK, now + LONGEST_LOOK);
    }

    fn not_reached(&mut self, at: &Multiaddr, why: &DialError, now: Instant) {
        match why {
            // The second: the swarm leaves addresses out on which it listens itself, and there was only the one.
            DialError::LocalPeerId { .. } | DialError::NoAddresses => self.book.is_own(at),
            DialError::WrongPeerId { obtained, .. } => {
                self.reject(Reason::Auth, Some(*obtained), Some(at.clone()));
                self.book.failed(at, "another peer answers there than the one expected", now);
            }
            DialError::Denied { cause } => match cause.downcast_ref::<Refusal>() {
                Some(Refusal(Reason::Limit)) => self.book.postponed(at, now),
                Some(Refusal(reason)) => {
                    self.reject(*reason, None, Some(at.clone()));
                    let why = if *reason == Reason::Auth {
                        "the peer there is not on the allow-list"
                    } else {
                        "the peer there is banned for a while"
                    };
                    self.book.failed(at, why, now);
                }
                None => self.book.failed(at, &innermost(why), now),
            },
            DialError::Transport(errors) => {
                let why = errors.iter().map(|(_, why)| innermost(why)).next();
                self.book.failed(at, &why.unwrap_or_default(), now);
            }
            _ => self.book.failed(at, &innermost(why), now),
        }
        self.next_dial = self.next_dial.min(now + LOOK);
    }

    fn established(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        now: Instant,
    ) {
        let dialled = self.dials.remove(&connection);
        if let Some(at) = &dialled {
            self.book.reached(at, id, now);
            self.next_dial = self.next_dial.min(now + LOOK);
        }
        let direction = if endpoint.is_dialer() { Direction::Out } else { Direction::In };
        let address = endpoint.get_remote_address().clone();
        let limits = &self.limits;
        let is_new = !self.peers.contains_key(&id);
        let peer = self.peers.entry(id).or_insert_with(|| Peer {
            connections: Vec::new(),
            since: now,
            latency: None,
            frames: Bucket::full(limits.frames, now),
            bytes: Bucket::full(limits.bytes, now),
            requests: Bucket::full(limits.requests, now),
            subscribed: false,
            greeted: false,
            label: String::new(),
            listens_at: None,
            asking: 0,
            next_hello: now,
            hello_pause: FIRST_HELLO,
        });
        let made = Connection { id: connection, direction, address: address.clone(), dialled };
        peer.connections.push(made);
        if is_new {
            self.tell(Event::PeerUp { peer: id, address, direction });
            if direction == Direction::Out {
                self.say_hello(id, now);
            }
            self.show();
        } else if let Some(loser) = self.loser(&id) {
            self.surplus.push((now + SURPLUS, id, loser));
            self.show();
        }
    }

    /// Of two connections of the same direction the older goes: its other end is probably dead. Otherwise the one
    /// goes that the peer with the greater id dialled.
    fn loser(&self, id: &PeerId) -> Option<ConnectionId> {
        let [.., old, new] = self.peers.get(id)?.connections.as_slice() else { return None };
        if old.direction == new.direction {
            return Some(old.id);
        }
        let lesser_dialled = |made: &Connection| {
            (self.swarm.local_peer_id() < id) == (made.direction == Direction::Out)
        };
        Some(if lesser_dialled(old) { new.id } else { old.id })
    }

    pub(super) fn close_surplus(&mut self, now: Instant) {
        for (_, id, connection) in self.surplus.extract_if(.., |(at, ..)| *at <= now) {
            if self.peers.get(&id).is_some_and(|peer| peer.connections.len() > 1) {
                self.swarm.close_connection(connection);
            }
        }
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId, last: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let at = peer.connections.iter().position(|made| made.id == connection);
        if let Some(at) = at
            && let Some(dialled) = peer.connections.remove(at).dialled
        {
            self.book.closed(&dialled, now);
            self.next_dial = self.next_dial.min(now + LOOK);
        }
        self.surplus.retain(|(.., surplus)| *surplus != connection);
        if last {
            self.peers.remove(&id);
            self.tell(Event::PeerDown { peer: id });
            self.show();
        }
    }
}

/// What an error says at its root; the layers above only say that there was one.
fn innermost(error: &dyn std::error::Error) -> String {
    let root = std::iter::successors(Some(error), |error| error.source()).last();
    root.map(ToString::to_string).unwrap_or_default()
}
