//! What falls due as time passes.
//!
//! The rule: each entry carries the time it was due at, not the time at which somebody looked.

use super::{Decided, Governor};
use crate::entry::Data;
use crate::proposal::{Stage, State};
use crate::refusal::Refusal;
use crate::spec::Auto;
use crate::time::Time;

/// Something that is due, in the order in which it happens at one instant: first proposals, oldest first, so that one
/// weight set holds all that they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Proposal(u64),
    Weights,
}

impl Governor {
    /// The first entry that is due up to `now`. Apply it and ask again.
    ///
    /// # Errors
    ///
    /// [`Refusal::Backwards`] when `now` is before the last entry.
    pub fn due(&self, now: Time) -> Result<Option<Decided>, Refusal> {
        if now < self.at {
            return Err(Refusal::Backwards(self.at));
        }
        let Some(config) = &self.config else { return Ok(None) };
        let weights = self.weights.next().map(|at| (at, Due::Weights));
        let proposals =
            self.open.iter().filter_map(|n| Some((self.own_act(*n)?, Due::Proposal(*n))));
        // What a new configuration makes due was not due before it.
        let all = proposals.chain(weights).map(|(at, due)| (at.max(self.at), due));
        let mut all: Vec<_> = all.filter(|(at, _)| *at <= now).collect();
        all.sort_unstable();
        let first = all.into_iter().find_map(|(at, due)| {
            let data = match due {
                Due::Weights => Data::Weights(self.weights.due(at, config)),
                Due::Proposal(n) => self.act(n, at)?,
            };
            Some(self.seal(at, data))
        });
        Ok(first)
    }

    /// When something may become due or a proposal changes its state, after `now`; for a timer.
    #[must_use]
    pub fn wakes_at(&self, now: Time) -> Option<Time> {
        let times = self.open.iter().flat_map(|n| {
            let proposal = &self.proposals[n];
            let eta = proposal.eta().unwrap_or(Time::NEVER);
            let expired = eta.after(proposal.spec.grace).next();
            [proposal.starts_at.next(), proposal.ends_at.next(), eta, expired]
        });
        times.chain(self.weights.next()).filter(|at| *at > now && *at < Time::NEVER).min()
    }

    /// When the DAO itself looks at a proposal, where it does.
    fn own_act(&self, n: u64) -> Option<Time> {
        if self.config.as_ref()?.auto == Auto::Off {
            return None;
        }
        let proposal = &self.proposals[&n];
        match proposal.stage {
            // The end itself still belongs to the vote.
            Stage::Voting => Some(proposal.ends_at.next()),
            Stage::Queued { eta } => Some(eta),
            Stage::Canceled { .. } | Stage::Executed { .. } => None,
        }
    }

    /// What the DAO itself does with a proposal then.
    fn act(&self, n: u64, at: Time) -> Option<Data> {
        let proposal = &self.proposals[&n];
        match proposal.state(at, &self.members.totals()) {
            State::Succeeded => self.queue(at, &proposal.id).ok(),
            State::Queued => self.execute(at, &proposal.id).ok(),
            _ => None,
        }
    }
}
