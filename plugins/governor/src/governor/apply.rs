//! Entries into state.
//!
//! The rule: nothing is judged here; what is applied was decided for this very state.

use super::{Decided, Governor};
use crate::entry::{Data, Entry, Executed, Proposed};
use crate::limits::MAX_KEPT;
use crate::proposal::{Proposal, Stage, State};
use crate::text::ProposalId;
use crate::time::Time;
use crate::vote::Vote;

impl Governor {
    /// Takes an entry into the state. It was made durable before.
    ///
    /// # Panics
    ///
    /// When the entry was decided for another state, which is a bug of the caller.
    pub fn apply(&mut self, decided: Decided) {
        let Entry { n, at, data, prev, hash } = decided.0;
        assert!(n == self.n && prev == self.head, "an entry follows the state it was decided for");
        self.pass(at);
        self.take(n, at, data);
        self.n += 1;
        (self.head, self.at) = (hash, at);
    }

    /// What the clock alone does until this entry: votes begin, and proposals end.
    fn pass(&mut self, at: Time) {
        let living = self.members.totals();
        let proposals = &mut self.proposals;
        self.open.retain(|n| {
            let Some(proposal) = proposals.get_mut(n) else { return false };
            proposal.pass_start(at, &living);
            let open = !matches!(proposal.state(at, &living), State::Defeated | State::Expired);
            if !open {
                proposal.close(at, &living);
            }
            open
        });
    }

    fn take(&mut self, n: u64, at: Time, data: Data) {
        match data {
            Data::Config(config) => {
                match &self.config {
                    None => self.weights = crate::weights::Weights::new(at),
                    Some(old) if old.default_weight != config.default_weight => {
                        self.weights.restate(at)
                    }
                    Some(_) => {}
                }
                self.config = Some(config);
            }
            Data::Member(member) => {
                let snapshots = self.snapshots();
                self.members.put(member.key, member.name, member.stake, at, &snapshots);
            }
            Data::Revoke(revoked) => {
                let snapshots = self.snapshots();
                let (member, _) =
                    self.members.find(&revoked.key).expect("it was decided on a member");
                self.members.revoke(member, at, &snapshots);
            }
            Data::Proposal(proposed) => self.take_proposal(n, at, *proposed),
            Data::Vote(vote, _) => self.take_vote(at, &vote),
            Data::Cancel(canceled) => {
                let eta = self.proposal_mut(&canceled.proposal).eta();
                self.close(at, &canceled.proposal, Stage::Canceled { eta });
            }
            Data::Queue(queued) => {
                self.proposal_mut(&queued.proposal).stage = Stage::Queued { eta: queued.eta };
            }
            Data::Execute(executed) => self.take_execution(at, &executed),
            Data::Weights(set) => {
                let config = self.config.as_ref().expect("the first entry is a configuration");
                self.weights.take(set, config);
            }
        }
    }

    /// The instants whose stakes open proposals count.
    fn snapshots(&self) -> Vec<Time> {
        self.open.iter().map(|n| self.proposals[n].starts_at).collect()
    }

    fn take_proposal(&mut self, n: u64, at: Time, proposed: Proposed) {
        if self.proposals.len() >= MAX_KEPT {
            let oldest = self.proposals.keys().find(|n| !self.open.contains(n)).copied();
            self.proposals.remove(&oldest.expect("fewer are open than are kept"));
        }
        self.proposals.insert(n, Proposal::new(proposed.id, proposed.proposal, at));
        self.open.insert(n);
    }

    fn take_vote(&mut self, at: Time, vote: &Vote) {
        let (voter, _) = self.members.find(&vote.voter).expect("it was decided on a member");
        let members = &self.members;
        let n = Self::number_of(&vote.ballot.proposal).expect("an id holds its number");
        let proposal = self.proposals.get_mut(&n).expect("it was decided on a proposal");
        let power = members.power(voter, &proposal.spec, proposal.starts_at);
        proposal.vote(voter, &vote.ballot.choice, power, at);
    }

    fn take_execution(&mut self, at: Time, executed: &Executed) {
        let eta = self.proposal_mut(&executed.proposal).eta().expect("it was queued");
        self.close(at, &executed.proposal, Stage::Executed { eta });
        let config = self.config.as_ref().expect("the first entry is a configuration");
        self.weights.steer(&executed.source, executed.target, at, config);
    }

    fn close(&mut self, at: Time, id: &ProposalId, stage: Stage) {
        let living = self.members.totals();
        let proposal = self.proposal_mut(id);
        proposal.close(at, &living);
        proposal.stage = stage;
        let n = Self::number_of(id).expect("an id holds its number");
        self.open.remove(&n);
    }

    fn proposal_mut(&mut self, id: &ProposalId) -> &mut Proposal {
        let proposal = Self::number_of(id).and_then(|n| self.proposals.get_mut(&n));
        proposal.expect("it was decided on a proposal")
    }
}
