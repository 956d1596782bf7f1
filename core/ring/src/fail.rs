//! Points at which a test can end the process, as a crash would, or look at the journal's file, as a loss of power
//! would leave it.
//!
//! Rule: outside of tests they are nothing.

/// The steps between which a crash must not lose anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Point {
    RecordBegun = 1,
    EventWritten,
    BodyWritten,
    RecordSealed,
    IdsWritten,
    HintMoved,
    Published,
}

#[cfg(not(test))]
#[inline]
pub(crate) fn point(_point: Point) {}

/// Bytes of the journal's file are on the disk.
#[cfg(not(test))]
#[inline]
pub(crate) fn synced(_bytes: std::ops::Range<u64>) {}

#[cfg(test)]
pub(crate) use armed::{Seen, arm, point, synced, watch};

#[cfg(test)]
mod armed {
    use super::Point;
    use std::cell::RefCell;
    use std::ops::Range;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// What a watcher is told of.
    #[derive(Clone, Debug)]
    pub(crate) enum Seen {
        /// A point was passed.
        Point(Point),
        /// These bytes of the file are on the disk.
        Synced(Range<u64>),
    }

    type Watcher = Box<dyn FnMut(&Seen)>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    static ARMED: AtomicU32 = AtomicU32::new(0);
    static PASSES: AtomicU32 = AtomicU32::new(0);

    /// Kills the process at the given point, after passing it `passes` times.
    pub(crate) fn arm(point: u32, passes: u32) {
        PASSES.store(passes, Ordering::Relaxed);
        ARMED.store(point, Ordering::Relaxed);
    }

    /// Has this thread's points and synchronisations seen by `watcher`.
    pub(crate) fn watch(watcher: Option<Watcher>) {
        WATCHER.with_borrow_mut(|place| *place = watcher);
    }

    fn tell(seen: &Seen) {
        WATCHER.with_borrow_mut(|watcher| {
            if let Some(watcher) = watcher {
                watcher(seen);
            }
        });
    }

    pub(crate) fn synced(bytes: Range<u64>) {
        tell(&Seen::Synced(bytes));
    }

    pub(crate) fn point(point: Point) {
        tell(&Seen::Point(point));
        if ARMED.load(Ordering::Relaxed) == point as u32
            && PASSES.fetch_sub(1, Ordering::Relaxed) == 0
        {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        }
    }
}
