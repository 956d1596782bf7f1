//! The fractal renderer for processors.
//!
//! - [`Cpu`]: the renderer; see [`CpuOptions`] for threads, instruction set and cache.
//! - Shallow views are iterated point by point, deep ones as differences from
//!   a reference orbit.

#![deny(unsafe_op_in_unsafe_fn)]

mod deep;
mod direct;
mod peak;
mod plane;
mod renderer;
mod simd;

pub use peak::fma_rate;
pub use renderer::{Cpu, CpuOptions, Shortcuts};
pub use simd::Isa;
