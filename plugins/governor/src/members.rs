//! Who may vote, and what each had at stake when.
//!
//! The rule: a stake is remembered for as long as an open proposal counts it, and no longer.

use std::collections::HashMap;

use crate::fixed::Stake;
use crate::key::{Bytes, MemberKey};
use crate::limits::{MAX_KEYS, MAX_MEMBERS};
use crate::power::Power;
use crate::refusal::Refusal;
use crate::spec::{Spec, Strategy};
use crate::text::Name;
use crate::time::Time;

/// A member's number in the registry; keys are looked up once.
pub(crate) type Index = u32;

/// A member, also one that was revoked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: MemberKey,
    pub(crate) name: Name,
    pub(crate) joined: Time,
    pub(crate) revoked: Option<Time>,
    /// Stakes by the time from which they held, oldest first; the last holds now.
    held: Vec<Held>,
}

/// A stake from some time on; none after a revocation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    from: Time,
    stake: Option<Stake>,
    root: Power,
}

impl Member {
    /// The stake that holds now, or held last.
    pub(crate) fn stake(&self) -> Stake {
        self.held.iter().rev().find_map(|held| held.stake).unwrap_or_default()
    }

    /// What held at this instant, entries of the instant included.
    fn held_at(&self, at: Time) -> Option<&Held> {
        let after = self.held.partition_point(|held| held.from <= at);
        after.checked_sub(1).map(|index| &self.held[index])
    }

    fn hold(&mut self, from: Time, stake: Option<Stake>, snapshots: &[Time]) {
        let root = stake.map_or(Power::ZERO, Power::root_of);
        self.held.push(Held { from, stake, root });
        let ends: Vec<Time> = self.held.iter().skip(1).map(|held| held.from).collect();
        let mut ends = ends.into_iter();
        // The last has no end.
        self.held.retain(|held| {
            let Some(end) = ends.next() else { return true };
            snapshots.iter().any(|at| held.from <= *at && *at < end)
        });
    }
}

/// What all members together have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    members: Power,
    stakes: Power,
    roots: Power,
}

impl Totals {
    /// All power there is for this proposal.
    pub(crate) fn of(&self, spec: &Spec) -> Power {
        match Measure::of(spec) {
            Measure::Member => self.members,
            Measure::Stake => self.stakes,
            Measure::Root => self.roots,
        }
    }
}

/// What a vote weighs by.
enum Measure {
    Member,
    Stake,
    Root,
}

impl Measure {
    /// Snapshot's quadratic voting scales its result to the stake that voted, so there the stake is the power.
    fn of(spec: &Spec) -> Self {
        match spec.strategy {
            Strategy::Member => Self::Member,
            Strategy::Quadratic if spec.is_yes_no() => Self::Root,
            Strategy::Quadratic | Strategy::Stake | Strategy::Conviction { .. } => Self::Stake,
        }
    }
}

/// All members.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Registry {
    by_key: HashMap<Bytes<32>, Index>,
    members: Vec<Member>,
    living: usize,
    totals: Totals,
}

