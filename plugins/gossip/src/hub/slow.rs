//! Anti-entropy: requests and answers, and the peers they go to and come from.

use shimmer_mesh::{Answer, Id, Peer, Reason, Served, Ticket};

use super::{Done, State};
use crate::deliver::From;
use crate::epochs;
use crate::keeper::Kept;
use crate::net::{Asked, PeerId, RequestFailed, RequestId};

/// What a point of the protocol's score costs in the network's, which bans at the same number but forgets more slowly.
pub(super) const HARSHNESS: f64 = 0.3;
/// Requests whose answers are awaited; the node asks far fewer at a time.
const MAX_REQUESTS: usize = 4_096;

impl State {
    pub(super) fn peer_up(&mut self, id: PeerId) {
        let now_ms = self.clock.now_ms();
        let peer = Peer(self.next_peer);
        self.next_peer += 1;
        if let Some(old) = self.peers.insert(id, peer) {
            self.ids.remove(&old);
            self.node.disconnected(old);
        }
        self.ids.insert(peer, id);
        self.node.connected(peer, now_ms);
    }

    pub(super) fn peer_down(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.remove(&id) {
            self.ids.remove(&peer);
            self.node.disconnected(peer);
        }
    }

    pub(super) fn request(&mut self, id: Asked, from: PeerId, bytes: &[u8]) {
        let Some(peer) = self.peers.get(&from).copied() else {
            return self.net.answer(id, None);
        };
        match self.node.serve(peer, bytes, self.clock.now_ms()) {
            Served::Answer(answer) => self.net.answer(id, Some(answer)),
            Served::Refused(_) => self.net.answer(id, None),
            Served::Read(page) => {
                let (net, disk) = (self.net.clone(), self.disk.clone());
                self.pool.run(Box::new(move |codec| net.answer(id, page.run(&disk, codec).ok())));
            }
        }
    }

    pub(super) fn answer(
        &mut self,
        id: RequestId,
        from: PeerId,
        answer: Result<Vec<u8>, RequestFailed>,
    ) {
        let Some((peer, ticket)) = self.requests.remove(&id) else { return };
        debug_assert_eq!(peer, from, "the network answers for whom was asked");
        match answer {
            Ok(bytes) => {
                let done = self.done.clone();
                self.pool.run(Box::new(move |codec| {
                    drop(done.send(Done::Opened(peer, ticket, Answer::open(&bytes, codec))));
                }));
            }
            Err(_) => {
                if let Some(number) = self.peers.get(&peer).copied() {
                    self.node.unanswered(number, ticket, self.clock.now_ms());
                }
            }
        }
        if self.requests.len() > MAX_REQUESTS {
            // Nothing awaits these any more: the node gives up long before.
            self.requests.clear();
        }
    }

    pub(super) fn opened(&mut self, id: PeerId, ticket: Ticket, answer: Result<Answer, Reason>) {
        let Some(peer) = self.peers.get(&id).copied() else { return };
        let now_ms = self.clock.now_ms();
        let received = self.node.answered(peer, ticket, answer, now_ms);
        if !received.fresh.is_empty() {
            self.shown.lock().note(id).last_gossip_ms = Some(epochs::now_ms());
        }
        self.publish(&received.relay);
        self.compare(received.suspects, received.disputed);
        if !received.fresh.is_empty() {
            self.net.credit(id);
            self.hand_over(received.fresh, From::Page);
        }
    }

    pub(super) fn kept(&mut self, kept: Kept) {
        let (own, packets) = (self.author.log().origin, self.unsigned_log.map(|(epoch, _)| epoch));
        let is_mine = |id: &&Id| id.log.origin == own && Some(id.log.epoch) != packets;
        match kept {
            Kept::Stored(ids) => {
                let mine = ids.iter().filter(is_mine).count();
                self.own_on_the_way = self.own_on_the_way.saturating_sub(mine);
                self.node.stored(ids, self.clock.now_ms());
            }
            Kept::Failed(ids) => {
                let mine = ids.iter().filter(is_mine).count();
                self.own_on_the_way = self.own_on_the_way.saturating_sub(mine);
                self.node.failed(ids, shimmer_mesh::Failure::Never);
            }
            Kept::Pruned(spans) => self.node.pruned(spans),
        }
    }
}
