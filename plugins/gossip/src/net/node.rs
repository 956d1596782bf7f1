//! The node's thread: one loop over commands, the swarm's events and the clock.
//!
//! The rule: commands are always taken; the swarm and the caller's work lead to events, and are asked for more only
//! when the caller has taken those that came before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};
use libp2p::core::Transport;
use libp2p::core::multiaddr::Protocol;
use libp2p::futures::StreamExt;
use libp2p::gossipsub::{IdentTopic, MessageAcceptance, MessageId, PublishError, TopicHash};
use libp2p::identity::Keypair;
use libp2p::request_response::{
    self, InboundRequestId, OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, gossipsub, ping, swarm};
use tokio::sync::{mpsc, oneshot};

use super::address::websocket;
use super::book::Book;
use super::bucket::Bucket;
use super::codec::Codec;
use super::config::{Limits, NetConfig};
use super::door::Door;
use super::event::{
    AddressInfo, Asked, Counters, Direction, Event, NotPublished, PeerInfo, Reason, RequestFailed,
    RequestId,
};
use super::gate::{Gate, Standing};
use super::hello;
use super::mesh::{self, DEGREE, GRAYLIST, Mesh};
use super::penalty::BAN;
use super::transport;

/// Protocol of the caller's requests.
const ASK: StreamProtocol = StreamProtocol::new("/shimmer/ask/1");
/// Protocol of [`hello`].
const HELLO: StreamProtocol = StreamProtocol::new("/shimmer/hello/1");
/// How often peers are looked over.
const ROUND: Duration = Duration::from_secs(1);
/// How soon full events are tried again.
const RETRY: Duration = Duration::from_millis(1);
/// [`Event::Rejected`] in one round; the counters hold all.
const TOLD_PER_ROUND: usize = 16;
/// Time until the listener must have an address.
const LISTEN: Duration = Duration::from_secs(2);
/// Penalty that frames beyond the rate lead to at most. Below 0 a peer's score keeps it out of the mesh.
const MOST_FOR_RATE: f64 = 15.0;
/// Time between two pings.
const PING: Duration = Duration::from_secs(5);
/// Connections are closed by this node alone, never for being idle.
const IDLE: Duration = Duration::from_secs(365 * 86_400);

/// What the caller wants and hears of again.
#[derive(Debug)]
pub(super) enum Work {
    Publish { token: u64, bytes: Vec<u8> },
    Request { id: RequestId, peer: PeerId, bytes: Vec<u8> },
}

/// What the caller wants and hears no more of.
#[derive(Debug)]
pub(super) enum Command {
    Verdict { id: MessageId, from: PeerId, acceptance: MessageAcceptance },
    Answer { id: Asked, bytes: Option<Vec<u8>> },
    Penalise { peer: PeerId, weight: f64 },
    Credit { peer: PeerId },
    Eager { peers: usize },
}

/// What the caller may look at from outside.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) peers: Vec<PeerInfo>,
    pub(super) good: Vec<Multiaddr>,
    pub(super) addresses: Vec<AddressInfo>,
}

/// The gate stands first: what it refuses, the others never hear of.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) gate: Gate,
    pub(super) mesh: Mesh,
    pub(super) ask: request_response::Behaviour<Codec>,
    pub(super) hello: request_response::Behaviour<Codec>,
    pub(super) ping: ping::Behaviour,
}

/// A connected peer.
pub(super) struct Peer {
    /// The newest last.
    pub(super) connections: Vec<Connection>,
    pub(super) since: Instant,
    pub(super) latency: Option<Duration>,
    pub(super) frames: Bucket,
    pub(super) bytes: Bucket,
    pub(super) requests: Bucket,
    pub(super) subscribed: bool,
    pub(super) greeted: bool,
    /// What its node says it is called.
    pub(super) label: String,
    /// Where others may dial it, as far as it says.
    pub(super) listens_at: Option<Multiaddr>,
    /// Requests of ours under way.
    pub(super) asking: usize,
    pub(super) next_hello: Instant,
    pub(super) hello_pause: Duration,
}

