//! How fast the fractal renderers are on this machine, for people and for the project's benches.
//!
//! - [`cases`]: views from shallow to deep, small enough to be drawn a few times in a minute.
//! - [`Contender`]: a renderer in one of the ways that are compared.
//! - [`measure`], [`Row`], [`Table`]: what one took for a view.

#![forbid(unsafe_code)]

mod cases;
mod contender;
mod row;

pub use cases::{Case, cases};
pub use contender::{Contender, contenders};
pub use row::{Row, Table, cpu_seconds, measure};
