//! The fan-out as the rest of the server sees it. Rule: every method may be called from any thread and returns at
//! once, but for [`StreamHub::shutdown`], which waits for its deadline at most.

use super::client::{BacklogBound, Place};
use super::config::StreamConfig;
use super::filter::Filter;
use super::frame::{self, Protocol};
use super::inbox::{Arrival, Inbox, TopicMessage, Wish};
use super::log::RingLog;
use super::seat::{Seats, TopicSeat};
use super::shard::{Shard, Shared};
use super::tally::{StreamStats, Tally};
use super::wheel::TICK;
use shimmer_ring::{ConsumerError, Reader, Ring};
use std::fmt;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest message of a topic in bytes.
pub const TOPIC_MESSAGE_BYTES: usize = 8 << 20;

/// Longest time between two heartbeats.
const HEARTBEAT_MAX: Duration = Duration::from_secs(60);

/// The server ends (RFC 6455, 7.4.1).
const GOING_AWAY: u16 = 1001;

/// Asks a client to come back later (IANA WebSocket close code registry).
const TRY_AGAIN_LATER: u16 = 1013;

/// Names one client in log lines, for the life of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub u64);

/// A client that wants the events of the log.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Which events it wants.
    pub filter: Filter,
    /// The last sequence it has; without one it gets what is published after [`StreamHub::attach`]. Whoever answers
    /// a handshake first passes what was published before that, so that nothing falls between.
    pub since_seq: Option<u64>,
    /// Time between heartbeats, kept within 100 ms and 60 s.
    pub heartbeat: Duration,
    /// Id of the request that it came with, for log lines.
    pub request_id: String,
    /// Dropped when its socket is closed.
    pub slot: Option<Arc<dyn fmt::Debug + Send + Sync>>,
}

/// A client that wants the messages of a plugin's topic.
#[derive(Clone, Debug)]
pub struct TopicSubscription {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The topic, as later given to [`StreamHub::publish`].
    pub topic: String,
    /// A message for this client alone, before all others: SSE event name (empty for none) and text.
    pub first_message: Option<(String, Vec<u8>)>,
    /// Time between heartbeats, kept within 100 ms and 60 s.
    pub heartbeat: Duration,
    /// Id of the request that it came with, for log lines.
    pub request_id: String,
    /// Dropped when its socket is closed.
    pub slot: Option<Arc<dyn fmt::Debug + Send + Sync>>,
}

/// Why the fan-out does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A value of the configuration is impossible.
    #[error("stream.{key} must be {allowed}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The ring has no room for another consumer.
    #[error("the ring takes no stream shard: {0}")]
    Ring(#[from] ConsumerError),
    /// The system refused a thread or a descriptor.
    #[error("a stream shard cannot start: {0}")]
    System(#[from] io::Error),
}

/// Why a client is turned away; its socket is closed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// As many clients as allowed are connected: answer 503 where there is still an answer to give.
    #[error("there are as many stream clients as stream.max_clients allows")]
    Full,
    /// The hub is shutting down.
    #[error("the streams are shutting down")]
    Closed,
    /// The socket is of no use.
    #[error("the socket cannot be used: {0}")]
    Socket(#[from] io::Error),
}

/// Why a topic message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It is longer than [`TOPIC_MESSAGE_BYTES`].
    #[error("a topic message has at most {TOPIC_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// It is not UTF-8, which WebSocket text and SSE require.
    #[error("a topic message is UTF-8")]
    NotText,
    /// The event name has a line break, which would end its line in SSE.
    #[error("an event name has no line breaks")]
    BadEvent,
}

/// The threads that send streams, and the way to them.
pub struct StreamHub {
    shards: Vec<Arc<Shared>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    reader: Reader,
    admitted: Arc<AtomicUsize>,
    max_clients: usize,
    send_buffer_bytes: usize,
    bound: BacklogBound,
    seats: Seats,
    next_id: AtomicU64,
    /// What the hub itself counts.
    tally: Tally,
}

impl StreamHub {
    /// Starts the shards.
    ///
    /// # Errors
    /// See [`StartError`]; shards that had started end again.
    pub fn start(ring: &Ring, config: &StreamConfig) -> Result<Self, StartError> {
        config.check().map_err(|(key, allowed)| StartError::Config { key, allowed })?;
        let mut hub = Self {
            shards: Vec::new(),
            threads: Mutex::default(),
            reader: ring.reader(),
            admitted: Arc::default(),
            max_clients: config.max_clients,
            send_buffer_bytes: config.send_buffer_bytes,
            bound: config.backlog_bound(),
            seats: Seats::default(),
            next_id: AtomicU64::new(1),
            tally: Tally::default(),
        };
        for number in 0..config.shard_count() {
            let shared = Arc::new(Shared {
                inbox: Inbox::new()?,
                tally: Tally::default(),
                admitted: Arc::clone(&hub.admitted),
            });
            let log = RingLog::open(ring, number, Arc::clone(&shared.inbox.wake))?;
            let shard = Shard::new(Arc::clone(&shared), log, config)?;
            let thread = std::thread::Builder::new()
                .name(format!("stream-{number}"))
                .spawn(move || shard.run())?;
            hub.shards.push(shared);
            hub.threads_mut().push(thread);
        }
        Ok(hub)
    }