/// One connection of a peer.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) direction: Direction,
    pub(super) address: Multiaddr,
    /// The address of the book that it came from.
    pub(super) dialled: Option<Multiaddr>,
}

/// See the head of this file.
pub(super) struct Node {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) limits: Limits,
    pub(super) label: String,
    topic: TopicHash,
    listens_at: Option<Multiaddr>,
    pub(super) book: Book,
    pub(super) next_dial: Instant,
    pub(super) dials: HashMap<ConnectionId, Multiaddr>,
    pub(super) peers: HashMap<PeerId, Peer>,
    /// Second connections to the same peer, and when they close.
    pub(super) surplus: Vec<(Instant, PeerId, ConnectionId)>,
    eager: HashSet<PeerId>,
    eager_wanted: usize,
    pub(super) asking: HashMap<OutboundRequestId, (PeerId, RequestId)>,
    pub(super) asked: HashMap<Asked, ResponseChannel<Vec<u8>>>,
    pub(super) asked_ids: HashMap<InboundRequestId, Asked>,
    pub(super) next_asked: u64,
    next_round: Instant,
    told: usize,
    outbox: VecDeque<Event>,
    events: Sender<Event>,
    pub(super) counters: Arc<Counters>,
    view: Arc<Mutex<View>>,
}

impl Node {
    /// Opens the sockets. Errors are sentences.
    pub(super) async fn start(
        config: NetConfig,
        counters: Arc<Counters>,
        view: Arc<Mutex<View>>,
        events: Sender<Event>,
    ) -> Result<Self, String> {
        let said = |why: io::Error| why.to_string();
        let identity = Keypair::ed25519_from_bytes(*config.identity.bytes())
            .map_err(|_| "the node's key is no Ed25519 key".to_owned())?;
        let limits = config.limits.clone();
        let transport = transport::build(&identity, config.shared.as_ref(), limits.handshake);
        let transport = Door::new(transport.map_err(said)?, limits.pending_inbound).boxed();
        let behaviour = behaviour(&config, &counters)?;
        let settings = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE)
            .with_max_negotiating_inbound_streams(limits.streams * 2);
        let mut swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), settings);
        let listens_at = match config.listen {
            Some(at) => Some(listen(&mut swarm, websocket(at.ip(), at.port())).await?),
            None => None,
        };
        let noise = getrandom::u64().map_err(|why| why.to_string())?;
        let now = Instant::now();
        let mut book = Book::new(&config.peers, noise, now);
        for address in &config.known {
            book.learn(address, None, now);
        }
        Ok(Self {
            swarm,
            limits,
            label: config.label.clone(),
            topic: IdentTopic::new(&config.topic).hash(),
            listens_at,
            book,
            next_dial: now,
            dials: HashMap::new(),
            peers: HashMap::new(),
            surplus: Vec::new(),
            eager: HashSet::new(),
            eager_wanted: 0,
            asking: HashMap::new(),
            asked: HashMap::new(),
            asked_ids: HashMap::new(),
            next_asked: 0,
            next_round: now,
            told: 0,
            outbox: VecDeque::new(),
            events,
            counters,
            view,
        })
    }

    pub(super) fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    pub(super) fn listens_at(&self) -> Option<Multiaddr> {
        self.listens_at.clone()
    }

    /// The port on which this node takes connections, 0 if it takes none.
    pub(super) fn port(&self) -> u16 {
        let port = |part| if let Protocol::Tcp(port) = part { Some(port) } else { None };
        self.listens_at.as_ref().and_then(|at| at.iter().find_map(port)).unwrap_or(0)
    }

    /// Works until it is told to stop or nobody can tell it anything any more.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut work: mpsc::Receiver<Work>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let clock = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(clock);
        loop {
            self.flush();
            let mut wake = self.next_dial.min(self.next_round);
            if !self.outbox.is_empty() {
                wake = wake.min(Instant::now() + RETRY);
            }
            if clock.deadline().into_std() != wake {
                clock.as_mut().reset(wake.into());
            }
            tokio::select! {
                _ = &mut stop => return,
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                work = work.recv(), if self.outbox.is_empty() => match work {
                    Some(work) => self.work(work),
                    None => return,
                },
                event = self.swarm.select_next_some(), if self.outbox.is_empty() => {
                    self.on_event(event);
                }
                () = &mut clock => self.on_clock(Instant::now()),
            }
        }
    }

    /// Puts an event in the caller's way.
    pub(super) fn tell(&mut self, event: Event) {
        self.outbox.push_back(event);
    }

    /// Counts somebody turned away, and tells of some.
    pub(super) fn reject(
        &mut self,
        reason: Reason,
        peer: Option<PeerId>,
        address: Option<Multiaddr>,
    ) {
        self.counters.reject(reason);
        if self.told < TOLD_PER_ROUND {
            self.told += 1;
            self.tell(Event::Rejected { reason, peer, address });
        }
    }

    /// Holds something against a peer, and bans it if that is the last straw.
    pub(super) fn penalise(&mut self, peer: PeerId, weight: f64, now: Instant) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gate.penalties.add(peer, weight, now);
        let penalty = behaviour.gate.penalties.of(&peer, now);
        behaviour.mesh.set_application_score(&peer, -penalty);
        if behaviour.gate.penalties.is_banned(&peer, now) && self.peers.contains_key(&peer) {
            self.reject(Reason::Score, Some(peer), None);
            self.disconnect(peer);
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // An error says that it is not connected, which is what is wanted.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// A peer speaks the protocol once it has subscribed and said hello.
    pub(super) fn introduced(&mut self, id: PeerId) {
        if self.peers.get(&id).is_some_and(|peer| peer.subscribed && peer.greeted) {
            self.swarm.behaviour_mut().gate.shows(id, Standing::Speaks);
        }
    }

    fn flush(&mut self) {
        while let Some(event) = self.outbox.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.outbox.push_front(event);
                    return;
                }
                // Nobody listens any more; the node goes on forwarding nothing until it is stopped.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Publish { token, bytes } => {
                let peers = self.publish(bytes);
                self.tell(Event::Published { token, peers });
            }
            Work::Request { id, peer, bytes } => self.request(id, peer, bytes),
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Verdict { id, from, acceptance } => {
                let behaviour = self.swarm.behaviour_mut();
                if matches!(acceptance, MessageAcceptance::Accept) {
                    behaviour.gate.shows(from, Standing::Useful);
                }
                // `false`: the frame is older than the history. It was delivered here and goes no further.
                behaviour.mesh.report_message_validation_result(&id, &from, acceptance);
            }
            Command::Answer { id, bytes } => {
                if let (Some(channel), Some(bytes)) = (self.asked.remove(&id), bytes) {
                    // An error says that the asker has gone or waits no longer.
                    let _ = self.swarm.behaviour_mut().ask.send_response(channel, bytes);
                }
            }
            Command::Penalise { peer, weight } => self.penalise(peer, weight, now),
            Command::Credit { peer } => {
                self.swarm.behaviour_mut().gate.shows(peer, Standing::Useful);
            }
            Command::Eager { peers } => {
                self.eager_wanted = peers;
                self.choose_eager();
            }
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) -> Result<usize, NotPublished> {
        let subscribed = self.peers.values().filter(|peer| peer.subscribed).count();
        let mesh = &mut self.swarm.behaviour_mut().mesh;
        let direct = mesh.mesh_peers(&self.topic).filter(|peer| !self.eager.contains(peer)).count();
        let others = subscribed.saturating_sub(direct + self.eager.len());
        let filled_up = DEGREE.saturating_sub(direct).min(others);
        match mesh.publish(self.topic.clone(), bytes) {
            Ok(_) => Ok((direct + self.eager.len() + filled_up).max(1)),
            Err(PublishError::NoPeersSubscribedToTopic) => Err(NotPublished::Nobody),
            Err(PublishError::Duplicate) => Err(NotPublished::Known),
            Err(PublishError::AllQueuesFull(_)) => Err(NotPublished::Full),
            Err(_) => Err(NotPublished::Oversize),
        }
    }

    fn request(&mut self, id: RequestId, to: PeerId, bytes: Vec<u8>) {
        let failed = match self.peers.get_mut(&to) {
            None => Some(RequestFailed::Gone),
            Some(peer) if peer.asking >= self.limits.streams => Some(RequestFailed::Busy),
            Some(_) if bytes.len() > self.limits.request => Some(RequestFailed::Refused),
            Some(peer) => {
                peer.asking += 1;
                None
            }
        };
        if let Some(why) = failed {
            return self.tell(Event::Answer { id, from: to, answer: Err(why) });
        }
        let sent = self.swarm.behaviour_mut().ask.send_request(&to, bytes);
        self.asking.insert(sent, (to, id));
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Mesh(event)) => self.on_mesh(event, now),
            SwarmEvent::Behaviour(BehaviourEvent::Ask(event)) => self.on_ask(event, now),
            SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => self.on_hello(event, now),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gate(never)) => match never {},
            event => self.on_connection(event, now),
        }
    }

    fn on_mesh(&mut self, event: gossipsub::Event, now: Instant) {
        match event {
            gossipsub::Event::Message { propagation_source: from, message_id: id, message } => {
                self.counters.frame();
                let length = message.data.len() as f64;
                let within = self
                    .peers
                    .get_mut(&from)
                    .is_none_or(|peer| peer.frames.take(1.0, now) && peer.bytes.take(length, now));
                if within {
                    return self.tell(Event::Frame { id, from, bytes: message.data });
                }
                let mesh = &mut self.swarm.behaviour_mut().mesh;
                mesh.report_message_validation_result(&id, &from, MessageAcceptance::Ignore);
                self.reject(Reason::Rate, Some(from), None);
                // It may only pass on what several others pour out; it leaves the mesh for a while, and no more.
                let penalties = &mut self.swarm.behaviour_mut().gate.penalties;
                penalties.add_up_to(from, 0.1, MOST_FOR_RATE, now);
            }
            gossipsub::Event::Subscribed { peer_id, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.subscribed = true;
                }
                self.introduced(peer_id);
                self.choose_eager();
            }
            gossipsub::Event::Unsubscribed { peer_id, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.subscribed = false;
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                self.reject(Reason::Malformed, Some(peer_id), None);
                self.disconnect(peer_id);
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let frames = failed_messages.priority + failed_messages.non_priority;
                self.tell(Event::SlowPeer { peer: peer_id, frames });
            }
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(latency) => {
                if let Some(peer) = self.peers.get_mut(&event.peer) {
                    peer.latency = Some(latency);
                }
            }
            // Nothing comes back: the host is gone without a word, or reads nothing while frames pile up here.
            Err(ping::Failure::Timeout) => {
                self.swarm.close_connection(event.connection);
            }
            Err(_) => {}
        }
    }

    fn on_clock(&mut self, now: Instant) {
        if now >= self.next_dial {
            self.dial(now);
        }
        if now >= self.next_round {
            self.next_round = now + ROUND;
            self.told = 0;
            self.round(now);
        }
    }

    /// Looks everybody over.
    fn round(&mut self, now: Instant) {
        self.close_surplus(now);
        let mut ended = Vec::new();
        let behaviour = self.swarm.behaviour_mut();
        for (id, peer) in &self.peers {
            let penalty = behaviour.gate.penalties.of(id, now);
            behaviour.mesh.set_application_score(id, -penalty);
            let score = behaviour.mesh.peer_score(id).unwrap_or_default();
            let waited = now.saturating_duration_since(peer.since) >= self.limits.introduction;
            if score < GRAYLIST {
                ended.push((*id, Reason::Score));
            } else if waited && !(peer.subscribed && peer.greeted) {
                ended.push((*id, Reason::Transport));
            }
        }
        for (peer, reason) in ended {
            if reason == Reason::Score {
                self.swarm.behaviour_mut().gate.penalties.add(peer, BAN, now);
            }
            self.reject(reason, Some(peer), None);
            self.disconnect(peer);
        }
        self.greet(now);
        self.choose_eager();
        self.show();
    }

    /// Keeps as many explicit peers beside the mesh as are wanted.
    fn choose_eager(&mut self) {
        let mesh = &mut self.swarm.behaviour_mut().mesh;
        let peers = &self.peers;
        let wanted = self.eager_wanted;
        let mut kept = 0;
        self.eager.retain(|peer| {
            let keep = kept < wanted && peers.get(peer).is_some_and(|peer| peer.subscribed);
            kept += usize::from(keep);
            if !keep {
                mesh.remove_explicit_peer(peer);
            }
            keep
        });
        if kept == wanted {
            return;
        }
        let direct: HashSet<PeerId> = mesh.mesh_peers(&self.topic).copied().collect();
        let mut others: Vec<(PeerId, f64)> = peers
            .iter()
            .filter(|(id, peer)| {
                peer.subscribed && !direct.contains(id) && !self.eager.contains(id)
            })
            .map(|(id, _)| (*id, mesh.peer_score(id).unwrap_or_default()))
            .filter(|(_, score)| *score >= 0.0)
            .collect();
        others.sort_unstable_by(|(_, a), (_, b)| b.total_cmp(a));
        for (peer, _) in others.into_iter().take(wanted - kept) {
            mesh.add_explicit_peer(&peer);
            self.eager.insert(peer);
        }
    }

    /// Renews what the caller sees from outside.
    pub(super) fn show(&mut self) {
        let mesh = &self.swarm.behaviour().mesh;
        let direct: HashSet<PeerId> = mesh.mesh_peers(&self.topic).copied().collect();
        let shown = |(id, peer): (&PeerId, &Peer)| {
            let connection = peer.connections.last()?;
            Some(PeerInfo {
                peer: *id,
                label: peer.label.clone(),
                address: peer.listens_at.as_ref().unwrap_or(&connection.address).clone(),
                direction: connection.direction,
                connections: peer.connections.len(),
                latency_ms: peer.latency.map(|latency| latency.as_secs_f64() * 1e3),
                score: mesh.peer_score(id).unwrap_or_default(),
                in_mesh: direct.contains(id) || self.eager.contains(id),
            })
        };
        let peers = self.peers.iter().filter_map(shown).collect();
        let good = self.book.good().map(|(at, _)| at.clone()).collect();
        let addresses = self.book.configured();
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = View { peers, good, addresses };
    }
}

