//! Packets of the JSON gateway: in, on to others, and into the mesh.

use shimmer_mesh::{Author, Body, Failure, Packet, Reason, Verdict, Verified};

use super::State;
use crate::deliver::{Carried, Fate, From, Item, Parcel};
use crate::epochs;
use crate::event::{UnsignedId, identity, marked, subtype, unmarked, unsigned_id};
use crate::gateway::{Heard, Talker};
use crate::keeper::Task;

impl State {
    pub(super) fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Packet(talker, packet) => match packet.body {
                Body::Signed(envelope) => {
                    match self.pool.codec().verify(vec![*envelope]) {
                        Ok(verified) => self.signed_packet(&verified, talker, packet.ttl),
                        Err(reason) => drop(self.node.refused(reason)),
                    };
                }
                Body::Unsigned(event) => self.unsigned_packet(&event, talker, packet.ttl),
            },
            Heard::Refused(reason) => drop(self.node.refused(reason)),
            Heard::TurnedAway(reason) => self.shown.lock().door[reason.index()] += 1,
        }
    }

    fn signed_packet(&mut self, verified: &[Verified], talker: Talker, ttl: u64) {
        let received = self.node.receive(verified, self.clock.now_ms());
        self.compare(received.suspects, received.disputed);
        if received.verdict == Verdict::Accept {
            self.hand_over(received.fresh, From::Packet(talker, ttl));
        }
    }

    fn unsigned_packet(&mut self, event: &str, talker: Talker, ttl: u64) {
        self.shown.lock().unsigned.total += 1;
        let (Some(id), Some(event)) = (identity(event), marked(event, &self.label)) else {
            self.node.refused(Reason::Malformed);
            return;
        };
        if !self.unsigned.insert(id) {
            self.shown.lock().unsigned.duplicates += 1;
            return;
        }
        // It may travel as many hops as the packet says, and as this node lets any.
        let ttl = ttl.min(self.max_ttl);
        let origin = self.label.as_str().into();
        let items = vec![Item { origin, event: Carried::Bare(event, id) }];
        drop(self.parcels.send(Parcel { items, from: From::Packet(talker, ttl) }));
    }

    /// Signed packets that the host has judged: they go on while they have hops left.
    pub(super) fn packet_delivered(&mut self, keep: Vec<Verified>, talker: Talker, ttl: u64) {
        if ttl < 2 {
            // Whoever fetched it from here would carry it further than it may go.
            self.node.failed(keep.iter().map(|envelope| envelope.id), Failure::Never);
            return;
        }
        self.publish(&keep);
        for envelope in &keep {
            let packet = Packet::of(envelope, &subtype(&envelope.event), ttl - 1);
            self.pass_on(&packet, Some(talker));
        }
        drop(self.tasks.send(Task::Put(keep)));
    }

    /// A packet without a signature that the host has judged: this node passes it on in its own name, marked.
    pub(super) fn bare_delivered(&mut self, event: &str, id: UnsignedId, fate: Fate, from: &From) {
        match fate {
            Fate::Taken => {}
            Fate::Known => return self.shown.lock().unsigned.duplicates += 1,
            Fate::Refused => {
                self.unsigned.remove(&id);
                self.node.refused(Reason::Malformed);
                return;
            }
            Fate::Nameless | Fate::Later => return self.unsigned.remove(&id),
        }
        drop(self.tasks.send(Task::Unsigned(vec![id])));
        let From::Packet(talker, ttl) = from else { return };
        if *ttl < 2 {
            return;
        }
        if let Some(plain) = unmarked(event) {
            let packet =
                Packet { ttl: ttl - 1, subtype: subtype(&plain), body: Body::Unsigned(plain) };
            self.pass_on(&packet, Some(*talker));
        }
        // A log of its own: the node's own log is counted by what its ring holds, and this is not of the ring.
        let own = self.author.log();
        let (epoch, next) = *self.unsigned_log.get_or_insert_with(|| {
            let known = epochs::of(&self.node, own.origin);
            (epochs::of_packets(own.epoch, &known, epochs::now_ms()), 1)
        });
        let author = Author::new((self.keys)(), epoch, next, ttl - 1);
        let Some(envelope) = author.ok().and_then(|mut author| author.sign(event).ok()) else {
            return;
        };
        self.unsigned_log = Some((epoch, next + 1));
        if self.node.own(&envelope) {
            let envelopes = [envelope];
            self.feel(&envelopes);
            self.publish(&envelopes);
            drop(self.tasks.send(Task::Put(envelopes.to_vec())));
        }
    }

    /// Sends events that came over the mesh to the gateway's peers, one hop later than they were signed for.
    pub(super) fn to_gateways(&self, envelopes: &[Verified]) {
        if self.gateway.as_ref().is_none_or(|gateway| gateway.is_empty()) {
            return;
        }
        for envelope in envelopes {
            let subtype = subtype(&envelope.event);
            let packet = if unsigned_id(&envelope.event).is_some() {
                let plain = unmarked(&envelope.event).map(Body::Unsigned);
                plain.and_then(|body| Packet { ttl: envelope.max_ttl, subtype, body }.forwarded())
            } else {
                Packet::of(envelope, &subtype, envelope.max_ttl).forwarded()
            };
            if let Some(packet) = packet {
                self.pass_on(&packet, None);
            }
        }
    }

    pub(super) fn pass_on(&self, packet: &Packet, except: Option<Talker>) {
        if let Some(gateway) = &self.gateway {
            gateway.send(packet, except);
        }
    }
}
