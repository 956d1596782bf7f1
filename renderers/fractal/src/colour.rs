//! Colours as light and as people see them.
//!
//! The rule: colours are mixed in OKLab (B. Ottosson, "A perceptual color space for image processing",
//! 2020) and light is added up linearly; sRGB's curve is applied last.

use std::sync::LazyLock;

/// Amounts of red, green and blue light, 0 to 1.
pub(crate) type Light = [f32; 3];

/// Light below this is black in sRGB bytes.
const DARKEST: f32 = 1.0 / 8_192.0;
/// Binary digits of a light that its byte does not depend on; ten remain behind the point.
const CURVE_SHIFT: u32 = 13;

/// A colour given by the bytes that style sheets write, as light.
pub(crate) fn from_srgb(hex: u32) -> Light {
    [16, 8, 0].map(|shift| {
        let value = (hex >> shift & 0xff) as f32 / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    })
}

/// Lightness and the two opponent axes of OKLab.
pub(crate) fn to_oklab([r, g, b]: Light) -> [f32; 3] {
    let l = (0.412_221_47 * r + 0.536_332_54 * g + 0.051_445_993 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_84 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// The light of an OKLab colour, cut off where screens end.
pub(crate) fn from_oklab([lightness, a, b]: [f32; 3]) -> Light {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
    .map(|part| part.clamp(0.0, 1.0))
}

/// From light to sRGB bytes.
pub(crate) struct Curve {
    /// Indexed by exponent and first digits of the light: as fine for dark shades as for bright ones.
    bytes: Vec<u8>,
}

impl Curve {
    fn new() -> Self {
        let byte = |step: u32| {
            // The middle of the lights that share an index.
            let light = f32::from_bits((step << CURVE_SHIFT) + (1 << (CURVE_SHIFT - 1)));
            let value = if light <= 0.003_130_8 {
                light * 12.92
            } else {
                1.055 * light.powf(1.0 / 2.4) - 0.055
            };
            (value.min(1.0) * 255.0 + 0.5) as u8
        };
        Self { bytes: (index(DARKEST)..=index(1.0)).map(byte).collect() }
    }

    /// The curve, made once.
    pub(crate) fn get() -> &'static Self {
        static CURVE: LazyLock<Curve> = LazyLock::new(Curve::new);
        &CURVE
    }

    #[inline]
    pub(crate) fn encode(&self, light: Light) -> [u8; 3] {
        light.map(|part| self.bytes[(index(part.clamp(DARKEST, 1.0)) - index(DARKEST)) as usize])
    }
}

#[inline]
const fn index(light: f32) -> u32 {
    light.to_bits() >> CURVE_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_journey() {
        let curve = Curve::get();
        for value in 0..=255_u32 {
            let hex = (value << 16) | ((255 - value) << 8) | (value / 2);
            let light = from_srgb(hex);
            let [r, g, b] = curve.encode(light);
            assert_eq!(u32::from_be_bytes([0, r, g, b]), hex);
            let back = from_oklab(to_oklab(light));
            assert!((0..3).all(|i| (back[i] - light[i]).abs() < 1e-4), "{hex:06x} {back:?}");
        }
    }

    #[test]
    fn white_has_full_lightness_and_no_tint() {
        let [lightness, a, b] = to_oklab([1.0; 3]);
        assert!((lightness - 1.0).abs() < 1e-4 && a.abs() < 1e-4 && b.abs() < 1e-4);
    }
}
