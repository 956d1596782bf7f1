//! What the caller holds of a running node.
//!
//! The rule: no call waits for the network. What it leads to comes back as an event.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::config::{MAX_CONFIGURED, NetConfig};
use super::event::{AddressInfo, Asked, Counters, Event, PeerInfo, RequestId};
use super::node::{Command, Node, View, Work};

/// A node of the mesh: one thread with all its sockets. Dropping it stops it.
pub(crate) struct Net {
    commands: mpsc::Sender<Command>,
    work: mpsc::Sender<Work>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    view: Arc<Mutex<View>>,
    requests: AtomicU64,
    peer_id: PeerId,
    listens_at: Option<Multiaddr>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on to other peers, and speaks for the one it came from.
    Accept,
    /// It goes no further; nobody is to blame.
    Ignore,
    /// It goes no further, and who sent it is to blame.
    Reject,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The listening address cannot be had.
    #[error("cannot listen on {0}: {1}; choose a free port, or stop what holds it")]
    Listen(SocketAddr, io::Error),
    /// More bootstrap addresses than are kept.
    #[error("{0} peers are configured, at most {MAX_CONFIGURED} are used; list fewer")]
    TooManyPeers(usize),
    /// The system refused a thread or a socket, or a key is none.
    #[error("the mesh does not start: {0}")]
    System(String),
}

/// A frame or request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// As many as are allowed wait already: take events, put more into one frame, and come again.
    #[error("the node is busy")]
    Busy,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl Net {
    /// Starts a node. Events must be taken from the receiver: a node whose events nobody takes stops reading from its
    /// peers until there is room again, and so loses none.
    pub(crate) fn start(config: NetConfig) -> Result<(Self, Receiver<Event>), StartError> {
        if config.peers.len() > MAX_CONFIGURED {
            return Err(StartError::TooManyPeers(config.peers.len()));
        }
        if let Some(at) = config.listen {
            // The transport shares its port with other sockets of the same user, and would not notice another node.
            drop(TcpListener::bind(at).map_err(|why| StartError::Listen(at, why))?);
        }
        let (commands, commands_end) = mpsc::channel(config.limits.commands);
        let (work, work_end) = mpsc::channel(config.limits.commands);
        let (events_end, events) = crossbeam_channel::bounded(config.limits.events);
        let (stop, stop_end) = oneshot::channel();
        let (ready, ready_end) = std::sync::mpsc::sync_channel(1);
        let counters = Arc::new(Counters::default());
        let view = Arc::new(Mutex::new(View::default()));
        let (of_node, view_of_node) = (Arc::clone(&counters), Arc::clone(&view));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(why) => return drop(ready.send(Err(why.to_string()))),
            };
            runtime.block_on(async move {
                match Node::start(config, of_node, view_of_node, events_end).await {
                    Ok(node) => {
                        drop(ready.send(Ok((node.peer_id(), node.listens_at()))));
                        node.run(commands_end, work_end, stop_end).await;
                    }
                    Err(why) => drop(ready.send(Err(why))),
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("gossip-net".into())
            .spawn(run)
            .map_err(|why| StartError::System(why.to_string()))?;
        let started = ready_end.recv().unwrap_or_else(|_| Err("its thread ended".into()));
        let (peer_id, listens_at) = started.map_err(StartError::System)?;
        let net = Self {
            commands,
            work,
            stop: Some(stop),
            thread: Some(thread),
            counters,
            view,
            requests: AtomicU64::new(0),
            peer_id,
            listens_at,
        };
        Ok((net, events))
    }

    /// The node's own id.
    pub(crate) const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Where it takes connections: the first address, with the port that was really bound.
    pub(crate) const fn listens_at(&self) -> Option<&Multiaddr> {
        self.listens_at.as_ref()
    }

    /// Sends a frame to everyone. [`Event::Published`] with the same `token` tells to how many it went first.
    pub(crate) fn publish(&self, token: u64, bytes: Vec<u8>) -> Result<(), NotSent> {
        self.give(Work::Publish { token, bytes })
    }

    /// Decides on a frame that `from` sent.
    pub(crate) fn verdict(&self, id: MessageId, from: PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.tell(Command::Verdict { id, from, acceptance });
    }

    /// Asks a peer; [`Event::Answer`] follows in any case, unless the node is stopped.
    pub(crate) fn request(&self, peer: PeerId, bytes: Vec<u8>) -> Result<RequestId, NotSent> {
        // Relaxed: only its being different matters.
        let id = RequestId(self.requests.fetch_add(1, Ordering::Relaxed));
        self.give(Work::Request { id, peer, bytes }).map(|()| id)
    }

    /// Answers a peer's request, or refuses to with `None`. One that has timed out meanwhile is dropped.
    pub(crate) fn answer(&self, id: Asked, bytes: Option<Vec<u8>>) {
        self.tell(Command::Answer { id, bytes });
    }

    /// Holds something against a peer: at 20 it gets no more frames, at 100 it is banned for minutes.
    pub(crate) fn penalise(&self, peer: PeerId, weight: f64) {
        self.tell(Command::Penalise { peer, weight });
    }

    /// Notes that a peer was of use in another way than by an accepted frame, so that it keeps its place in a crowd.
    pub(crate) fn credit(&self, peer: PeerId) {
        self.tell(Command::Credit { peer });
    }

    /// Sends every frame directly to `peers` more than the mesh's own degree. The degree itself cannot be changed
    /// while gossipsub runs; these are its explicit peers, which stand beside the mesh.
    pub(crate) fn set_eager(&self, peers: usize) {
        self.tell(Command::Eager { peers });
    }

    /// The connected peers, at most a second old.
    pub(crate) fn peers(&self) -> Vec<PeerInfo> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).peers.clone()
    }

    /// The configured addresses and how they fare, at most a second old.
    pub(crate) fn addresses(&self) -> Vec<AddressInfo> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).addresses.clone()
    }

    /// Addresses that answered when they were last dialled: worth keeping for the next start.
    pub(crate) fn known_good(&self) -> Vec<Multiaddr> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).good.clone()
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Closes everything and waits for the thread.
    #[cfg(test)]
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn give(&self, work: Work) -> Result<(), NotSent> {
        self.work.try_send(work).map_err(|why| match why {
            mpsc::error::TrySendError::Full(_) => NotSent::Busy,
            mpsc::error::TrySendError::Closed(_) => NotSent::Stopped,
        })
    }

    /// Waits for room among the commands: the node always takes them, whatever its peers and its caller do.
    fn tell(&self, command: Command) {
        drop(self.commands.blocking_send(command));
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error says that the thread has ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.end();
    }
}
