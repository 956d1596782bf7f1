//! A flight: from view to view, as a camera would go.
//!
//! The rule: magnification grows or shrinks at a constant rate on each leg, the goal glides to the middle
//! of the picture and stays there, and every stop is met exactly, at any depth.

use dashu_int::IBig;

use crate::fixed::FixedComplex;
use crate::{ComplexExp, Decimal, FloatExp, Refused, Viewport};

/// The most frames of a flight.
pub const MAX_FRAMES: u32 = 100_000;
/// The most stops of a flight.
pub const MAX_STOPS: usize = 1_000;
/// How many pictures apart two stops may lie, at the zoom of the wider one: beyond, nothing of the way
/// could be recognised.
const MAX_PICTURES: f64 = 100.0;

/// A way through views of one size.
#[derive(Clone, Debug)]
pub struct Flight {
    stops: Vec<Viewport>,
    legs: Vec<Leg>,
}

/// The way from one stop to the next.
#[derive(Clone, Debug)]
struct Leg {
    /// Doublings of the zoom on the way; negative where the picture widens.
    doublings: f64,
    /// From the deeper stop to the wider.
    apart: ComplexExp,
    /// The part of the flight that lies before it, and with it.
    from: f64,
    to: f64,
}

impl Flight {
    /// A flight through stops; the time between two is what it takes to double or halve the zoom at the
    /// same rate everywhere, and to cross the pictures between them.
    ///
    /// # Errors
    ///
    /// `path` with fewer than two or more than [`MAX_STOPS`] stops, with stops of different sizes, with
    /// two that are the same, or with two that are too far apart for the wider one.
    pub fn new(stops: Vec<Viewport>) -> Result<Self, Refused> {
        let refused = |problem: String| Err(Refused::new("path", problem));
        if !(2..=MAX_STOPS).contains(&stops.len()) {
            return refused(format!("has {} stops, not 2 to {MAX_STOPS}", stops.len()));
        }
        let mut legs = Vec::with_capacity(stops.len() - 1);
        let mut length = 0.0;
        for (at, pair) in stops.windows(2).enumerate() {
            let (from, to) = (&pair[0], &pair[1]);
            if (from.width(), from.height()) != (to.width(), to.height()) {
                return refused(format!("changes its size after stop {}", at + 1));
            }
            let mut leg = Leg::between(from, to);
            let pictures = leg.pictures(from);
            if pictures > MAX_PICTURES {
                return refused(format!(
                    "leads over more than {MAX_PICTURES} pictures after stop {}: put a stop with less \
                     zoom between",
                    at + 1
                ));
            }
            leg.from = length;
            length += leg.doublings.abs() + pictures;
            leg.to = length;
            if leg.from == leg.to {
                return refused(format!("does not move after stop {}", at + 1));
            }
            legs.push(leg);
        }
        for leg in &mut legs {
            (leg.from, leg.to) = (leg.from / length, leg.to / length);
        }
        Ok(Self { stops, legs })
    }

    /// What is seen in frame `index` of `frames`, the first stop in the first and the last in the last.
    ///
    /// # Panics
    ///
    /// When there are more than [`MAX_FRAMES`], fewer than 2, or not so many as `index`.
    #[must_use]
    pub fn frame(&self, index: u32, frames: u32) -> Viewport {
        assert!((2..=MAX_FRAMES).contains(&frames) && index < frames, "a frame of the flight");
        let part = f64::from(index) / f64::from(frames - 1);
        let leg = self.legs.iter().position(|leg| part < leg.to);
        let Some(leg) = leg else { return self.stops[self.legs.len()].clone() };
        let (from, to) = (self.legs[leg].from, self.legs[leg].to);
        self.legs[leg].at((part - from) / (to - from), &self.stops[leg], &self.stops[leg + 1])
    }
}

impl Leg {
    fn between(from: &Viewport, to: &Viewport) -> Self {
        let doublings = log2_zoom(to) - log2_zoom(from);
        let (wide, deep) = if doublings < 0.0 { (to, from) } else { (from, to) };
        let bits = deep.bits();
        let [wide, deep] = [wide, deep].map(|stop| fixed(stop, bits));
        let apart = FixedComplex { re: wide.re - deep.re, im: wide.im - deep.im };
        Self { doublings, apart: apart.to_complex_exp(bits), from: 0.0, to: 0.0 }
    }

    /// How many heights of the wider picture its ends lie apart.
    fn pictures(&self, from: &Viewport) -> f64 {
        let wider = log2_zoom(from) + self.doublings.min(0.0);
        // A picture is 4 / zoom high.
        (self.apart.abs().log2() + wider - 2.0).exp2()
    }

    /// What is seen after a part of the leg.
    fn at(&self, part: f64, from: &Viewport, to: &Viewport) -> Viewport {
        if part <= 0.0 {
            return from.clone();
        }
        // A way out is a way in, seen backwards.
        let (wide, deep, way_in) = match self.doublings < 0.0 {
            true => (to, from, 1.0 - part),
            false => (from, to, part),
        };
        let doublings = self.doublings.abs();
        let done = doublings * way_in;
        let zoom = decimal_exp2(log2_zoom(wide) + done);
        let size = [from.width(), from.height()];
        let seen = Viewport::new(deep.centre().map(Clone::clone), zoom, size);
        let seen = seen.expect("between two zooms within the limits lie others");
        let left = self.apart.times(FloatExp::from(off_centre(way_in, doublings)) * exp2(-done));
        let bits = seen.bits();
        let goal = fixed(deep, bits);
        let centre = [goal.re + left.re().to_fixed(bits), goal.im + left.im().to_fixed(bits)];
        let power = u16::try_from(bits).expect("the deepest zoom has 33,220 bits");
        let centre = centre.map(|part| Decimal::dyadic(&part, power));
        Viewport::new(centre, seen.zoom().clone(), size)
            .expect("between two centres within the limits lie others")
    }
}

/// How far the goal of a leg of some doublings is from the middle of the picture after a part of it, as a
/// part of the distance at the beginning. It begins and ends at rest, so that legs join without a jerk,
/// and is small after three doublings, so that what follows is a straight way in.
fn off_centre(part: f64, doublings: f64) -> f64 {
    let lost = |doublings: f64| (-doublings * std::f64::consts::LN_2).exp_m1();
    let done = match doublings {
        0.0 => part,
        _ => lost(part * doublings) / lost(doublings),
    };
    (1.0 - done).powi(2) * (1.0 + 2.0 * done)
}

fn log2_zoom(viewport: &Viewport) -> f64 {
    viewport.zoom().to_float_exp().log2()
}

fn fixed(viewport: &Viewport, bits: usize) -> FixedComplex {
    let [re, im] = viewport.centre().map(|part| part.to_fixed(bits));
    FixedComplex { re, im }
}

fn exp2(power: f64) -> FloatExp {
    FloatExp::new((power - power.floor()).exp2(), power.floor() as i64)
}

/// `2^power` with the digits that a double has.
fn decimal_exp2(power: f64) -> Decimal {
    let power = power * std::f64::consts::LOG10_2;
    let digits = 10_f64.powf(power - power.floor() + 15.0).round() as i64;
    Decimal::new(IBig::from(digits), power.floor() as i32 - 15)
}

#[cfg(test)]
mod tests;
