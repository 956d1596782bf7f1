//! The iterated formulas.
//!
//! The rule: every formula squares (after a reflection, perhaps) and adds a constant, so an orbit past
//! radius 2 escapes, and one critical point, zero, decides about interiors.

use crate::{Decimal, Refused};

/// What is iterated: `z_(n+1) = f(z_n) + c`.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum Formula {
    /// `z^2 + c`, `z_0 = 0`, `c` the pixel.
    Mandelbrot,
    /// `z^2 + c`, `z_0` the pixel, `c` the same for all.
    Julia {
        /// Real part of the constant.
        re: Decimal,
        /// Imaginary part of the constant.
        im: Decimal,
    },
    /// `(|x| + i|y|)^2 + c`, `z_0 = 0`, `c` the pixel.
    BurningShip,
    /// `conj(z)^2 + c`, `z_0 = 0`, `c` the pixel.
    Tricorn,
}

impl Formula {
    /// The names that [`Formula::parse`] knows.
    pub const NAMES: [&'static str; 4] = ["mandelbrot", "julia", "burning-ship", "tricorn"];

    /// The constant of [`Formula::parse`] where a Julia set is asked for without one: `-0.8 + 0.156i`.
    #[must_use]
    pub fn default_constant() -> [Decimal; 2] {
        use dashu_int::IBig;
        [Decimal::new(IBig::from(-8), -1), Decimal::new(IBig::from(156), -3)]
    }

    /// A formula by name; `constant` is the Julia set's and ignored by the others.
    ///
    /// # Errors
    ///
    /// `formula` for an unknown name, `c` for a constant outside the circle of radius 2, where Julia
    /// sets are dust.
    pub fn parse(name: &str, constant: Option<[Decimal; 2]>) -> Result<Self, Refused> {
        match name {
            "mandelbrot" => Ok(Self::Mandelbrot),
            "julia" => {
                let [re, im] = constant.unwrap_or_else(Self::default_constant);
                Self::julia(re, im)
            }
            "burning-ship" => Ok(Self::BurningShip),
            "tricorn" => Ok(Self::Tricorn),
            _ => Err(Refused::new("formula", format!("is none of {}", Self::NAMES.join(", ")))),
        }
    }

    /// Reads a Julia set's constant, `RE,IM`.
    ///
    /// # Errors
    ///
    /// `c` for anything else.
    pub fn parse_constant(text: &str) -> Result<[Decimal; 2], Refused> {
        let refused = |problem: String| Refused::new("c", problem);
        let (re, im) =
            text.split_once(',').ok_or_else(|| refused("is not of the form RE,IM".to_owned()))?;
        let number = |text: &str| Decimal::parse(text.trim()).map_err(|e| refused(e.to_string()));
        Ok([number(re)?, number(im)?])
    }

    /// The Julia set of a constant.
    ///
    /// # Errors
    ///
    /// `c` for a constant outside the circle of radius 2.
    pub fn julia(re: Decimal, im: Decimal) -> Result<Self, Refused> {
        let (x, y) = (re.to_f64(), im.to_f64());
        if x * x + y * y > crate::RADIUS_SQR {
            return Err(Refused::new("c", "lies outside the circle of radius 2"));
        }
        Ok(Self::Julia { re, im })
    }

    /// The name that [`Formula::parse`] reads.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mandelbrot => "mandelbrot",
            Self::Julia { .. } => "julia",
            Self::BurningShip => "burning-ship",
            Self::Tricorn => "tricorn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in Formula::NAMES {
            assert_eq!(Formula::parse(name, None).unwrap().name(), name);
        }
        assert_eq!(Formula::parse("newton", None).unwrap_err().field, "formula");
    }

    #[test]
    fn a_constant_far_out_is_refused() {
        let far = [Decimal::from(2), Decimal::from(1)];
        assert_eq!(Formula::parse("julia", Some(far)).unwrap_err().field, "c");
        assert!(Formula::parse("julia", Some([Decimal::from(-2), Decimal::from(0)])).is_ok());
    }
}
