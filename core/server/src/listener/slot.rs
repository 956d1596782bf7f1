//! A connection's slot among those that are held at once, and how long its client may take nothing.
//!
//! The rule: the slot is free when the last socket of the connection is closed, whoever has it by then:
//! HTTP, the task that carries TLS, or a stream's shard.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::sync::OwnedSemaphorePermit;

/// The slot.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    patience_ms: AtomicU64,
}

impl Slot {
    pub(super) fn new(permit: OwnedSemaphorePermit, patience: Duration) -> Self {
        Self { _permit: permit, patience_ms: AtomicU64::new(millis(patience).into()) }
    }

    /// Longest time in which the client takes nothing of what is written to it.
    pub(super) fn patience(&self) -> Duration {
        // Relaxed: a number of its own.
        Duration::from_millis(self.patience_ms.load(Ordering::Relaxed))
    }

    /// From now on `socket` is a stream's, which gives up its client itself after `stall`.
    pub(crate) fn leave_to_stream(&self, socket: impl AsFd, stall: Duration) {
        self.patience_ms.store(millis(stall).into(), Ordering::Relaxed);
        give_up_after(socket, stall);
    }
}

/// Has the kernel end the connection of `socket`, and of those that it accepts, when its client takes nothing of what
/// was written for so long (tcp(7), TCP_USER_TIMEOUT): whoever waits to write is then told.
pub(super) fn give_up_after(socket: impl AsFd, patience: Duration) {
    // Behind TLS it is one of a pair of sockets, which knows no such thing; the task at its other end sees to it.
    let _ = set_tcp_user_timeout(socket, millis(patience));
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
