//! Which renderer draws a view: the one for processors or the one for graphics processors.
//!
//! - [`Backends`]: owns both; [`Backends::choose`] picks one for a view, [`Choice`] draws with it and
//!   goes on with the processor when the device is lost.
//! - [`Backend`], [`BackendOptions`]: what may be picked.

#![forbid(unsafe_code)]

mod backend;
mod backends;
mod class;
mod device;
mod sample;

pub use backend::{Backend, BackendOptions};
pub use backends::{Backends, Choice};
