//! A simulation of large meshes: the real nodes with the real anti-entropy, over a model of everything below.
//!
//! The rule: a run is decided by its [`Plan`] and its seed, bit for bit, and what the model leaves out is said here.
//!
//! The model of gossipsub's fast path: every node dials a few others; a mesh of [`crate::fanout`]'s degree is kept at
//! a heartbeat of 1 s by GRAFT and PRUNE; a frame is pushed to the mesh once, and the ids of the last three heartbeats
//! are told to some of the others (IHAVE), who ask for what they lack (IWANT) of the last five.
//!
//! Every message has the latency of its link and may be lost, those of anti-entropy and of the mesh's upkeep too, and
//! nothing is sent again below: a real connection would send again, so this is harsher than one. Left out: bandwidth,
//! queues, scores of gossipsub, and the search for peers; whoever dials finds somebody who is there. A node that
//! leaves tells nobody; its peers notice after a while. What a node takes is stored at once.

mod gossip;
mod host;
mod report;
mod world;

pub use report::{Latency, Report};

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Decides everything that is random.
    pub seed: u64,
    /// Nodes alive at the start.
    pub nodes: usize,
    /// For so long events are published, after five seconds in which the meshes form.
    pub publish_ms: u64,
    /// Events a second, of all nodes together, each of a random one.
    pub events_per_s: f64,
    /// The mean time that a message takes. A link's own is between a half and one and a half of it, and each message
    /// takes up to a fifth longer.
    pub latency_ms: u64,
    /// The share of messages that is lost.
    pub loss: f64,
    /// The share of nodes that leaves in a minute. Each comes back after 5 to 20 s, half of them with their store,
    /// half as somebody new.
    pub churn: f64,
    /// How long it takes to notice that a peer has gone.
    pub detect_ms: u64,
    /// Connections that a node keeps up by dialling.
    pub dials: usize,
    /// From when to when, after publishing began, no message passes between the two halves.
    pub partition_ms: Option<(u64, u64)>,
    /// Within this a needed delivery must have happened.
    pub deadline_ms: u64,
    /// Whether signatures of the fast path are verified; pages of anti-entropy always are.
    pub verify: bool,
    /// The longest time a node waits before it asks somebody what changed, as [`crate::Config::round_ms`].
    pub round_ms: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 200,
            publish_ms: 60_000,
            events_per_s: 20.0,
            latency_ms: 50,
            loss: 0.0,
            churn: 0.0,
            detect_ms: 3_000,
            dials: 6,
            partition_ms: None,
            deadline_ms: 10_000,
            verify: false,
            round_ms: crate::Config::default().round_ms,
        }
    }
}

/// Runs a plan. `progress` gets the simulated share that is done, from 0 to 1.
pub fn run(plan: &Plan, mut progress: impl FnMut(f64)) -> Report {
    let mut world = world::World::new(plan);
    world.run(&mut progress);
    world.report()
}

#[cfg(test)]
mod tests;
