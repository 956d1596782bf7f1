//! Pictures made of characters.
//!
//! The rule: the ink of a character is the density of its cell, and a cell is twice as high as wide.

use crate::{INTERIOR, Raw, Refused, Viewport};

/// Characters by rising ink; the last is the inside's.
const RAMP: &[u8] = b" .:-=+*%#@";
/// The most columns or rows.
pub const MAX_CELLS: u32 = 1_000;

/// The viewport whose pixels fill `columns` by `rows` characters: two pixels in each, one above the
/// other.
///
/// # Errors
///
/// `cols` or `rows` that is not within `1..=MAX_CELLS`.
pub fn ascii_viewport(viewport: &Viewport, columns: u32, rows: u32) -> Result<Viewport, Refused> {
    for (field, cells) in [("cols", columns), ("rows", rows)] {
        if !(1..=MAX_CELLS).contains(&cells) {
            return Err(Refused::new(field, format!("is not within 1..={MAX_CELLS}")));
        }
    }
    let centre = viewport.centre().map(Clone::clone);
    Viewport::new(centre, viewport.zoom().clone(), [columns, 2 * rows])
}

/// Lines of characters, each ended by a line feed, from the numbers of an [`ascii_viewport`].
#[must_use]
pub fn ascii(raw: &Raw) -> String {
    let width = raw.region.width as usize;
    let outside = || raw.mu.iter().filter(|mu| **mu != INTERIOR).map(|mu| depth(*mu));
    let (low, high) =
        outside().fold((f32::MAX, f32::MIN), |(low, high), d| (low.min(d), high.max(d)));
    let range = (high - low).max(1e-3);
    let ink = |mu: f32| if mu == INTERIOR { 1.0 } else { 0.9 * (depth(mu) - low) / range };
    let mut text = String::with_capacity((width + 1) * raw.region.height as usize / 2);
    for rows in raw.mu.chunks_exact(2 * width) {
        for column in 0..width {
            let mean = (ink(rows[column]) + ink(rows[column + width])) / 2.0;
            let step = (mean * (RAMP.len() - 1) as f32).round() as usize;
            text.push(char::from(RAMP[step.min(RAMP.len() - 1)]));
        }
        text.push('\n');
    }
    text
}

/// Counts grow geometrically towards the set.
fn depth(mu: f32) -> f32 {
    (mu.max(0.0) + 1.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Control, Exact, Formula, Region, Renderer, View};

    #[test]
    fn the_whole_set_can_be_recognised() {
        let viewport = Viewport::whole([512, 512]).unwrap();
        let viewport = ascii_viewport(&viewport, 40, 16).unwrap();
        let view = View::new(viewport, Formula::Mandelbrot, Some(60)).unwrap();
        let all = Region::all(view.viewport());
        let raw = Exact.render(&view, all, Channels::Smooth, &Control::default()).unwrap();
        let text = ascii(&raw);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 16);
        assert!(lines.iter().all(|line| line.len() == 40));
        assert!(lines[8].contains("@@@@@@"), "{text}");
        assert_eq!(lines[0].trim_end(), lines[15].trim_end(), "conjugate");
        assert!(lines[0].starts_with("  "), "{text}");
    }

    #[test]
    fn cells_are_bounded() {
        let whole = Viewport::whole([8, 8]).unwrap();
        assert_eq!(ascii_viewport(&whole, 0, 8).unwrap_err().field, "cols");
        assert_eq!(ascii_viewport(&whole, 8, MAX_CELLS + 1).unwrap_err().field, "rows");
        assert!(ascii_viewport(&whole, MAX_CELLS, MAX_CELLS).is_ok());
    }
}
