//! One shard: a thread that owns sockets and a cursor in the log. Rule: it never blocks but in `epoll_wait`, and
//! whatever one client does costs the others at most one bounded step.

use super::client::{BacklogBound, Client, Feed, Linger, Place};
use super::config::StreamConfig;
use super::filter::Terms;
use super::inbox::{Arrival, Command, Inbox, TopicMessage, Wish};
use super::log::RingLog;
use super::slab::Slab;
use super::tally::Tally;
use super::wheel::Wheel;
use super::window::{Gathered, Log as _, Window};
use super::{Protocol, frame};
use rustix::event::{Timespec, epoll};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, info};

/// Longest wait for a peer to answer our close frame or take our last bytes.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Socket events taken from the kernel at once.
const EVENTS: usize = 256;

/// Bytes read from a client at once.
const READ_BYTES: usize = 16 * 1024;

/// Key of the eventfd; clients' keys are smaller, for a shard never has 2^32 - 1 of them.
const BELL: u64 = u64::MAX;

/// Why a shutdown ends a stream (RFC 6455, 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

/// What a shard shares with the hub.
pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) tally: Tally,
    /// Clients of all shards.
    pub(super) admitted: Arc<AtomicUsize>,
}

/// The state of a shard's thread.
pub(super) struct Shard {
    pub(super) shared: Arc<Shared>,
    pub(super) log: RingLog,
    pub(super) epoll: OwnedFd,
    pub(super) clients: Slab,
    pub(super) wheel: Wheel,
    pub(super) terms: Terms,
    /// Readers of each topic by key.
    topics: HashMap<Arc<str>, Vec<u64>>,
    /// Clients of the log in each form.
    pub(super) forms: [usize; Protocol::FORMS],
    /// Last sequence that a client who keeps up has been sent.
    pub(super) cursor: u64,
    /// Last sequence that all of them have been sent.
    pub(super) sent: u64,
    /// The newest events, encoded.
    pub(super) live: Window,
    /// Older events, encoded for whoever is behind.
    pub(super) behind: Window,
    pub(super) gathered: Gathered,
    /// When the last round began, and how long it took.
    pub(super) last_round: Option<(Instant, Duration)>,
    /// The last round could not hold all there was.
    pub(super) more: bool,
    pub(super) flush: Duration,
    stall: Duration,
    bound: BacklogBound,
    stopping: Option<Stopping>,
    buffer: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Stopping {
    /// What had been published when the order came; clients get this much before they are sent away.
    last: u64,
    /// Who is not that far by then is sent away as well.
    drain_until: Instant,
    deadline: Instant,
}

impl Shard {
    pub(super) fn new(
        shared: Arc<Shared>,
        log: RingLog,
        config: &StreamConfig,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = epoll::EventData::new_u64(BELL);
        epoll::add(&epoll, &*shared.inbox.wake, bell, epoll::EventFlags::IN)?;
        Ok(Self {
            shared,
            epoll,
            clients: Slab::default(),
            wheel: Wheel::new(Instant::now()),
            terms: Terms::new(),
            topics: HashMap::new(),
            forms: [0; Protocol::FORMS],
            cursor: log.published(),
            sent: log.published(),
            live: Window::default(),
            behind: Window::default(),
            gathered: Gathered::default(),
            last_round: None,
            more: false,
            flush: Duration::from_millis(config.flush_ms),
            stall: Duration::from_secs(config.stall_seconds),
            bound: config.backlog_bound(),
            stopping: None,
            buffer: vec![0; READ_BYTES].into(),
            log,
        })
    }

