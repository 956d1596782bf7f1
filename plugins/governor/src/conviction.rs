//! Conviction: stake that grows with the time it stands, `y = alpha y + stake` at each step.
//!
//! The rule: the closed form `y_t = stake (1 - alpha^t) / (1 - alpha)`, so that time costs nothing; whole numbers of
//! 2^-128 for the powers of alpha. After 1Hive's conviction voting.

use dashu_int::UBig;
use serde::{Serialize, Serializer};

use crate::fixed::{Ratio, Stake};
use crate::number::write_number;
use crate::power::Power;
use crate::time::{Span, Time};

/// Binary digits of a conviction after the point.
const FRACTION: u32 = 30;

/// How much of a conviction is left after a step: at most 0.999999999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alpha(Ratio);

impl Alpha {
    /// `None` above 0.999999999, where a conviction would outgrow its units.
    #[must_use]
    pub fn new(alpha: Ratio) -> Option<Self> {
        (alpha.units() <= Ratio::UNITS - 1_000).then_some(Self(alpha))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> Ratio {
        self.0
    }
}

/// An amount of conviction in units of 2^-30, which the greatest fits into. As JSON the nearest double.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conviction(u128);

impl Conviction {
    /// The nearest double.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / (1_u64 << FRACTION) as f64
    }
}

impl Serialize for Conviction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.as_f64(), serializer)
    }
}

/// Powers of an alpha by its power of two, as fractions of 2^128.
struct Powers {
    squares: Vec<u128>,
}

impl Powers {
    fn of(alpha: Alpha, greatest: u64) -> Self {
        let units = UBig::from(alpha.get().units());
        let first = (units << 128) / UBig::from(Ratio::UNITS);
        let first = u128::try_from(&first).expect("alpha is below one");
        let count = (u64::BITS - greatest.leading_zeros()).max(1);
        let mut squares = vec![first];
        for _ in 1..count {
            let last = squares[squares.len() - 1];
            squares.push(high(last, last));
        }
        Self { squares }
    }

    /// `start` after `steps` more; without a start, that is from one.
    fn after(&self, start: Option<u128>, steps: u64) -> Option<u128> {
        let chosen = self.squares.iter().enumerate().filter(|(bit, _)| steps >> bit & 1 == 1);
        chosen
            .fold(start, |product, (_, square)| Some(product.map_or(*square, |p| high(p, *square))))
    }
}

/// The upper half of the product: of two fractions of 2^128, their product.
const fn high(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a_high, a_low, b_high, b_low) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let middle = a_high * b_low + ((a_low * b_low) >> 64);
    let other = a_low * b_high + (middle & LOW);
    a_high * b_high + (middle >> 64) + (other >> 64)
}

/// The conviction at `now` of stakes that were cast at these times, which do not fall.
pub(crate) fn conviction(
    votes: &[(Time, Stake)],
    alpha: Alpha,
    step: Span,
    now: Time,
) -> Conviction {
    let steps = |cast: Time| now.steps_since(cast, step);
    let Some((first, _)) = votes.first() else { return Conviction::default() };
    let powers = Powers::of(alpha, steps(*first));
    let (mut walked, mut left, mut sum) = (0, None, 0);
    // From the newest to the oldest, so that each power follows from the one before.
    for (cast, stake) in votes.iter().rev() {
        let age = steps(*cast);
        left = powers.after(left, age - walked);
        walked = age;
        if let Some(left) = left {
            sum += high(u128::MAX - left, Power::of_stake(*stake).units());
        }
    }
    let rest = Ratio::UNITS - alpha.get().units();
    let whole = UBig::from(sum) * UBig::from(Ratio::UNITS) / UBig::from(rest);
    // Ones of a stake are 2^56 units of power. Half a unit is added, so that it is the nearest.
    let places = (Power::ONE.units().ilog2() - FRACTION) as usize;
    let nearest = (whole + (UBig::ONE << (places - 1))) >> places;
    Conviction(u128::try_from(&nearest).expect("alpha is bounded, so a conviction has 127 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: u32, stake: u64, alpha: f64) -> f64 {
        let alpha = Ratio::from_f64(alpha).and_then(Alpha::new).expect("an alpha");
        let cast = Time::from_s(1_000).expect("a time");
        let votes = [(cast, Stake::new(stake).expect("a stake"))];
        conviction(&votes, alpha, Span::from_s(1), cast.after(Span::from_s(steps))).as_f64()
    }

    #[test]
    fn the_published_examples_hold() {
        assert_eq!(after(10, 15_000, 0.9).round(), 97_698.0);
        assert_eq!(after(17_280, 15_000, 0.999_959_9).round(), 186_994_020.0);
    }

    #[test]
    fn it_is_what_the_steps_say() {
        for (alpha, stake, steps) in
            [(0.5, 7, 40), (0.9, 1, 1), (0.0, 9, 5), (0.999_999_999, 3, 1_000)]
        {
            let stepped = (0..steps).fold(0.0, |y: f64, _| alpha * y + stake as f64);
            let error = (after(steps, stake, alpha) - stepped).abs() / stepped;
            assert!(error < 1e-9, "{alpha} {stake} {steps}: {error}");
        }
        assert_eq!(after(0, 15_000, 0.9), 0.0);
        assert_eq!(after(1, 15_000, 0.9), 15_000.0);
        // Ten years at a step each second.
        let long = after(315_576_000, (1 << 53) - 1, 0.999_999_999);
        assert!((long / 2.43e24 - 1.0).abs() < 0.01, "{long}");
    }

    #[test]
    fn many_votes_are_the_sum_of_each() {
        let alpha = Alpha::new(Ratio::from_f64(0.97).expect("a ratio")).expect("an alpha");
        let start = Time::from_s(50).expect("a time");
        let cast = |i: u32| {
            (
                start.after(Span::from_s(i * i % 97 + i * 3)),
                Stake::new(u64::from(i) * 5).expect("a stake"),
            )
        };
        let mut votes: Vec<_> = (0..60).map(cast).collect();
        votes.sort();
        let now = start.after(Span::from_s(250));
        let each = |vote| conviction(&[vote], alpha, Span::from_s(2), now).as_f64();
        let sum: f64 = votes.iter().map(|vote| each(*vote)).sum();
        let together = conviction(&votes, alpha, Span::from_s(2), now).as_f64();
        assert!((sum - together).abs() < 1e-9 * sum, "{sum} {together}");
    }

    #[test]
    fn the_upper_half_is_that_of_the_product() {
        for (a, b) in
            [(u128::MAX, u128::MAX), (1 << 127, 3), (0, 5), (u128::MAX, 1), (1 << 64, 1 << 64)]
        {
            let product = (UBig::from(a) * UBig::from(b)) >> 128;
            assert_eq!(UBig::from(high(a, b)), product);
        }
    }
}
