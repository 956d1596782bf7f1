//! Rules as they are checked and used: what raises alerts, and who is told.
//!
//! The rule: rules that exist are sound; a text with one error yields none, and every error says where and what to do.

mod check;
mod error;
mod text;

use crate::labels::Labels;
use crate::matcher::{Matcher, all_match};
use crate::sample::{Expected, Severity, Verdict};
use crate::time::Period;

pub use error::{RuleError, RulesRefused};

/// The alert that says that a series started too many; no rule may be called so.
pub(crate) const NOISE_CAP: &str = "NoiseCap";

/// Everything that the rules' text says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// In order; the first that matches takes an alert, unless it says `continue`.
    pub(crate) routes: Vec<Route>,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) inhibitions: Vec<Inhibition>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) noise_cap: NoiseCap,
    pub(crate) correlation_window: Period,
    pub(crate) external_url: String,
    /// On every alert.
    pub(crate) labels: Labels,
}

/// One rule: a condition on series, and what is said when it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// On `kind`, `subject` and `source` alone.
    pub(crate) series: Vec<Matcher>,
    pub(crate) check: Check,
    pub(crate) pending_for: Period,
    pub(crate) keep_firing_for: Period,
    /// Silence after which the last sample no longer counts.
    pub(crate) stale_after: Period,
    pub(crate) summary: String,
    pub(crate) runbook: String,
    pub(crate) actions: Vec<String>,
    pub(crate) labels: Labels,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    Threshold(Threshold),
    Anomaly { above_score: f64 },
    NoData { after: Period, severity: Severity },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) budget: Budget,
    /// By severity, the mildest first.
    pub(crate) levels: [Option<Level>; 3],
}

/// What a value is divided by before it is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Budget {
    None,
    Fixed(f64),
    /// The event says it; without one the rule does not look at the sample.
    Event,
}

/// Reached at or above `above`, or at or below `below`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
}

impl Level {
    pub(crate) fn reached(&self, value: f64) -> bool {
        self.above.is_some_and(|above| value >= above)
            || self.below.is_some_and(|below| value <= below)
    }

    /// The values that do not reach it.
    pub(crate) const fn expected(&self) -> Expected {
        Expected { low: self.below, high: self.above }
    }
}

/// The order is that of notification: the first that matches, then, after `continue`, the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    /// Names the route in group keys, so that a group stays itself when other routes change.
    pub(crate) key: String,
    pub(crate) receiver: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) group_by: GroupBy,
    pub(crate) group_wait: Period,
    pub(crate) group_interval: Period,
    pub(crate) repeat_interval: Period,
    pub(crate) goes_on: GoesOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesOn {
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    Names(Vec<String>),
    /// `["..."]`: each alert by itself.
    All,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) send_resolved: bool,
    pub(crate) max_alerts: usize,
}

/// Where a notification goes, and so in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `POST` of Alertmanager's webhook message, version 4, to this address.
    Webhook(String),
    /// `POST` of alerts to this address, that of a peer's `/api/v2/alerts`.
    Alertmanager(String),
}

impl Target {
    /// The address.
    pub fn url(&self) -> &str {
        match self {
            Self::Webhook(url) | Self::Alertmanager(url) => url,
        }
    }
}

/// A firing `source` mutes every `target` that has the same values in `equal`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inhibition {
    pub(crate) source: Vec<Matcher>,
    pub(crate) target: Vec<Matcher>,
    pub(crate) equal: Vec<String>,
}

/// The alert that always fires, so that its absence tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heartbeat {
    pub(crate) name: String,
    pub(crate) labels: Labels,
}

/// How many alerts a series may start within a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoiseCap {
    pub(crate) alerts: usize,
    pub(crate) per: Period,
}

impl Rules {
    /// Reads and checks rules.
    ///
    /// # Errors
    /// Every error that was found, each with line, column and remedy.
    pub fn parse(text: &str) -> Result<Self, RulesRefused> {
        check::parse(text)
    }

    /// Whether a rule compares with a budget that the events name: [`crate::Sample::budget`] is needed for it alone.
    pub fn ask_for_budgets(&self) -> bool {
        let asks =
            |rule: &Rule| matches!(&rule.check, Check::Threshold(t) if t.budget == Budget::Event);
        self.rules.iter().any(asks)
    }

    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    pub(crate) fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }

    /// The routes that take an alert with these labels.
    pub(crate) fn routes_of<'a>(
        &'a self,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Route> + 'a {
        let mut open = true;
        let matching = self.routes.iter().filter(|route| all_match(&route.matchers, labels));
        matching.take_while(move |route| {
            let takes = open;
            open = open && route.goes_on == GoesOn::Yes;
            takes
        })
    }
}

/// What ships: anomalies from warning on, and no receiver.
impl Default for Rules {
    fn default() -> Self {
        Self::parse("[[anomaly]]\nname = \"Anomaly\"\n").expect("the shipped rules are sound")
    }
}

impl Rule {
    /// Whether the series is one of this rule's.
    pub(crate) fn selects(&self, labels: &Labels) -> bool {
        all_match(&self.series, labels)
    }

    /// Severities that this sample gives, by severity; `None` where the rule has nothing to say about it.
    ///
    /// The levels of a threshold are conditions of their own, as rules of Prometheus are. An anomaly has one
    /// severity, that of its score: it starts an alert of this severity alone ([`Reading::Holds`]), and keeps the
    /// milder ones of the same episode going ([`Reading::Keeps`]).
    pub(crate) fn read(
        &self,
        value: f64,
        budget: Option<f64>,
        verdict: Option<&Verdict<'_>>,
    ) -> Option<[Reading; 3]> {
        match &self.check {
            Check::Threshold(threshold) => {
                let value = threshold.budget.apply(value, budget)?;
                Some(threshold.levels.map(|level| match level {
                    Some(level) if level.reached(value) => Reading::Holds,
                    _ => Reading::Clear,
                }))
            }
            Check::Anomaly { above_score } => {
                let score = verdict?.score;
                let own = Severity::of_score(score);
                Some(Severity::ALL.map(|severity| match severity.cmp(&own) {
                    _ if score <= *above_score => Reading::Clear,
                    std::cmp::Ordering::Less => Reading::Keeps,
                    std::cmp::Ordering::Equal => Reading::Holds,
                    std::cmp::Ordering::Greater => Reading::Clear,
                }))
            }
            Check::NoData { .. } => None,
        }
    }
}

impl Budget {
    /// The value that is compared; a share where there is a budget.
    pub(crate) fn apply(self, value: f64, of_event: Option<f64>) -> Option<f64> {
        let budget = match self {
            Self::None => return Some(value),
            Self::Fixed(budget) => budget,
            Self::Event => of_event.filter(|budget| *budget > 0.0)?,
        };
        Some(value / budget).filter(|share| share.is_finite())
    }
}

impl Budget {
    /// A range of shares as one of values.
    pub(crate) fn unapply(self, range: Expected, of_event: Option<f64>) -> Expected {
        let budget = match self {
            Self::None => return range,
            Self::Fixed(budget) => budget,
            Self::Event => of_event.unwrap_or(1.0),
        };
        let scaled = |limit: Option<f64>| limit.map(|l| l * budget).filter(|l| l.is_finite());
        Expected { low: scaled(range.low), high: scaled(range.high) }
    }
}

/// What a sample means for one severity of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The condition holds.
    Holds,
    /// An alert that there is goes on, none starts.
    Keeps,
    /// The condition does not hold.
    Clear,
}
