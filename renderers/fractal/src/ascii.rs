//! Pictures made of characters.
//!
//! The rule: the ink of a character is the density of its cell, and a cell is twice as high as wide.

use crate::{INTERIOR, Raw, Refused, Viewport};

/// Characters by rising ink; the last is the inside's.
const RAMP: &[u8] = b" .:-=+*%#@";
/// The most columns or rows.
pub const MAX_CELLS: u32 = 1_000;

/// The most points that are looked at along each side of a cell; more would not show.
const ACROSS: usize = 2;
const DOWN: usize = 4;

/// Refuses texts without an end.
///
/// # Errors
///
/// `cols` or `rows` that is not within `1..=MAX_CELLS`.
pub fn check_cells(columns: u32, rows: u32) -> Result<(), Refused> {
    for (field, cells) in [("cols", columns), ("rows", rows)] {
        if !(1..=MAX_CELLS).contains(&cells) {
            return Err(Refused::new(field, format!("is not within 1..={MAX_CELLS}")));
        }
    }
    Ok(())
}

/// The viewport whose pixels fill `columns` by `rows` characters: two pixels in each, one above the
/// other.
///
/// # Errors
///
/// As [`check_cells`].
pub fn ascii_viewport(viewport: &Viewport, columns: u32, rows: u32) -> Result<Viewport, Refused> {
    check_cells(columns, rows)?;
    let centre = viewport.centre().map(Clone::clone);
    Viewport::new(centre, viewport.zoom().clone(), [columns, 2 * rows])
}

/// `rows` lines of `columns` characters, each ended by a line feed: the whole of what was rendered
/// under a grid of as many cells.
#[must_use]
pub fn ascii(raw: &Raw, columns: u32, rows: u32) -> String {
    let [columns, rows, width, height] =
        [columns, rows, raw.region.width, raw.region.height].map(|side| side as usize);
    let (across, down) = ((width / columns).clamp(1, ACROSS), (height / rows).clamp(1, DOWN));
    // The middle of one of `parts` equal parts of a side, mirrored in its second half, so that what is
    // symmetric stays so.
    let middle = |part: usize, parts: usize, side: usize| match parts - 1 - part {
        mirrored if mirrored < part => side - 1 - (2 * mirrored + 1) * side / (2 * parts),
        _ => (2 * part + 1) * side / (2 * parts),
    };
    let mut depths = Vec::with_capacity(columns * across * rows * down);
    for y in 0..rows * down {
        let row = &raw.mu[middle(y, rows * down, height) * width..][..width];
        depths
            .extend((0..columns * across).map(|x| depth(row[middle(x, columns * across, width)])));
    }
    let (low, high) = (depths.iter().flatten())
        .fold((f32::MAX, f32::MIN), |(low, high), depth| (low.min(*depth), high.max(*depth)));
    let range = (high - low).max(1e-3);
    let ink = |depth: &Option<f32>| depth.map_or(1.0, |depth| 0.9 * (depth - low) / range);
    let mut text = String::with_capacity((columns + 1) * rows);
    for cells in depths.chunks_exact(columns * across * down) {
        for column in 0..columns {
            let points = cells.chunks_exact(columns * across);
            let sum: f32 = points.flat_map(|row| &row[column * across..][..across]).map(ink).sum();
            let step = (sum / (across * down) as f32 * (RAMP.len() - 1) as f32).round() as usize;
            text.push(char::from(RAMP[step.min(RAMP.len() - 1)]));
        }
        text.push('\n');
    }
    text
}

/// Counts grow geometrically towards the set; inside there is none.
fn depth(mu: f32) -> Option<f32> {
    (mu != INTERIOR).then(|| (mu.max(0.0) + 1.0).ln())
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
        let text = ascii(&raw, 40, 16);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 16);
        assert!(lines.iter().all(|line| line.len() == 40));
        assert!(lines[8].contains("@@@@@@"), "{text}");
        assert_eq!(lines[0].trim_end(), lines[15].trim_end(), "conjugate");
        assert!(lines[0].starts_with("  "), "{text}");
    }

    #[test]
    fn any_grid_shows_all_of_a_picture() {
        // Dense on the left, empty on the right.
        let region = Region { x: 0, y: 0, width: 60, height: 30 };
        let mu = (0..60 * 30).map(|i| if i % 60 < 30 { INTERIOR } else { 1.0 }).collect();
        let raw = Raw { region, mu, distance: Vec::new() };
        for (columns, rows) in [(2, 1), (20, 10), (60, 30), (600, 7)] {
            let text = ascii(&raw, columns, rows);
            let half = columns as usize / 2;
            let line = ["@".repeat(half), " ".repeat(half)].concat();
            assert!(text.lines().all(|shown| shown == line), "{columns} {rows}: {text}");
            assert_eq!(text.lines().count(), rows as usize);
        }
    }

    #[test]
    fn the_text_of_the_set_is_its_own_mirror_image() {
        let view = View::new(Viewport::whole([96, 96]).unwrap(), Formula::Mandelbrot, Some(60));
        let view = view.unwrap();
        let all = Region::all(view.viewport());
        let raw = Exact.render(&view, all, Channels::Smooth, &Control::default()).unwrap();
        for rows in [2, 12, 31, 40] {
            let text = ascii(&raw, 30, rows);
            let lines: Vec<&str> = text.lines().collect();
            assert!((0..lines.len() / 2).all(|y| lines[y] == lines[lines.len() - 1 - y]), "{text}");
        }
    }

    #[test]
    fn cells_are_bounded() {
        let whole = Viewport::whole([8, 8]).unwrap();
        assert_eq!(ascii_viewport(&whole, 0, 8).unwrap_err().field, "cols");
        assert_eq!(ascii_viewport(&whole, 8, MAX_CELLS + 1).unwrap_err().field, "rows");
        assert!(ascii_viewport(&whole, MAX_CELLS, MAX_CELLS).is_ok());
    }
}
