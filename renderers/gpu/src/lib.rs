//! The fractal renderer for graphics processors.
//!
//! - [`Gpu`]: the renderer; [`Adapters`] says which devices it may take, [`list`] names them.
//! - Shallow views are iterated point by point, all others as differences from a reference orbit, in
//!   singles with exponents of their own, since doubles are rare on such devices.
//! - A device that is missing, lost or out of memory is a [`RenderError::Unavailable`], and the caller
//!   goes on with another renderer.
//!
//! [`RenderError::Unavailable`]: shimmer_fractal::RenderError::Unavailable

#![forbid(unsafe_code)]

mod adapter;
mod band;
mod cache;
mod device;
mod guide;
mod kernel;
mod pace;
mod renderer;
mod room;
mod turns;
mod words;

pub use adapter::{Adapter, Adapters, list};
pub use renderer::{Doubles, Gpu, GpuOptions};