    /// Whether another client may come now: to be asked before a handshake is answered.
    #[must_use]
    pub fn has_room(&self) -> bool {
        // Relaxed: a count that orders nothing; `admit` decides.
        self.admitted.load(Ordering::Relaxed) < self.max_clients
    }

    /// Takes over a socket whose handshake (WebSocket) or response head (SSE) has been sent. `already_read` is what
    /// came in behind the request.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(
        &self,
        socket: TcpStream,
        already_read: Vec<u8>,
        subscription: Subscription,
    ) -> Result<ClientId, AttachError> {
        let Subscription { mut protocol, filter, since_seq, heartbeat, request_id, slot } =
            subscription;
        let published = self.reader.published();
        let (cursor, gap) = match since_seq {
            None => (published, None),
            // It knows sequences that do not exist here, as after a loss of data: they are told as lost.
            Some(since) if since > published => (published, Some((published + 1, since))),
            Some(since) => (since, None),
        };
        let filter = (filter != Filter::default()).then(|| Box::new((filter, [0; 3])));
        if protocol.is_deflate() && filter.is_some() {
            // It does not get the events that others' messages refer to.
            protocol = Protocol::Deflate { chained: false };
        }
        let wish =
            Wish::Events(Place { cursor, whole_from: cursor.saturating_add(1), gap, filter });
        self.admit(Arrival {
            id: 0,
            socket,
            already_read,
            protocol,
            heartbeat,
            request_id: request_id.into(),
            wish,
            slot,
        })
    }

    /// Takes a place in a topic before its client is connected: to be done before the first message is asked for,
    /// so that nothing published meanwhile is lost.
    #[must_use]
    pub fn seat(&self, topic: &str) -> TopicSeat {
        self.seats.take(topic)
    }

    /// Takes over a socket for a plugin's stream. It gets what is published after this call.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach_topic(
        &self,
        socket: TcpStream,
        already_read: Vec<u8>,
        subscription: TopicSubscription,
    ) -> Result<ClientId, AttachError> {
        let seat = self.seat(&subscription.topic);
        self.attach_seated(socket, already_read, seat, subscription)
    }

    /// The same for a client whose place was taken before: after its first message it gets what was published since
    /// then. The seat's topic counts.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach_seated(
        &self,
        socket: TcpStream,
        already_read: Vec<u8>,
        seat: TopicSeat,
        subscription: TopicSubscription,
    ) -> Result<ClientId, AttachError> {
        let TopicSubscription { protocol, topic: _, first_message, heartbeat, request_id, slot } =
            subscription;
        // Held until the shard knows the client: nothing is published between its leaving and arriving.
        let mut order = self.seats.order();
        let missed = order.leave(&seat);
        let wish = Wish::Topic { name: seat.topic().into(), first: first_message, missed };
        self.admit(Arrival {
            id: 0,
            socket,
            already_read,
            protocol,
            heartbeat,
            request_id: request_id.into(),
            wish,
            slot,
        })
    }

    /// Sends `message` to everybody who listens to `topic`; `event` is its SSE event name, empty for none. A slow
    /// reader loses its oldest messages.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub fn publish(&self, topic: &str, event: &str, message: &[u8]) -> Result<(), TopicError> {
        if message.len() > TOPIC_MESSAGE_BYTES {
            return Err(TopicError::TooLarge);
        }
        if event.contains(['\n', '\r']) {
            return Err(TopicError::BadEvent);
        }
        if std::str::from_utf8(message).is_err() {
            return Err(TopicError::NotText);
        }
        // Held until all are told: a seat that was told is not attached before its shard is told too.
        let order = self.seats.order();
        let shards: Vec<_> =
            self.shards.iter().map(|it| &it.inbox).filter(|inbox| inbox.hears(topic)).collect();
        if shards.is_empty() && !order.hears(topic) {
            return Ok(());
        }
        let message = Arc::new(TopicMessage {
            topic: topic.into(),
            event: event.into(),
            message: message.into(),
        });
        self.tally.lost.add(order.tell(&message, self.bound));
        for inbox in shards {
            inbox.tell(&message);
        }
        Ok(())
    }

    /// What the fan-out has done so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let mut stats = StreamStats::default();
        self.tally.add_to(&mut stats);
        for shard in &self.shards {
            shard.tally.add_to(&mut stats);
        }
        stats
    }

    /// Sends every client what is published until now and then a farewell: WebSocket close 1001, the end of an SSE
    /// body. Whoever is not that far by half the time gets the farewell after the message under way, and all are
    /// disconnected by the deadline. Returns when the shards have ended; further calls return at once.
    pub fn shutdown(&self, within: Duration) {
        let deadline = Instant::now() + within;
        for shard in &self.shards {
            shard.inbox.stop(deadline);
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a stream shard panicked");
            }
        }
    }

    fn admit(&self, mut arrival: Arrival) -> Result<ClientId, AttachError> {
        // Relaxed: the count orders nothing; pairs with the decrement below and the shard's.
        if self.admitted.fetch_add(1, Ordering::Relaxed) >= self.max_clients {
            self.tally.refused.add(1);
            return Err(self.turn_away(&arrival, TRY_AGAIN_LATER, AttachError::Full));
        }
        if let Err(error) = self.prepare(&arrival.socket) {
            return Err(self.turn_away(&arrival, TRY_AGAIN_LATER, AttachError::Socket(error)));
        }
        // Relaxed: only the numbers must differ.
        arrival.id = self.next_id.fetch_add(1, Ordering::Relaxed);
        arrival.heartbeat = arrival.heartbeat.clamp(TICK, HEARTBEAT_MAX);
        let id = ClientId(arrival.id);
        let mut arrival = Box::new(arrival);
        let mut shards: Vec<_> = self.shards.iter().map(|shard| &shard.inbox).collect();
        shards.sort_by_key(|inbox| inbox.clients());
        for inbox in shards {
            match inbox.arrive(arrival) {
                Ok(()) => return Ok(id),
                Err(refused) => arrival = refused,
            }
        }
        Err(self.turn_away(&arrival, GOING_AWAY, AttachError::Closed))
    }

    /// Says goodbye as far as the socket takes it, and makes the place free.
    fn turn_away(&self, arrival: &Arrival, code: u16, error: AttachError) -> AttachError {
        // Relaxed: pairs with the count in `admit`.
        self.admitted.fetch_sub(1, Ordering::Relaxed);
        // A peer that is gone needs no goodbye.
        let _ = arrival.socket.set_nonblocking(true);
        let _ = (&arrival.socket).write(&frame::farewell(arrival.protocol, Some(code)));
        error
    }

    fn prepare(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        if self.send_buffer_bytes > 0 {
            rustix::net::sockopt::set_socket_send_buffer_size(socket, self.send_buffer_bytes)?;
        }
        Ok(())
    }

    fn threads_mut(&mut self) -> &mut Vec<JoinHandle<()>> {
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamHub {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shimmer_ring::{RingConfig, Storage};
    use std::net::TcpListener;
    use std::thread::{scope, yield_now};

    fn hub() -> (Ring, StreamHub) {
        let (ring, _) = Ring::open(&RingConfig::default(), &Storage::Memory).unwrap();
        let hub = StreamHub::start(&ring, &StreamConfig { shards: 1, ..StreamConfig::default() });
        (ring, hub.unwrap())
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            yield_now();
        }
    }

    /// A client of the topic `a`: its end of the socket, the server's, and what it wants.
    fn client() -> (TcpStream, TcpStream, TopicSubscription) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let wanted = TopicSubscription {
            protocol: Protocol::Sse { chunked: false },
            topic: "a".into(),
            first_message: None,
            heartbeat: HEARTBEAT_MAX,
            request_id: "test".into(),
            slot: None,
        };
        (client, listener.accept().unwrap().0, wanted)
    }

    /// What the client got before the hub ended.
    fn got(mut client: TcpStream, hub: &StreamHub) -> String {
        hub.shutdown(Duration::from_secs(20));
        let mut text = String::new();
        io::Read::read_to_string(&mut client, &mut text).unwrap();
        text
    }

    #[test]
    fn nothing_is_published_between_the_end_of_a_seat_and_the_arrival_of_its_client() {
        let (_ring, hub) = hub();
        let (client, server, wanted) = client();
        let seat = hub.seat("a");
        scope(|scope| {
            let shard = hub.shards[0].inbox.hold();
            scope.spawn(|| hub.attach_seated(server, Vec::new(), seat, wanted).unwrap());
            // It has left its seat and waits for the shard.
            until("the client is let in", || hub.admitted.load(Ordering::Relaxed) == 1);
            assert!(!hub.seats.is_free(), "a message would find neither seat nor client");
            scope.spawn(|| hub.publish("a", "", b"meanwhile").unwrap());
            drop(shard);
        });
        assert_eq!(got(client, &hub).matches("meanwhile").count(), 1);
    }

    #[test]
    fn no_seat_is_attached_between_its_message_and_the_shards() {
        let (_ring, hub) = hub();
        let (listener, server, wanted) = client();
        hub.attach_topic(server, Vec::new(), wanted).unwrap();
        let (client, server, wanted) = self::client();
        let seat = hub.seat("a");
        scope(|scope| {
            let seated = seat.hold();
            scope.spawn(|| hub.publish("a", "", b"once").unwrap());
            until("the seat is told", || seat.is_told());
            let shard = hub.shards[0].inbox.hold();
            drop(seated);
            until("the seat has the message", || seat.messages() == 1);
            assert!(!hub.seats.is_free(), "the client would be told twice");
            drop(shard);
        });
        hub.attach_seated(server, Vec::new(), seat, wanted).unwrap();
        assert_eq!(got(client, &hub).matches("once").count(), 1);
        assert_eq!(got(listener, &hub).matches("once").count(), 1);
    }
}
