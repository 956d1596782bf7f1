//! What a detector says of a row.
//!
//! The rule: everything that an alert needs to explain itself, and nothing that it would have to
//! look up.

use serde::{Deserialize, Serialize};

use crate::ensemble::Opinion;

/// Scores above this are [`Severity::Warning`]: the shipped threshold.
pub const WARNING: f64 = 0.7;
/// Scores above this are [`Severity::Critical`].
pub const CRITICAL: f64 = 0.9;

/// The judgement of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// 0 to 1; above [`WARNING`] it is an alarm.
    pub score: f64,
    /// By the score.
    pub severity: Severity,
    /// Where the row was expected, in the units of the series; `None` while nothing is known.
    pub expected: Option<Range>,
    /// What spoke loudest.
    pub method: Method,
    /// Parts of the detector failed and were left out: it sees less than it should.
    pub reduced_sensitivity: bool,
}

/// How bad a score is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do.
    Info,
    /// Above [`WARNING`].
    Warning,
    /// Above [`CRITICAL`].
    Critical,
}

impl Severity {
    /// The severity of a score.
    pub fn of(score: f64) -> Self {
        if score > CRITICAL {
            Self::Critical
        } else if score > WARNING {
            Self::Warning
        } else {
            Self::Info
        }
    }

    /// `info`, `warning` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where a value was expected, ends included.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Range {
    /// Least.
    pub low: f64,
    /// Greatest.
    pub high: f64,
}

/// Which part of the detector spoke.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Distance from the median of the first rows.
    ColdStart,
    /// One value far from every forecast.
    Spike,
    /// The level left what was usual.
    LevelShift,
    /// The series moves more than it used to.
    MoreSpread,
    /// The series moves less than it used to.
    LessSpread,
    /// The season that was there is gone.
    SeasonBreak,
    /// The same value again and again, where that never was.
    FlatLine,
    /// No rows came for long.
    Gap,
    /// The ensemble, and the group in it that was loudest.
    Ensemble(Opinion),
}

impl Method {
    /// A short name for logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ColdStart => "cold_start",
            Self::Spike => "spike",
            Self::LevelShift => "level_shift",
            Self::MoreSpread => "more_spread",
            Self::LessSpread => "less_spread",
            Self::SeasonBreak => "season_break",
            Self::FlatLine => "flat_line",
            Self::Gap => "gap",
            Self::Ensemble(opinion) => opinion.as_str(),
        }
    }
}
