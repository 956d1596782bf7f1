//! The ensemble: many weak opinions about a row, added up.
//!
//! The rule: a member turns a row into evidence; the members of a group, which look at the same
//! thing in several sizes, are averaged; the groups' root mean square is the verdict. A member
//! whose numbers are no longer finite is dropped and stays out.

use serde::{Deserialize, Serialize};

use crate::autoregression::Autoregression;
use crate::average::{Average, Relative};
use crate::blocks::{Block, Blocks};
use crate::calibration::Calibration;
use crate::context::Context;
use crate::discord::Discord;
use crate::drift::{Drift, Shift};
use crate::members;
use crate::neighbours::Neighbours;
use crate::record::Record;
use crate::season::{Offsets, Profile};
use crate::spread::Spread;
use crate::tape::{Keep, Tape, kept};

/// Everything that judges a row, in two sizes.
#[derive(Clone, Debug)]
pub(crate) struct Ensemble {
    groups: Vec<Group>,
}

/// Members that look at the same thing.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: Opinion,
    pub(crate) members: Vec<Member>,
}

/// The statistic of a source that cannot say anything yet; all others are from zero on.
const UNKNOWN: f64 = -1.0;

/// What a group looks at.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// Fast and slow averages part.
    Drift,
    /// A row is unlike its time of the day or week.
    Season,
    /// Rows lie to one side of their time of the day or week.
    SeasonShift,
    /// The series moves more or less than before.
    Spread,
    /// A value beyond those seen so far.
    Record,
    /// A linear forecast fails.
    Forecast,
    /// A value that does not follow from those before it.
    Context,
    /// The mean of the newest rows left the mean before.
    Shift,
    /// The newest stretch is unlike every earlier one.
    Discord,
    /// The newest blocks are unlike every earlier pair.
    BlockDiscord,
    /// A block that does not follow from those before it.
    BlockContext,
    /// The newest stretch is far from a sample of the past.
    Neighbours,
}

impl Opinion {
    /// A short name for logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Season => "season",
            Self::SeasonShift => "season_shift",
            Self::Spread => "spread",
            Self::Record => "record",
            Self::Forecast => "forecast",
            Self::Context => "context",
            Self::Shift => "shift",
            Self::Discord => "discord",
            Self::BlockDiscord => "block_discord",
            Self::Neighbours => "neighbours",
            Self::BlockContext => "block_context",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    source: Source,
    /// One for each statistic of the source.
    calibrations: Vec<Calibration>,
    /// What the statistics were after the newest row or block.
    statistics: Vec<f64>,
    dropped: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Drift(Drift),
    Season(Profile, Relative),
    SeasonShift(Profile, Vec<(Average, Relative)>),
    Spread(Spread),
    Record(Record),
    Forecast(Box<Autoregression>, Relative),
    Context(Feed, Context),
    Shift(Shift),
    Discord(Feed, Discord),
    Neighbours(Feed, Neighbours, Relative),
}

/// Which rows a source is given.
#[derive(Clone, Debug)]
pub(crate) enum Feed {
    Rows,
    Means(Blocks),
    Extremes(Blocks),
}

impl Feed {
    fn push(&mut self, x: f64) -> Option<f64> {
        match self {
            Self::Rows => Some(x),
            Self::Means(blocks) => blocks.push(x).map(|Block { mean, .. }| mean),
            Self::Extremes(blocks) => blocks.push(x).map(|Block { extreme, .. }| extreme),
        }
    }
}

/// What the ensemble makes of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Root mean square of the groups' evidence.
    pub(crate) evidence: f64,
    /// The group with the most evidence.
    pub(crate) loudest: Opinion,
    /// Whether members were dropped.
    pub(crate) reduced: bool,
}

impl Ensemble {
    /// The members that cost little.
    pub(crate) fn cheap() -> Self {
        Self { groups: members::cheap() }
    }

    /// All members.
    pub(crate) fn full() -> Self {
        let mut groups = members::cheap();
        groups.extend(members::dear());
        Self { groups }
    }

    pub(crate) fn push(&mut self, x: f64, offsets: &Offsets) -> Judgement {
        let (mut squares, mut speaking) = (0.0, 0.0_f64);
        let mut reduced = false;
        let mut loudest = (self.groups[0].name, -1.0);
        for group in &mut self.groups {
            let (mut sum, mut voices) = (0.0, 0.0_f64);
            for member in &mut group.members {
                match member.push(x, offsets) {
                    Some(evidence) => {
                        sum += evidence;
                        voices += member.calibrations.len() as f64;
                    }
                    None => reduced = true,
                }
            }
            if voices > 0.0 {
                let evidence = sum / voices;
                if evidence > loudest.1 {
                    loudest = (group.name, evidence);
                }
                squares += evidence * evidence;
                speaking += 1.0;
            }
        }
        Judgement { evidence: (squares / speaking.max(1.0)).sqrt(), loudest: loudest.0, reduced }
    }
}

