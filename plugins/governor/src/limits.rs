//! How much of everything there may be.
//!
//! The rule: what is at its bound is refused, and what stands stays; nothing is dropped silently but closed proposals,
//! of which the newest are kept.

/// Members who have not been revoked.
pub const MAX_MEMBERS: usize = 16_384;
/// Keys that were ever a member's; a revoked one stays known, because its votes stay in the log.
pub const MAX_KEYS: usize = 65_536;
/// Proposals that may still change a weight.
pub const MAX_OPEN: usize = 256;
/// Proposals kept in all; beyond it the oldest closed one is forgotten.
pub const MAX_KEPT: usize = 1_024;
/// Options of a proposal.
pub const MAX_OPTIONS: usize = 32;
/// Sources with a weight of their own, those of open proposals included. A weight set names all of them, and the log
/// holds every weight set: this bounds a line.
pub const MAX_SOURCES: usize = 4_096;
/// Characters of a proposal's title.
pub const MAX_TITLE: usize = 200;
/// Characters of a member's name, a source, the id of a DAO.
pub const MAX_NAME: usize = 128;
/// Bytes of a vote as posted: 32 shares of 24 digits take less than half.
pub const MAX_VOTE_BYTES: usize = 8 * 1024;
/// Bytes of a line of the log, its LF included: a weight set of the most sources with the longest names.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the log in one of the parts in which it travels: with base64, signature and head below the least
/// `ring.event_bytes`.
pub const MAX_PART_BYTES: usize = 384;
/// Bytes of parts that lie behind a gap and are kept until it is filled.
pub const MAX_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// Seconds of the longest delay, period or epoch: ten years.
pub const MAX_SPAN_S: i64 = 10 * 31_557_600;
/// Stakes, nonces and numbers of entries are below this, so that every JSON reader has them exactly.
pub const NUMBER_LIMIT: u64 = 1 << 53;
