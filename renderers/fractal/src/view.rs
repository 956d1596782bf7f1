//! Which points a picture shows.
//!
//! The rule: a [`Viewport`] that exists lies inside the stated limits, and what is refused names its
//! field.

use dashu_int::{IBig, UBig};

use crate::{Decimal, FloatExp, Formula, Precision};

/// The largest width or height, in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// The largest number of pixels.
pub const MAX_PIXELS: u64 = 1 << 26;
/// The largest iteration limit. A reference orbit is kept whole, and with the leaps over it takes up to
/// 220 bytes a step.
pub const MAX_ITER: u32 = 10_000_000;
/// The centre lies in the square of this half side.
pub const MAX_CENTRE: i32 = 1_000;
/// The deepest zoom, as a power of ten.
pub const MAX_ZOOM_LOG10: i32 = 10_000;
/// The widest zoom, as a power of ten.
pub const MIN_ZOOM_LOG10: i32 = -4;

/// What was wrong with a request, and with which field of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Refused {
    /// The field, by the name that users write.
    pub field: &'static str,
    /// The rest of the sentence that begins with the field.
    pub problem: String,
}

impl Refused {
    /// `problem` continues a sentence that begins with `field`.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

/// A rectangle of pixels around a centre. Pixel `(x, y)` stands for the point
/// `re + (x + 1/2 - width/2) d`, `im - (y + 1/2 - height/2) d` with `d = 4 / (zoom height)`.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct Viewport {
    re: Decimal,
    im: Decimal,
    zoom: Decimal,
    width: u32,
    height: u32,
}

impl Viewport {
    /// A viewport within the limits.
    ///
    /// # Errors
    ///
    /// `re`, `im`, `zoom`, `width` or `height`, whichever is outside its limits first.
    pub fn new(
        [re, im]: [Decimal; 2],
        zoom: Decimal,
        [width, height]: [u32; 2],
    ) -> Result<Self, Refused> {
        for (field, side) in [("width", width), ("height", height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return Err(Refused::new(field, format!("is not within 1..={MAX_SIDE}")));
            }
        }
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let problem = format!("times height is more than {MAX_PIXELS} pixels");
            return Err(Refused::new("width", problem));
        }
        for (field, value) in [("re", &re), ("im", &im)] {
            if value.to_f64().abs() > f64::from(MAX_CENTRE) {
                return Err(Refused::new(field, format!("is not within {MAX_CENTRE} of zero")));
            }
        }
        let log10 = zoom.to_float_exp().log2() * std::f64::consts::LOG10_2;
        let limits = f64::from(MIN_ZOOM_LOG10)..=f64::from(MAX_ZOOM_LOG10);
        if zoom.signum() <= 0 || !limits.contains(&log10) {
            let problem = format!("is not within 1e{MIN_ZOOM_LOG10} and 1e{MAX_ZOOM_LOG10}");
            return Err(Refused::new("zoom", problem));
        }
        Ok(Self { re, im, zoom, width, height })
    }

    /// Reads a viewport from the texts that users write.
    ///
    /// # Errors
    ///
    /// As [`Viewport::new`], and for texts that are no decimal numbers.
    pub fn parse(
        [re, im]: [&str; 2],
        zoom: &str,
        [width, height]: [u32; 2],
    ) -> Result<Self, Refused> {
        let number = |field, text| {
            Decimal::parse(text).map_err(|error| Refused::new(field, error.to_string()))
        };
        let centre = [number("re", re)?, number("im", im)?];
        Self::new(centre, number("zoom", zoom)?, [width, height])
    }

    /// The view of the whole set: 4 units high around `-0.5`.
    ///
    /// # Errors
    ///
    /// `width` or `height` outside the limits.
    pub fn whole(size: [u32; 2]) -> Result<Self, Refused> {
        Self::new([Decimal::new(IBig::from(-5), -1), Decimal::from(0)], Decimal::from(1), size)
    }

    /// The same rectangle of the plane with `samples` by `samples` points for each pixel; the limits
    /// on sides and pixels do not hold for it, since it is rendered in bands.
    #[must_use]
    pub fn supersampled(&self, samples: u16) -> Self {
        let samples = u32::from(samples.max(1));
        Self { width: self.width * samples, height: self.height * samples, ..self.clone() }
    }

    /// Pixels from left to right.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Real and imaginary part of the middle.
    #[must_use]
    pub fn centre(&self) -> [&Decimal; 2] {
        [&self.re, &self.im]
    }

    /// The zoom; at 1 the picture is 4 units high.
    #[must_use]
    pub fn zoom(&self) -> &Decimal {
        &self.zoom
    }

    /// The distance between neighbouring pixels, `4 / (zoom height)`.
    #[must_use]
    pub fn spacing(&self) -> FloatExp {
        FloatExp::from(4.0)
            * (self.zoom.to_float_exp() * FloatExp::from(f64::from(self.height))).recip()
    }

    /// Half the diagonal: no pixel is farther from the middle.
    #[must_use]
    pub fn radius(&self) -> FloatExp {
        let half = f64::from(self.width).hypot(f64::from(self.height)) / 2.0;
        self.spacing() * FloatExp::from(half)
    }

    /// Binary places that tell the points of neighbouring pixels apart, with 80 to spare for the
    /// roundings of a long orbit.
    #[must_use]
    pub fn bits(&self) -> usize {
        (-self.spacing().exponent()).max(0) as usize + 80
    }

    /// The point of a pixel in units of `2^-bits`, rounded down.
    #[must_use]
    pub fn point(&self, x: u32, y: u32, bits: usize) -> [IBig; 2] {
        // (x + 1/2 - w/2) d = 2 (2x + 1 - w) / (zoom h), over integers.
        let (digits, exponent) = self.zoom.parts();
        let power = IBig::from(UBig::from(10_u8).pow(exponent.unsigned_abs() as usize));
        let (numerator, denominator) = match exponent {
            0.. => (IBig::from(1), digits * power),
            _ => (power, digits.clone()),
        };
        let denominator = denominator * IBig::from(self.height);
        let offset = |at: u32, side: u32| {
            let steps = IBig::from(2 * i64::from(at) + 1 - i64::from(side));
            crate::fixed::div_floor(&((steps * &numerator) << (bits + 1)), &denominator)
        };
        [
            self.re.to_fixed(bits) + offset(x, self.width),
            self.im.to_fixed(bits) - offset(y, self.height),
        ]
    }

    /// The points in doubles, for spacings that doubles can tell apart.
    #[must_use]
    pub fn lattice(&self) -> Lattice {
        Lattice {
            re: self.re.to_f64(),
            im: self.im.to_f64(),
            spacing: self.spacing().to_f64(),
            half: [f64::from(self.width) / 2.0, f64::from(self.height) / 2.0],
        }
    }
}

