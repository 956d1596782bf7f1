//! The one thread that knows everything: own events, frames, packets, answers and what became of each.
//!
//! The rule: it never waits for the disk, the host or the network. What costs time is done by other threads, which
//! report back.

mod fast;
mod own;
mod plain;
mod slow;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, bounded, unbounded};
use shimmer_mesh::fanout::Fanout;
use shimmer_mesh::{Action, Answer, Keys, Node, Peer, Reason, Ticket, Verified};
use shimmer_sdk::Host;

use crate::deliver::{self, Delivered, Parcel};
use crate::disk::Disk;
use crate::event::UnsignedId;
use crate::gateway::{Gateway, Heard};
use crate::keeper::{self, Kept, MAX_UNSIGNED, Task};
use crate::net::{Event, MessageId, Net, PeerId, RequestId};
use crate::pool::Pool;
use crate::shown::Shown;

pub(crate) use own::Own;

/// Own events that wait for the hub; the plugin's thread waits when there are more.
const OWN_QUEUE: usize = 8_192;
/// Own events that may be on their way to the store.
const OWN_ON_THE_WAY: usize = 16_384;
/// Things of one kind that are done before others get their turn.
const TURN: usize = 256;
/// Longest time between two looks at the clock.
const LOOK: Duration = Duration::from_millis(100);

/// What the hub is made of.
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) net: Arc<Net>,
    pub(crate) events: Receiver<Event>,
    pub(crate) gateway: Option<Arc<Gateway>>,
    pub(crate) heard: Receiver<Heard>,
    pub(crate) node: Node,
    pub(crate) author: shimmer_mesh::Author,
    pub(crate) disk: Disk,
    pub(crate) history_bytes: u64,
    pub(crate) max_ttl: u64,
    pub(crate) keys: Box<dyn Fn() -> Keys + Send>,
    pub(crate) label: String,
    pub(crate) unsigned: Vec<UnsignedId>,
    pub(crate) shown: Shown,
}

/// The plugin's end of the hub. Dropping it stops the hub.
pub(crate) struct Hub {
    own: Option<Sender<Own>>,
    flush: Sender<Sender<bool>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    epoch: Arc<AtomicU64>,
}

/// What other threads report.
enum Done {
    /// An answer was read and its signatures hold, or not.
    Opened(PeerId, Ticket, Result<Answer, Reason>),
    /// The same of a frame.
    Frame(MessageId, PeerId, Result<Vec<Verified>, Reason>),
}

/// The thread's own.
struct State {
    host: Host,
    net: Arc<Net>,
    gateway: Option<Arc<Gateway>>,
    node: Node,
    author: shimmer_mesh::Author,
    disk: Disk,
    keys: Box<dyn Fn() -> Keys + Send>,
    label: String,
    max_ttl: u64,
    pool: Pool,
    done: Sender<Done>,
    parcels: Sender<Parcel>,
    tasks: Sender<Task>,
    shown: Shown,
    /// Numbers of peers, both ways.
    peers: HashMap<PeerId, Peer>,
    ids: HashMap<Peer, PeerId>,
    next_peer: u64,
    requests: HashMap<RequestId, (PeerId, Ticket)>,
    /// The log of events that this node took from nobody in particular: its epoch and next sequence.
    unsigned_log: Option<(u64, u64)>,
    unsigned: UnsignedIds,
    /// What this life has signed.
    own: own::Life,
    /// Own events that the store does not have yet, and flushes that wait for them.
    own_on_the_way: usize,
    flushes: Vec<Sender<bool>>,
    fanout: Fanout,
    beat: fast::Heart,
    next_token: u64,
    clock: Clock,
    next_line: Instant,
}

/// Wall time that does not jump: taken once, then counted.
struct Clock {
    begun: Instant,
    begun_ms: u64,
}

/// The newest ids of events that nobody vouches for.
#[derive(Default)]
struct UnsignedIds {
    known: HashSet<UnsignedId>,
    order: VecDeque<UnsignedId>,
}

