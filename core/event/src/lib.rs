//! The event: what may be posted, how it is read, and the one JSON text in which it is shown.
//!
//! The rule of this crate: nobody else knows the JSON of an event. A [`Parser`] turns one posted body (a JSON
//! object, or a CloudEvent in binary or structured mode) into an [`Event`]; a [`Batch`] does the same for NDJSON,
//! JSON arrays and CloudEvents batches; [`Parser::draft`] puts what a plugin emits through the same checks. An
//! [`Event`] carries the columns that the ring keeps and the canonical text up to its sequence number, so that
//! `head`, the decimal sequence and [`TAIL`] concatenated are the event's JSON.
//!
//! ```
//! use shimmer_event::{Limits, Parser, Receipt, TAIL};
//!
//! let receipt = Receipt { received_ns: 1_760_000_000_000_000_000, default_source: "default", origin: "node-1", unsigned: false };
//! let body = br#"{"event_id":"a","timestamp":"2025-10-21T04:30:00Z","beauty_score":0.92}"#;
//! let mut parser = Parser::default();
//! let event = parser.parse(body, &receipt, &Limits::default())?;
//! assert_eq!((event.kind, event.value, event.source), ("beauty", 0.92, "default"));
//! let text = [event.head, b"7", TAIL].concat();
//! assert!(text.ends_with(br#""received_at":"2025-10-09T08:53:20Z","origin":"node-1","seq":7}"#));
//! # Ok::<(), shimmer_event::EventError>(())
//! ```
//!
//! Buffers are owned by the caller and reused: once warm, reading a good event allocates nothing.

mod arena;
mod batch;
mod check;
mod cloud;
mod draft;
mod encode;
mod error;
mod fast;
mod headers;
mod json;
mod limits;
mod parser;
mod posted;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod property;
pub mod rfc3339;

pub use arena::{Event, Receipt};
pub use batch::{Batch, Events};
pub use draft::{AlertDraft, BeautyTexts, EventDraft};
pub use encode::TAIL;
pub use error::{BatchError, EventError, FieldError};
pub use headers::CloudHeaders;
pub use limits::{
    BEAUTY_KIND, BEAUTY_SCORE_MAX, DATA_DEPTH, EVENT_ID_BYTES, HOPS, KIND_CHARS, Limits, NAME_CHARS,
};
pub use parser::Parser;
