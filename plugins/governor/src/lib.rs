//! The DAO as computation: who may vote on how much a source of events counts, and what follows.
//!
//! Commands and times go in; entries of a log come out, and the state is their fold. Nothing here reads a clock or starts a thread,
//! and the only files it opens are those of keys, so whoever holds the log derives every power, state and weight again, bit for bit.
//!
//! - [`Governor`]: the state. [`Governor::submit`] carries out a [`Command`], [`Governor::advance`] lets time pass;
//!   both hand each [`Entry`] to the caller, who makes it durable, before it is applied.
//! - [`Ballot`], [`Vote`], [`Secret`]: what members sign.
//! - [`ProposalView`], [`MemberView`], [`WeightSet`], [`Lookup`]: what is shown, and what weighs.
//! - [`replay`], [`verify`], [`Replay`]: logs into state; [`Part`], [`Collector`]: logs of other nodes, in parts.
//!
//! The README of this crate holds the rules and the bytes, for those who write another implementation.

#![forbid(unsafe_code)]

mod conviction;
mod entry;
mod fault;
mod fixed;
mod governor;
mod key;
mod key_file;
mod limits;
mod members;
mod number;
mod part;
mod power;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod property;
mod proposal;
mod refusal;
mod replay;
mod spec;
mod tally;
mod text;
mod time;
mod vote;
mod weights;

pub use conviction::{Alpha, Conviction};
pub use entry::{Canceled, Data, Entry, Executed, MemberPut, Proposed, Queued, Revoked, VotePower};
pub use fault::{BadLine, Fault, Signatures};
pub use fixed::{Ratio, Stake};
pub use governor::{
    Command, Decided, Failed, Governor, Head, MemberView, ProposalView, Unfollowed,
};
pub use key::{Bytes, Hash, MemberKey, Secret, Signature};
pub use key_file::KeyFileError;
pub use limits::*;
pub use part::{Collector, PART_DOMAIN, Part};
pub use power::Power;
pub use proposal::State;
pub use refusal::Refusal;
pub use replay::{Replay, replay, verify};
pub use spec::{Auto, Config, Spec, Strategy};
pub use text::{DaoId, Name, ProposalId, Source, Text, Title};
pub use time::{Span, Time};
pub use vote::{Ballot, Choice, DOMAIN, Split, Vote};
pub use weights::{Lookup, WeightSet};