impl Hub {
    /// Starts the hub and the threads that work for it.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(parts: Parts) -> std::io::Result<Self> {
        let (own, own_end) = bounded(OWN_QUEUE);
        let (flush, flush_end) = unbounded();
        let (stop, stop_end) = bounded(0);
        // What is on these ways is bounded by what the node lets be under way.
        let (parcels, parcels_end) = unbounded();
        let (delivered, delivered_end) = unbounded();
        let (tasks, tasks_end) = unbounded();
        let (kept, kept_end) = unbounded();
        let (done, done_end) = unbounded();
        let deliver = deliver::start(parts.host.clone(), parcels_end, delivered)?;
        let keeper = keeper::start(
            parts.host.clone(),
            parts.disk.clone(),
            parts.history_bytes,
            tasks_end,
            kept,
        )?;
        let pool = Pool::start()?;
        let inlets = Inlets {
            events: parts.events.clone(),
            own: own_end,
            heard: parts.heard.clone(),
            delivered: delivered_end,
            kept: kept_end,
            done: done_end,
            flush: flush_end,
            stop: stop_end,
        };
        let state = State::new(parts, pool, (done, parcels, tasks));
        let epoch = Arc::clone(&state.own.epoch);
        let thread = std::thread::Builder::new().name("gossip-hub".into()).spawn(move || {
            let ending = state.run(&inlets);
            // The threads end when their inlets close.
            drop(inlets);
            ending.pool.stop();
            drop((ending.parcels, ending.tasks));
            drop(deliver.join());
            drop(keeper.join());
        })?;
        Ok(Self { own: Some(own), flush, stop: Some(stop), thread: Some(thread), epoch })
    }

    /// Hands over an event of this node; waits while too many are under way. Whether the hub is there.
    pub(crate) fn share(&self, event: Own) -> bool {
        self.own.as_ref().is_some_and(|own| own.send(event).is_ok())
    }

    /// Waits until everything that was shared is on the disk, `patience` at most. Whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let (answer, answered) = bounded(1);
        self.flush.send(answer).is_ok() && answered.recv_timeout(patience).unwrap_or(false)
    }

    /// The epoch in which it signed the last of what was flushed.
    pub(crate) fn epoch(&self) -> u64 {
        // Acquire: pairs with the Release in `begin_anew`.
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether it runs; it ends by itself only with the network.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the hub and all its threads.
    pub(crate) fn stop(&mut self) {
        self.own = None;
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where things come from.
struct Inlets {
    events: Receiver<Event>,
    own: Receiver<Own>,
    heard: Receiver<Heard>,
    delivered: Receiver<Delivered>,
    kept: Receiver<Kept>,
    done: Receiver<Done>,
    flush: Receiver<Sender<bool>>,
    stop: Receiver<()>,
}

/// What is left when the hub ends.
struct Ending {
    pool: Pool,
    parcels: Sender<Parcel>,
    tasks: Sender<Task>,
}

impl State {
    fn new(
        parts: Parts,
        pool: Pool,
        outlets: (Sender<Done>, Sender<Parcel>, Sender<Task>),
    ) -> Self {
        let mut unsigned = UnsignedIds::default();
        for id in parts.unsigned {
            unsigned.insert(id);
        }
        let own = own::Life::begin(parts.author.log().epoch);
        Self {
            host: parts.host,
            net: parts.net,
            gateway: parts.gateway,
            node: parts.node,
            author: parts.author,
            disk: parts.disk,
            keys: parts.keys,
            label: parts.label,
            max_ttl: parts.max_ttl,
            pool,
            done: outlets.0,
            parcels: outlets.1,
            tasks: outlets.2,
            shown: parts.shown,
            peers: HashMap::new(),
            ids: HashMap::new(),
            next_peer: 0,
            requests: HashMap::new(),
            unsigned_log: None,
            unsigned,
            own,
            own_on_the_way: 0,
            flushes: Vec::new(),
            fanout: Fanout::default(),
            beat: fast::Heart::default(),
            next_token: 0,
            clock: Clock::start(),
            next_line: Instant::now(),
        }
    }

    fn run(mut self, inlets: &Inlets) -> Ending {
        loop {
            let now_ms = self.clock.now_ms();
            if self.node.next_ms() <= now_ms {
                self.node.tick(now_ms);
            }
            self.act();
            self.heartbeat();
            if self.wait(inlets, now_ms) {
                return self.ending();
            }
            if !self.turn(inlets) {
                self.host.error("the network of the mesh has ended by itself");
                return self.ending();
            }
        }
    }

    fn ending(self) -> Ending {
        let Self { pool, parcels, tasks, .. } = self;
        Ending { pool, parcels, tasks }
    }

    /// Waits until there is something to do; whether that is to end.
    fn wait(&self, inlets: &Inlets, now_ms: u64) -> bool {
        let until = Duration::from_millis(self.node.next_ms().saturating_sub(now_ms)).min(LOOK);
        let mut select = Select::new();
        let stop = select.recv(&inlets.stop);
        select.recv(&inlets.events);
        select.recv(&inlets.heard);
        select.recv(&inlets.delivered);
        select.recv(&inlets.kept);
        select.recv(&inlets.done);
        select.recv(&inlets.flush);
        if self.takes_own() {
            select.recv(&inlets.own);
        }
        select.ready_timeout(until).is_ok_and(|ready| ready == stop)
            || matches!(inlets.stop.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Does some of everything that waits. Whether the network is still there: its closed way would always be ready, and
    /// the hub would never sleep.
    fn turn(&mut self, inlets: &Inlets) -> bool {
        inlets.kept.try_iter().take(TURN).for_each(|kept| self.kept(kept));
        inlets.delivered.try_iter().take(TURN).for_each(|delivered| self.delivered(delivered));
        if self.takes_own() {
            let own: Vec<Own> = inlets.own.try_iter().take(TURN).collect();
            self.share(own);
        }
        for _ in 0..TURN {
            match inlets.events.try_recv() {
                Ok(event) => self.network(event),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        inlets.done.try_iter().take(TURN).for_each(|done| self.worked(done));
        inlets.heard.try_iter().take(TURN).for_each(|heard| self.heard(heard));
        // A flush speaks of what was shared before it, so everything of that comes first.
        if self.takes_own() && inlets.own.is_empty() {
            self.flushes.extend(inlets.flush.try_iter().take(TURN));
        }
        let forgotten = self.node.take_forgotten();
        if !forgotten.is_empty() {
            drop(self.tasks.send(Task::Forget(forgotten)));
        }
        self.flush_if_settled();
        self.shown.lock().counters = self.node.counters().clone();
        true
    }

    fn takes_own(&self) -> bool {
        self.own_on_the_way < OWN_ON_THE_WAY
    }

    /// Sends what anti-entropy wants.
    fn act(&mut self) {
        for action in self.node.actions() {
            match action {
                Action::Request { peer, ticket, bytes } => {
                    let Some(id) = self.ids.get(&peer).copied() else { continue };
                    match self.net.request(id, bytes) {
                        Ok(request) => drop(self.requests.insert(request, (id, ticket))),
                        Err(_) => self.node.unanswered(peer, ticket, self.clock.now_ms()),
                    }
                }
                Action::Misdeed { peer, misdeed } => {
                    if let Some(id) = self.ids.get(&peer) {
                        self.net.penalise(*id, misdeed.points() * slow::HARSHNESS);
                    }
                }
            }
        }
    }

    fn worked(&mut self, done: Done) {
        match done {
            Done::Opened(peer, ticket, answer) => self.opened(peer, ticket, answer),
            Done::Frame(id, from, opened) => self.frame_opened(id, from, opened),
        }
    }

    /// Writes a line now and then, however often there is a reason.
    fn seldom(&mut self, line: impl FnOnce() -> String) {
        if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + Duration::from_secs(10);
            self.host.warn(&line());
        }
    }
}

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begun_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { begun: Instant::now(), begun_ms }
    }

    fn now_ms(&self) -> u64 {
        self.begun_ms + u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl UnsignedIds {
    /// Remembers an id, and forgets the oldest beyond the bound. Whether it is new.
    fn insert(&mut self, id: UnsignedId) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MAX_UNSIGNED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets one that came to nothing.
    fn remove(&mut self, id: &UnsignedId) {
        if self.known.remove(id) {
            self.order.retain(|one| one != id);
        }
    }
}
