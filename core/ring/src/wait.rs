//! Sleeping until a sequence is published, and being woken.
//!
//! Rule: a waiter says what it waits for, then looks again; the writer publishes, then looks who
//! waits. A full fence stands between on both sides, so one of the two sees the other.

use crate::sync::{AtomicU64, FutexWord, Ordering, SPINS, Scope, fence, spin};
use std::time::Duration;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The wanted sequence is published or the caller's own condition holds.
    Ready,
    /// Somebody woke the waiter, or it woke for nothing: look again.
    Woken,
}

/// A waiter's place: what it waits for, and the word it sleeps on.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WaitCell {
    /// Sequence at whose publication to wake, 0 when not asleep.
    wake_at: AtomicU64,
    word: FutexWord,
}

impl WaitCell {
    pub(crate) fn new() -> Self {
        Self { wake_at: AtomicU64::new(0), word: FutexWord::new(0) }
    }

    /// Waits until `published` reaches `wanted`, `ready` holds, somebody wakes the waiter, or
    /// `timeout` has passed. A `wanted` of `u64::MAX` waits for the other reasons alone.
    pub(crate) fn wait(
        &self,
        published: &AtomicU64,
        wanted: u64,
        timeout: Duration,
        scope: Scope,
        ready: &dyn Fn() -> bool,
    ) -> Wait {
        // Acquire: pairs with the Release in `publish`; what is waited for can be read after.
        let there = || published.load(Ordering::Acquire) >= wanted || ready();
        // Taken before the first look, so that a wake after it keeps us from sleeping.
        let word = self.word.load(Ordering::Acquire);
        for _ in 0..SPINS {
            if there() {
                return Wait::Ready;
            }
            spin();
        }
        if !self.arm(published, wanted) || ready() {
            self.disarm();
            return Wait::Ready;
        }
        self.word.wait(word, timeout, scope);
        self.disarm();
        if there() { Wait::Ready } else { Wait::Woken }
    }

    /// Asks for a wake at `wanted`; `false` (nothing asked) if that is published already.
    pub(crate) fn arm(&self, published: &AtomicU64, wanted: u64) -> bool {
        // A swap, since it comes after the writer's last `claim` in the word's order for loom too,
        // which knows that order only where one operation reads the other's value.
        self.wake_at.swap(wanted, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `announce`. Either the load below sees the
        // publication, or the writer sees `wake_at`.
        if !cfg!(mutant = "wait_fence") {
            fence(Ordering::SeqCst);
        }
        // Acquire: pairs with the Release in `Hot::publish`.
        if published.load(Ordering::Acquire) >= wanted {
            self.disarm();
            return false;
        }
        true
    }

    /// Takes the request back.
    pub(crate) fn disarm(&self) {
        self.wake_at.swap(0, Ordering::Relaxed);
    }

    /// [writer] Whether the waiter wants to know of `published`; after `announce`.
    pub(crate) fn is_due(&self, published: u64) -> bool {
        let at = self.wake_at.load(Ordering::Relaxed);
        at != 0 && at <= published
    }

    /// [writer] Takes the request; `true` if it was still there.
    pub(crate) fn claim(&self) -> bool {
        self.wake_at.swap(0, Ordering::Relaxed) != 0
    }

    /// Wakes the waiter, whatever it waits for.
    pub(crate) fn wake(&self, scope: Scope) {
        // Release: pairs with the Acquire load of the word in `wait`.
        self.word.fetch_add(1, Ordering::Release);
        self.word.wake(scope);
    }
}

/// [writer] Stands between a publication and the look at the waiters.
pub(crate) fn announce() {
    // SeqCst: pairs with the fence in `WaitCell::arm`.
    if !cfg!(mutant = "announce_fence") {
        fence(Ordering::SeqCst);
    }
}
