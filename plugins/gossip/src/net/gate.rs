//! Who is let in once its key is proved, who stays when there is no room, and who is banned for a while.
//!
//! The rule: an allow-list and the bounds hold for everyone; when inbound room is gone, a newcomer takes the place of
//! the least useful peer that never proved to be of use, never of one that did or that this node chose itself.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::config::Limits;
use super::event::Reason;
use super::penalty::Penalties;

/// Connections of one peer: two while both sides dialled each other.
const PER_PEER: usize = 2;
/// Sockets beyond the bound while those sent away are still closing.
const CLOSING: usize = 16;
/// How long a peer is left in peace before it can lose its place, by how much it has shown.
const GRACE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// How useful a peer has shown itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Proved a key, which costs nothing.
    Stranger = 0,
    /// Speaks the protocol.
    Speaks = 1,
    /// Brought something that was accepted.
    Useful = 2,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}")]
pub(crate) struct Refusal(pub(crate) Reason);

/// See the head of this file.
pub(crate) struct Gate {
    allow: Option<HashSet<PeerId>>,
    most: usize,
    most_inbound: usize,
    open: HashMap<ConnectionId, Open>,
    standing: HashMap<PeerId, Standing>,
    closing: VecDeque<(PeerId, ConnectionId)>,
    /// What peers have to answer for.
    pub(crate) penalties: Penalties,
}

#[derive(Clone, Copy)]
struct Open {
    peer: PeerId,
    inbound: bool,
    since: Instant,
    sent_away: bool,
}

impl Gate {
    /// A gate with these bounds.
    pub(crate) fn new(allow: Option<HashSet<PeerId>>, limits: &Limits) -> Self {
        Self {
            allow,
            most: limits.connections,
            most_inbound: limits.inbound,
            open: HashMap::new(),
            standing: HashMap::new(),
            closing: VecDeque::new(),
            penalties: Penalties::default(),
        }
    }

    /// Notes what a connected peer has shown.
    pub(crate) fn shows(&mut self, peer: PeerId, standing: Standing) {
        if let Some(shown) = self.standing.get_mut(&peer) {
            *shown = standing.max(*shown);
        }
    }

