//! Why something that came from outside was refused.
//!
//! The rule: the set is closed and small, so that it can be a label of a counter.

use std::fmt;

/// The label `reason` of `shimmer_gossip_rejected_total`, and the error of everything here that reads bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reason {
    /// Before any envelope was seen: a handshake, a stream, a protocol. This crate never returns it.
    Transport,
    /// Longer than its bound, before or after decompression.
    Oversize,
    /// Not of the form that is written down.
    Malformed,
    /// A signature, or what it must cover, does not hold.
    Signature,
    /// The packet may not travel any further, or the event is too old.
    Ttl,
    /// The origin is not on the list of those allowed.
    Auth,
}

impl Reason {
    /// All of them, in the order of [`Reason::index`].
    pub const ALL: [Self; 6] =
        [Self::Transport, Self::Oversize, Self::Malformed, Self::Signature, Self::Ttl, Self::Auth];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Oversize => "oversize",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Ttl => "ttl",
            Self::Auth => "auth",
        }
    }

    /// Its place in [`Reason::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
