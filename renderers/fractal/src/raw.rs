//! What a renderer answers with.
//!
//! The rule: numbers only; colours, characters and files are made from them afterwards.

use crate::Region;

/// The smooth count of a pixel whose orbit stayed within radius 2.
pub const INTERIOR: f32 = -1.0;

/// Numbers for the pixels of a region, rows from top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    /// The pixels it covers.
    pub region: Region,
    /// Smooth escape counts (see [`crate::smooth`]); [`INTERIOR`] inside.
    pub mu: Vec<f32>,
    /// Distance estimates in units of the pixel spacing (see [`crate::distance`]), 0 inside; empty
    /// when the distance was not asked for.
    pub distance: Vec<f32>,
}

impl Raw {
    /// Whether the pixel at an index stayed within radius 2.
    #[must_use]
    pub fn is_interior(&self, index: usize) -> bool {
        self.mu[index] == INTERIOR
    }

    /// The part of the pixels that stayed within radius 2, times the area of the region in the
    /// plane.
    #[must_use]
    pub fn interior_area(&self, spacing: f64) -> f64 {
        let inside = self.mu.iter().filter(|mu| **mu == INTERIOR).count();
        inside as f64 * spacing * spacing
    }

    /// The counts as little-endian singles and nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.mu.len() * 4);
        // Not a flattened iterator, which asks about each byte whether it is the last.
        self.mu.iter().for_each(|mu| bytes.extend_from_slice(&mu.to_le_bytes()));
        bytes
    }
}
