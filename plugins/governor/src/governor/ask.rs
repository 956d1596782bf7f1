//! What is shown of the state.
//!
//! The rule: views are JSON as it is promised; they are made for a time, because states follow from it.

use serde::Serialize;

use super::Governor;
use crate::conviction::Conviction;
use crate::fixed::Stake;
use crate::key::{Hash, MemberKey};
use crate::members::Member;
use crate::power::Power;
use crate::proposal::{Proposal, State};
use crate::spec::{Config, Spec};
use crate::text::{Name, ProposalId};
use crate::time::Time;
use crate::weights::{Lookup, WeightSet};

/// A member as shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberView {
    /// Its key.
    pub key: MemberKey,
    /// Its name.
    pub name: Name,
    /// Its stake, now or when it was revoked.
    pub stake: Stake,
    /// Since when.
    pub joined: Time,
    /// Until when.
    pub revoked: Option<Time>,
}

/// A proposal as shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposalView {
    /// Its id.
    pub id: ProposalId,
    /// What was proposed.
    #[serde(flatten)]
    pub spec: Spec,
    /// Where it stands.
    pub state: State,
    /// When it was proposed.
    pub created_at: Time,
    /// After when votes are taken; whose stakes count.
    pub starts_at: Time,
    /// Until when votes are taken.
    pub ends_at: Time,
    /// From when it may be executed.
    pub eta: Option<Time>,
    /// All power there is; before the start as of now.
    pub total_power: Power,
    /// How many voted.
    pub votes: u32,
    /// Power for it; with several options, for any of them.
    #[serde(rename = "for")]
    pub for_: Power,
    /// Power against it.
    pub against: Power,
    /// Power of those who abstain.
    pub abstain: Power,
    /// By option.
    pub tallies: Vec<Power>,
    /// The option that would win.
    pub winner: Option<usize>,
    /// Whether enough took part.
    pub quorum_reached: bool,
    /// The conviction behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conviction: Option<Conviction>,
}

/// How far a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub entries: u64,
    /// The hash of the last; zeros where there is none.
    pub hash: Hash,
    /// Its time.
    pub at: Time,
}

impl Governor {
    /// How far the log goes. The clock starts at its time.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { entries: self.n, hash: self.head, at: self.at }
    }

    /// The configuration, once there is one.
    #[must_use]
    pub fn configuration(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// All members, in the order in which they joined first.
    pub fn members(&self) -> impl Iterator<Item = MemberView> {
        self.members.iter().map(member_view)
    }

    /// The member of this key.
    #[must_use]
    pub fn member(&self, key: &MemberKey) -> Option<MemberView> {
        self.members.find(&key.bytes()).map(|(_, member)| member_view(member))
    }

    /// All proposals that are kept, oldest first.
    pub fn proposals(&self, now: Time) -> impl Iterator<Item = ProposalView> {
        self.proposals.values().map(move |proposal| self.view(proposal, now))
    }

    /// How many proposals may still change a weight.
    #[must_use]
    pub fn open_proposals(&self) -> usize {
        self.open.len()
    }

    /// The proposal of this id.
    #[must_use]
    pub fn proposal(&self, id: &str, now: Time) -> Option<ProposalView> {
        self.find(id).ok().map(|proposal| self.view(proposal, now))
    }

    /// The weights that hold.
    #[must_use]
    pub fn weights(&self) -> &WeightSet {
        self.weights.set()
    }

    /// The same for those who weigh events; all 1 before there is a configuration.
    #[must_use]
    pub fn lookup(&self) -> Lookup {
        use crate::fixed::Ratio;
        let default = self.config.as_ref().map_or(Ratio::ONE, |config| config.default_weight);
        Lookup::new(self.weights(), default)
    }

    fn view(&self, proposal: &Proposal, now: Time) -> ProposalView {
        let (living, tally) = (self.members.totals(), &proposal.tally);
        ProposalView {
            id: proposal.id.clone(),
            state: proposal.state(now, &living),
            created_at: proposal.created_at,
            starts_at: proposal.starts_at,
            ends_at: proposal.ends_at,
            eta: proposal.eta(),
            total_power: proposal.total(&living),
            votes: tally.votes,
            for_: tally.for_,
            against: tally.against,
            abstain: tally.abstain,
            tallies: tally.by_option(&proposal.spec),
            winner: tally.winner(&proposal.spec),
            quorum_reached: proposal.quorum_reached(&living),
            conviction: proposal.conviction(now),
            spec: proposal.spec.clone(),
        }
    }
}

fn member_view(member: &Member) -> MemberView {
    let Member { key, joined, revoked, .. } = *member;
    MemberView { key, name: member.name.clone(), stake: member.stake(), joined, revoked }
}
