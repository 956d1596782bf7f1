//! Addresses of map tiles.
//!
//! The rule: a tile's middle is exact, so that tiles meet at every depth.

use dashu_int::{IBig, UBig};

use crate::{Decimal, MAX_DECIMAL_LEN, Refused, Viewport};

/// Pixels along each side of a tile.
pub const TILE_SIDE: u32 = 256;
/// The deepest level.
pub const MAX_TILE_LEVEL: u32 = 4_096;

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
    #[error("tile {0} lies outside the grid of its level")]
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
        let level = integer("z", z)?;
        let z = u16::try_from(&level).ok().filter(|z| u32::from(*z) <= MAX_TILE_LEVEL);
        let Some(z) = z else {
            return Err(Refused::new("z", format!("is more than {MAX_TILE_LEVEL}")).into());
        };
        let (x, y) = (integer("x", x)?, integer("y", y)?);
        let end = UBig::from(1_u8) << usize::from(z);
        match (x < end, y < end) {
            (true, true) => Ok(Self { z, x, y }),
            (false, _) => Err(TileError::OutsideGrid("x")),
            (true, false) => Err(TileError::OutsideGrid("y")),
        }
    }

    /// The square that the tile shows.
    ///
    /// # Panics
    ///
    /// Never: every address lies within the limits of viewports.
    #[must_use]
    pub fn viewport(&self) -> Viewport {
        // The middle lies (2x + 1) half sides from the left edge at -2.5; a half side is 2 / 2^z.
        let halves = |at: &UBig| IBig::from(at.clone()) * IBig::from(2) + IBig::from(1);
        let scale = usize::from(self.z);
        let power = self.z + 1;
        // In units of 2^-(z + 1): -2.5 is -5 * 2^z, a half side is 4.
        let re = halves(&self.x) * IBig::from(4) - (IBig::from(5) << scale);
        let im = (IBig::from(4) << scale) - halves(&self.y) * IBig::from(4);
        let centre = [Decimal::dyadic(&re, power), Decimal::dyadic(&im, power)];
        let zoom = Decimal::power_of_two(u32::from(self.z));
        Viewport::new(centre, zoom, [TILE_SIDE; 2]).expect("tiles lie within the limits")
    }
}

fn integer(field: &'static str, text: &str) -> Result<UBig, Refused> {
    if text.len() > MAX_DECIMAL_LEN {
        return Err(Refused::new(field, format!("has more than {MAX_DECIMAL_LEN} digits")));
    }
    let refused = || Refused::new(field, "is not a decimal integer");
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    UBig::from_str_radix(text, 10).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let long = "0".repeat(20_001);
        assert!(matches!(refused("1", &long, "0"), TileError::Refused(_)));
        assert!(TileAddress::parse("4096", "0", "0").is_ok());
    }
}
