//! Points at which a test can end the process, as a crash would.
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

#[cfg(test)]
pub(crate) use armed::{arm, point};

#[cfg(test)]
mod armed {
    use super::Point;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ARMED: AtomicU32 = AtomicU32::new(0);
    static PASSES: AtomicU32 = AtomicU32::new(0);

    /// Kills the process at the given point, after passing it `passes` times.
    pub(crate) fn arm(point: u32, passes: u32) {
        PASSES.store(passes, Ordering::Relaxed);
        ARMED.store(point, Ordering::Relaxed);
    }

    pub(crate) fn point(point: Point) {
        if ARMED.load(Ordering::Relaxed) == point as u32
            && PASSES.fetch_sub(1, Ordering::Relaxed) == 0
        {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        }
    }
}
