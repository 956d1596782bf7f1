//! What a renderer answers with.
//!
//! The rule: numbers only; colours, characters and files are made from them afterwards.

use std::io::{self, Write};

use crate::Region;

/// The smooth count of a pixel whose orbit stayed within radius 2.
pub const INTERIOR: f32 = -1.0;
/// Counts that are written at once: few calls, and bytes that stay in a near cache until then.
const PIECE: usize = 1 << 14;

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

    /// Writes the counts as little-endian singles and nothing else.
    ///
    /// # Errors
    ///
    /// Whatever `to` answers.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = vec![0; PIECE * size_of::<f32>()];
        for piece in self.mu.chunks(PIECE) {
            let bytes = &mut bytes[..size_of_val(piece)];
            for (four, mu) in bytes.as_chunks_mut().0.iter_mut().zip(piece) {
                *four = mu.to_le_bytes();
            }
            to.write_all(bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_in_order_across_pieces() {
        for pixels in [0, 1, PIECE - 1, PIECE, 2 * PIECE + 3] {
            let region = Region { x: 0, y: 0, width: pixels as u32, height: 1 };
            let mu: Vec<_> = (0..pixels).map(|pixel| pixel as f32 + 0.5).collect();
            let mut bytes = Vec::new();
            Raw { region, mu: mu.clone(), distance: Vec::new() }.write_to(&mut bytes).unwrap();
            let fours = bytes.as_chunks().0.iter();
            let counts: Vec<_> = fours.map(|four| f32::from_le_bytes(*four)).collect();
            assert_eq!((bytes.len(), counts), (4 * pixels, mu));
        }
    }
}
