//! The one place where atomics, fences, cells and blocking come from.
//!
//! Rule: code that takes part in a concurrent protocol imports these names and never `std`'s, so
//! that the model checkers can put their own in place.

pub(crate) use imp::{
    AtomicPtr, AtomicU32, AtomicU64, FutexWord, Ordering, SPINS, Thread, UnsafeCell, current,
    fence, park, spin,
};

/// Whether a futex word is seen by this process alone or lies in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a futex has exactly these two scopes")]
pub(crate) enum Scope {
    /// Only threads of this process wait on the word.
    Private,
    /// Another process may wait on the word.
    Shared,
}

#[cfg(not(any(loom, shuttle)))]
mod imp {
    use super::Scope;
    use std::time::Duration;

    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
    pub(crate) use std::thread::{Thread, current, park};

    /// Rounds of spinning before a thread blocks: about a microsecond.
    pub(crate) const SPINS: u32 = 64;

    pub(crate) fn spin() {
        std::hint::spin_loop();
    }

    /// `std`'s cell behind the closure interface of the model checkers.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    /// A 32-bit word on which threads of this or another process can sleep.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct FutexWord(AtomicU32);

    impl FutexWord {
        pub(crate) fn new(value: u32) -> Self {
            Self(AtomicU32::new(value))
        }

        pub(crate) fn load(&self, order: Ordering) -> u32 {
            self.0.load(order)
        }

        pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            self.0.fetch_add(value, order)
        }

        /// Sleeps while the word is `expected`, at most for `timeout`; may return early.
        pub(crate) fn wait(&self, expected: u32, timeout: Duration, scope: Scope) {
            let timeout = rustix::thread::Timespec {
                tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(timeout.subsec_nanos()),
            };
            // Every failure (changed word, time-out, signal) means the same here: look again.
            let _ = rustix::thread::futex::wait(&self.0, flags(scope), expected, Some(&timeout));
        }

        /// Wakes everyone who sleeps on the word.
        pub(crate) fn wake(&self, scope: Scope) {
            let _ = rustix::thread::futex::wake(&self.0, flags(scope), i32::MAX as u32);
        }
    }

    fn flags(scope: Scope) -> rustix::thread::futex::Flags {
        match scope {
            Scope::Private => rustix::thread::futex::Flags::PRIVATE,
            Scope::Shared => rustix::thread::futex::Flags::empty(),
        }
    }
}

#[cfg(any(loom, shuttle))]
mod imp {
    use super::Scope;
    use std::time::Duration;

    #[cfg(loom)]
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::{
            Condvar, Mutex,
            atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
        },
        thread::{Thread, current, park, yield_now},
    };
    #[cfg(shuttle)]
    pub(crate) use shuttle::{
        sync::{
            Condvar, Mutex,
            atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
        },
        thread::{Thread, current, park, yield_now},
    };

    /// Models block at once: spinning only multiplies the schedules.
    pub(crate) const SPINS: u32 = 0;

    pub(crate) fn spin() {
        yield_now();
    }

    #[cfg(shuttle)]
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(shuttle)]
    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    /// The kernel's futex as a model: its bucket lock is the mutex, its queue the condition.
    /// It never times out, so that a lost wake-up is a deadlock the checker reports.
    #[derive(Debug)]
    pub(crate) struct FutexWord {
        word: AtomicU32,
        bucket: Mutex<()>,
        sleepers: Condvar,
    }

    impl FutexWord {
        pub(crate) fn new(value: u32) -> Self {
            Self { word: AtomicU32::new(value), bucket: Mutex::new(()), sleepers: Condvar::new() }
        }

        pub(crate) fn load(&self, order: Ordering) -> u32 {
            self.word.load(order)
        }

        pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            self.word.fetch_add(value, order)
        }

        pub(crate) fn wait(&self, expected: u32, _timeout: Duration, _scope: Scope) {
            let bucket = self.bucket.lock().expect("the bucket lock is never poisoned");
            if self.word.load(Ordering::Relaxed) == expected {
                drop(self.sleepers.wait(bucket).expect("the bucket lock is never poisoned"));
            }
        }

        pub(crate) fn wake(&self, _scope: Scope) {
            let _bucket = self.bucket.lock().expect("the bucket lock is never poisoned");
            self.sleepers.notify_all();
        }
    }
}
