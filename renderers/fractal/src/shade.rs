//! From a pixel's numbers to its light.
//!
//! The rule: a sample's light depends on its own numbers and its four neighbours', nothing else, so a
//! picture may be coloured in bands.

use crate::colour::Light;
use crate::{Channels, INTERIOR, Palette};

/// Palettes go round once while the square root of the count grows by this.
const ROUND: f32 = 8.0;
/// How steep counts are made to look.
const STEEPNESS: f32 = 0.6;
/// Where the light comes from: left, above, in front; of length 1.
const SUN: [f32; 3] = [-0.48, 0.6, 0.64];
/// The part of the light that comes from everywhere.
const AMBIENT: f32 = 0.45;

/// How the outside is lit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Relief {
    /// By the palette alone.
    Flat,
    /// As a slope of the count under light from the upper left.
    #[default]
    Slope,
    /// The same, and darker within a pixel of the set, by the distance estimate.
    Outlined,
}

/// How numbers become colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// The colours.
    pub palette: Palette,
    /// How fast they change; 1 is usual.
    pub density: f32,
    /// Where on the circle the lowest counts begin; 1 is once around.
    pub offset: f32,
    /// The light.
    pub relief: Relief,
}

impl Default for Style {
    fn default() -> Self {
        let (palette, relief) = (Palette::default(), Relief::default());
        Self { palette, density: 1.0, offset: 0.0, relief }
    }
}

impl Style {
    /// What a renderer has to compute for it.
    #[must_use]
    pub fn channels(&self) -> Channels {
        match self.relief {
            Relief::Flat | Relief::Slope => Channels::Smooth,
            Relief::Outlined => Channels::SmoothAndDistance,
        }
    }

    /// The light of a sample with a count, a distance in samples, and the counts of its neighbours to
    /// the left, right, above and below.
    #[inline]
    pub(crate) fn light(&self, mu: f32, distance: f32, around: [f32; 4]) -> Light {
        if mu == INTERIOR {
            return self.palette.inside();
        }
        let place = self.offset + self.density * mu.max(0.0).sqrt() / ROUND;
        let colour = self.palette.at(place);
        let mut strength = 1.0;
        if self.relief != Relief::Flat {
            // Beside the inside, and at the edge of what was rendered, the slope is taken one-sided.
            let [left, right, above, below] =
                around.map(|count| if count == INTERIOR { mu } else { count });
            let (dx, dy) = ((right - left) * STEEPNESS, (above - below) * STEEPNESS);
            let facing = SUN[2] - dx * SUN[0] - dy * SUN[1];
            let cosine = facing.max(0.0) / (1.0 + dx * dx + dy * dy).sqrt();
            // A level plane keeps its colour.
            strength = AMBIENT + (1.0 - AMBIENT) / SUN[2] * cosine;
        }
        if self.relief == Relief::Outlined {
            strength *= (distance * 0.5).clamp(0.05, 1.0);
        }
        colour.map(|part| (part * strength).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_plane_keeps_its_colour() {
        let style = Style::default();
        let flat = Style { relief: Relief::Flat, ..style.clone() };
        let level = [30.0; 4];
        let (lit, plain) = (style.light(30.0, 9.0, level), flat.light(30.0, 9.0, level));
        assert!((0..3).all(|i| (lit[i] - plain[i]).abs() < 1e-6));
    }

    #[test]
    fn light_comes_from_the_upper_left() {
        let style = Style::default();
        // Higher to the right: the slope faces left.
        let towards: f32 = style.light(30.0, 9.0, [29.0, 31.0, 30.0, 30.0]).iter().sum();
        let away: f32 = style.light(30.0, 9.0, [31.0, 29.0, 30.0, 30.0]).iter().sum();
        assert!(towards > away, "{towards} {away}");
    }

    #[test]
    fn outlines_are_dark_and_the_inside_is_itself() {
        let style = Style { relief: Relief::Outlined, ..Style::default() };
        let at = |distance| style.light(30.0, distance, [30.0; 4]).iter().sum::<f32>();
        assert!(at(0.1) < at(1.0) && at(1.0) < at(5.0));
        assert_eq!(style.light(INTERIOR, 0.0, [30.0; 4]), style.palette.inside());
        assert_eq!(style.channels(), Channels::SmoothAndDistance);
    }
}
