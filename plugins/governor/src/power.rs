//! What a vote weighs, and what many weigh together.
//!
//! The rule: whole units of 2^-56, always rounded down, so that a sum does not depend on the order and lies less than a
//! unit for each vote below the true one. Stakes of 2^53 of 16,384 members take 123 bits.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use dashu_int::UBig;
use dashu_int::ops::SquareRoot as _;
use serde::{Serialize, Serializer};

use crate::fixed::{Ratio, Stake};
use crate::number::write_number;

/// Binary digits after the point.
const FRACTION: u32 = 56;

/// An amount of power: stakes, votes or roots of stakes, in units of 2^-56. As JSON the nearest double.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Power(u128);

impl Power {
    /// None.
    pub const ZERO: Self = Self(0);
    /// That of one member where members count.
    pub const ONE: Self = Self(1 << FRACTION);

    /// As much as the stake.
    #[must_use]
    pub const fn of_stake(stake: Stake) -> Self {
        Self((stake.get() as u128) << FRACTION)
    }

    /// The square root of the stake.
    #[must_use]
    pub fn root_of(stake: Stake) -> Self {
        Self(narrow(&(UBig::from(stake.get()) << (2 * FRACTION) as usize).sqrt()))
    }

    /// The square root of this `part` in `whole` of the stake.
    pub(crate) fn root_of_part(stake: Stake, part: u64, whole: u128) -> Self {
        let product = UBig::from(u128::from(stake.get()) * u128::from(part));
        Self(narrow(&((product << (2 * FRACTION) as usize) / UBig::from(whole)).sqrt()))
    }

    /// This `part` in `whole`.
    pub(crate) fn part(self, part: u64, whole: u128) -> Self {
        Self(narrow(&(UBig::from(self.0) * UBig::from(part) / UBig::from(whole))))
    }

    /// `number` of the smallest units: how far a sum of so many may lie below the true one.
    pub(crate) const fn of_units(number: u32) -> Self {
        Self(number as u128)
    }

    /// Whether it is at least this share of `whole`.
    pub(crate) fn reaches(self, share: Ratio, whole: Self) -> bool {
        UBig::from(self.0) * UBig::from(Ratio::UNITS)
            >= UBig::from(whole.0) * UBig::from(share.units())
    }

    /// `self` divided in proportion to the squares of `roots`.
    pub(crate) fn divided_by_squares(self, roots: &[Self]) -> Vec<Self> {
        let squares: Vec<UBig> = roots.iter().map(|root| UBig::from(root.0).sqr()).collect();
        let sum: UBig = squares.iter().sum();
        if sum == UBig::ZERO {
            return vec![Self::ZERO; roots.len()];
        }
        let whole = UBig::from(self.0);
        squares.iter().map(|square| Self(narrow(&(square * &whole / &sum)))).collect()
    }

    /// The nearest double.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / (1_u64 << FRACTION) as f64
    }

    pub(crate) const fn units(self) -> u128 {
        self.0
    }
}

fn narrow(wide: &UBig) -> u128 {
    u128::try_from(wide).expect("the bounds on stakes and members keep powers within 123 bits")
}

impl Add for Power {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Power {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Power {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Power {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Sum for Power {
    fn sum<I: Iterator<Item = Self>>(powers: I) -> Self {
        powers.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Power {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.as_f64(), serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_MEMBERS, NUMBER_LIMIT};

    fn stake(stake: u64) -> Stake {
        Stake::new(stake).expect("a stake")
    }

    #[test]
    fn roots_are_exact_to_the_unit() {
        for whole in [0, 1, 2, 3, 94_906_265] {
            assert_eq!(Power::root_of(stake(whole * whole)).as_f64(), whole as f64);
        }
        let root = Power::root_of(stake(2));
        assert_eq!(root.as_f64(), 2_f64.sqrt());
        let square = UBig::from(root.0).sqr();
        assert!(
            square < UBig::from(2_u8) << 112
                && UBig::from(root.0 + 1).sqr() > UBig::from(2_u8) << 112
        );
        assert_eq!(Power::root_of_part(stake(6), 1, 3), root);
    }

    #[test]
    fn ten_thousand_roots_of_the_greatest_stake_are_off_by_far_less_than_a_billionth() {
        let root = Power::root_of(stake(NUMBER_LIMIT - 1));
        let members = 10_000_u32;
        let sum = Power(root.0 * u128::from(members));
        // The true sum lies between this and one unit more for each.
        let true_sum = ((UBig::from(NUMBER_LIMIT - 1) * UBig::from(members).sqr()) << 112).sqrt();
        let error = true_sum - UBig::from(sum.0);
        assert!(error <= UBig::from(members), "{error} units");
        assert!(f64::from(members) / 2_f64.powi(56) < 1e-12);
    }

    #[test]
    fn the_greatest_sums_fit() {
        let all = Power(Power::of_stake(stake(NUMBER_LIMIT - 1)).0 * MAX_MEMBERS as u128);
        assert!(all.reaches(Ratio::ONE, all));
        assert!(!all.reaches(Ratio::ONE, all + Power(1)));
        assert_eq!(all.part(3, 3), all);
        assert_eq!(all.divided_by_squares(&[Power(all.0 >> 26), Power::ZERO]), [all, Power::ZERO]);
        assert_eq!(all.divided_by_squares(&[Power::ZERO]), [Power::ZERO]);
    }
}
