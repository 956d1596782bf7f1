//! What a run comes to.
//!
//! The rule: a delivery is *needed* where a node was there for it: alive from the publication until the deadline, or,
//! of a node that came later, from its coming until the deadline after that, if it did not have the event in its store.
//! Events whose publisher left before their deadline are counted apart, since they may have left with it.

use std::collections::HashMap;
use std::fmt;

use crate::envelope::Id;

/// How long deliveries took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Deliveries.
    pub count: u64,
    /// Half of them took at most this.
    pub p50_ms: u64,
    /// 99 of 100 took at most this.
    pub p99_ms: u64,
    /// All took at most this.
    pub max_ms: u64,
}

impl Latency {
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let count = times.len();
        let at = |share: f64| {
            let rank = (count as f64 * share).ceil() as usize;
            times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { count: count as u64, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Events published.
    pub published: u64,
    /// Deliveries needed, of both kinds.
    pub needed: u64,
    /// Of these, those within the deadline.
    pub in_time: u64,
    /// Those that never came while the run lasted.
    pub never: u64,
    /// To nodes that were there at the publication.
    pub live: Latency,
    /// To nodes that came later, counted from their coming.
    pub late: Latency,
    /// Deliveries of events whose publisher left before their deadline: needed, and in time.
    pub orphans: (u64, u64),
    /// Envelopes received by any way, repeats included.
    pub copies: u64,
    /// New envelopes brought by anti-entropy.
    pub synced: u64,
    /// Bytes sent on the fast path with its upkeep, and by anti-entropy; what was lost included.
    pub bytes: (u64, u64),
    /// Messages sent, and of these lost.
    pub messages: (u64, u64),
    /// Lives that ended.
    pub left: u64,
    /// The mean degree of the mesh at the end.
    pub mesh_degree: f64,
    /// Hash of every delivery in its order: equal for equal plans.
    pub fingerprint: u64,
}

impl Report {
    /// The share of needed deliveries that came in time.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.in_time as f64 / (self.needed as f64).max(1.0)
    }

    /// Copies received for each needed delivery.
    #[must_use]
    pub fn copies_per_delivery(&self) -> f64 {
        self.copies as f64 / (self.needed as f64).max(1.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, late, orphans, bytes, messages, .. } = self;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        writeln!(f, "events published         {}", self.published)?;
        writeln!(
            f,
            "needed deliveries        {} of {} in time = {:.4} %, {} never",
            self.in_time,
            self.needed,
            self.ratio() * 100.0,
            self.never
        )?;
        writeln!(
            f,
            "  to those there         {}: p50 {} ms, p99 {} ms, max {} ms",
            live.count, live.p50_ms, live.p99_ms, live.max_ms
        )?;
        writeln!(
            f,
            "  to those who came      {}: p50 {} ms, p99 {} ms, max {} ms",
            late.count, late.p50_ms, late.p99_ms, late.max_ms
        )?;
        writeln!(f, "  publisher soon gone    {} of {} in time", orphans.1, orphans.0)?;
        writeln!(f, "copies per delivery      {:.2}", self.copies_per_delivery())?;
        writeln!(f, "brought by anti-entropy  {}", self.synced)?;
        writeln!(
            f,
            "sent                     fast path {:.1} MB, anti-entropy {:.1} MB; {} messages, {} lost",
            mb(bytes.0),
            mb(bytes.1),
            messages.0,
            messages.1
        )?;
        writeln!(f, "lives that ended         {}", self.left)?;
        writeln!(f, "mean degree at the end   {:.2}", self.mesh_degree)?;
        write!(f, "fingerprint              {:016x}", self.fingerprint)
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    at_ms: u64,
    publisher: (usize, u32),
}

/// One life of one node, and when it got which event.
#[derive(Clone, Debug)]
struct Life {
    born_ms: u64,
    died_ms: u64,
    got: HashMap<u32, u64>,
}

/// Writes down who got what when.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    events: Vec<Published>,
    by_id: HashMap<Id, u32>,
    lives: HashMap<(usize, u32), Life>,
    pub(crate) report: Report,
}

/// Before the first event, when the meshes form.
const ALREADY: u64 = 0;

impl Ledger {
    pub(crate) fn born(&mut self, who: (usize, u32), at_ms: u64, has: impl Iterator<Item = Id>) {
        let got = has.filter_map(|id| self.by_id.get(&id).map(|at| (*at, ALREADY))).collect();
        self.lives.insert(who, Life { born_ms: at_ms, died_ms: u64::MAX, got });
    }

    pub(crate) fn died(&mut self, who: (usize, u32), at_ms: u64) {
        self.report.left += 1;
        if let Some(life) = self.lives.get_mut(&who) {
            life.died_ms = at_ms;
        }
    }

    pub(crate) fn published(&mut self, id: Id, publisher: (usize, u32), at_ms: u64) {
        self.by_id.insert(id, self.events.len() as u32);
        self.events.push(Published { at_ms, publisher });
        self.got(publisher, id, at_ms);
    }

    pub(crate) fn got(&mut self, who: (usize, u32), id: Id, at_ms: u64) {
        let Some(at) = self.by_id.get(&id) else { return };
        if let Some(life) = self.lives.get_mut(&who) {
            life.got.entry(*at).or_insert(at_ms);
        }
        let mut hash = self.report.fingerprint;
        for part in [u64::from(*at), who.0 as u64, u64::from(who.1), at_ms] {
            // FNV-1a over words: equal runs, equal numbers.
            hash = (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
        self.report.fingerprint = hash;
    }

    pub(crate) fn finish(mut self, deadline_ms: u64, end_ms: u64) -> Report {
        let (mut live, mut late) = (Vec::new(), Vec::new());
        let report = &mut self.report;
        report.published = self.events.len() as u64;
        for (who, life) in &self.lives {
            for (at, event) in self.events.iter().enumerate() {
                if event.publisher == *who {
                    continue;
                }
                let there = life.born_ms <= event.at_ms;
                let from_ms = event.at_ms.max(life.born_ms);
                let until_ms = from_ms + deadline_ms;
                if life.died_ms < until_ms || until_ms > end_ms {
                    continue;
                }
                let got = life.got.get(&(at as u32)).copied();
                if !there && got == Some(ALREADY) {
                    continue;
                }
                let in_time = got.is_some_and(|got| got <= until_ms);
                let publisher_died =
                    self.lives.get(&event.publisher).map_or(0, |life| life.died_ms);
                if publisher_died < event.at_ms + deadline_ms {
                    report.orphans.0 += 1;
                    report.orphans.1 += u64::from(in_time);
                    continue;
                }
                report.needed += 1;
                report.in_time += u64::from(in_time);
                match got {
                    None => report.never += 1,
                    Some(got) if there => live.push(got - from_ms),
                    Some(got) => late.push(got.saturating_sub(from_ms)),
                }
            }
        }
        report.live = Latency::of(live);
        report.late = Latency::of(late);
        self.report
    }
}
