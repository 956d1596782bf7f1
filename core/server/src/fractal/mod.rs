//! Fractals on request: what is asked for, who may have it drawn, and what was drawn before.
//!
//! - [`Wish`]: a request, read and bounded; its ETag is known before anything is drawn.
//! - [`Studio`]: two lanes of bounded queues, each with a drawing thread of its own, and one drawing
//!   for all who want the same.
//! - [`Work`], [`Drawn`]: what is drawn and what came of it.

mod cache;
mod studio;
mod wish;
mod work;

pub(crate) use studio::{Failure, Lane, Studio, StudioFigures};
pub(crate) use wish::Wish;
pub(crate) use work::{Drawn, Form, Work};
