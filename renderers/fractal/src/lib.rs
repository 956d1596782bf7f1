//! What a fractal picture is, whoever computes it.
//!
//! A [`View`] names the points and the formula, a [`Renderer`] answers with a [`Raw`] raster (smooth
//! escape count and distance estimate for each pixel), and colouring turns that into a picture
//! afterwards, so that another palette costs nothing.
//!
//! - [`Viewport`], [`TileAddress`]: which points, to any depth.
//! - [`Precision`]: which arithmetic a pixel spacing needs.
//! - [`Reference`], [`Leaps`]: the orbit that perturbation follows and the leaps over it, for every
//!   backend that renders deep views.
//! - [`Exact`]: the slow renderer that is right by construction.
//! - [`Palette`], [`Style`], [`Picture`], [`ascii`]: colours, light, characters.
//! - [`Flight`], [`Animation`]: views from one to another, and the file of their pictures.

#![forbid(unsafe_code)]

mod ascii;
mod bla;
mod colour;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod decimal;
mod detail;
mod encode;
mod exact;
pub mod fixed;
mod flight;
mod float_exp;
mod formula;
mod nucleus;
mod palette;
mod picture;
mod precision;
mod raw;
mod reference;
mod renderer;
mod shade;
mod smooth;
mod tile;
mod view;

pub use ascii::{MAX_CELLS, ascii, ascii_viewport, check_cells};
pub use bla::{FIRST_LEVEL, Leap, Leaps, Linear, MatrixExp, in_pieces};
pub use decimal::{Decimal, DecimalError, MAX_DECIMAL_EXPONENT, MAX_DECIMAL_LEN};
pub use detail::{Detail, detail, julia_constant};
pub use encode::{Animation, EncodeError, MAX_WEBP_SIDE};
pub use exact::Exact;
pub use flight::{Flight, MAX_FRAMES, MAX_STOPS};
pub use float_exp::{ComplexExp, FloatExp, exp2i, exponent_of};
pub use formula::Formula;
pub use nucleus::nucleus;
pub use palette::Palette;
pub use picture::{MAX_SAMPLES, Picture};
pub use precision::Precision;
pub use raw::{INTERIOR, Raw};
pub use reference::{Orbit, Reference};
pub use renderer::{Channels, Control, RenderError, Renderer};
pub use shade::{Relief, Style};
pub use smooth::{BAILOUT_SQR, RADIUS_SQR, distance, smooth, smooth_real};
pub use tile::{MAX_TILE_LEVEL, TILE_SIDE, TileAddress, TileError};
pub use view::{
    Lattice, MAX_CENTRE, MAX_ITER, MAX_PIXELS, MAX_SIDE, MAX_ZOOM_LOG10, MIN_ZOOM_LOG10, Refused,
    Region, View, Viewport, default_max_iter,
};
