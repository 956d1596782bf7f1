//! The errors of the ring, named by what the caller does next.
//!
//! Rule: an error says what is wrong in the caller's words; whoever receives it logs it or passes
//! it on, never both.

use std::io;
use std::path::PathBuf;

/// Why a segment or control page cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// A size in the configuration is outside its bounds.
    #[error("{0} is out of bounds")]
    Geometry(&'static str),
    /// The mapping does not hold what this build expects; named is the part that differs.
    #[error("the shared segment is not one of this build: {0}")]
    Foreign(&'static str),
    /// The system refused.
    #[error("cannot map shared memory")]
    System(#[from] io::Error),
}

impl From<rustix::io::Errno> for MapError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Why a ring cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A size in the configuration is outside its bounds.
    #[error("ring: {0} is out of bounds")]
    Config(&'static str),
    /// Shared memory could not be made.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The disk has no room for the journal, which is allocated in full beforehand.
    #[error("{path}: no room on the disk for the journal of {bytes} bytes")]
    NoSpace {
        /// The journal file.
        path: PathBuf,
        /// Its full size in bytes.
        bytes: u64,
    },
    /// A journal file could not be read, written or moved.
    #[error("{path}: cannot open the journal")]
    Journal {
        /// The journal file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a submission was not stored. Nothing of it is in the ring.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A gating consumer still needs the room; try again later.
    #[error("the ring is full")]
    Full,
    /// The submission can never fit this ring: more events, text or a longer name than it holds.
    #[error("the submission is larger than the ring")]
    TooLarge,
    /// The cursor that comes with the submission goes backwards, lies beyond what is published,
    /// or its consumer is not registered.
    #[error("the cursor does not belong to this submission")]
    Cursor,
    /// An earlier submission hit a bug; the ring accepts nothing until it is opened again.
    #[error("the ring failed and accepts nothing more")]
    Poisoned,
    /// The journal could not be written to the disk; the ring accepts nothing more.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

/// Why a consumer was not registered or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// All places are taken.
    #[error("too many consumers")]
    TooMany,
    /// Another consumer has this key.
    #[error("a consumer with this key is registered already")]
    Taken,
    /// The key is empty or longer than the journal keeps.
    #[error("a consumer's key has 1 to 64 bytes")]
    Key,
    /// The cursor would go backwards or beyond what is published.
    #[error("the cursor goes backwards or beyond what is published")]
    Cursor,
    /// The consumer's gate lies in a control page, and none was given; or the reverse.
    #[error("gate and wake target do not belong together")]
    Gate,
    /// The ring failed and takes no more changes.
    #[error("the ring failed")]
    Poisoned,
}
