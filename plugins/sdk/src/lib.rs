//! Write Shimmer plugins in safe Rust.
//!
//! A plugin is a type with a [`Plugin`] implementation and one line, [`export_plugin!`]; the crate that holds it
//! is a `cdylib`. It reads batches of events, and answers with effects: events, alerts, weights, messages to its
//! own streams, metrics and log lines.
//!
//! ```
//! #![forbid(unsafe_code)]
//! use shimmer_sdk::{Batch, Error, Host, NoConfig, Plugin};
//!
//! struct Doubler {
//!     host: Host,
//! }
//!
//! impl Plugin for Doubler {
//!     const NAME: &'static str = "doubler";
//!     const KINDS: &'static [&'static str] = &["beauty"];
//!     type Config = NoConfig;
//!
//!     fn create(_: NoConfig, host: Host) -> Result<Self, Error> {
//!         Ok(Self { host })
//!     }
//!
//!     fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
//!         for event in batch {
//!             self.host.event("doubled").value(2.0 * event.value()).cause(&event).emit()?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! shimmer_sdk::export_plugin!(Doubler);
//!
//! // In a test the same plugin runs without a host, through the functions that a host would call:
//! use shimmer_sdk::testing::{Bench, Input};
//! let mut bench = Bench::<Doubler>::new("{}").unwrap();
//! bench.feed(&[Input::beauty(0.7)]).unwrap();
//! assert_eq!(bench.take_events()[0].value, 1.4);
//! ```
//!
//! What the crate takes care of:
//! - A panic never leaves the library. It fails the call, reaches the operator with file and line, and the instance
//!   answers nothing more but its end, because nobody knows what state it was left in.
//! - A [`Host`] may be cloned and moved to threads that outlive the instance: once that is destroyed, its calls
//!   answer [`Error::Gone`].
//! - What is emitted inside `process` and `tick` is one transaction with its input. Return an error and none of it
//!   happened; the events come again.

mod batch;
mod borrow;
mod config;
mod emit;
mod error;
mod export;
mod gate;
mod guard;
mod host;
mod http;
mod metrics;
mod plugin;
mod relay;
#[cfg(feature = "scaffold")]
pub mod scaffold;
pub mod testing;

pub use batch::{Batch, Columns, Event, Events};
pub use config::NoConfig;
pub use emit::{AlertBuilder, EventBuilder};
pub use error::Error;
pub use export::entry;
pub use host::Host;
pub use http::{Request, Response, Route};
pub use metrics::{Counter, Gauge};
pub use plugin::Plugin;
pub use relay::{Relay, Relayed};
pub use shimmer_abi as abi;
pub use shimmer_abi::{Auth, LogLevel, RouteKind, Severity};
