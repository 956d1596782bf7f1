//! Live streams: every new event to every WebSocket and SSE client, and plugins' messages to theirs.
//!
//! A few threads, the shards, own all sockets. Each has a cursor in the event ring; a round encodes what is new once
//! and gives it to each client with one non-blocking write. There is no task, no channel and no buffer per client:
//! one that is behind keeps its own cursor and is served from the ring again when its socket takes more, and if the
//! ring has moved on by then, it is told the gap. Compression, too, belongs to the round and not to a client. Rounds
//! are at most `flush_ms` apart, and begin at once when the shard is idle.
//!
//! Rule: every client gets every event once and in order, or a gap that names exactly what it lost.

mod client;
mod config;
mod deflate;
mod filter;
mod frame;
mod hub;
mod inbox;
mod log;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod reader;
mod round;
mod seat;
mod shard;
mod slab;
mod tally;
#[cfg(test)]
mod tests;
mod wheel;
mod window;

pub use config::StreamConfig;
pub(crate) use deflate::Agreement;
pub use filter::Filter;
pub use frame::Protocol;
pub use hub::{
    AttachError, ClientId, StartError, StreamHub, Subscription, TOPIC_MESSAGE_BYTES, TopicError,
    TopicSubscription,
};
pub(crate) use round::now_rfc3339;
pub use seat::TopicSeat;
pub use tally::StreamStats;