fn behaviour(config: &NetConfig, counters: &Arc<Counters>) -> Result<Behaviour, String> {
    let limits = &config.limits;
    let settings = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(limits.streams);
    let ask = request_response::Behaviour::with_codec(
        Codec { request: limits.request, answer: limits.answer },
        [(ASK, ProtocolSupport::Full)],
        settings.clone(),
    );
    let hello = request_response::Behaviour::with_codec(
        Codec { request: hello::MAX_BYTES, answer: hello::MAX_BYTES },
        [(HELLO, ProtocolSupport::Full)],
        settings.with_max_concurrent_streams(4),
    );
    let ping = ping::Config::new().with_interval(PING).with_timeout(limits.ping);
    Ok(Behaviour {
        gate: Gate::new(config.allow.clone(), limits),
        mesh: mesh::build(config, counters)?,
        ask,
        hello,
        ping: ping::Behaviour::new(ping),
    })
}

/// Listens, and returns the first address with the port that was bound.
async fn listen(swarm: &mut Swarm<Behaviour>, at: Multiaddr) -> Result<Multiaddr, String> {
    swarm.listen_on(at).map_err(|why| why.to_string())?;
    let bound = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
                SwarmEvent::ListenerClosed { reason, .. } => {
                    return Err(format!("the listener closed: {reason:?}"));
                }
                _ => {}
            }
        }
    };
    let late = |_| Err("the listener has no address".to_owned());
    tokio::time::timeout(LISTEN, bound).await.unwrap_or_else(late)
}
