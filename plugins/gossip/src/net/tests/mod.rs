//! Nodes on real sockets of the loopback interface, each on a port of its own.
//!
//! The rule: a test waits for what must happen, with a deadline, and never for time to pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod burst;
mod dials;
mod measure;
mod pairs;

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::*;
use crate::keys::Secret;

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A node and what it told so far.
struct Member {
    net: Net,
    events: Receiver<Event>,
    frames: HashSet<Vec<u8>>,
    up: HashMap<PeerId, Direction>,
    published: Vec<Result<usize, NotPublished>>,
    others: Vec<Event>,
}

fn secret(n: u8) -> Secret {
    Secret::new([n; 32])
}

fn config(n: u8, peers: &[String]) -> NetConfig {
    NetConfig {
        identity: secret(n),
        label: format!("node-{n}"),
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        known: Vec::new(),
        shared: None,
        allow: None,
        topic: "test".into(),
        message_id: Arc::new(|bytes: &[u8]| {
            let mut hash = DefaultHasher::new();
            bytes.hash(&mut hash);
            hash.finish().to_be_bytes().to_vec()
        }),
        limits: Limits::default(),
    }
}

impl Member {
    fn start(config: NetConfig) -> Self {
        let (net, events) = Net::start(config).unwrap();
        Self {
            net,
            events,
            frames: HashSet::new(),
            up: HashMap::new(),
            published: Vec::new(),
            others: Vec::new(),
        }
    }

    /// `n` nodes, of which each knows only the first.
    fn star(n: u8) -> Vec<Self> {
        let first = Self::start(config(1, &[]));
        let at = first.url();
        let rest = (2..=n).map(|n| Self::start(config(n, std::slice::from_ref(&at))));
        std::iter::once(first).chain(rest.collect::<Vec<_>>()).collect()
    }

    fn id(&self) -> PeerId {
        self.net.peer_id()
    }

    fn url(&self) -> String {
        self.net.listens_at().unwrap().to_string()
    }

    fn socket(&self) -> SocketAddr {
        let port = self.url().split('/').nth(4).unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Takes what was told within `wait`.
    fn hear(&mut self, wait: Duration) -> bool {
        let Ok(event) = self.events.recv_timeout(wait) else { return false };
        self.take(event);
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        true
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Frame { id, from, bytes } => {
                self.net.verdict(id, from, Verdict::Accept);
                assert!(self.frames.insert(bytes), "a frame was delivered twice");
            }
            Event::PeerUp { peer, direction, .. } => drop(self.up.insert(peer, direction)),
            Event::PeerDown { peer } => drop(self.up.remove(&peer)),
            Event::Published { peers, .. } => self.published.push(peers),
            other => self.others.push(other),
        }
    }

    /// Hears until `done`; panics with `what` at the deadline.
    #[track_caller]
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            self.hear(Duration::from_millis(20));
        }
    }

    /// Publishes, again and again while nobody has subscribed.
    #[track_caller]
    fn say(&mut self, bytes: &[u8]) -> usize {
        let mut reached = 0;
        self.until("somebody subscribes", |member| {
            member.published.clear();
            member.net.publish(0, bytes.to_vec()).unwrap();
            while member.published.is_empty() {
                assert!(member.hear(DEADLINE), "every publication is answered");
            }
            match member.published[0] {
                Ok(peers) => reached = peers,
                Err(NotPublished::Known) => reached = 1,
                Err(_) => {}
            }
            reached > 0
        });
        reached
    }
}

/// Hears all until `done`; panics with `what` at the deadline.
#[track_caller]
fn all_until(members: &mut [Member], what: &str, mut done: impl FnMut(&mut [Member]) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done(members) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        let heard = members.iter_mut().filter(|member| !member.events.is_empty());
        if heard.map(|member| member.hear(Duration::ZERO)).count() == 0 {
            members[0].hear(Duration::from_millis(1));
        }
    }
}

/// Waits until every node has `links` others in its mesh.
#[track_caller]
fn until_meshed(members: &mut [Member], links: usize) {
    all_until(members, "the mesh", |members| {
        members
            .iter()
            .all(|member| member.net.peers().iter().filter(|peer| peer.in_mesh).count() >= links)
    });
}
