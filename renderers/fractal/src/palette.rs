//! Named rows of colours.
//!
//! The rule: a palette is a closed circle, so that counts may go round as often as they like without
//! an edge.

use std::sync::{Arc, LazyLock};

use crate::Refused;
use crate::colour::{Light, from_oklab, from_srgb, to_oklab};

/// Entries of a palette's table, a power of two.
const STEPS: usize = 2_048;

/// A name, the inside's colour, and the stops of the circle.
type Definition = (&'static str, u32, &'static [u32]);

const DEFINITIONS: &[Definition] = &[
    (
        "shimmer",
        0x05_06_0f,
        &[0x0b_1a_4a, 0x2b_6c_c4, 0xd8_f1_ff, 0xff_d9_8a, 0xd9_6b_2b, 0x4a_12_3c],
    ),
    (
        "ember",
        0x08_02_02,
        &[0x1a_04_08, 0x7a_12_10, 0xe2_5a_12, 0xff_d0_6a, 0xff_f8_e0, 0x9c_3a_20],
    ),
    (
        "ocean",
        0x01_06_0c,
        &[0x02_1b_2e, 0x06_5a_7c, 0x1f_b5_b5, 0xc8_f7_e4, 0x4a_8f_d0, 0x0d_2f_5f],
    ),
    (
        "aurora",
        0x04_04_0a,
        &[0x0a_10_2a, 0x10_6b_5a, 0x5c_e6_8c, 0xe8_ff_d0, 0xb0_6a_e0, 0x35_1a_66],
    ),
    (
        "orchid",
        0x09_03_0c,
        &[0x1c_0a_2e, 0x6d_2a_8c, 0xe0_6a_b8, 0xff_e6_f0, 0x9a_c8_f0, 0x2c_4a_90],
    ),
    (
        "slate",
        0x00_00_00,
        &[0x10_10_12, 0x50_54_5c, 0xb4_b8_c0, 0xff_ff_ff, 0x90_94_9c, 0x30_32_38],
    ),
];

/// A circle of colours and one for the inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette {
    name: &'static str,
    inside: Light,
    circle: Arc<[Light]>,
}

impl Palette {
    /// The names of all palettes, the default first.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        DEFINITIONS.iter().map(|(name, ..)| *name).collect()
    }

    /// A palette by name.
    ///
    /// # Errors
    ///
    /// `palette` for an unknown name.
    pub fn named(name: &str) -> Result<Self, Refused> {
        let found = Self::all().iter().find(|known| known.name == name).cloned();
        found.ok_or_else(|| {
            Refused::new("palette", format!("is none of {}", Self::names().join(", ")))
        })
    }

    /// All of them, made once.
    fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Palette>> =
            LazyLock::new(|| DEFINITIONS.iter().map(Palette::new).collect());
        &ALL
    }

    fn new((name, inside, stops): &Definition) -> Self {
        let stops: Vec<[f32; 3]> = stops.iter().map(|hex| to_oklab(from_srgb(*hex))).collect();
        let at = |step: usize| {
            let place = step as f32 / STEPS as f32 * stops.len() as f32;
            let (stop, part) = (place as usize, place.fract());
            // Smooth at the stops as well, where straight lines would show as bands.
            let part = part * part * (3.0 - 2.0 * part);
            let (from, to) = (stops[stop % stops.len()], stops[(stop + 1) % stops.len()]);
            from_oklab([0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * part))
        };
        Self { name, inside: from_srgb(*inside), circle: (0..STEPS).map(at).collect() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The inside's light.
    pub(crate) fn inside(&self) -> Light {
        self.inside
    }

    /// The light at a place on the circle; 1 is once around.
    #[inline]
    pub(crate) fn at(&self, place: f32) -> Light {
        // Through i64, so that any count goes round instead of sticking at the end.
        self.circle[(place * STEPS as f32) as i64 as usize & (STEPS - 1)]
    }
}

impl Default for Palette {
    fn default() -> Self {
        Self::all()[0].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_palette() {
        for name in Palette::names() {
            assert_eq!(Palette::named(name).unwrap().name(), name);
        }
        assert_eq!(Palette::named("plaid").unwrap_err().field, "palette");
        assert_eq!(Palette::default().name(), Palette::names()[0]);
    }

    #[test]
    fn the_circle_has_no_edge() {
        for name in Palette::names() {
            let palette = Palette::named(name).unwrap();
            for step in 0..STEPS {
                let place = step as f32 / STEPS as f32;
                let (here, next) = (palette.at(place), palette.at(place + 1.0 / STEPS as f32));
                assert!((0..3).all(|i| (here[i] - next[i]).abs() < 0.02), "{name} {step}");
                assert_eq!(here, palette.at(place + 3.0));
            }
        }
    }
}
