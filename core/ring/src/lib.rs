//! The event ring: a struct of arrays in shared memory, with a journal that survives crashes.
//!
//! Any number of threads submit events through [`Producer`]s. One of them at a time holds the writer
//! role and stores what all of them submitted; readers never take a lock. Gating consumers hold the
//! writer back and may borrow events in place ([`ReadMapping::run`]); everyone else copies and is
//! told what it missed ([`Reader`]). Plugin processes map the segment read-only and report their
//! cursor in a [`ControlPage`].
//!
//! Rule: sequences grow by one, are given out once, and what was acknowledged is in the journal.

mod columns;
mod combine;
mod config;
mod consumers;
mod control;
#[cfg(test)]
mod crash_tests;
mod dedup;
mod error;
mod fail;
mod hot;
mod journal;
mod layout;
mod mapping;
mod names;
mod producer;
mod reader;
mod recover;
mod registry;
mod ring;
mod role;
mod room;
mod segment;
mod sync;
mod wait;
mod writer;

pub use columns::{Meta, Run};
pub use config::{RingConfig, Storage, SyncMode};
pub use consumers::{
    ConsumerHandle, ConsumerId, ConsumerSpec, Gate, KEY_BYTES, MAX_CONSUMERS, MAX_GATES, Start,
    WakeTarget,
};
pub use control::{ControlPage, DURATION_BOUNDS_NS};
pub use error::{ConsumerError, MapError, OpenError, PublishError};
pub use layout::{CAPACITY, NAME_BYTES, NAMES, TEXT_BYTES};
pub use producer::{Entry, Outcome, Producer, Reserve, Submission};
pub use reader::{Copied, CopyBuf, Reader};
pub use ring::{Recovery, Ring};
pub use segment::ReadMapping;
pub use wait::Wait;

/// Flag of a slot that stands for an event whose journal record was damaged: it has no text and no
/// names, and readers skip it.
pub const FLAG_LOST: u32 = 1 << 31;