    /// Runs until the hub orders a stop and every client is gone or out of time.
    pub(super) fn run(mut self) {
        let _closing = Closing(Arc::clone(&self.shared));
        let mut events = Vec::with_capacity(EVENTS);
        let mut fired = Vec::new();
        while !self.is_over() {
            let wait = self.wait_time(Instant::now()).map(timespec);
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                wait.as_ref(),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    error!(%errno, "a stream shard cannot wait for its sockets and ends");
                    break;
                }
            }
            self.take_commands(&events);
            for event in &events {
                if event.data.u64() != BELL {
                    self.serve(event.data.u64(), event.flags);
                }
            }
            let now = Instant::now();
            self.wheel.turn(now, &mut fired);
            self.fire(&fired, now);
            if self.round_due(now) {
                self.round(now);
            }
            self.drain(now);
        }
        self.drop_all();
    }

    /// How long to sleep: until a timer, the next round or a stop; `None` until something happens.
    fn wait_time(&mut self, now: Instant) -> Option<Duration> {
        let stop = self.stopping.map(|stopping| {
            let next =
                if now < stopping.drain_until { stopping.drain_until } else { stopping.deadline };
            next.saturating_duration_since(now)
        });
        let round = self.next_round(now);
        [self.wheel.next(now), stop, round].into_iter().flatten().min()
    }

    fn take_commands(&mut self, events: &[epoll::Event]) {
        if !events.iter().any(|event| event.data.u64() == BELL) {
            return;
        }
        // Emptied before it is looked at, so that what comes later rings again.
        self.shared.inbox.hush();
        let taken = self.shared.inbox.take();
        self.shared.tally.lost.add(taken.lost);
        for command in taken.queue {
            match command {
                Command::Arrive(arrival) => self.arrive(*arrival),
                Command::Message(message) => self.tell(&message),
            }
        }
        if let (Some(deadline), None) = (taken.stop, self.stopping) {
            let now = Instant::now();
            let drain_until = now + deadline.saturating_duration_since(now) / 2;
            self.last_round = None; // what is published goes out at once
            self.stopping = Some(Stopping { last: self.log.published(), drain_until, deadline });
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { id, socket, already_read, protocol, heartbeat, request_id, wish, slot } =
            arrival;
        let (feed, first, missed) = match wish {
            Wish::Events(place) => {
                (Feed::Events(self.enter_log(place, protocol)), None, Default::default())
            }
            Wish::Topic { name, first, missed } => {
                (Feed::Topic { name, backlog: Default::default() }, first, missed)
            }
        };
        let mut client = Client::new(socket, protocol, heartbeat, feed);
        client.id = id;
        client.request_id = request_id;
        client.slot = slot;
        let tally = &self.shared.tally;
        tally.connects.add(1);
        match protocol {
            Protocol::Ws | Protocol::Deflate { .. } => tally.ws.add(1),
            Protocol::Sse { .. } => tally.sse.add(1),
        }
        tally.topic.add(u64::from(matches!(client.feed, Feed::Topic { .. })));
        info!(
            request_id = &*client.request_id,
            client = id,
            protocol = protocol.name(),
            "stream connected"
        );
        if let Some((event, message)) = first {
            let message = frame::topic(protocol, &event, &message);
            client.push_message(message.into(), self.bound, tally);
        }
        for message in missed {
            let message = frame::topic(protocol, &message.event, &message.message);
            client.push_message(message.into(), self.bound, tally);
        }
        client.receive(&already_read, tally);
        let key = self.clients.insert(client);
        if let Some(client) = self.clients.get(key) {
            if let Feed::Topic { name, .. } = &client.feed {
                self.topics.entry(Arc::clone(name)).or_default().push(key);
            }
            let data = epoll::EventData::new_u64(key);
            if let Err(errno) = epoll::add(&self.epoll, &client.socket, data, READABLE) {
                error!(client = id, %errno, "a stream's socket cannot be watched");
                return self.remove(key);
            }
        }
        self.wheel.set(Instant::now(), heartbeat, key);
        self.pump(key);
    }

    /// Counts a new client of the log.
    fn enter_log(&mut self, mut place: Place, protocol: Protocol) -> Place {
        if self.forms == [0; Protocol::FORMS] {
            // Nobody listened, so nothing was read; rounds begin from here.
            self.cursor = self.log.published();
            self.sent = self.cursor;
        }
        self.forms[protocol.form()] += 1;
        self.shared.tally.gaps.add(u64::from(place.gap.is_some()));
        if let Some(filter) = &mut place.filter {
            let (terms, grown) = self.terms.add(&filter.0);
            filter.1 = terms;
            if grown {
                // Their events were matched without the new texts.
                self.live.clear();
                self.behind.clear();
            }
        }
        place
    }

    fn tell(&mut self, message: &TopicMessage) {
        let Some(keys) = self.topics.get(&*message.topic) else { return };
        let mut encoded: [Option<Arc<[u8]>>; Protocol::FORMS] = Default::default();
        for key in keys.clone() {
            let Some(client) = self.clients.get(key) else { continue };
            let protocol = client.protocol;
            let bytes = encoded[protocol.form()].get_or_insert_with(|| {
                frame::topic(protocol, &message.event, &message.message).into()
            });
            client.push_message(Arc::clone(bytes), self.bound, &self.shared.tally);
            if !client.slow {
                self.pump(key);
            }
        }
    }

    /// Does what the kernel says is possible with a client.
    fn serve(&mut self, key: u64, flags: epoll::EventFlags) {
        let Some(client) = self.clients.get(key) else { return };
        let tally = &self.shared.tally;
        let readable = !flags.difference(epoll::EventFlags::OUT).is_empty();
        let slow = client.slow;
        let outcome = if readable { client.read(&mut self.buffer, tally) } else { Ok(()) };
        if outcome.is_err() || client.is_done() {
            return self.settle(key, outcome);
        }
        if flags.contains(epoll::EventFlags::OUT) || !slow {
            self.pump(key);
        } else {
            self.settle(key, Ok(()));
        }
    }

    /// Heartbeats, clients that take nothing, and closing clients out of time.
    fn fire(&mut self, fired: &[u64], now: Instant) {
        for key in fired {
            let Some(client) = self.clients.get(*key) else { continue };
            if !client.is_open() {
                // Its last heartbeat timer may come before the one that was set when it began to leave.
                if client.is_overdue(now, LINGER) {
                    self.remove(*key);
                }
                continue;
            }
            if client.beat() >= self.stall {
                client.reason = "took nothing for too long";
                self.shared.tally.stalled.add(1);
                self.remove(*key);
                continue;
            }
            self.wheel.set(now, client.heartbeat, *key);
            if !client.slow {
                self.pump(*key);
            }
        }
    }

    /// While stopping: sends away who has got everything, or everybody once time is short.
    fn drain(&mut self, now: Instant) {
        let Some(stopping) = self.stopping else { return };
        for index in 0..self.clients.places() {
            let Some((key, client)) = self.clients.at(index) else { continue };
            let owed = match &client.feed {
                Feed::Events(place) => place.cursor < stopping.last,
                Feed::Topic { .. } => client.slow,
            };
            if client.is_open() && (!owed || now >= stopping.drain_until) {
                let linger = if client.protocol.is_ws() { Linger::Yes } else { Linger::No };
                client.leave(Some(GOING_AWAY), linger, "shutdown");
                self.pump(key);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stopping
            .is_some_and(|stopping| self.clients.len() == 0 || Instant::now() >= stopping.deadline)
    }

    fn drop_all(&mut self) {
        for index in 0..self.clients.places() {
            if let Some((key, _)) = self.clients.at(index) {
                self.remove(key);
            }
        }
    }

    /// Takes a client out of everything; its socket is closed.
    pub(super) fn remove(&mut self, key: u64) {
        let Some(client) = self.clients.remove(key) else { return };
        let tally = &self.shared.tally;
        match client.protocol {
            Protocol::Ws | Protocol::Deflate { .. } => tally.ws.take(1),
            Protocol::Sse { .. } => tally.sse.take(1),
        }
        tally.slow.take(u64::from(client.slow));
        let mut topic = None;
        match &client.feed {
            Feed::Events(place) => {
                self.forms[client.protocol.form()] -= 1;
                if let Some(filter) = &place.filter {
                    self.terms.remove(&filter.0);
                }
            }
            Feed::Topic { name, .. } => {
                tally.topic.take(1);
                if let Some(keys) = self.topics.get_mut(name) {
                    keys.retain(|other| *other != key);
                    if keys.is_empty() {
                        self.topics.remove(name);
                    }
                }
                topic = Some(&**name);
            }
        }
        self.shared.inbox.depart(topic);
        // Relaxed: pairs with the hub's count of admitted clients, which orders nothing else.
        self.shared.admitted.fetch_sub(1, Ordering::Relaxed);
        info!(
            request_id = &*client.request_id,
            client = client.id,
            reason = client.reason,
            "stream disconnected"
        );
    }
}

/// Closes the inbox when its shard ends, even by a panic, so that no client waits there for ever.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.inbox.stop(Instant::now());
    }
}

/// What every client is watched for; a closed or broken connection is always told.
pub(super) const READABLE: epoll::EventFlags =
    epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP);

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