impl Registry {
    pub(crate) fn find(&self, key: &Bytes<32>) -> Option<(Index, &Member)> {
        let index = *self.by_key.get(key)?;
        Some((index, &self.members[index as usize]))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// What the member's vote weighs, and its stake, at that instant.
    pub(crate) fn power(&self, index: Index, spec: &Spec, at: Time) -> (Power, Stake) {
        let held = self.members[index as usize].held_at(at);
        let Some((stake, root)) = held.and_then(|held| Some((held.stake?, held.root))) else {
            return (Power::ZERO, Stake::default());
        };
        let power = match Measure::of(spec) {
            Measure::Member => Power::ONE,
            Measure::Stake => Power::of_stake(stake),
            Measure::Root => root,
        };
        (power, stake)
    }

    /// Whether there is room for this key.
    pub(crate) fn check_room(&self, key: &Bytes<32>) -> Result<(), Refusal> {
        let known = self.find(key);
        let living = known.is_some_and(|(_, member)| member.revoked.is_none());
        if !living && self.living == MAX_MEMBERS {
            return Err(Refusal::Full("members"));
        }
        if known.is_none() && self.members.len() == MAX_KEYS {
            return Err(Refusal::Full("keys"));
        }
        Ok(())
    }

    /// Adds or changes a member. `snapshots` are the instants that open proposals count by.
    pub(crate) fn put(
        &mut self,
        key: MemberKey,
        name: Name,
        stake: Stake,
        at: Time,
        snapshots: &[Time],
    ) {
        let index = self.by_key.get(&key.bytes()).copied().unwrap_or_else(|| {
            let index = Index::try_from(self.members.len()).expect("keys are bounded");
            self.by_key.insert(key.bytes(), index);
            let (name, held) = (name.clone(), Vec::new());
            self.members.push(Member { key, name, joined: at, revoked: Some(at), held });
            index
        });
        self.leave(index);
        let member = &mut self.members[index as usize];
        member.name = name;
        if member.revoked.take().is_some() {
            member.joined = at;
        }
        if member.held.last().and_then(|held| held.stake) != Some(stake) {
            member.hold(at, Some(stake), snapshots);
        }
        self.enter(index);
    }

    /// Takes a member's right to vote, from the votes that begin later on.
    pub(crate) fn revoke(&mut self, index: Index, at: Time, snapshots: &[Time]) {
        self.leave(index);
        let member = &mut self.members[index as usize];
        member.revoked = Some(at);
        member.hold(at, None, snapshots);
    }

    fn enter(&mut self, index: Index) {
        if let Some(own) = self.own(index) {
            self.living += 1;
            self.totals.members += own.members;
            self.totals.stakes += own.stakes;
            self.totals.roots += own.roots;
        }
    }

    fn leave(&mut self, index: Index) {
        if let Some(own) = self.own(index) {
            self.living -= 1;
            self.totals.members -= own.members;
            self.totals.stakes -= own.stakes;
            self.totals.roots -= own.roots;
        }
    }

    /// What a member adds to the totals, unless it is revoked.
    fn own(&self, index: Index) -> Option<Totals> {
        let held = self.members[index as usize].held.last()?;
        let stakes = Power::of_stake(held.stake?);
        Some(Totals { members: Power::ONE, stakes, roots: held.root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Secret;

    fn at(s: i64) -> Time {
        Time::from_s(s).expect("a time")
    }

    fn stake(stake: u64) -> Stake {
        Stake::new(stake).expect("a stake")
    }

    #[test]
    fn only_what_an_open_proposal_counts_is_remembered() {
        let key = Secret::from_bytes(&[1; 32]).key();
        let mut registry = Registry::default();
        let name: Name = "a".parse().expect("a name");
        let snapshots = [at(15), at(35)];
        for i in 1..=5 {
            registry.put(key, name.clone(), stake(i), at(i as i64 * 10), &snapshots);
        }
        let held: Vec<_> = registry.members[0].held.iter().map(|held| held.from).collect();
        assert_eq!(held, [at(10), at(30), at(50)]);
        registry.revoke(0, at(60), &[at(55)]);
        let held: Vec<_> = registry.members[0].held.iter().map(|held| held.from).collect();
        assert_eq!(held, [at(50), at(60)]);
        assert_eq!((registry.living, registry.totals), (0, Totals::default()));
        assert_eq!(registry.members[0].stake(), stake(5));
        assert_eq!(registry.members[0].joined, at(10));
        registry.put(key, name, stake(5), at(70), &[]);
        assert_eq!((registry.living, registry.members[0].joined), (1, at(70)));
        assert_eq!(registry.members[0].revoked, None);
    }

    #[test]
    fn the_last_entry_of_an_instant_holds_at_it() {
        let key = Secret::from_bytes(&[1; 32]).key();
        let mut registry = Registry::default();
        for i in 1..=3 {
            registry.put(key, Name::default(), stake(i), at(10), &[at(10)]);
        }
        assert_eq!(registry.members[0].held_at(at(10)).and_then(|held| held.stake), Some(stake(3)));
        assert_eq!(registry.members[0].held.len(), 1);
        assert!(registry.members[0].held_at(at(9)).is_none());
    }
}
