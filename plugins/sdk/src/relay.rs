//! Events of other nodes on their way into this one.

use shimmer_abi as abi;
use shimmer_abi::{Status, Str};

use crate::Error;
use crate::gate::Gate;

/// An event that another node took, or nobody vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay<'a> {
    /// Id of the node that took it, 1..=128 bytes; needs the permission `origin=ID`.
    pub origin: &'a str,
    /// As it is posted: JSON. `origin`, `received_at` and `seq` are not read.
    pub json: &'a str,
    /// Nobody vouches for it: it says so wherever it is shown, its `event_id` alone tells it from other such events,
    /// and its origin may be this node's id.
    pub unsigned: bool,
}

/// Where an event is in this node's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Its sequence here.
    pub seq: u64,
    /// Whether it had been there before.
    pub duplicate: bool,
}

/// Hands the events over; see [`crate::Host::relay`].
pub(crate) fn relay(
    gate: &Gate,
    events: &[Relay<'_>],
) -> Result<Vec<Result<Relayed, Error>>, Error> {
    let lent: Vec<abi::Relayed> = events
        .iter()
        .map(|event| abi::Relayed {
            origin: Str::new(event.origin),
            json: Str::new(event.json),
            flags: if event.unsigned { abi::relay_flags::UNSIGNED } else { 0 },
            reserved: 0,
        })
        .collect();
    let outcomes = gate.relay(&lent)?;
    let read = |outcome: abi::RelayOutcome| match outcome.status {
        Status::OK => Ok(Relayed { seq: outcome.seq, duplicate: outcome.duplicate != 0 }),
        status => Err(Error::check(status, "relay")
            .err()
            .unwrap_or_else(|| Error::Failed("relay: an unknown status".to_owned()))),
    };
    Ok(outcomes.into_iter().map(read).collect())
}
