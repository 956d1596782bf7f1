//! How an alert explains itself: one sentence, and what to do about it.
//!
//! The rule: the sentence names what came, what was expected and how that is known.

use crate::alert::AlertType;
use crate::rules::{Budget, Check, Level, Rule};
use crate::sample::{Expected, Sample, clip_text};
use crate::series::name_of;
use crate::time::Period;

/// A range for people; empty where nothing was expected.
pub(crate) fn range(expected: &Expected) -> String {
    match (expected.low, expected.high) {
        (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
        (Some(low), None) => format!("above {}", number(low)),
        (None, Some(high)) => format!("below {}", number(high)),
        (None, None) => String::new(),
    }
}

/// At most six digits that count; people compare, they do not calculate.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e12).contains(&size) {
        return format!("{value:.3e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=10")]
    let digits = (5.0 - size.max(1e-4).log10().floor()).clamp(0.0, 10.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub(crate) fn anomaly(rule: &Rule, sample: &Sample<'_>) -> String {
    let Some(verdict) = &sample.verdict else { return String::new() };
    let range = range(&verdict.expected);
    let than = if range.is_empty() { String::new() } else { format!(", expected {range}") };
    let less = if verdict.reduced_sensitivity { ", at reduced sensitivity" } else { "" };
    let text = format!(
        "{} is {}{than} (score {}, {}{less})",
        name_of(sample.series),
        number(sample.value),
        number(verdict.score),
        if verdict.method.is_empty() { "detector" } else { verdict.method },
    );
    with_summary(rule, &text)
}

pub(crate) fn threshold(rule: &Rule, level: &Level, sample: &Sample<'_>, budget: Budget) -> String {
    let of = match budget {
        Budget::None => String::new(),
        Budget::Fixed(budget) => share(sample.value, budget),
        Budget::Event => sample.budget.map_or_else(String::new, |b| share(sample.value, b)),
    };
    let text = format!(
        "{} is {}{of}, expected {}",
        name_of(sample.series),
        number(sample.value),
        limit(level, budget)
    );
    with_summary(rule, &text)
}

fn share(value: f64, budget: f64) -> String {
    format!(", {} % of {}", number(value / budget * 100.0), number(budget))
}

/// What a threshold says of the normal, in per cent where there is a budget.
fn limit(level: &Level, budget: Budget) -> String {
    match budget {
        Budget::None => range(&level.expected()),
        _ => {
            let percent = |limit: Option<f64>| limit.map(|limit| limit * 100.0);
            let Expected { low, high } = level.expected();
            format!("{} %", range(&Expected { low: percent(low), high: percent(high) }))
        }
    }
}

pub(crate) fn no_data(rule: &Rule, subject: &str, silent_for: Period) -> String {
    with_summary(rule, &format!("{subject} was silent for {silent_for}"))
}

fn with_summary(rule: &Rule, text: &str) -> String {
    match rule.summary.as_str() {
        "" => clip_text(text),
        summary => clip_text(&format!("{summary}: {text}")),
    }
}

/// How a rule came to its alert.
pub(crate) fn method(rule: &Rule, level: Option<&Level>) -> String {
    match (&rule.check, level) {
        (Check::Threshold(threshold), Some(level)) => {
            format!("threshold, normal is {}", limit(level, threshold.budget))
        }
        (Check::NoData { after, .. }, _) => format!("no data within {after}"),
        _ => "threshold".to_owned(),
    }
}

/// What to do first, where the rule does not say it.
pub(crate) fn actions(kind: AlertType) -> Vec<String> {
    let lines: &[&str] = match kind {
        AlertType::Anomaly => &[
            "Compare the series with the same time of the days before.",
            "Look for deployments, configuration changes and incidents at its start.",
            "If this is the new normal, acknowledge it: the detector adapts.",
        ],
        AlertType::Threshold => &[
            "Find what drives the value, and whether it still rises.",
            "Stop or throttle the largest consumer, or raise the limit on purpose.",
        ],
        AlertType::NoData => &[
            "Check that the sender runs and reaches this node.",
            "Check its token and its clock.",
            "If the series was retired, silence or resolve this alert.",
        ],
        AlertType::NoiseCap => &[
            "Raise the rule's `for` or `keep_firing_for`, or its limit.",
            "Silence the series until it is repaired.",
        ],
        AlertType::Heartbeat => &[],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        for (value, text) in [
            (0.0, "0"),
            (50.0, "50"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.3"),
            (1234.5678, "1234.57"),
            (1e15, "1.000e15"),
            (1e-9, "1.000e-9"),
            (123_456_789.0, "123456789"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn ranges_are_told_by_their_sides() {
        let of = |low, high| range(&Expected { low, high });
        assert_eq!(of(Some(1.0), Some(2.0)), "1 to 2");
        assert_eq!(of(Some(1.0), None), "above 1");
        assert_eq!(of(None, Some(2.0)), "below 2");
        assert_eq!(of(None, None), "");
    }
}
