//! What goes in: samples of series, with what a detector said of them.
//!
//! The rule: a sample that is let in is finite and of bounded size.

use serde::{Deserialize, Serialize};

use crate::labels::MAX_LABEL_VALUE;
use crate::limits::MAX_TEXT;
use crate::time::Time;

/// How bad it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Above 0.9 critical, above 0.7 a warning, else info.
    pub fn of_score(score: f64) -> Self {
        if score > 0.9 {
            Self::Critical
        } else if score > 0.7 {
            Self::Warning
        } else {
            Self::Info
        }
    }

    /// The score of an alert that no detector scored: one that gives this severity.
    pub const fn nominal_score(self) -> f64 {
        match self {
            Self::Info => 0.5,
            Self::Warning => 0.8,
            Self::Critical => 1.0,
        }
    }

    /// As it stands in labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Which series a sample belongs to. Subject and source may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series<'a> {
    /// The kind of the events.
    pub kind: &'a str,
    /// What they are about.
    pub subject: &'a str,
    /// Who posts them.
    pub source: &'a str,
}

/// What is normal: at least `low`, at most `high`; a side without a bound is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The least normal value.
    pub low: Option<f64>,
    /// The greatest normal value.
    pub high: Option<f64>,
}

/// What a detector says of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict<'a> {
    /// 0..=1; above 0.7 a warning, above 0.9 critical.
    pub score: f64,
    /// What it expected.
    pub expected: Expected,
    /// How it came to that, in a word or a few: at most [`MAX_TEXT`] bytes are kept.
    pub method: &'a str,
    /// A component failed, so that less would be found.
    pub reduced_sensitivity: bool,
}

/// One value of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Whose value.
    pub series: Series<'a>,
    /// When it was true, by the clock of who measured it; deadlines follow `now` instead.
    pub at: Time,
    /// The value.
    pub value: f64,
    /// The budget that the event itself names, for rules with `budget = "event"`.
    pub budget: Option<f64>,
    /// What the detector says, where one looked.
    pub verdict: Option<Verdict<'a>>,
}

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleRefused {
    /// Value, budget, score or expected range is no number that can be compared.
    #[error("the value, the score or the range is not finite")]
    NotFinite,
    /// The score is outside 0..=1.
    #[error("the score is outside 0..=1")]
    Score,
    /// Kind, subject or source is longer than [`MAX_LABEL_VALUE`] bytes or holds a NUL, or kind is empty.
    #[error("the name of the series is empty, too long or holds a NUL")]
    Name,
}

impl Sample<'_> {
    /// Holds the sample against the bounds.
    ///
    /// # Errors
    /// The first bound that it breaks.
    pub fn check(&self) -> Result<(), SampleRefused> {
        let Series { kind, subject, source } = self.series;
        // The table of series joins the names with NUL.
        let bad = |name: &str| name.len() > MAX_LABEL_VALUE || name.as_bytes().contains(&0);
        if kind.is_empty() || [kind, subject, source].into_iter().any(bad) {
            return Err(SampleRefused::Name);
        }
        let verdict = self.verdict.as_ref();
        let range = verdict.map(|v| [Some(v.score), v.expected.low, v.expected.high]);
        let mut numbers = [Some(self.value), self.budget]
            .into_iter()
            .chain(range.into_iter().flatten())
            .flatten();
        if !numbers.all(f64::is_finite) {
            return Err(SampleRefused::NotFinite);
        }
        match verdict {
            Some(verdict) if !(0.0..=1.0).contains(&verdict.score) => Err(SampleRefused::Score),
            _ => Ok(()),
        }
    }
}

/// The first `bytes` of `text` at most, whole characters only.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A text that people wrote or a detector gave, cut to [`MAX_TEXT`].
pub(crate) fn clip_text(text: &str) -> String {
    clip(text, MAX_TEXT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Sample<'_> = Sample {
        series: Series { kind: "cost", subject: "", source: "" },
        at: Time::from_s(0),
        value: 1.0,
        budget: None,
        verdict: None,
    };
    const VERDICT: Verdict<'_> = Verdict {
        score: 0.5,
        expected: Expected { low: None, high: None },
        method: "",
        reduced_sensitivity: false,
    };

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(GOOD.check(), Ok(()));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let range = Expected { low: Some(bad), high: None };
            for sample in [
                Sample { value: bad, ..GOOD },
                Sample { budget: Some(bad), ..GOOD },
                Sample { verdict: Some(Verdict { score: bad, ..VERDICT }), ..GOOD },
                Sample { verdict: Some(Verdict { expected: range, ..VERDICT }), ..GOOD },
            ] {
                assert_eq!(sample.check(), Err(SampleRefused::NotFinite), "{sample:?}");
            }
        }
        let beyond = Sample { verdict: Some(Verdict { score: 1.1, ..VERDICT }), ..GOOD };
        assert_eq!(beyond.check(), Err(SampleRefused::Score));
    }

    #[test]
    fn names_are_bounded() {
        let (long, longer) = ("x".repeat(MAX_LABEL_VALUE), "x".repeat(MAX_LABEL_VALUE + 1));
        let named =
            |kind, subject| Sample { series: Series { kind, subject, source: "" }, ..GOOD }.check();
        assert_eq!(named("cost", &long), Ok(()));
        assert_eq!(named("cost", &longer), Err(SampleRefused::Name));
        assert_eq!(named("", ""), Err(SampleRefused::Name));
        assert_eq!(named("cost", "a\0b"), Err(SampleRefused::Name));
    }

    #[test]
    fn severities_have_the_borders_of_the_score() {
        use Severity::{Critical, Info, Warning};
        for (score, severity) in
            [(0.0, Info), (0.7, Info), (0.701, Warning), (0.9, Warning), (0.901, Critical)]
        {
            assert_eq!(Severity::of_score(score), severity, "{score}");
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::of_score(severity.nominal_score()), severity);
        }
    }

    #[test]
    fn a_clipped_text_is_still_text() {
        assert_eq!(clip("aä", 2), "a");
        assert_eq!(clip("aä", 3), "aä");
    }
}
