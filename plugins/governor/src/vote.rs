//! Votes as posted, and what they sign.
//!
//! The rule: a vote is exactly its members in one meaning, or it is refused. Signed are the ASCII line
//! `shimmer-dao-vote-v1`, one LF, and the RFC 8785 (JCS) text of the body without `signature`.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::{Bytes, Secret, Signature};
use crate::limits::{MAX_OPTIONS, MAX_VOTE_BYTES, NUMBER_LIMIT};
use crate::number::{Number, parts};
use crate::spec::present;
use crate::text::{DaoId, ProposalId};

/// The first line of what is signed; nothing else signed with such a key begins with it.
pub const DOMAIN: &str = "shimmer-dao-vote-v1";
/// Binary digits of the greatest share of a split.
const SHARE_BITS: i32 = 62;

/// What a member votes for.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Yes.
    For,
    /// No.
    Against,
    /// Neither; it counts to the quorum.
    Abstain,
    /// Of several options, these in this proportion.
    Split(Split),
}

/// Options and how much each gets: positive numbers, of which only the proportion counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Split(Vec<(u8, Number)>);

impl Split {
    /// Indices of options, each once, and positive finite numbers.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn new(shares: &[(usize, f64)]) -> Result<Self, String> {
        let mut split = Vec::with_capacity(shares.len().min(MAX_OPTIONS));
        for (index, share) in shares {
            let index = u8::try_from(*index).ok().filter(|index| usize::from(*index) < MAX_OPTIONS);
            let index = index.ok_or("a share is for an option's index")?;
            if !(share.is_finite() && *share > 0.0) {
                return Err("a share is a positive number".to_owned());
            }
            split.push((index, Number(*share)));
        }
        split.sort_by_key(|(index, _)| *index);
        if split.is_empty() || split.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a split has at least one option, and each once".to_owned());
        }
        Ok(Self(split))
    }

    /// The greatest index.
    pub(crate) fn last(&self) -> usize {
        self.0.last().map_or(0, |(index, _)| usize::from(*index))
    }

    /// Index and whole parts of each, the greatest part of 62 bits; a share 2^-62 of the greatest has none.
    pub(crate) fn parts(&self) -> Vec<(usize, u64)> {
        let taken = self.0.iter().map(|(index, share)| {
            let (mantissa, exponent) = parts(share.0).expect("a share is positive and finite");
            let top = exponent + 64 - mantissa.leading_zeros().cast_signed();
            (usize::from(*index), mantissa, exponent, top)
        });
        let taken: Vec<_> = taken.collect();
        let greatest = taken.iter().map(|(.., top)| *top).max().unwrap_or(0);
        let scale = |(index, mantissa, exponent, _): (usize, u64, i32, i32)| {
            let shift = SHARE_BITS + exponent - greatest;
            let distance = shift.unsigned_abs();
            let part = if shift >= 0 {
                mantissa << distance
            } else {
                mantissa.checked_shr(distance).unwrap_or(0)
            };
            (index, part)
        };
        taken.into_iter().map(scale).collect()
    }
}

impl Serialize for Split {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(index, share)| (index.to_string(), share)))
    }
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shares;
        impl<'de> Visitor<'de> for Shares {
            type Value = Split;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of shares by an option's index")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Split, A::Error> {
                let mut shares = Vec::new();
                while let Some((name, Number(share))) = members.next_entry::<String, Number>()? {
                    let index: usize = name.parse().map_err(A::Error::custom)?;
                    // One name for one index: no zeros or signs before it.
                    if index.to_string() != name || shares.len() == MAX_OPTIONS {
                        return Err(A::Error::custom("a share is for an option's index"));
                    }
                    shares.push((index, share));
                }
                Split::new(&shares).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Shares)
    }
}

/// A vote that is not signed yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    /// In which DAO.
    pub dao: DaoId,
    /// On what.
    pub proposal: ProposalId,
    /// Any number below 2^53: two votes of equal content are two texts.
    pub nonce: u64,
    /// For what.
    pub choice: Choice,
}

impl Ballot {
    /// The vote, signed.
    #[must_use]
    pub fn sign(self, secret: &Secret) -> Vote {
        let mut vote =
            Vote { ballot: self, voter: secret.key().bytes(), signature: Bytes([0; 64]) };
        vote.signature = secret.sign(&vote.signed_bytes());
        vote
    }
}

/// A vote as posted. That it has this form says nothing of whether the signature holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "VoteJson", into = "VoteJson")]
pub struct Vote {
    /// What is voted.
    pub ballot: Ballot,
    /// By whom.
    pub voter: Bytes<32>,
    /// Over [`Vote::signed_bytes`].
    pub signature: Signature,
}

impl Vote {
    /// A body as posted.
    ///
    /// # Errors
    ///
    /// Why it has not the one form of a vote.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.len() > MAX_VOTE_BYTES {
            return Err(format!("a vote has at most {MAX_VOTE_BYTES} bytes"));
        }
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    /// The body as canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        canonical(self)
    }

    /// What the signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let body = VoteJson { signature: None, ..self.clone().into() };
        format!("{DOMAIN}\n{}", canonical(&body)).into_bytes()
    }
}

/// RFC 8785.
pub(crate) fn canonical<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value).expect("what is written here has a canonical form")
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChoiceName {
    For,
    Against,
    Abstain,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoteJson {
    dao: DaoId,
    proposal: ProposalId,
    voter: Bytes<32>,
    nonce: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    choice: Option<ChoiceName>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    split: Option<Split>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
    /// Of the log's entry, outside the signature.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    power: Option<Number>,
}

impl VoteJson {
    /// The data of the log's entry.
    pub(crate) fn with_power(vote: Vote, power: f64) -> Self {
        Self { power: Some(Number(power)), ..vote.into() }
    }

    /// The vote, and the power that the log's entry says it has.
    pub(crate) fn split_power(mut self) -> Result<(Vote, f64), String> {
        let power = self.power.take().ok_or("power is missing")?;
        Ok((self.try_into()?, power.0))
    }
}

impl TryFrom<VoteJson> for Vote {
    type Error = String;

    fn try_from(json: VoteJson) -> Result<Self, String> {
        if json.power.is_some() {
            return Err("a vote does not say its power".to_owned());
        }
        let choice = match (json.choice, json.split) {
            (Some(ChoiceName::For), None) => Choice::For,
            (Some(ChoiceName::Against), None) => Choice::Against,
            (Some(ChoiceName::Abstain), None) => Choice::Abstain,
            (None, Some(split)) => Choice::Split(split),
            _ => return Err("a vote has a choice or a split".to_owned()),
        };
        if json.nonce >= NUMBER_LIMIT {
            return Err("a nonce is below 2^53".to_owned());
        }
        let ballot = Ballot { dao: json.dao, proposal: json.proposal, nonce: json.nonce, choice };
        let signature = json.signature.ok_or("the signature is missing")?;
        Ok(Self { ballot, voter: json.voter, signature })
    }
}

impl From<Vote> for VoteJson {
    fn from(vote: Vote) -> Self {
        let Vote { ballot: Ballot { dao, proposal, nonce, choice }, voter, signature } = vote;
        let (choice, split) = match choice {
            Choice::For => (Some(ChoiceName::For), None),
            Choice::Against => (Some(ChoiceName::Against), None),
            Choice::Abstain => (Some(ChoiceName::Abstain), None),
            Choice::Split(split) => (None, Some(split)),
        };
        let signature = Some(signature);
        Self { dao, proposal, voter, nonce, choice, split, signature, power: None }
    }
}

#[cfg(test)]
mod tests;
