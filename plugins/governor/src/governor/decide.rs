//! Commands into entries.
//!
//! The rule: a command is judged by the state alone, and whoever verifies a log judges it by the same lines.

use std::collections::BTreeSet;

use super::{Command, Decided, Governor};
use crate::entry::{
    Canceled, Data, Entry, Executed, MemberPut, Proposed, Queued, Revoked, VotePower,
};
use crate::fault::{Fault, Signatures};
use crate::key::{Bytes, MemberKey};
use crate::limits::{MAX_OPEN, MAX_SOURCES};
use crate::power::Power;
use crate::proposal::{Proposal, State};
use crate::refusal::Refusal;
use crate::spec::{Config, Spec};
use crate::time::Time;
use crate::vote::{Choice, Vote};

impl Governor {
    /// What a command comes to at `now`: an entry for this state. Take what is due up to `now` first.
    ///
    /// # Errors
    ///
    /// Why the command is refused; the first reason, in the order of the variants of a vote's answers: unknown,
    /// malformed, not signed, not now, no power, twice.
    pub fn decide(&self, now: Time, command: &Command) -> Result<Decided, Refusal> {
        if self.due(now)?.is_some() {
            return Err(Refusal::Behind);
        }
        let data = match command {
            Command::Configure(config) => self.configure(config.clone()),
            Command::PutMember(member) => self.put_member(member.clone()),
            Command::Revoke(key) => self.revoke(*key),
            Command::Propose(spec) => self.propose(now, spec.clone()),
            Command::Vote { proposal, body } => {
                self.find(proposal)?;
                let vote = Vote::parse(body).map_err(Refusal::Malformed)?;
                self.vote(now, proposal, vote, Signatures::Checked)
            }
            Command::Queue(id) => self.queue(now, id),
            Command::Execute(id) => self.execute(now, id),
            Command::Cancel(id) => self.cancel(now, id),
        };
        data.map(|data| self.seal(now, data))
    }

    /// The entry, if it is what follows from the state: due, or what a command comes to at its time.
    ///
    /// # Errors
    ///
    /// In what it differs.
    pub(crate) fn judge(&self, entry: Entry, signatures: Signatures) -> Result<Decided, Fault> {
        if entry.n != self.n {
            return Err(Fault::Number { expected: self.n });
        }
        if entry.prev != self.head {
            return Err(Fault::Prev);
        }
        if entry.at > Time::MAX {
            return Err(Fault::Malformed("the time is after 2199".to_owned()));
        }
        let decided = match self.due(entry.at)? {
            Some(due) => due,
            None => self.seal(entry.at, self.again(entry.at, &entry.data, signatures)?),
        };
        let same = decided.at == entry.at && decided.data == entry.data;
        match (same, decided.hash == entry.hash) {
            (true, true) => Ok(decided),
            (true, false) => Err(Fault::Hash),
            (false, _) => Err(Fault::Differs { expected: Box::new(decided.0) }),
        }
    }

    /// What the command behind this data comes to.
    fn again(&self, at: Time, data: &Data, signatures: Signatures) -> Result<Data, Fault> {
        let again = match data {
            Data::Config(config) => self.configure(config.clone()),
            Data::Member(member) => self.put_member(member.clone()),
            Data::Revoke(revoked) => self.revoke(revoked.key),
            Data::Proposal(proposed) => self.propose(at, proposed.proposal.clone()),
            Data::Vote(vote, _) => {
                self.vote(at, &vote.ballot.proposal, (**vote).clone(), signatures)
            }
            Data::Cancel(canceled) => self.cancel(at, &canceled.proposal),
            Data::Queue(queued) => self.queue(at, &queued.proposal),
            Data::Execute(executed) => self.execute(at, &executed.proposal),
            Data::Weights(_) => return Err(Fault::NotDue),
        };
        Ok(again?)
    }

    fn configure(&self, config: Config) -> Result<Data, Refusal> {
        let config = config.checked().map_err(Refusal::Malformed)?;
        match &self.config {
            Some(old) if old.id != config.id => {
                Err(Refusal::Malformed("the id of a DAO does not change".to_owned()))
            }
            Some(old) if *old == config => Err(Refusal::Unchanged),
            _ => Ok(Data::Config(config)),
        }
    }

    fn put_member(&self, member: MemberPut) -> Result<Data, Refusal> {
        self.config()?;
        self.members.check_room(&member.key.bytes())?;
        Ok(Data::Member(member))
    }

    fn revoke(&self, key: Bytes<32>) -> Result<Data, Refusal> {
        self.config()?;
        let (_, member) = self.members.find(&key).ok_or(Refusal::UnknownMember)?;
        if member.revoked.is_some() {
            return Err(Refusal::AlreadyRevoked);
        }
        Ok(Data::Revoke(Revoked { key }))
    }

