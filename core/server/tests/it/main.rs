//! The server in process, on a free port, asked over real sockets.

mod answers;
mod client;
mod ingest;
mod lasting;
mod node;
mod snapshot;
mod streams;
