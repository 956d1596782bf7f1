//! Why something is not done.
//!
//! The rule: a variant for each answer that a client could act on; nothing was changed.

use crate::proposal::State;
use crate::time::Time;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No proposal has this id.
    #[error("there is no such proposal")]
    UnknownProposal,
    /// No member ever had this key.
    #[error("there is no such member")]
    UnknownMember,
    /// It has not the form of a command.
    #[error("{0}")]
    Malformed(String),
    /// The vote is for another DAO.
    #[error("the vote is for another DAO")]
    WrongDao,
    /// The vote is for another proposal.
    #[error("the vote is for another proposal")]
    WrongProposal,
    /// The voter's key was never a member's.
    #[error("the voter is no member")]
    UnknownVoter,
    /// The signature is not the voter's for these bytes.
    #[error("the signature does not hold")]
    BadSignature,
    /// The voter had no power when the vote began.
    #[error("the voter had no power when the vote began")]
    NoPower,
    /// The proposal is in a state in which this is not done.
    #[error("the proposal is {0}")]
    WrongState(State),
    /// The timelock has not passed.
    #[error("the timelock ends at {0}")]
    TooEarly(Time),
    /// The voter has voted on it.
    #[error("the voter has voted already")]
    AlreadyVoted,
    /// The member was revoked before.
    #[error("the member is revoked already")]
    AlreadyRevoked,
    /// The configuration is as it was.
    #[error("the configuration is the same")]
    Unchanged,
    /// There is no room for one more.
    #[error("there is no room for more {0}")]
    Full(&'static str),
    /// The clock stands before the last entry.
    #[error("the clock is before {0}, the time of the last entry")]
    Backwards(Time),
    /// Entries are due that were not taken; a bug of the caller, who advances first.
    #[error("entries are due before")]
    Behind,
    /// The log does not begin with a configuration; a bug of the caller, who configures first.
    #[error("the DAO is not configured")]
    NotConfigured,
}

impl Refusal {
    /// The status of HTTP that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownProposal | Self::UnknownMember => 404,
            Self::Malformed(_) => 400,
            Self::WrongDao
            | Self::WrongProposal
            | Self::UnknownVoter
            | Self::BadSignature
            | Self::NoPower => 403,
            Self::WrongState(_)
            | Self::TooEarly(_)
            | Self::AlreadyVoted
            | Self::AlreadyRevoked
            | Self::Unchanged
            | Self::Full(_)
            | Self::Backwards(_) => 409,
            Self::Behind | Self::NotConfigured => 500,
        }
    }
}
