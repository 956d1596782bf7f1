//! How other threads reach a shard: new clients, topic messages and the order to stop. Rule: the queue is bounded
//! by dropping the oldest topic message, never by making the sender wait.

use super::client::Place;
use super::frame::Protocol;
use rustix::event::{EventfdFlags, eventfd};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Topic messages that a shard has not yet looked at.
const INBOX_MESSAGES: usize = 8192;
/// Their bytes.
const INBOX_BYTES: usize = 64 << 20;

/// The way to one shard.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Shared with the log, which adds to it when a new event is there.
    pub(super) wake: Arc<OwnedFd>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Command>,
    messages: usize,
    bytes: usize,
    lost: u64,
    /// Clients per topic, so that a topic without any costs nothing.
    topics: HashMap<Arc<str>, usize>,
    /// Clients sent here and not yet gone.
    clients: usize,
    stop: Option<Instant>,
}

/// What a shard is asked to do, in order.
pub(super) enum Command {
    Arrive(Box<Arrival>),
    Message(Arc<TopicMessage>),
}

/// A client on its way to its shard.
pub(super) struct Arrival {
    pub(super) id: u64,
    pub(super) socket: TcpStream,
    pub(super) already_read: Vec<u8>,
    pub(super) protocol: Protocol,
    pub(super) heartbeat: Duration,
    pub(super) request_id: Box<str>,
    pub(super) wish: Wish,
    pub(super) slot: Option<Arc<dyn fmt::Debug + Send + Sync>>,
}

/// What it came for.
pub(super) enum Wish {
    Events(Place),
    Topic {
        name: Arc<str>,
        first: Option<(String, Vec<u8>)>,
        /// Published since its place was taken.
        missed: VecDeque<Arc<TopicMessage>>,
    },
}

/// A message of a plugin to the readers of a topic.
pub(super) struct TopicMessage {
    pub(super) topic: Box<str>,
    pub(super) event: Box<str>,
    pub(super) message: Box<[u8]>,
}

/// What a shard takes out at once.
pub(super) struct Taken {
    pub(super) queue: VecDeque<Command>,
    /// Topic messages dropped since the last time.
    pub(super) lost: u64,
    /// Deadline of the shutdown, once it is asked for.
    pub(super) stop: Option<Instant>,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { state: Mutex::default(), wake: Arc::new(wake) })
    }

    /// Hands a client over, unless the shard is stopping.
    pub(super) fn arrive(&self, arrival: Box<Arrival>) -> Result<(), Box<Arrival>> {
        let mut state = self.lock();
        if state.stop.is_some() {
            return Err(arrival);
        }
        if let Wish::Topic { name, .. } = &arrival.wish {
            *state.topics.entry(Arc::clone(name)).or_insert(0) += 1;
        }
        state.clients += 1;
        state.queue.push_back(Command::Arrive(arrival));
        drop(state);
        self.ring_bell();
        Ok(())
    }

    /// Notes that a client is gone, with the topic it listened to.
    pub(super) fn depart(&self, topic: Option<&str>) {
        let mut state = self.lock();
        state.clients -= 1;
        if let Some(topic) = topic
            && let Some(users) = state.topics.get_mut(topic)
        {
            *users -= 1;
            if *users == 0 {
                state.topics.remove(topic);
            }
        }
    }

    /// Number of clients sent here and not yet gone.
    pub(super) fn clients(&self) -> usize {
        self.lock().clients
    }

    /// Whether anybody here listens to `topic`.
    pub(super) fn hears(&self, topic: &str) -> bool {
        self.lock().topics.contains_key(topic)
    }

    pub(super) fn tell(&self, message: &Arc<TopicMessage>) {
        let mut state = self.lock();
        state.push(Arc::clone(message));
        drop(state);
        self.ring_bell();
    }

    /// Asks the shard to end by `deadline`; the first time counts.
    pub(super) fn stop(&self, deadline: Instant) {
        self.lock().stop.get_or_insert(deadline);
        self.ring_bell();
    }

    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        (state.messages, state.bytes) = (0, 0);
        Taken {
            queue: std::mem::take(&mut state.queue),
            lost: std::mem::take(&mut state.lost),
            stop: state.stop,
        }
    }

    /// Empties the eventfd, so that the next ring is noticed.
    pub(super) fn hush(&self) {
        let mut count = [0; 8];
        // It is non-blocking: an error means that it was empty.
        let _ = rustix::io::read(&*self.wake, &mut count);
    }

    /// Makes whoever sends something here wait, until the guard is dropped.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        self.lock()
    }

    fn ring_bell(&self) {
        // The only possible failure is a full counter, and then the shard has been rung already.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; the state is whole either way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, message: Arc<TopicMessage>) {
        self.messages += 1;
        self.bytes += message.message.len();
        self.queue.push_back(Command::Message(message));
        while self.messages > 1 && (self.messages > INBOX_MESSAGES || self.bytes > INBOX_BYTES) {
            // New clients may stand before it; there are few and each stays where it is.
            let oldest = self.queue.iter().position(|it| matches!(it, Command::Message(_)));
            let Some(Command::Message(oldest)) = oldest.and_then(|at| self.queue.remove(at)) else {
                return;
            };
            self.messages -= 1;
            self.bytes -= oldest.message.len();
            self.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, bytes: usize) -> Arc<TopicMessage> {
        Arc::new(TopicMessage {
            topic: "t".into(),
            event: text.into(),
            message: vec![b'x'; bytes].into(),
        })
    }

    fn events(taken: &Taken) -> Vec<String> {
        let name = |command: &Command| match command {
            Command::Message(message) => message.event.to_string(),
            Command::Arrive(_) => "arrival".into(),
        };
        taken.queue.iter().map(name).collect()
    }

    #[test]
    fn a_shard_that_does_not_look_loses_the_oldest_messages() {
        let inbox = Inbox::new().unwrap();
        for at in 0..INBOX_MESSAGES + 2 {
            inbox.tell(&message(&at.to_string(), 1));
        }
        let taken = inbox.take();
        assert_eq!((taken.queue.len(), taken.lost), (INBOX_MESSAGES, 2));
        assert_eq!(events(&taken)[0], "2");
        for name in ["a", "b", "c"] {
            inbox.tell(&message(name, INBOX_BYTES / 2));
        }
        let taken = inbox.take();
        assert_eq!(events(&taken), ["b", "c"]);
        assert_eq!(taken.lost, 1);
        inbox.tell(&message("larger than all", INBOX_BYTES + 1));
        assert_eq!(events(&inbox.take()).len(), 1, "the newest is kept");
    }

    #[test]
    fn the_first_deadline_counts() {
        let inbox = Inbox::new().unwrap();
        let first = Instant::now();
        inbox.stop(first);
        inbox.stop(first + Duration::from_secs(9));
        assert_eq!(inbox.take().stop, Some(first));
    }
}
