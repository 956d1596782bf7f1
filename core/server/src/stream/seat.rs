//! Seats: a place in a topic taken before the client is connected. Rule: between taking the seat and attaching the
//! client no message is lost or doubled, and nobody waits for a handshake.

use super::client::BacklogBound;
use super::inbox::TopicMessage;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A place in a topic, kept while the first message is fetched and the handshake is answered. What is published
/// meanwhile waits here within the bounds of a slow reader's backlog. Dropping it gives the place up.
pub struct TopicSeat {
    topic: Arc<str>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Arc<TopicMessage>>,
    bytes: usize,
}

/// The seats that are taken and not yet attached. Bounded by the connections that the server accepts.
#[derive(Default)]
pub(super) struct Seats {
    taken: Mutex<Vec<Seat>>,
}

struct Seat {
    topic: Arc<str>,
    waiting: Weak<Mutex<Waiting>>,
}

/// While it lives no message is published and no seat is attached elsewhere.
pub(super) struct Order<'a>(MutexGuard<'a, Vec<Seat>>);

impl TopicSeat {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Makes whoever tells this seat wait, until the guard is dropped.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        lock(&self.waiting)
    }

    /// Whether somebody tells this seat right now.
    #[cfg(test)]
    pub(super) fn is_told(&self) -> bool {
        Arc::strong_count(&self.waiting) > 1
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> usize {
        lock(&self.waiting).queue.len()
    }
}

impl Seats {
    pub(super) fn take(&self, topic: &str) -> TopicSeat {
        let topic: Arc<str> = topic.into();
        let waiting = Arc::new(Mutex::default());
        let mut order = self.order();
        order.0.retain(|seat| seat.waiting.strong_count() > 0);
        order.0.push(Seat { topic: Arc::clone(&topic), waiting: Arc::downgrade(&waiting) });
        TopicSeat { topic, waiting }
    }

    pub(super) fn order(&self) -> Order<'_> {
        Order(lock(&self.taken))
    }

    /// Whether nobody publishes or attaches a seat.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.taken.try_lock().is_ok()
    }
}

impl Order<'_> {
    /// Whether a seat in `topic` is taken.
    pub(super) fn hears(&self, topic: &str) -> bool {
        self.0.iter().any(|seat| &*seat.topic == topic)
    }

    /// Keeps `message` for the seats of its topic, at the cost of their oldest; answers how many were lost.
    pub(super) fn tell(&self, message: &Arc<TopicMessage>, bound: BacklogBound) -> u64 {
        let mut lost = 0;
        for seat in self.0.iter().filter(|seat| *seat.topic == *message.topic) {
            let Some(waiting) = seat.waiting.upgrade() else { continue };
            let mut waiting = lock(&waiting);
            waiting.bytes += message.message.len();
            waiting.queue.push_back(Arc::clone(message));
            while waiting.queue.len() > 1
                && (waiting.queue.len() > bound.messages || waiting.bytes > bound.bytes)
            {
                let oldest = waiting.queue.pop_front();
                waiting.bytes -= oldest.map_or(0, |oldest| oldest.message.len());
                lost += 1;
            }
        }
        lost
    }

    /// Ends a seat and hands out what waited.
    pub(super) fn leave(&mut self, seat: &TopicSeat) -> VecDeque<Arc<TopicMessage>> {
        self.0.retain(|other| other.waiting.as_ptr() != Arc::as_ptr(&seat.waiting));
        std::mem::take(&mut lock(&seat.waiting).queue)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks; what they guard is whole either way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, text: &str) -> Arc<TopicMessage> {
        let message = text.as_bytes().into();
        Arc::new(TopicMessage { topic: topic.into(), event: "".into(), message })
    }

    #[test]
    fn a_seat_keeps_its_topic_within_its_bounds_until_it_is_left() {
        let seats = Seats::default();
        let (seat, other) = (seats.take("a"), seats.take("b"));
        let bound = BacklogBound { messages: 2, bytes: 10 };
        let mut order = seats.order();
        assert!(order.hears("a") && order.hears("b") && !order.hears("c"));
        let lost: u64 =
            ["1", "2", "3"].iter().map(|text| order.tell(&message("a", text), bound)).sum();
        assert_eq!(lost, 1);
        assert_eq!(order.tell(&message("a", "as long as ten"), bound), 2, "the newest stays");
        assert_eq!(order.leave(&seat).len(), 1);
        assert!(!order.hears("a") && order.leave(&other).is_empty());
    }

    #[test]
    fn seats_that_were_given_up_are_forgotten() {
        let seats = Seats::default();
        for _ in 0..100 {
            drop(seats.take("a"));
        }
        assert_eq!(seats.order().0.len(), 1);
        let _kept = seats.take("a");
        assert_eq!(seats.order().0.len(), 1);
    }
}
