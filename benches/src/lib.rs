//! Benches of Shimmer, each beside the peers that do the same work.
//!
//! The rule: ours and a peer's run on the same events, warm, and in turn, so that what disturbs the
//! machine disturbs all of them; what is compared is the ratio within a round.
#![forbid(unsafe_code)]

mod figures;
mod load;
mod proc;
mod rounds;
mod server;
mod stream;

pub use figures::{median, quantile};
pub use load::{BATCH, Load, Refill, ndjson};
pub use proc::{Cpu, Memory, Thread, children, cpu_ns, memory, threads};
pub use rounds::{Case, Table, rounds};
pub use server::{Client, Server, TOKEN, built};
pub use stream::listen;
