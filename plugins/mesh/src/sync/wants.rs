//! What is asked of whom.
//!
//! The rule: a sequence is asked of one peer at a time, and what an answer does not cover is free again.

use std::collections::BTreeMap;

use crate::envelope::{Id, LogKey};
use crate::log::Logs;
use crate::ranges::RangeSet;
use crate::wire::{MAX_WANTED_LOGS, MAX_WANTED_RANGES};

/// Takes the next chunk of what is lacking and asked of nobody; drops what is known meanwhile from the offers.
pub(super) fn claim(
    offers: &mut Vec<(LogKey, RangeSet)>,
    asked: &mut BTreeMap<LogKey, RangeSet>,
    logs: &Logs,
    seqs: u64,
) -> Vec<(LogKey, RangeSet)> {
    let mut wants = Vec::new();
    let (mut seqs, mut ranges) = (seqs, MAX_WANTED_RANGES);
    offers.retain_mut(|(log, offer)| {
        if seqs == 0 || ranges == 0 || wants.len() >= MAX_WANTED_LOGS {
            return true;
        }
        *offer = logs.lacking(log, offer);
        let mut free = offer.clone();
        if let Some(asked) = asked.get(log) {
            free.subtract(asked);
        }
        let chunk = free.first(seqs, ranges);
        if !chunk.is_empty() {
            seqs -= chunk.count();
            ranges -= chunk.ranges().len();
            asked.entry(*log).or_default().extend(&chunk);
            wants.push((*log, chunk));
        }
        !offer.is_empty()
    });
    wants
}

pub(super) fn release(asked: &mut BTreeMap<LogKey, RangeSet>, wants: &[(LogKey, RangeSet)]) {
    for (log, set) in wants {
        let Some(held) = asked.get_mut(log) else { continue };
        held.subtract(set);
        if held.is_empty() {
            asked.remove(log);
        }
    }
}

/// Takes an envelope off what was asked for, if it is there.
pub(super) fn strike(wants: &mut [(LogKey, RangeSet)], id: Id) -> bool {
    let want = wants.iter_mut().find(|(log, set)| *log == id.log && set.contains(id.seq));
    want.map(|(_, set)| set.remove(id.seq, id.seq)).is_some()
}

/// The part of what was asked for that a page answers: up to its last envelope, or all.
pub(super) fn covered_by(
    wants: &[(LogKey, RangeSet)],
    last: Option<Id>,
) -> Vec<(LogKey, RangeSet)> {
    let Some(last) = last else { return wants.to_vec() };
    let mut covered = Vec::new();
    for (log, set) in wants {
        if *log == last.log {
            covered.push((*log, set.intersect(&RangeSet::of(0, last.seq))));
            break;
        }
        covered.push((*log, set.clone()));
    }
    covered
}