    fn propose(&self, now: Time, proposal: Spec) -> Result<Data, Refusal> {
        self.config()?;
        let living = self.members.totals();
        let still_open = |n: &&u64| {
            let state = self.proposals[*n].state(now, &living);
            !matches!(state, State::Defeated | State::Expired)
        };
        if self.open.iter().filter(still_open).count() >= MAX_OPEN {
            return Err(Refusal::Full("open proposals"));
        }
        let voted_on = self.open.iter().map(|n| &self.proposals[n].spec.source);
        let sources: BTreeSet<_> = self.weights.sources().chain(voted_on).collect();
        if sources.len() >= MAX_SOURCES && !sources.contains(&proposal.source) {
            return Err(Refusal::Full("sources"));
        }
        let starts_at = now.after(proposal.delay);
        let ends_at = starts_at.after(proposal.period);
        // A part of the hash before it: a vote for it means nothing in another log.
        let id = format!("p{}-{}", self.n, &self.head.to_string()[..16]);
        let id = id.parse().map_err(Refusal::Malformed)?;
        Ok(Data::Proposal(Box::new(Proposed { id, proposal, starts_at, ends_at })))
    }

    fn vote(
        &self,
        now: Time,
        id: &str,
        vote: Vote,
        signatures: Signatures,
    ) -> Result<Data, Refusal> {
        let (proposal, ballot) = (self.find(id)?, &vote.ballot);
        check_choice(proposal, &ballot.choice)
            .map_err(|wrong| Refusal::Malformed(wrong.to_owned()))?;
        if ballot.dao != self.config()?.id {
            return Err(Refusal::WrongDao);
        }
        if ballot.proposal != proposal.id {
            return Err(Refusal::WrongProposal);
        }
        let (voter, member) = self.members.find(&vote.voter).ok_or(Refusal::UnknownVoter)?;
        let holds = |key: &MemberKey| key.verifies(&vote.signed_bytes(), &vote.signature);
        if signatures == Signatures::Checked && !holds(&member.key) {
            return Err(Refusal::BadSignature);
        }
        let state = proposal.state(now, &self.members.totals());
        if state != State::Active {
            return Err(Refusal::WrongState(state));
        }
        let (power, _) = self.members.power(voter, &proposal.spec, proposal.starts_at);
        if power == Power::ZERO {
            return Err(Refusal::NoPower);
        }
        if proposal.has_voted(voter) {
            return Err(Refusal::AlreadyVoted);
        }
        Ok(Data::Vote(Box::new(vote), VotePower(power.as_f64())))
    }

    pub(super) fn queue(&self, now: Time, id: &str) -> Result<Data, Refusal> {
        let proposal = self.find(id)?;
        self.expect_state(proposal, now, State::Succeeded)?;
        let eta = now.after(proposal.spec.timelock);
        Ok(Data::Queue(Queued { proposal: proposal.id.clone(), eta }))
    }

    pub(super) fn execute(&self, now: Time, id: &str) -> Result<Data, Refusal> {
        let proposal = self.find(id)?;
        self.expect_state(proposal, now, State::Queued)?;
        if let Some(eta) = proposal.eta().filter(|eta| now < *eta) {
            return Err(Refusal::TooEarly(eta));
        }
        let winner =
            proposal.tally.winner(&proposal.spec).expect("only what was carried is queued");
        Ok(Data::Execute(Executed {
            proposal: proposal.id.clone(),
            source: proposal.spec.source.clone(),
            target: proposal.spec.options[winner],
        }))
    }

    /// As the Governor has it, from every state but the last ones that are not a defeat.
    fn cancel(&self, now: Time, id: &str) -> Result<Data, Refusal> {
        let proposal = self.find(id)?;
        let state = proposal.state(now, &self.members.totals());
        match state {
            State::Canceled | State::Expired | State::Executed => Err(Refusal::WrongState(state)),
            _ => Ok(Data::Cancel(Canceled { proposal: proposal.id.clone() })),
        }
    }

    fn expect_state(&self, proposal: &Proposal, now: Time, expected: State) -> Result<(), Refusal> {
        let state = proposal.state(now, &self.members.totals());
        if state == expected { Ok(()) } else { Err(Refusal::WrongState(state)) }
    }

    /// The number of a proposal's entry, from its id.
    pub(super) fn number_of(id: &str) -> Option<u64> {
        id.strip_prefix('p')?.split_once('-')?.0.parse().ok()
    }

    pub(super) fn find(&self, id: &str) -> Result<&Proposal, Refusal> {
        let proposal = Self::number_of(id).and_then(|n| self.proposals.get(&n));
        proposal.filter(|proposal| &*proposal.id == id).ok_or(Refusal::UnknownProposal)
    }
}

fn check_choice(proposal: &Proposal, choice: &Choice) -> Result<(), &'static str> {
    match (choice, proposal.spec.is_yes_no()) {
        (Choice::Abstain, _) | (Choice::For | Choice::Against, true) => Ok(()),
        (Choice::Split(_), true) => Err("a yes/no question has no split"),
        (Choice::For | Choice::Against, false) => Err("several options need a split or abstain"),
        (Choice::Split(split), false) if split.last() < proposal.spec.options.len() => Ok(()),
        (Choice::Split(_), false) => Err("the split names an option that there is not"),
    }
}
