//! Where messages of the host arrive and questions to it wait for their answer.
//!
//! Deliveries come from one thread (the socket's reader, or the supervisor); the worker takes requests between two
//! batches; any thread may ask.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::wire::{Begin, FromGuest, HttpCall, RelayResult, RelayedEvent, ToGuest};

/// Carries a message to the host.
pub(crate) trait Link: Send + Sync {
    /// Sends or drops: a host that is gone needs nothing more.
    fn send(&self, message: FromGuest);
}

/// Something for the worker to do between batches.
#[derive(Debug)]
pub(crate) enum Request {
    /// Run from here.
    Begin(Box<Begin>),
    /// Answer a request.
    Call(u64, Box<HttpCall>),
    /// End.
    Stop,
}

/// Most requests that wait for the worker; the host sends no more than it may have open.
const MAX_REQUESTS: usize = 1_024;

/// The host's answer to a question.
enum Reply {
    Ack(Result<u64, i32>),
    Relayed(Result<Vec<RelayResult>, i32>),
}

#[derive(Default)]
struct Inner {
    requests: VecDeque<Request>,
    answers: HashMap<u64, Option<Reply>>,
    next_id: u64,
    /// Whether answers may be waited for: nobody delivers any before the plugin is created.
    open: bool,
    closed: bool,
}

/// The desk between the worker, the plugin's threads and the host.
pub(crate) struct Desk {
    link: Box<dyn Link>,
    wake: Box<dyn Fn() + Send + Sync>,
    inner: Mutex<Inner>,
    answered: Condvar,
}

impl Desk {
    /// `wake` ends the worker's wait for events.
    pub(crate) fn new(link: Box<dyn Link>, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { link, wake, inner: Mutex::default(), answered: Condvar::new() }
    }

    /// Sends without an answer.
    pub(crate) fn tell(&self, message: FromGuest) {
        self.link.send(message);
    }

    /// The plugin is created: what it asks is answered from now on.
    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    /// Sends the question made with a fresh id and waits for its answer; a desk that is closed, or not yet open,
    /// answers `BUSY`.
    pub(crate) fn ask(&self, question: impl FnOnce(u64) -> FromGuest) -> Result<u64, i32> {
        match self.wait_for(question)? {
            Reply::Ack(result) => result,
            Reply::Relayed(_) => Err(shimmer_abi::Status::FAILED.0),
        }
    }

    /// As [`Desk::ask`], for events of other nodes.
    pub(crate) fn relay(&self, events: Vec<RelayedEvent>) -> Result<Vec<RelayResult>, i32> {
        match self.wait_for(|id| FromGuest::Relay { id, events })? {
            Reply::Relayed(result) => result,
            Reply::Ack(_) => Err(shimmer_abi::Status::FAILED.0),
        }
    }

    fn wait_for(&self, question: impl FnOnce(u64) -> FromGuest) -> Result<Reply, i32> {
        let id = {
            let mut inner = self.lock();
            if !inner.open {
                drop(inner);
                self.tell(FromGuest::Log {
                    level: shimmer_abi::LogLevel::WARN.0,
                    message: "refused: nothing is stored while `create` runs; do it in `start`"
                        .to_owned(),
                });
                return Err(shimmer_abi::Status::BUSY.0);
            }
            if inner.closed {
                return Err(shimmer_abi::Status::BUSY.0);
            }
            inner.next_id += 1;
            let id = inner.next_id;
            inner.answers.insert(id, None);
            id
        };
        self.link.send(question(id));
        let mut inner = self.lock();
        loop {
            if matches!(inner.answers.get(&id), Some(Some(_)))
                && let Some(Some(reply)) = inner.answers.remove(&id)
            {
                return Ok(reply);
            }
            if inner.closed {
                inner.answers.remove(&id);
                return Err(shimmer_abi::Status::BUSY.0);
            }
            inner = self.answered.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a message of the host.
    pub(crate) fn deliver(&self, message: ToGuest) {
        let request = match message {
            ToGuest::Hello(_) => return,
            ToGuest::Begin(begin) => Request::Begin(begin),
            ToGuest::Call { id, call } => Request::Call(id, call),
            ToGuest::Stop => Request::Stop,
            ToGuest::Ack { id, result } => return self.reply(id, Reply::Ack(result)),
            ToGuest::Relayed { id, result } => return self.reply(id, Reply::Relayed(result)),
        };
        let refused = {
            let mut inner = self.lock();
            if inner.requests.len() < MAX_REQUESTS {
                inner.requests.push_back(request);
                None
            } else {
                Some(request)
            }
        };
        if let Some(Request::Call(id, _)) = refused {
            self.link.send(FromGuest::Answer { id, answer: Err("too many requests wait".into()) });
        }
        self.answered.notify_all();
        (self.wake)();
    }

    fn reply(&self, id: u64, reply: Reply) {
        if let Some(place) = self.lock().answers.get_mut(&id) {
            *place = Some(reply);
        }
        self.answered.notify_all();
    }

    /// The host is gone or has let go: every wait ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.answered.notify_all();
        (self.wake)();
    }

    /// Whether the host is gone or has let go.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether a request waits.
    pub(crate) fn has_requests(&self) -> bool {
        let inner = self.lock();
        !inner.requests.is_empty() || inner.closed
    }

    /// The next request.
    pub(crate) fn take(&self) -> Option<Request> {
        self.lock().requests.pop_front()
    }

    /// Waits for the next request; `None` when the desk closes.
    pub(crate) fn wait(&self) -> Option<Request> {
        let mut inner = self.lock();
        loop {
            if let Some(request) = inner.requests.pop_front() {
                return Some(request);
            }
            if inner.closed {
                return None;
            }
            inner = self.answered.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was sent.
    #[derive(Default)]
    struct Kept(std::sync::Arc<Mutex<Vec<FromGuest>>>);

    impl Link for Kept {
        fn send(&self, message: FromGuest) {
            self.0.lock().unwrap().push(message);
        }
    }

    #[test]
    fn before_it_is_open_a_question_is_refused_at_once_and_never_sent() {
        let sent = std::sync::Arc::default();
        let desk = Desk::new(Box::new(Kept(std::sync::Arc::clone(&sent))), Box::new(|| {}));
        let ask = || desk.relay(Vec::new()).err();
        assert_eq!(ask(), Some(shimmer_abi::Status::BUSY.0));
        let [FromGuest::Log { message, .. }] = &sent.lock().unwrap()[..] else {
            panic!("one line and no question")
        };
        assert!(message.contains("`start`"), "{message}");
    }
}