    /// Decides on a connection that has proved to be `peer`'s.
    fn admit(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        inbound: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(&peer)) {
            return Err(Refusal(Reason::Auth));
        }
        if self.penalties.is_banned(&peer, now) {
            return Err(Refusal(Reason::Score));
        }
        let same = self.open.values().filter(|open| open.peer == peer).count();
        if same >= PER_PEER || self.open.len() >= self.most + CLOSING {
            return Err(Refusal(Reason::Limit));
        }
        let staying = || self.open.values().filter(|open| !open.sent_away);
        let total = staying().count();
        let inbounds = staying().filter(|open| open.inbound).count();
        if total >= self.most || (inbound && inbounds >= self.most_inbound) {
            let (peer, id) = self.least_useful(now).ok_or(Refusal(Reason::Limit))?;
            self.closing.push_back((peer, id));
            if let Some(open) = self.open.get_mut(&id) {
                open.sent_away = true;
            }
        }
        self.open.insert(id, Open { peer, inbound, since: now, sent_away: false });
        self.standing.entry(peer).or_insert(Standing::Stranger);
        Ok(())
    }

    /// The inbound connection that may lose its place: the one that showed least, and of those the oldest.
    fn least_useful(&self, now: Instant) -> Option<(PeerId, ConnectionId)> {
        self.open
            .iter()
            .filter(|(_, open)| open.inbound && !open.sent_away)
            .filter_map(|(id, open)| {
                let standing = *self.standing.get(&open.peer)?;
                let grace = *GRACE.get(standing as usize)?;
                let had = now.saturating_duration_since(open.since) >= grace;
                had.then_some((standing, open.since, open.peer, *id))
            })
            .min_by_key(|(standing, since, ..)| (*standing, *since))
            .map(|(_, _, peer, id)| (peer, id))
    }

    fn forget(&mut self, id: ConnectionId) {
        let Some(open) = self.open.remove(&id) else { return };
        if !self.open.values().any(|other| other.peer == open.peer) {
            self.standing.remove(&open.peer);
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(id, peer, true, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(id, peer, false, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { .. }) => {}
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.forget(connection_id);
            }
            // Let in here, and refused by whoever was asked after.
            FromSwarm::ListenFailure(failure) => self.forget(failure.connection_id),
            FromSwarm::DialFailure(failure) => self.forget(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.closing.pop_front() {
            Some((peer_id, id)) => Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(id),
            }),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(most: usize, inbound: usize) -> Gate {
        let limits = Limits { connections: most, inbound, ..Limits::default() };
        Gate::new(None, &limits)
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn the_allow_list_and_bans_hold_in_both_directions() {
        let (friend, stranger, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let limits = Limits::default();
        let mut gate = Gate::new(Some(HashSet::from([friend])), &limits);
        for inbound in [true, false] {
            let refused = gate.admit(id(1), stranger, inbound, now);
            assert_eq!(refused, Err(Refusal(Reason::Auth)));
        }
        assert_eq!(gate.admit(id(2), friend, true, now), Ok(()));
        gate.penalties.add(friend, 1e3, now);
        assert_eq!(gate.admit(id(3), friend, false, now), Err(Refusal(Reason::Score)));
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_least_useful() {
        let mut gate = gate(4, 3);
        let start = Instant::now();
        let peers: Vec<PeerId> = (0..8).map(|_| PeerId::random()).collect();
        for (n, peer) in peers.iter().take(3).enumerate() {
            let now = start + Duration::from_millis(n as u64);
            assert_eq!(gate.admit(id(n), *peer, true, now), Ok(()));
        }
        let refused = Err(Refusal(Reason::Limit));
        assert_eq!(gate.admit(id(3), peers[3], true, start + GRACE[0] / 2), refused, "in peace");
        gate.shows(peers[0], Standing::Useful);
        gate.shows(peers[1], Standing::Speaks);
        let now = start + 2 * GRACE[0];
        assert_eq!(gate.admit(id(3), peers[3], true, now), Ok(()));
        assert_eq!(gate.closing.pop_front(), Some((peers[2], id(2))), "which showed nothing");
        assert_eq!(gate.admit(id(4), peers[4], true, now), refused, "nobody else may be sent away");
        let later = now + GRACE[1];
        gate.shows(peers[3], Standing::Speaks);
        assert_eq!(gate.admit(id(4), peers[4], true, later), Ok(()));
        assert_eq!(gate.closing.pop_front(), Some((peers[1], id(1))), "the older of two");
        gate.shows(peers[3], Standing::Useful);
        gate.shows(peers[4], Standing::Useful);
        let last = later + GRACE[1];
        assert_eq!(gate.admit(id(5), peers[5], true, last), refused, "the useful ones stay");
        assert_eq!(gate.admit(id(6), peers[6], false, last), Ok(()), "room kept for own choices");
    }

    #[test]
    fn a_peer_has_two_connections_at_most_and_sockets_are_bounded() {
        let mut gate = gate(4, 4);
        let (peer, now) = (PeerId::random(), Instant::now());
        assert_eq!(gate.admit(id(0), peer, true, now), Ok(()));
        assert_eq!(gate.admit(id(1), peer, false, now), Ok(()));
        assert_eq!(gate.admit(id(2), peer, true, now), Err(Refusal(Reason::Limit)));
        let let_in = (3..1_000)
            .filter(|n| {
                let later = now + GRACE[0] * u32::try_from(*n).expect("small");
                gate.admit(id(*n), PeerId::random(), true, later).is_ok()
            })
            .count();
        assert_eq!(gate.open.len(), 4 + CLOSING, "nobody closed, so nobody more came in");
        assert_eq!(let_in, 2 + CLOSING);
        for n in 0..1_000 {
            gate.forget(id(n));
        }
        assert!(gate.open.is_empty() && gate.standing.is_empty());
    }
}
