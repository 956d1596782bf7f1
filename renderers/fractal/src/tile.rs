//! Addresses of map tiles.
//!
//! The rule: a tile's middle is exact, so that tiles meet at every depth.

use dashu_int::{IBig, UBig};

use crate::{Decimal, Refused, Region, Viewport};

/// Pixels along each side of a tile.
pub const TILE_SIDE: u32 = 256;
/// The deepest level.
pub const MAX_TILE_LEVEL: u32 = 4_096;

/// Digits of the largest column of that level.
const MAX_DIGITS: usize = 1_234;

/// Tile `x`, `y` of level `z`: level 0 is one square of side 4 around `-0.5 + 0i`, every level halves
/// the side; `x` goes right and `y` down.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct TileAddress {
    z: u16,
    x: UBig,
    y: UBig,
}

/// Why there is no such tile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TileError {
    /// The address is none.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The address is well-formed and lies beside the grid of its level.
    #[error("{0} lies outside the grid of its level")]
    OutsideGrid(&'static str),
}

impl TileAddress {
    /// Reads the three parts of a tile's path.
    ///
    /// # Errors
    ///
    /// [`TileError::Refused`] for what is no decimal integer and for levels beyond
    /// [`MAX_TILE_LEVEL`]; [`TileError::OutsideGrid`] for columns and rows of `2^z` or more.
    pub fn parse(z: &str, x: &str, y: &str) -> Result<Self, TileError> {
        let level = integer("z", z)?.and_then(|level| u16::try_from(&level).ok());
        let Some(z) = level.filter(|z| u32::from(*z) <= MAX_TILE_LEVEL) else {
            return Err(Refused::new("z", format!("is not within 0..={MAX_TILE_LEVEL}")).into());
        };
        let end = UBig::from(1_u8) << usize::from(z);
        let within = |field, text| {
            let at = integer(field, text)?.filter(|at| *at < end);
            at.ok_or(TileError::OutsideGrid(field))
        };
        Ok(Self { z, x: within("x", x)?, y: within("y", y)? })
    }

    /// The square that the tile shows.
    ///
    /// # Panics
    ///
    /// Never: every address lies within the limits of viewports.
    #[must_use]
    pub fn viewport(&self) -> Viewport {
        self.square(Decimal::power_of_two(u32::from(self.z)), TILE_SIDE)
    }

    /// A square of twice the side around it, and the tile's pixels in that: the neighbours' are there
    /// for the light at the edge, at the very points that they have in their own tiles.
    ///
    /// # Panics
    ///
    /// Never, likewise.
    #[must_use]
    pub fn surroundings(&self) -> (Viewport, Region) {
        let half = match self.z.checked_sub(1) {
            Some(z) => Decimal::power_of_two(u32::from(z)),
            None => Decimal::dyadic(&IBig::from(1), 1),
        };
        let margin = TILE_SIDE / 2;
        let frame = Region { x: margin, y: margin, width: TILE_SIDE, height: TILE_SIDE };
        (self.square(half, 2 * TILE_SIDE), frame)
    }

    fn square(&self, zoom: Decimal, side: u32) -> Viewport {
        // The middle lies (2x + 1) half sides from the left edge at -2.5; a half side is 2 / 2^z.
        let halves = |at: &UBig| IBig::from(at.clone()) * IBig::from(2) + IBig::from(1);
        let scale = usize::from(self.z);
        let power = self.z + 1;
        // In units of 2^-(z + 1): -2.5 is -5 * 2^z, a half side is 4.
        let re = halves(&self.x) * IBig::from(4) - (IBig::from(5) << scale);
        let im = (IBig::from(4) << scale) - halves(&self.y) * IBig::from(4);
        let centre = [Decimal::dyadic(&re, power), Decimal::dyadic(&im, power)];
        Viewport::new(centre, zoom, [side; 2]).expect("tiles lie within the limits")
    }
}

