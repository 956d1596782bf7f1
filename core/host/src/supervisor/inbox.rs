//! What waits for a supervisor: commands of the host, and messages of a guest that runs on a thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use super::card::Reply;
use crate::ControlError;
use crate::config::PluginConfig;
use crate::wire::{FromGuest, HttpCall};

/// Tells how a command ended.
pub(crate) type Done = Box<dyn FnOnce(Result<(), ControlError>) + Send>;

/// From the host.
pub(crate) enum Command {
    Call {
        call: Box<HttpCall>,
        deadline: Instant,
        reply: Reply,
    },
    Restart(Done),
    Reload(Done),
    Enable(Done),
    Disable(Done),
    Configure(Box<PluginConfig>),
    /// End the guest and the supervisor.
    Shutdown,
}

/// Most messages that a thread may have waiting; beyond, its sender waits.
const MAX_HEARD: usize = 4_096;

/// A queue with an eventfd, so that the supervisor can poll it beside sockets.
pub(crate) struct Inbox {
    commands: Mutex<VecDeque<Command>>,
    heard: Mutex<VecDeque<(u64, FromGuest)>>,
    room: std::sync::Condvar,
    bell: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            commands: Mutex::default(),
            heard: Mutex::default(),
            room: std::sync::Condvar::new(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Adds a command.
    pub(crate) fn push(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push_back(command);
        self.wake();
    }

    /// Adds a message of the guest that was the `launch`-th, waiting for room when the supervisor is behind.
    pub(crate) fn hear(&self, launch: u64, message: FromGuest) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        while heard.len() >= MAX_HEARD {
            heard = self.room.wait(heard).unwrap_or_else(PoisonError::into_inner);
        }
        heard.push_back((launch, message));
        drop(heard);
        self.wake();
    }

    /// Wakes the supervisor.
    pub(crate) fn wake(&self) {
        // A full counter wakes as well.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    /// What to poll.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Takes everything and silences the bell; of the messages those of the `launch`-th guest, since one that was
    /// abandoned may still talk.
    pub(crate) fn take(&self, launch: u64) -> (Vec<Command>, Vec<FromGuest>) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        let commands =
            self.commands.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let heard = self
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .filter_map(|(from, message)| (from == launch).then_some(message))
            .collect();
        self.room.notify_all();
        (commands, heard)
    }
}
