//! The ring's section of the configuration.
//!
//! Rule: every size has bounds, and a value outside them is refused by name.

use crate::error::OpenError;
use crate::layout::{CAPACITY, NAMES, TEXT_BYTES};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The sizes of a ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingConfig {
    /// Number of slots: a power of two, [`CAPACITY`].
    pub capacity: u64,
    /// Size of the text arena in bytes: a multiple of 64, [`TEXT_BYTES`].
    pub text_bytes: u64,
    /// Number of distinct names: [`NAMES`].
    pub names: u64,
    /// How many of the newest events' ids are remembered: 0 (none) to 2^24.
    pub dedup_window: u64,
    /// First sequence of a new ring: for tests.
    #[serde(skip)]
    pub start_seq: u64,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            text_bytes: 24 << 20,
            names: 131_072,
            dedup_window: 262_144,
            start_seq: 1,
        }
    }
}

impl RingConfig {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse = |what| Err(OpenError::Config(what));
        if !CAPACITY.contains(&self.capacity) || !self.capacity.is_power_of_two() {
            return refuse("capacity");
        }
        if !TEXT_BYTES.contains(&self.text_bytes) || !self.text_bytes.is_multiple_of(64) {
            return refuse("text_bytes");
        }
        if !NAMES.contains(&self.names) {
            return refuse("names");
        }
        if self.dedup_window > 1 << 24 {
            return refuse("dedup.window_events");
        }
        Ok(())
    }
}

/// When the journal is written through to the disk. Killing the process loses nothing either way;
/// this is about power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// When the system likes.
    Never,
    /// Whenever the host calls [`Ring::sync`](crate::Ring::sync), about every second.
    #[default]
    Second,
    /// Before any producer is told that its events are stored.
    Always,
}

/// Where the events live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory alone: gone with the process.
    Memory,
    /// In memory and in `dir/ring.journal`.
    Journal {
        /// An existing directory, locked by the caller.
        dir: PathBuf,
        /// When the journal is written through.
        sync: SyncMode,
        /// Size of the journal's log in bytes; `None` derives it from the ring's sizes.
        log_bytes: Option<u64>,
    },
}
