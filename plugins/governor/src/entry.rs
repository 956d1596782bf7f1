//! Entries of the log: what happened, chained by hashes.
//!
//! The rule: an entry has one text. Each holds the hash of the one before, and its own is the SHA-256 of its canonical
//! text without `hash`. A line with another member is refused.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::fixed::{Ratio, Stake};
use crate::key::{Bytes, Hash, MemberKey};
use crate::limits::MAX_LINE_BYTES;
use crate::number::write_number;
use crate::spec::{Config, Spec};
use crate::text::{Name, ProposalId, Source};
use crate::time::Time;
use crate::vote::{Vote, VoteJson, canonical};
use crate::weights::WeightSet;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// The DAO was configured; the first entry of a log.
    Config(Config),
    /// A member was added or changed.
    Member(MemberPut),
    /// A member lost its right to vote.
    Revoke(Revoked),
    /// A proposal was made.
    Proposal(Box<Proposed>),
    /// A member voted.
    Vote(Box<Vote>, VotePower),
    /// A proposal was called off.
    Cancel(Canceled),
    /// A proposal was queued.
    Queue(Queued),
    /// A proposal was executed.
    Execute(Executed),
    /// Weights changed.
    Weights(WeightSet),
}

/// What a vote was counted as; the nearest double, as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VotePower(pub f64);

impl Serialize for VotePower {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

/// A member as added or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberPut {
    /// Its key.
    pub key: MemberKey,
    /// Its name.
    pub name: Name,
    /// Its stake from now on.
    pub stake: Stake,
}

/// Who lost the right to vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revoked {
    /// Whose key it is.
    pub key: Bytes<32>,
}

/// A proposal as made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// Its id.
    pub id: ProposalId,
    /// What was posted.
    pub proposal: Spec,
    /// When the vote begins.
    pub starts_at: Time,
    /// When it ends, unless it is prolonged.
    pub ends_at: Time,
}

/// Which was called off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canceled {
    /// Its id.
    pub proposal: ProposalId,
}

/// Which was queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Its id.
    pub proposal: ProposalId,
    /// From when it may be executed.
    pub eta: Time,
}

/// Which was executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// Its id.
    pub proposal: ProposalId,
    /// Whose weight changes.
    pub source: Source,
    /// To what.
    pub target: Ratio,
}

impl Data {
    /// The member `type`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Config(_) => "config",
            Self::Member(_) => "member",
            Self::Revoke(_) => "revoke",
            Self::Proposal(_) => "proposal",
            Self::Vote(..) => "vote",
            Self::Cancel(_) => "cancel",
            Self::Queue(_) => "queue",
            Self::Execute(_) => "execute",
            Self::Weights(_) => "weights",
        }
    }

    fn canonical(&self) -> String {
        match self {
            Self::Config(config) => canonical(config),
            Self::Member(member) => canonical(member),
            Self::Revoke(revoked) => canonical(revoked),
            Self::Proposal(proposed) => canonical(proposed),
            Self::Vote(vote, power) => canonical(&VoteJson::with_power((**vote).clone(), power.0)),
            Self::Cancel(canceled) => canonical(canceled),
            Self::Queue(queued) => canonical(queued),
            Self::Execute(executed) => canonical(executed),
            Self::Weights(set) => canonical(set),
        }
    }

    fn parse(name: &str, json: &str) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        Ok(match name {
            "config" => Self::Config(serde_json::from_str(json).map_err(wrong)?),
            "member" => Self::Member(serde_json::from_str(json).map_err(wrong)?),
            "revoke" => Self::Revoke(serde_json::from_str(json).map_err(wrong)?),
            "proposal" => Self::Proposal(serde_json::from_str(json).map_err(wrong)?),
            "vote" => {
                let json: VoteJson = serde_json::from_str(json).map_err(wrong)?;
                let (vote, power) = json.split_power()?;
                Self::Vote(Box::new(vote), VotePower(power))
            }
            "cancel" => Self::Cancel(serde_json::from_str(json).map_err(wrong)?),
            "queue" => Self::Queue(serde_json::from_str(json).map_err(wrong)?),
            "execute" => Self::Execute(serde_json::from_str(json).map_err(wrong)?),
            "weights" => Self::Weights(serde_json::from_str(json).map_err(wrong)?),
            _ => return Err("no entry is of this type".to_owned()),
        })
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 0, without gaps.
    pub n: u64,
    /// When it happened; does not fall.
    pub at: Time,
    /// What happened.
    pub data: Data,
    /// The hash of the entry before; zeros before the first.
    pub prev: Hash,
    /// Of this entry.
    pub hash: Hash,
}

#[derive(Deserialize)]
struct EntryJson<'a> {
    n: u64,
    at: Time,
    #[serde(rename = "type")]
    name: String,
    #[serde(borrow)]
    data: &'a RawValue,
    prev: Hash,
    hash: Hash,
}

impl Entry {
    pub(crate) fn seal(n: u64, at: Time, data: Data, prev: Hash) -> Self {
        let mut entry = Self { n, at, data, prev, hash: Hash::ZERO };
        entry.hash = Hash::of(entry.text(None).as_bytes());
        entry
    }

    /// Its line without the LF: canonical JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.text(Some(self.hash))
    }

    /// An entry from its line without the LF. The hash may be wrong; the text is not.
    ///
    /// # Errors
    ///
    /// Why this is not the text of an entry.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() >= MAX_LINE_BYTES {
            return Err(format!("a line has at most {MAX_LINE_BYTES} bytes"));
        }
        let json: EntryJson<'_> =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let data = Data::parse(&json.name, json.data.get())?;
        let entry = Self { n: json.n, at: json.at, data, prev: json.prev, hash: json.hash };
        if entry.to_line().as_bytes() != line {
            return Err("the line is not in its canonical form".to_owned());
        }
        Ok(entry)
    }

    /// RFC 8785 by hand around the data: these names are in order, and their values have nothing to escape.
    fn text(&self, hash: Option<Hash>) -> String {
        let hash = hash.map_or_else(String::new, |hash| format!("\"hash\":\"{hash}\","));
        format!(
            "{{\"at\":\"{}\",\"data\":{},{hash}\"n\":{},\"prev\":\"{}\",\"type\":\"{}\"}}",
            self.at,
            self.data.canonical(),
            self.n,
            self.prev,
            self.data.name(),
        )
    }
}
