//! A DAO to play with: members by number, a clock in seconds, a log in memory.
//!
//! The rule: the log is all that is kept; a restart reads it.

use std::convert::Infallible;

use serde_json::Value;
use shimmer_governor::{
    Ballot, Choice, Command, Data, Entry, Failed, Governor, MemberPut, ProposalView, Refusal,
    Secret, Signatures, Stake, Time, Vote, replay,
};

pub(crate) const CONFIG: &str =
    r#"{"id":"test","auto":false,"default_weight":1,"max_step":0.25,"epoch_s":10,"renew_s":1000}"#;
/// The second at which every DAO here begins.
pub(crate) const START: i64 = 1_700_000_000;

#[derive(Clone)]
pub(crate) struct Dao {
    pub(crate) governor: Governor,
    pub(crate) log: Vec<String>,
    pub(crate) now: Time,
    nonce: u64,
}

pub(crate) fn secret(member: u32) -> Secret {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&member.to_be_bytes());
    Secret::from_bytes(&bytes)
}

/// So many seconds after the beginning.
pub(crate) fn at(s: f64) -> Time {
    let ns = (s * 1e9).round();
    Time::from_ns(START * 1_000_000_000 + ns as i64).expect("a time")
}

/// A proposal with the defaults of these tests, some members replaced.
pub(crate) fn spec(changes: &str) -> String {
    let good = r#"{"title":"t","source":"a","options":[0.25],"strategy":"stake","delay_s":4,"period_s":16,
        "quorum":0.1,"timelock_s":0,"extension_s":0,"grace_s":1000}"#;
    let mut spec: Value = serde_json::from_str(good).expect("JSON");
    let changes: Value = serde_json::from_str(changes).expect("JSON");
    for (name, value) in changes.as_object().expect("an object") {
        spec[name] = value.clone();
    }
    spec.to_string()
}

impl Dao {
    pub(crate) fn new(config: &str) -> Self {
        let (governor, now) = (Governor::default(), at(0.0));
        let mut dao = Self { governor, log: Vec::new(), now, nonce: 0 };
        dao.configure(config).expect("a configuration");
        dao
    }

    pub(crate) fn submit(&mut self, command: &Command) -> Result<Entry, Refusal> {
        let log = &mut self.log;
        let keep = |entry: &Entry| {
            log.push(entry.to_line());
            Ok::<_, Infallible>(())
        };
        self.governor.submit(self.now, command, keep).map_err(refusal)
    }

    pub(crate) fn configure(&mut self, config: &str) -> Result<Entry, Refusal> {
        let config = serde_json::from_str(config).expect("a configuration");
        self.submit(&Command::Configure(config))
    }

    /// Lets the clock stand at this second after the beginning.
    pub(crate) fn to(&mut self, s: f64) -> &mut Self {
        self.try_to(at(s)).expect("the clock goes on");
        self
    }

    pub(crate) fn try_to(&mut self, now: Time) -> Result<(), Refusal> {
        let log = &mut self.log;
        let keep = |entry: &Entry| {
            log.push(entry.to_line());
            Ok::<_, Infallible>(())
        };
        self.governor.advance(now, keep).map_err(refusal)?;
        self.now = now;
        Ok(())
    }

    pub(crate) fn member(&mut self, member: u32, stake: u64) {
        self.try_member(member, stake).expect("a member");
    }

    pub(crate) fn try_member(&mut self, member: u32, stake: u64) -> Result<Entry, Refusal> {
        let name = format!("member {member}").parse().expect("a name");
        let stake = Stake::new(stake).expect("a stake");
        self.submit(&Command::PutMember(MemberPut { key: secret(member).key(), name, stake }))
    }

    pub(crate) fn revoke(&mut self, member: u32) -> Result<Entry, Refusal> {
        self.submit(&Command::Revoke(secret(member).key().bytes()))
    }

    pub(crate) fn propose(&mut self, changes: &str) -> String {
        self.try_propose(changes).expect("a proposal")
    }

    pub(crate) fn try_propose(&mut self, changes: &str) -> Result<String, Refusal> {
        let spec = serde_json::from_str(&spec(changes)).expect("a proposal");
        match self.submit(&Command::Propose(spec))?.data {
            Data::Proposal(proposed) => Ok(proposed.id.to_string()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ballot(&mut self, id: &str, choice: Choice) -> Ballot {
        self.nonce += 1;
        let dao = self.governor.configuration().expect("a configuration").id.clone();
        let proposal = id.parse().expect("an id");
        Ballot { dao, proposal, nonce: self.nonce, choice }
    }

    pub(crate) fn vote(&mut self, member: u32, id: &str, choice: Choice) -> Result<f64, Refusal> {
        let vote = self.ballot(id, choice).sign(&secret(member));
        self.cast(id, &vote)
    }

    pub(crate) fn cast(&mut self, id: &str, vote: &Vote) -> Result<f64, Refusal> {
        self.cast_body(id, vote.to_json().as_bytes())
    }

    pub(crate) fn cast_body(&mut self, id: &str, body: &[u8]) -> Result<f64, Refusal> {
        let command = Command::Vote { proposal: id.to_owned(), body: body.to_vec() };
        match self.submit(&command)?.data {
            Data::Vote(_, power) => Ok(power.0),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn queue(&mut self, id: &str) -> Result<Entry, Refusal> {
        self.submit(&Command::Queue(id.to_owned()))
    }

    pub(crate) fn execute(&mut self, id: &str) -> Result<Entry, Refusal> {
        self.submit(&Command::Execute(id.to_owned()))
    }

    pub(crate) fn cancel(&mut self, id: &str) -> Result<Entry, Refusal> {
        self.submit(&Command::Cancel(id.to_owned()))
    }

    pub(crate) fn view(&self, id: &str) -> ProposalView {
        self.governor.proposal(id, self.now).expect("a proposal")
    }

    /// The view as JSON.
    pub(crate) fn shown(&self, id: &str) -> Value {
        serde_json::to_value(self.view(id)).expect("JSON")
    }

    pub(crate) fn weight(&self, source: &str) -> f64 {
        self.governor.lookup().weight(source)
    }

    pub(crate) fn text(&self) -> String {
        self.log.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Forgets everything but the log.
    pub(crate) fn restart(&mut self) {
        self.governor = replay(self.text().as_bytes(), Signatures::Trusted).expect("its own log");
    }
}

fn refusal(failed: Failed<Infallible>) -> Refusal {
    match failed {
        Failed::Refused(refusal) => refusal,
        Failed::Log(never) => match never {},
    }
}
