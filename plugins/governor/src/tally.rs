//! What the votes of a proposal add up to.
//!
//! The rule: a vote adds to running sums, so that reading them costs the same after one vote and after all; a lead
//! within what rounding could have made is no lead.

use crate::fixed::{Ratio, Stake};
use crate::power::Power;
use crate::spec::{Spec, Strategy};
use crate::vote::Choice;

/// Running sums.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) votes: u32,
    /// Of those for it; with several options, of those for any.
    pub(crate) for_: Power,
    pub(crate) against: Power,
    pub(crate) abstain: Power,
    /// By option, where there are several. Under Snapshot's quadratic voting the sum of roots.
    options: Vec<Power>,
}

impl Tally {
    pub(crate) fn new(spec: &Spec) -> Self {
        let count = if spec.is_yes_no() { 0 } else { spec.options.len() };
        let (for_, against, abstain) = (Power::ZERO, Power::ZERO, Power::ZERO);
        Self { votes: 0, for_, against, abstain, options: vec![Power::ZERO; count] }
    }

    /// Counts a vote whose choice fits the proposal.
    pub(crate) fn add(&mut self, spec: &Spec, choice: &Choice, power: Power, stake: Stake) {
        self.votes += 1;
        match choice {
            Choice::For => self.for_ += power,
            Choice::Against => self.against += power,
            Choice::Abstain => self.abstain += power,
            Choice::Split(split) => {
                self.for_ += power;
                let parts = split.parts();
                let whole = parts.iter().map(|(_, part)| u128::from(*part)).sum();
                for (index, part) in parts {
                    self.options[index] += match spec.strategy {
                        Strategy::Quadratic => Power::root_of_part(stake, part, whole),
                        _ => power.part(part, whole),
                    };
                }
            }
        }
    }

    /// By option, as shown: for a yes/no question what is for it.
    pub(crate) fn by_option(&self, spec: &Spec) -> Vec<Power> {
        match spec.strategy {
            _ if spec.is_yes_no() => vec![self.for_],
            Strategy::Quadratic => self.for_.divided_by_squares(&self.options),
            _ => self.options.clone(),
        }
    }

    /// The option that would win: strictly above the others, for a yes/no question above what is against it. Each
    /// sum lies at most a unit for each vote below the true one, so a lead within that is a tie.
    pub(crate) fn winner(&self, spec: &Spec) -> Option<usize> {
        let margin = Power::of_units(self.votes);
        if spec.is_yes_no() {
            return (self.for_ > self.against + margin).then_some(0);
        }
        let (index, greatest) = self.options.iter().enumerate().max_by_key(|(_, sum)| **sum)?;
        let others = self.options.iter().enumerate().filter(|(other, _)| *other != index);
        let second = others.map(|(_, sum)| *sum).max().unwrap_or_default();
        (*greatest > second + margin).then_some(index)
    }

    /// Whether enough took part: those for it and those who abstain; with several options all.
    pub(crate) fn reaches(&self, quorum: Ratio, total: Power) -> bool {
        (self.for_ + self.abstain + Power::of_units(self.votes)).reaches(quorum, total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vote::Split;

    fn spec(strategy: &str, options: &str) -> Spec {
        let json = format!(
            r#"{{"title":"t","source":"s","options":[{options}],"strategy":"{strategy}","delay_s":0,"period_s":1,
            "quorum":0.5,"timelock_s":0,"extension_s":0,"grace_s":0}}"#
        );
        serde_json::from_str(&json).expect("a proposal")
    }

    fn stake(stake: u64) -> Stake {
        Stake::new(stake).expect("a stake")
    }

    #[test]
    fn equal_sums_of_roots_are_a_tie_whatever_their_rounding() {
        // sqrt(2) + sqrt(8) = sqrt(18), each rounded by itself.
        let spec = spec("quadratic", "0.5");
        let count = |yes: &[u64], no: &[u64]| {
            let mut tally = Tally::new(&spec);
            for (stakes, choice) in [(yes, Choice::For), (no, Choice::Against)] {
                for each in stakes {
                    tally.add(&spec, &choice, Power::root_of(stake(*each)), stake(*each));
                }
            }
            tally
        };
        for (yes, no) in [
            (&[2, 8][..], &[18][..]),
            (&[18], &[2, 8]),
            (&[3, 12, 27], &[108]),
            (&[108], &[3, 12, 27]),
        ] {
            assert_eq!(count(yes, no).winner(&spec), None, "{yes:?} {no:?}");
        }
        assert_eq!(count(&[19], &[2, 8]).winner(&spec), Some(0));
        assert_eq!(
            count(&[9_007_199_254_740_991], &[9_007_199_254_740_990]).winner(&spec),
            Some(0)
        );
        let all: Power = [2, 8, 18].into_iter().map(|each| Power::root_of(stake(each))).sum();
        assert!(count(&[2, 8], &[]).reaches(Ratio::from_f64(0.5).expect("a ratio"), all));
        assert!(count(&[18], &[]).reaches(Ratio::from_f64(0.5).expect("a ratio"), all));
        assert!(
            !count(&[18], &[]).reaches(Ratio::from_f64(0.500_000_000_001).expect("a ratio"), all)
        );
    }

    #[test]
    fn thirds_of_three_are_one() {
        let spec = spec("member", "0.1,0.2,0.3");
        let mut tally = Tally::new(&spec);
        let split = |shares: &[(usize, f64)]| Choice::Split(Split::new(shares).expect("a split"));
        for _ in 0..3 {
            tally.add(&spec, &split(&[(0, 1.0), (1, 1.0), (2, 1.0)]), Power::ONE, stake(1));
        }
        assert_eq!(tally.winner(&spec), None);
        tally.add(&spec, &split(&[(2, 5.0)]), Power::ONE, stake(1));
        assert_eq!(tally.winner(&spec), Some(2));
        assert!((tally.by_option(&spec)[2].as_f64() - 2.0).abs() < 1e-15);
        assert_eq!(tally.for_.as_f64(), 4.0);
    }
}
