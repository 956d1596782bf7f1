//! Benches of Shimmer, each beside the peers that do the same work.
//!
//! The rule: ours and a peer's run in one group, on the same events, and say whether they are warm.
#![forbid(unsafe_code)]
