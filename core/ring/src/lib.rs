//! The event ring: a struct of arrays in shared memory, with a journal that survives crashes.
//!
//! Any number of threads submit events through [`Producer`]s. One of them at a time holds the writer
//! role and stores what all of them submitted; readers never take a lock. Gating consumers hold the
//! writer back and may borrow events in place ([`ReadMapping::run`]); everyone else copies and is
//! told what it missed ([`Reader`]). Plugin processes map the segment read-only and report their
//! cursor in a [`ControlPage`].
//!
//! Rule: sequences grow by one, are given out once, and what was acknowledged is in the journal.

#![cfg_attr(any(loom, shuttle), allow(dead_code, unreachable_pub))]

// The protocols, which the model checkers compile alone.
mod combine;
mod gate;
mod hot;
mod sync;
mod text;
mod wait;

#[cfg(not(any(loom, shuttle)))]
mod columns;
#[cfg(not(any(loom, shuttle)))]
mod config;
#[cfg(not(any(loom, shuttle)))]
mod consumers;
#[cfg(not(any(loom, shuttle)))]
mod control;
#[cfg(all(test, not(any(loom, shuttle))))]
mod crash_tests;
#[cfg(not(any(loom, shuttle)))]
mod dedup;
#[cfg(not(any(loom, shuttle)))]
mod error;
#[cfg(not(any(loom, shuttle)))]
mod fail;
#[cfg(not(any(loom, shuttle)))]
mod journal;
#[cfg(not(any(loom, shuttle)))]
mod layout;
#[cfg(not(any(loom, shuttle)))]
mod mapping;
#[cfg(not(any(loom, shuttle)))]
mod names;
#[cfg(not(any(loom, shuttle)))]
mod producer;
#[cfg(all(any(test, fuzzing), not(any(loom, shuttle))))]
#[doc(hidden)]
pub mod property;
#[cfg(not(any(loom, shuttle)))]
mod reader;
#[cfg(not(any(loom, shuttle)))]
mod recover;
#[cfg(not(any(loom, shuttle)))]
mod registry;
#[cfg(not(any(loom, shuttle)))]
mod ring;
#[cfg(not(any(loom, shuttle)))]
mod role;
#[cfg(all(test, not(any(loom, shuttle))))]
mod role_tests;
#[cfg(not(any(loom, shuttle)))]
mod room;
#[cfg(not(any(loom, shuttle)))]
mod segment;
#[cfg(not(any(loom, shuttle)))]
mod writer;

#[cfg(any(loom, shuttle))]
#[doc(hidden)]
pub mod model;

#[cfg(not(any(loom, shuttle)))]
pub use {
    columns::{Meta, Run},
    config::{RingConfig, Storage, SyncMode},
    consumers::{
        ConsumerHandle, ConsumerId, ConsumerSpec, Gate, KEY_BYTES, MAX_CONSUMERS, MAX_GATES, Start,
        WakeTarget,
    },
    control::{ControlPage, DURATION_BOUNDS_NS},
    error::{ConsumerError, MapError, OpenError, PublishError},
    layout::{CAPACITY, NAME_BYTES, NAMES, TEXT_BYTES},
    producer::{Entry, Outcome, Producer, Reserve, Submission},
    reader::{Copied, CopyBuf, Reader, Values},
    ring::{Recovery, Ring},
    segment::ReadMapping,
    wait::Wait,
};

/// Flag of a slot that stands for an event whose journal record was damaged: it has no text and no
/// names, and readers skip it.
pub const FLAG_LOST: u32 = 1 << 31;
