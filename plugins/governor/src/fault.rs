//! What is wrong with a log.
//!
//! The rule: the first bad line is named, and why.

use crate::entry::Entry;
use crate::refusal::Refusal;

/// Whether signatures are looked at when a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Each, which takes most of the time: a log from elsewhere.
    Checked,
    /// None: one's own log at a start, whose votes were checked when they came.
    Trusted,
}

/// Why a line cannot stand where it stands.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It is not the text of an entry.
    #[error("{0}")]
    Malformed(String),
    /// It is longer than any entry.
    #[error("the line is too long")]
    TooLong,
    /// It does not end with LF.
    #[error("the line is cut off")]
    CutOff,
    /// The log could not be read so far.
    #[error("the log cannot be read: {0}")]
    Unreadable(String),
    /// An entry was left out, put in, or moved.
    #[error("its number should be {expected}")]
    Number {
        /// The number that comes now.
        expected: u64,
    },
    /// It does not follow the line before.
    #[error("`prev` is not the hash of the line before")]
    Prev,
    /// Its content is right, and its hash is not.
    #[error("`hash` is not the hash of the line")]
    Hash,
    /// By the rules it could not happen.
    #[error("it could not happen: {0}")]
    Refused(#[from] Refusal),
    /// Weights did not change then.
    #[error("no weights were due")]
    NotDue,
    /// Something else happened then, by the rules.
    #[error("by the rules it is {}", .expected.to_line())]
    Differs {
        /// What happened.
        expected: Box<Entry>,
    },
}

/// The first bad line of a log.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}
