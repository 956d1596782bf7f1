//! A proposal and the states it goes through, after OpenZeppelin's Governor 5.
//!
//! The rule: the state follows from the clock and from what was decided; nobody sets it.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conviction::{Conviction, conviction};
use crate::fixed::Stake;
use crate::members::{Index, Totals};
use crate::power::Power;
use crate::spec::{Spec, Strategy};
use crate::tally::Tally;
use crate::text::ProposalId;
use crate::time::Time;
use crate::vote::Choice;

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Up to its start, that instant included.
    Pending,
    /// Up to its end, that instant included: votes are taken.
    Active,
    /// Called off before it was executed.
    Canceled,
    /// The vote is over and did not carry it.
    Defeated,
    /// The vote carried it; it may be queued.
    Succeeded,
    /// It waits for its timelock, and then to be executed.
    Queued,
    /// Nobody executed it in time.
    Expired,
    /// The weight was changed.
    Executed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Canceled => "canceled",
            Self::Defeated => "defeated",
            Self::Succeeded => "succeeded",
            Self::Queued => "queued",
            Self::Expired => "expired",
            Self::Executed => "executed",
        })
    }
}

/// What was decided on a proposal beside the votes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    Voting,
    Queued {
        eta: Time,
    },
    /// Called off, perhaps after it was queued.
    Canceled {
        eta: Option<Time>,
    },
    Executed {
        eta: Time,
    },
}

/// A proposal with its votes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proposal {
    pub(crate) id: ProposalId,
    pub(crate) spec: Spec,
    pub(crate) created_at: Time,
    pub(crate) starts_at: Time,
    pub(crate) ends_at: Time,
    pub(crate) stage: Stage,
    pub(crate) tally: Tally,
    /// What there was in all at the start, once an entry is later than that.
    totals: Option<Totals>,
    /// Whether the quorum was reached by a vote; the vote is prolonged once.
    quorum_seen: bool,
    voters: HashSet<Index>,
    /// Of conviction: when which stake was cast for it.
    stood: Vec<(Time, Stake)>,
    /// Of conviction, when it is closed.
    closed_with: Option<Conviction>,
}

impl Proposal {
    pub(crate) fn new(id: ProposalId, spec: Spec, created_at: Time) -> Self {
        let starts_at = created_at.after(spec.delay);
        let ends_at = starts_at.after(spec.period);
        Self {
            id,
            created_at,
            starts_at,
            ends_at,
            stage: Stage::Voting,
            tally: Tally::new(&spec),
            totals: None,
            quorum_seen: false,
            voters: HashSet::new(),
            stood: Vec::new(),
            closed_with: None,
            spec,
        }
    }

    /// Where it stands, while all members together have `living`.
    pub(crate) fn state(&self, now: Time, living: &Totals) -> State {
        match self.stage {
            Stage::Canceled { .. } => State::Canceled,
            Stage::Executed { .. } => State::Executed,
            Stage::Queued { eta } if now > eta.after(self.spec.grace) => State::Expired,
            Stage::Queued { .. } => State::Queued,
            Stage::Voting if now <= self.starts_at => State::Pending,
            Stage::Voting if now <= self.ends_at => State::Active,
            Stage::Voting if self.carried(living) => State::Succeeded,
            Stage::Voting => State::Defeated,
        }
    }

    /// The instant from which it may be executed.
    pub(crate) fn eta(&self) -> Option<Time> {
        match self.stage {
            Stage::Voting => None,
            Stage::Queued { eta } | Stage::Executed { eta } => Some(eta),
            Stage::Canceled { eta } => eta,
        }
    }

    /// All power there is for it: at its start, and before that as of now.
    pub(crate) fn total(&self, living: &Totals) -> Power {
        self.totals.as_ref().unwrap_or(living).of(&self.spec)
    }

    pub(crate) fn quorum_reached(&self, living: &Totals) -> bool {
        self.tally.reaches(self.spec.quorum, self.total(living))
    }

    fn carried(&self, living: &Totals) -> bool {
        self.tally.winner(&self.spec).is_some() && self.quorum_reached(living)
    }

    pub(crate) fn has_voted(&self, voter: Index) -> bool {
        self.voters.contains(&voter)
    }

    /// The conviction that stands behind it, where it is voted on by conviction.
    pub(crate) fn conviction(&self, now: Time) -> Option<Conviction> {
        let Strategy::Conviction { alpha, step } = self.spec.strategy else { return None };
        let until = now.min(self.ends_at);
        Some(self.closed_with.unwrap_or_else(|| conviction(&self.stood, alpha, step, until)))
    }

    /// Counts a vote; where it brings the quorum late, the vote goes on for the extension.
    pub(crate) fn vote(
        &mut self,
        voter: Index,
        choice: &Choice,
        (power, stake): (Power, Stake),
        at: Time,
    ) {
        let fresh = self.voters.insert(voter);
        assert!(fresh, "a second vote was refused before");
        self.tally.add(&self.spec, choice, power, stake);
        let stands = matches!(choice, Choice::For | Choice::Split(_));
        if stands && matches!(self.spec.strategy, Strategy::Conviction { .. }) {
            self.stood.push((at, stake));
        }
        let totals = self.totals.as_ref().expect("a vote is later than the start");
        if !self.quorum_seen && self.quorum_reached(totals) {
            self.quorum_seen = true;
            self.ends_at = self.ends_at.max(at.after(self.spec.extension));
        }
    }

    /// Takes note that an entry is later than the start: from now on members may change.
    pub(crate) fn pass_start(&mut self, at: Time, living: &Totals) {
        if self.starts_at < at {
            self.totals.get_or_insert(*living);
        }
    }

    /// Keeps the result and forgets who voted.
    pub(crate) fn close(&mut self, at: Time, living: &Totals) {
        self.totals.get_or_insert(*living);
        self.closed_with = self.conviction(at);
        self.voters = HashSet::new();
        self.stood = Vec::new();
    }
}
