//! The supervision of one plugin: a named thread that starts it, listens to it, publishes what it emits, watches it and
//! buries it.
//!
//! The supervisor believes nothing that it has not checked, and nothing a plugin does can make it wait.

mod card;
mod commit;
mod credit;
mod inbox;
mod launch;
mod outbox;
mod policy;
mod reload;
mod run;
mod store;
mod transport;
mod watch;

pub use card::{Card, Durations, State};
pub(crate) use card::{Reply, Reported, Shared};
pub(crate) use inbox::{Command, Done, Inbox};
pub(crate) use run::{Context, STOP_GRACE, Supervisor};
pub(crate) use transport::{Ending, Guest};

/// Unix time in nanoseconds; 0 for a clock before 1970.
pub(crate) fn unix_now_ns() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
