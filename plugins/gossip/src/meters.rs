//! What the plugin tells of itself on `/metrics`, as `shimmer_gossip_*`.
//!
//! The rule: a number is sent when it changed.

use shimmer_mesh::{Reason, Store as _};
use shimmer_sdk::{Counter, Error, Gauge, Host};

use crate::net;
use crate::plugin::Running;
use crate::shown::State;

pub(crate) struct Meters {
    seen: Gauge,
    propagated: Counter,
    received: Counter,
    duplicates: Counter,
    synced: Counter,
    rejected: Counter,
    equivocations: Counter,
    bounded: Counter,
    unshared: Counter,
    gateway_lost: Counter,
    peers: Gauge,
    gateway_peers: Gauge,
    degree: Gauge,
    stored: Gauge,
    stored_bytes: Gauge,
    frames: Counter,
    copies: Counter,
    last: Last,
}

/// Counts that were sent already.
#[derive(Default)]
struct Last {
    counts: [u64; 10],
    rejected: [u64; Reason::ALL.len()],
}

impl Meters {
    pub(crate) fn declare(host: &Host) -> Result<Self, Error> {
        let gauge = |name, help| host.gauge(name, help, &[]);
        let counter = |name, help| host.counter(name, help, &[]);
        let meters = Self {
            seen: gauge("seen", "Distinct events that the node knows, its own included")?,
            propagated: counter(
                "propagated_total",
                "Own events published and others' events forwarded",
            )?,
            received: counter("received_total", "Events received, repeats included")?,
            duplicates: counter("duplicates_total", "Events received that were known")?,
            synced: counter("synced_total", "Events that anti-entropy brought")?,
            rejected: host.counter(
                "rejected_total",
                "What was turned away, by reason",
                &["reason"],
            )?,
            equivocations: counter(
                "equivocations_total",
                "Second contents that an origin signed for one place",
            )?,
            bounded: counter("bounded_total", "New events for which a bound left no room")?,
            unshared: counter(
                "unshared_total",
                "Own events that have no canonical JSON or no place",
            )?,
            gateway_lost: counter(
                "gateway_lost_total",
                "Packets that slow peers of the gateway did not get",
            )?,
            peers: gauge("peers", "Connected peers of the mesh")?,
            gateway_peers: gauge("gateway_peers", "Connections of the JSON gateway")?,
            degree: gauge("degree", "Peers to which frames go directly, as wanted")?,
            stored: gauge("stored_events", "Events that the node can offer to others")?,
            stored_bytes: gauge("stored_bytes", "Their size")?,
            frames: counter("frames_total", "New frames received")?,
            copies: counter("frame_copies_total", "Frames received, repeats included")?,
            last: Last::default(),
        };
        // A reason that never occurred is a zero and not a gap.
        for reason in Reason::ALL {
            meters.rejected.add(&[reason.as_str()], 0.0);
        }
        Ok(meters)
    }

    pub(crate) fn tell(&mut self, shown: &State, running: &Running) {
        let counters = &shown.counters;
        let (gateway_peers, gateway_lost) = (running.gateway_lost)();
        let network = running.net.counters();
        self.seen.set(&[], counters.seen as f64);
        self.peers.set(&[], running.net.peers().len() as f64);
        self.gateway_peers.set(&[], gateway_peers as f64);
        self.degree.set(&[], shown.degree as f64);
        self.stored.set(&[], running.disk.count() as f64);
        self.stored_bytes.set(&[], running.disk.bytes() as f64);
        let counts = [
            (&self.propagated, counters.propagated),
            (&self.received, counters.total + shown.unsigned.total),
            (&self.duplicates, counters.duplicates + shown.unsigned.duplicates),
            (&self.synced, counters.synced),
            (&self.equivocations, counters.equivocations),
            (&self.bounded, counters.bounded),
            (&self.unshared, shown.unshared + shown.homeless),
            (&self.gateway_lost, gateway_lost),
            (&self.frames, network.frames()),
            (&self.copies, network.copies()),
        ];
        for ((counter, count), last) in counts.into_iter().zip(&mut self.last.counts) {
            if count > *last {
                counter.add(&[], (count - *last) as f64);
                *last = count;
            }
        }
        let mut rejected = counters.rejected;
        for reason in Reason::ALL {
            rejected[reason.index()] += shown.door[reason.index()];
        }
        for reason in net::Reason::ALL {
            rejected[as_told(reason).index()] += network.rejected(reason);
        }
        for reason in Reason::ALL {
            let (count, last) = (rejected[reason.index()], &mut self.last.rejected[reason.index()]);
            if count > *last {
                self.rejected.add(&[reason.as_str()], (count - *last) as f64);
                *last = count;
            }
        }
    }
}

/// What the network turned away before there was an envelope.
fn as_told(reason: net::Reason) -> Reason {
    match reason {
        net::Reason::Oversize => Reason::Oversize,
        net::Reason::Auth => Reason::Auth,
        net::Reason::Transport
        | net::Reason::Malformed
        | net::Reason::Limit
        | net::Reason::Rate
        | net::Reason::Score => Reason::Transport,
    }
}