/// The points of a viewport as doubles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lattice {
    re: f64,
    im: f64,
    spacing: f64,
    half: [f64; 2],
}

impl Lattice {
    /// Real part of the points in column `x`.
    #[must_use]
    pub fn re(&self, x: u32) -> f64 {
        (f64::from(x) + 0.5 - self.half[0]).mul_add(self.spacing, self.re)
    }

    /// Imaginary part of the points in row `y`.
    #[must_use]
    pub fn im(&self, y: u32) -> f64 {
        (self.half[1] - 0.5 - f64::from(y)).mul_add(self.spacing, self.im)
    }

    /// The distance between neighbours.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        self.spacing
    }
}

/// A rectangle of a viewport's pixels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Region {
    /// All pixels of a viewport.
    #[must_use]
    pub fn all(viewport: &Viewport) -> Self {
        Self { x: 0, y: 0, width: viewport.width, height: viewport.height }
    }

    /// The same with one more pixel on every side, for the light at its edge.
    ///
    /// # Panics
    ///
    /// When it begins at the edge of its viewport.
    #[must_use]
    pub fn with_margin(self) -> Self {
        let Self { x, y, width, height } = self;
        Self { x: x - 1, y: y - 1, width: width + 2, height: height + 2 }
    }

    /// How many pixels.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Whether it lies inside a viewport.
    #[must_use]
    pub fn is_within(&self, viewport: &Viewport) -> bool {
        let end = |start: u32, len: u32| u64::from(start) + u64::from(len);
        end(self.x, self.width) <= u64::from(viewport.width)
            && end(self.y, self.height) <= u64::from(viewport.height)
    }
}

/// A viewport and what is iterated in it: everything that a pixel's value depends on.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct View {
    viewport: Viewport,
    formula: Formula,
    max_iter: u32,
}

impl View {
    /// A view; without a limit on iterations [`default_max_iter`] chooses one.
    ///
    /// # Errors
    ///
    /// `max_iter` outside `1..=MAX_ITER`.
    pub fn new(
        viewport: Viewport,
        formula: Formula,
        max_iter: Option<u64>,
    ) -> Result<Self, Refused> {
        let max_iter = max_iter.unwrap_or_else(|| u64::from(default_max_iter(viewport.zoom())));
        match u32::try_from(max_iter) {
            Ok(max_iter @ 1..=MAX_ITER) => Ok(Self { viewport, formula, max_iter }),
            _ => Err(Refused::new("max_iter", format!("is not within 1..={MAX_ITER}"))),
        }
    }

    /// The viewport.
    #[must_use]
    pub fn viewport(&self) -> &Viewport {
        &self.viewport
    }

    /// The formula.
    #[must_use]
    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// An orbit that is within radius 2 after this many steps counts as interior.
    #[must_use]
    pub fn max_iter(&self) -> u32 {
        self.max_iter
    }

    /// The arithmetic that the view needs.
    #[must_use]
    pub fn precision(&self) -> Precision {
        Precision::of(self)
    }

    /// The same view with more points, see [`Viewport::supersampled`].
    #[must_use]
    pub fn supersampled(&self, samples: u16) -> Self {
        Self { viewport: self.viewport.supersampled(samples), ..self.clone() }
    }
}

/// An iteration limit for a zoom when none is given: 1,000 for the whole set, 100 more for each
/// halving of the picture's height over the first fifty, 300 for each beyond. The structures around
/// the small copies that people zoom into escape after a small multiple of the copy's period, and that
/// period grows in proportion to the number of halvings.
#[must_use]
pub fn default_max_iter(zoom: &Decimal) -> u32 {
    let halvings = zoom.to_float_exp().log2().max(0.0);
    let limit = 1_000.0 + 100.0 * halvings + 200.0 * (halvings - 50.0).max(0.0);
    (limit as u32).min(MAX_ITER)
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;