impl Member {
    pub(crate) fn new(source: Source, calibrations: Vec<Calibration>) -> Self {
        let statistics = vec![UNKNOWN; calibrations.len()];
        Self { source, calibrations, statistics, dropped: false }
    }

    /// The sum of its evidence, `None` once it was dropped.
    fn push(&mut self, x: f64, offsets: &Offsets) -> Option<f64> {
        if self.dropped {
            return None;
        }
        self.source.push(x, offsets, &mut self.statistics);
        let pairs = self.calibrations.iter_mut().zip(&self.statistics);
        // Nothing is learnt of what is not known yet: the first value would be news after zeros.
        let known = pairs.filter(|(_, statistic)| **statistic != UNKNOWN);
        let evidence: f64 = known.map(|(calibration, &s)| calibration.push(s)).sum();
        if !evidence.is_finite() {
            self.dropped = true;
            return None;
        }
        Some(evidence)
    }
}

impl Source {
    /// Whether a statistic stays for rows that finish no block.
    fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Context(Feed::Means(_) | Feed::Extremes(_), _)
                | Self::Discord(..)
                | Self::Neighbours(Feed::Means(_) | Feed::Extremes(_), ..)
        )
    }

    fn push(&mut self, x: f64, offsets: &Offsets, out: &mut [f64]) {
        match self {
            Self::Drift(drift) => out[0] = drift.push(x),
            Self::Season(profile, usual) => {
                out[0] = offsets.off(*profile).map_or(UNKNOWN, |off| usual.push(off.abs()));
            }
            Self::SeasonShift(profile, sizes) => {
                let off = offsets.off(*profile);
                for (out, (mean, usual)) in out.iter_mut().zip(sizes) {
                    *out = off.map_or(UNKNOWN, |off| usual.push(mean.push(off).abs()));
                }
            }
            Self::Spread(spread) => out[0] = spread.push(x),
            Self::Record(record) => out[0] = record.push(x),
            Self::Forecast(model, usual) => out[0] = usual.push(model.push(x).abs()),
            Self::Context(feed, context) => {
                if let Some(x) = feed.push(x) {
                    out[0] = context.push(x);
                }
            }
            Self::Shift(shift) => out[0] = shift.push(x).unwrap_or(UNKNOWN),
            Self::Discord(feed, discord) => {
                if let Some(x) = feed.push(x) {
                    discord.push(x, |at, distance| out[at] = distance);
                }
            }
            Self::Neighbours(feed, sample, usual) => {
                if let Some(x) = feed.push(x) {
                    out[0] = sample.push(x).map_or(UNKNOWN, |distance| usual.push(distance));
                }
            }
        }
    }
}

kept!(Ensemble: groups);
kept!(Group: members);

impl Keep for Member {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.dropped.keep(tape);
        self.source.keep(tape);
        self.calibrations.keep(tape);
        if self.source.lasts() {
            self.statistics.keep(tape);
        }
    }
}

impl Keep for Source {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        match self {
            Self::Drift(drift) => drift.keep(tape),
            Self::Season(_, usual) => usual.keep(tape),
            Self::SeasonShift(_, sizes) => sizes.keep(tape),
            Self::Spread(spread) => spread.keep(tape),
            Self::Record(record) => record.keep(tape),
            Self::Forecast(model, usual) => {
                model.keep(tape);
                usual.keep(tape);
            }
            Self::Context(feed, context) => {
                feed.keep(tape);
                context.keep(tape);
            }
            Self::Shift(shift) => shift.keep(tape),
            Self::Discord(feed, discord) => {
                feed.keep(tape);
                discord.keep(tape);
            }
            Self::Neighbours(feed, sample, usual) => {
                feed.keep(tape);
                sample.keep(tape);
                usual.keep(tape);
            }
        }
    }
}

impl Keep for Feed {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        match self {
            Self::Rows => {}
            Self::Means(blocks) | Self::Extremes(blocks) => blocks.keep(tape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season::Profiles;

    #[test]
    fn members_that_break_are_left_out_and_the_others_go_on() {
        let mut ensemble = Ensemble::full();
        let mut profiles = Profiles::new();
        let mut push = |ensemble: &mut Ensemble, row: i64, x: f64| {
            ensemble.push(x, &profiles.push(row * 60_000_000_000, 1.0))
        };
        for row in 0..300 {
            assert!(!push(&mut ensemble, row, (row % 7) as f64).reduced);
        }
        let broken = push(&mut ensemble, 300, f64::NAN);
        assert!(broken.reduced && broken.evidence.is_finite(), "{broken:?}");
        for row in 301..600 {
            let judgement = push(&mut ensemble, row, (row % 7) as f64);
            assert!(judgement.reduced, "what was dropped stays out");
            assert!((0.0..=8.0).contains(&judgement.evidence), "{judgement:?}");
        }
        let left = ensemble.groups.iter().flat_map(|group| &group.members);
        let left: Vec<bool> = left.map(|member| member.dropped).collect();
        assert!(left.contains(&false) && left.contains(&true), "{left:?}");
    }
}
