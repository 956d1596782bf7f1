//! How long a client may keep the node waiting.
//!
//! A timer that is set and taken back for each request costs more than reading one. The rule: the one
//! timer of a connection is left alone while all goes well; when it fires it looks whether its time has
//! really come, and is set to what is left.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// The timer.
pub(super) struct Patience {
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake.
    set: bool,
}

impl Patience {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { timer: Box::pin(sleep_until(deadline.into())), set: false }
    }

    /// Makes sure that `deadline` is not missed, which may lie before all that were said so far.
    pub(super) fn hurry(&mut self, deadline: Instant) {
        if self.timer.deadline().into_std() > deadline {
            self.timer.as_mut().reset(deadline.into());
            self.set = false;
        }
    }

    /// Ready when `deadline` has passed, which may move on from one call to the next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        // A timer wakes the task that it was set by, so one that is set needs no other look.
        if self.set && !self.timer.is_elapsed() {
            return Poll::Pending;
        }
        self.set = true;
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn a_timer_that_comes_too_early_is_set_to_what_is_left() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut patience = Patience::until(at(10));
        assert!(poll_fn(|cx| Poll::Ready(patience.poll(cx, at(10)))).await.is_pending());
        // There was a request, so that the deadline moved on.
        poll_fn(|cx| patience.poll(cx, at(30))).await;
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }

    #[tokio::test]
    async fn a_nearer_deadline_is_not_missed() {
        let begun = Instant::now();
        let mut patience = Patience::until(begun + Duration::from_secs(3_600));
        let far = patience.timer.deadline().into_std();
        assert!(poll_fn(|cx| Poll::Ready(patience.poll(cx, far))).await.is_pending());
        let near = begun + Duration::from_millis(10);
        patience.hurry(near);
        poll_fn(|cx| patience.poll(cx, near)).await;
        assert!(Instant::now() >= near);
    }
}