/// A decimal integer of any length; none for one that lies beside every grid.
fn integer(field: &'static str, text: &str) -> Result<Option<UBig>, Refused> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::new(field, "is not a decimal integer"));
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(Some(UBig::ZERO));
    }
    // Conversion is not linear in the length.
    let beside = text.starts_with('-') || digits.len() > MAX_DIGITS;
    Ok(if beside { None } else { UBig::from_str_radix(digits, 10).ok() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Control, Exact, Formula, Picture, Renderer, Style, View};

    fn viewport(z: &str, x: &str, y: &str) -> Viewport {
        TileAddress::parse(z, x, y).unwrap().viewport()
    }

    #[test]
    fn the_first_tile_is_the_whole() {
        assert_eq!(viewport("0", "0", "0"), Viewport::whole([TILE_SIDE; 2]).unwrap());
        let corner = viewport("1", "0", "1");
        assert_eq!(corner.centre().map(Decimal::to_string), ["-1.5", "-1"]);
        assert_eq!(corner.zoom(), &Decimal::from(2));
    }

    #[test]
    fn tiles_meet_at_any_depth() {
        let last = |z: usize| (UBig::from(1_u8) << z) - UBig::from(1_u8);
        for z in [1, 60, 1_000, 4_096] {
            let (left, right) =
                (&last(z) / UBig::from(2_u8), &last(z) / UBig::from(2_u8) + UBig::from(1_u8));
            let at = |x: &UBig| viewport(&z.to_string(), &x.to_string(), "0");
            let (left, right) = (at(&left), at(&right));
            let bits = left.bits() + 64;
            let step = &right.point(0, 0, bits)[0] - &left.point(255, 0, bits)[0];
            let inside = &left.point(255, 0, bits)[0] - &left.point(254, 0, bits)[0];
            let difference = (&step - &inside) >> 4;
            assert!(
                difference == IBig::from(0) || difference == IBig::from(-1),
                "{z}: {difference}"
            );
            assert_eq!(left.point(9, 7, bits)[1], right.point(9, 7, bits)[1]);
        }
    }

    #[test]
    fn surroundings_hold_the_tile_itself() {
        for (z, x, y) in [("0", "0", "0"), ("3", "5", "2"), ("1000", "12345", "0")] {
            let tile = TileAddress::parse(z, x, y).unwrap();
            let (alone, (around, frame)) = (tile.viewport(), tile.surroundings());
            assert!(frame.is_within(&around));
            assert_eq!(alone.spacing(), around.spacing());
            let bits = alone.bits();
            for (x, y) in [(0, 0), (255, 255), (7, 200)] {
                assert_eq!(alone.point(x, y, bits), around.point(frame.x + x, frame.y + y, bits));
            }
        }
    }

    #[test]
    fn tiles_have_no_seams() {
        let control = Control::default();
        let style = Style::default();
        let view = |viewport| View::new(viewport, Formula::Mandelbrot, Some(60)).unwrap();
        // Level 1 beside level 0 at twice the size.
        let whole = view(Viewport::whole([2 * TILE_SIDE; 2]).unwrap());
        let all = Region::all(whole.viewport());
        let whole = Exact.render(&whole, all, style.channels(), &control).unwrap();
        let whole = Picture::of(&whole, all, &style);
        for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let tile = TileAddress::parse("1", &x.to_string(), &y.to_string()).unwrap();
            let (around, frame) = tile.surroundings();
            let raw = Exact
                .render(&view(around), frame.with_margin(), style.channels(), &control)
                .unwrap();
            let tile = Picture::of(&raw, frame, &style);
            let side = TILE_SIDE as usize;
            for row in 0..side {
                let at = 3 * ((y * side + row) * 2 * side + x * side);
                let (ours, theirs) = (&tile.rgb[3 * row * side..], &whole.rgb[at..]);
                // Where the whole picture ends, the tile goes on to see its neighbour.
                let (first, last) = (3 * (1 - x), 3 * (side - x));
                if row != [0, side - 1][y] {
                    assert!(ours[first..last] == theirs[first..last], "{x} {y} row {row}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_tile_is_told_apart() {
        let refused = |z: &str, x: &str, y: &str| TileAddress::parse(z, x, y).unwrap_err();
        assert_eq!(refused("1", "2", "0"), TileError::OutsideGrid("x"));
        assert_eq!(refused("0", "0", "1"), TileError::OutsideGrid("y"));
        assert_eq!(refused("60", &"9".repeat(19_000), "0"), TileError::OutsideGrid("x"));
        for (z, x, y, field) in [
            ("4097", "0", "0", "z"),
            ("99999999999999999999", "0", "0", "z"),
            ("-1", "0", "0", "z"),
            ("1", "", "0", "x"),
            ("1", "0", "1.0", "y"),
            ("1", "0", "+1", "y"),
        ] {
            let TileError::Refused(refused) = refused(z, x, y) else { panic!("{z}/{x}/{y}") };
            assert_eq!(refused.field, field);
        }
        for beside in ["-1", &"9".repeat(1_000_000)] {
            assert_eq!(refused("1", "0", beside), TileError::OutsideGrid("y"));
        }
        let zeros = "0".repeat(1_000_000);
        assert_eq!(TileAddress::parse("-0", &zeros, "0"), TileAddress::parse("0", "0", "0"));
        let last = (UBig::from(1_u8) << 4_096) - UBig::from(1_u8);
        assert_eq!(last.to_string().len(), MAX_DIGITS);
        assert!(TileAddress::parse("4096", &last.to_string(), "0").is_ok());
        let next = (last + UBig::from(1_u8)).to_string();
        assert_eq!(refused("4096", &next, "0"), TileError::OutsideGrid("x"));
    }
}
