//! The server in process, on a free port, asked over real sockets.

mod answers;
#[path = "../../../../tests/tests/e2e/http.rs"]
#[expect(dead_code, reason = "the end-to-end tests, whose client it is, ask for more")]
mod http;
mod ingest;
mod lasting;
mod node;
mod snapshot;
mod streams;
