//! The door: how many strangers may stand in it at once, and who has to leave for the next.
//!
//! The rule: strangers that dawdle never keep others out. When the door is full, whoever has stood in it longest
//! leaves, but not before it had time for an honest handshake; until then newcomers wait in the kernel's queue.
//!
//! [`Porch`] is that for any listener; [`Door`] puts it before a transport of libp2p.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};

/// Time that a stranger in a door has for an honest handshake, however many wait behind it.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Where strangers stand until they are let in. Cloning shares it; one listener at a time waits for room in it.
#[derive(Clone)]
pub(crate) struct Porch(Arc<Mutex<Room>>);

/// A transport behind a door.
pub(crate) struct Door<T> {
    inner: T,
    porch: Porch,
    /// Wakes the door when the one who stood longest may be sent away.
    clock: Pin<Box<tokio::time::Sleep>>,
}

/// Those who stand in the door, the longest first.
struct Room {
    standing: VecDeque<Stranger>,
    most: usize,
    grace: Duration,
    next: u64,
    waker: Option<Waker>,
}

struct Stranger {
    id: u64,
    since: Instant,
    leave: AbortHandle,
}

/// Leaves the door when the handshake is over, however it ends.
struct Place {
    id: u64,
    porch: Porch,
}

/// What a full door does about one more.
#[derive(Debug, PartialEq)]
enum Enter {
    /// There is room, or room was made.
    Now,
    /// Not before this much time.
    In(Duration),
}

impl Porch {
    /// Room for `most` at once, each of whom has at least `grace`.
    pub(crate) fn new(most: usize, grace: Duration) -> Self {
        let room = Room { standing: VecDeque::new(), most, grace, next: 0, waker: None };
        Self(Arc::new(Mutex::new(room)))
    }

    /// Waits until one more may enter.
    pub(crate) async fn room(&self) {
        let mut clock = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| self.poll_room(clock.as_mut(), cx)).await;
    }

    fn poll_room(&self, mut clock: Pin<&mut tokio::time::Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let enter = {
            let mut room = self.lock();
            room.waker = Some(cx.waker().clone());
            room.may_enter(now)
        };
        let Enter::In(wait) = enter else { return Poll::Ready(()) };
        clock.as_mut().reset((now + wait).into());
        if clock.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// One more stands here from now on, until its handshake is over; `None` if it had to leave for another.
    pub(crate) fn enter<F: Future>(
        &self,
        handshake: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        let (leave, registration) = AbortHandle::new_pair();
        let id = self.lock().enter(leave, Instant::now());
        let place = Place { id, porch: self.clone() };
        async move {
            let _place = place;
            Abortable::new(handshake, registration).await.ok()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Door<T> {
    /// Puts `inner` behind a door for `most` at once.
    pub(crate) fn new(inner: T, most: usize) -> Self {
        let clock = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { inner, porch: Porch::new(most, GRACE), clock }
    }
}

impl Room {
    /// Whether one more may enter at `now`.
    fn may_enter(&self, now: Instant) -> Enter {
        let Some(longest) = self.standing.front().filter(|_| self.standing.len() >= self.most)
        else {
            return Enter::Now;
        };
        match self.grace.checked_sub(now.saturating_duration_since(longest.since)) {
            Some(left) if !left.is_zero() => Enter::In(left),
            _ => Enter::Now,
        }
    }

    /// Takes one more in, for whom the longest may have to leave.
    fn enter(&mut self, leave: AbortHandle, now: Instant) -> u64 {
        if self.standing.len() >= self.most
            && let Some(longest) = self.standing.pop_front()
        {
            longest.leave.abort();
        }
        self.next += 1;
        self.standing.push_back(Stranger { id: self.next, since: now, leave });
        self.next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut room = self.porch.lock();
        room.standing.retain(|stranger| stranger.id != self.id);
        if let Some(waker) = room.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Transport for Door<T>
where
    T: Transport<Error = io::Error> + Unpin,
    T::ListenerUpgrade: Send + 'static,
    T::Output: Send + 'static,
{
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<T::Output>>;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        at: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, at)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        at: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(at, opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let this = &mut *self;
        ready!(this.porch.poll_room(this.clock.as_mut(), cx));
        let event = ready!(Pin::new(&mut this.inner).poll(cx));
        let through = |upgrade| {
            let handshake = this.porch.enter(upgrade);
            let sent_away = || Err(io::Error::new(io::ErrorKind::TimedOut, "sent away for others"));
            async move { handshake.await.unwrap_or_else(sent_away) }.boxed()
        };
        Poll::Ready(event.map_upgrade(through))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_door_sends_the_longest_away_but_not_before_its_time() {
        let grace = Duration::from_millis(500);
        let mut room = Room { standing: VecDeque::new(), most: 2, grace, next: 0, waker: None };
        let start = Instant::now();
        let handles: Vec<AbortHandle> = (0..3).map(|_| AbortHandle::new_pair().0).collect();
        for (at, handle) in (0..).zip(handles.iter().take(2)) {
            let now = start + Duration::from_millis(100) * at;
            assert_eq!(room.may_enter(now), Enter::Now);
            room.enter(handle.clone(), now);
        }
        let early = start + Duration::from_millis(200);
        assert_eq!(room.may_enter(early), Enter::In(Duration::from_millis(300)));
        assert_eq!(room.may_enter(start + grace), Enter::Now);
        assert!(!handles[0].is_aborted(), "nobody leaves before somebody comes");
        room.enter(handles[2].clone(), start + grace);
        assert!(handles[0].is_aborted() && !handles[1].is_aborted());
        assert_eq!(room.standing.len(), 2, "never more than the door takes");
    }
}
