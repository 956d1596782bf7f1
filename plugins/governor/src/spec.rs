//! What is proposed, and what a DAO is configured with: the JSON that an operator writes.
//!
//! The rule: exactly these members, each within its bounds; what is read is printed again.

use serde::{Deserialize, Serialize};

use crate::conviction::Alpha;
use crate::fixed::Ratio;
use crate::limits::MAX_OPTIONS;
use crate::text::{DaoId, Source, Title};
use crate::time::Span;

/// What a vote weighs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Each member as much as any other.
    Member,
    /// Its stake.
    Stake,
    /// The square root of its stake; with several options Snapshot's quadratic voting.
    Quadratic,
    /// Its stake, and beside it the conviction that grows while it stands.
    Conviction {
        /// How much of it is left after a step.
        alpha: Alpha,
        /// A step.
        step: Span,
    },
}

/// A proposal as posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SpecJson", into = "SpecJson")]
pub struct Spec {
    /// For people.
    pub title: Title,
    /// Whose weight is to change.
    pub source: Source,
    /// The weights to choose from. One is a yes/no question.
    pub options: Vec<Ratio>,
    /// What a vote weighs.
    pub strategy: Strategy,
    /// From the proposal until the vote begins; the stakes at that instant count.
    pub delay: Span,
    /// How long the vote is open.
    pub period: Span,
    /// How much of all power must take part.
    pub quorum: Ratio,
    /// From the queueing until the execution.
    pub timelock: Span,
    /// How long the vote stays open at least after the quorum is reached.
    pub extension: Span,
    /// How long after the timelock it may be executed.
    pub grace: Span,
}

impl Spec {
    /// Whether it asks yes or no, rather than which.
    #[must_use]
    pub fn is_yes_no(&self) -> bool {
        self.options.len() == 1
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StrategyName {
    Member,
    Stake,
    Quadratic,
    Conviction,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecJson {
    title: Title,
    source: Source,
    options: Vec<Ratio>,
    strategy: StrategyName,
    delay_s: Span,
    period_s: Span,
    quorum: Ratio,
    timelock_s: Span,
    extension_s: Span,
    grace_s: Span,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    alpha: Option<Ratio>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    step_s: Option<Span>,
}

/// A member that may be absent, but not `null`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl TryFrom<SpecJson> for Spec {
    type Error = String;

    fn try_from(json: SpecJson) -> Result<Self, String> {
        let strategy = match (json.strategy, json.alpha, json.step_s) {
            (StrategyName::Conviction, Some(alpha), Some(step)) => {
                let alpha = Alpha::new(alpha).ok_or("alpha is at most 0.999999999")?;
                if step == Span::ZERO {
                    return Err("step_s is more than 0".to_owned());
                }
                Strategy::Conviction { alpha, step }
            }
            (StrategyName::Conviction, ..) => {
                return Err("conviction needs alpha and step_s".to_owned());
            }
            (_, None, None) => match json.strategy {
                StrategyName::Member => Strategy::Member,
                StrategyName::Stake => Strategy::Stake,
                StrategyName::Quadratic | StrategyName::Conviction => Strategy::Quadratic,
            },
            _ => return Err("alpha and step_s belong to conviction alone".to_owned()),
        };
        if !(1..=MAX_OPTIONS).contains(&json.options.len()) {
            return Err(format!("options are 1 to {MAX_OPTIONS} weights"));
        }
        if json.period_s == Span::ZERO {
            return Err("period_s is more than 0".to_owned());
        }
        Ok(Self {
            title: json.title,
            source: json.source,
            options: json.options,
            strategy,
            delay: json.delay_s,
            period: json.period_s,
            quorum: json.quorum,
            timelock: json.timelock_s,
            extension: json.extension_s,
            grace: json.grace_s,
        })
    }
}

impl From<Spec> for SpecJson {
    fn from(spec: Spec) -> Self {
        let (strategy, alpha, step_s) = match spec.strategy {
            Strategy::Member => (StrategyName::Member, None, None),
            Strategy::Stake => (StrategyName::Stake, None, None),
            Strategy::Quadratic => (StrategyName::Quadratic, None, None),
            Strategy::Conviction { alpha, step } => {
                (StrategyName::Conviction, Some(alpha.get()), Some(step))
            }
        };
        Self {
            title: spec.title,
            source: spec.source,
            options: spec.options,
            strategy,
            delay_s: spec.delay,
            period_s: spec.period,
            quorum: spec.quorum,
            timelock_s: spec.timelock,
            extension_s: spec.extension,
            grace_s: spec.grace,
            alpha,
            step_s,
        }
    }
}

/// Who acts when a proposal may be queued or executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auto {
    /// The DAO itself, as soon as it is allowed.
    On,
    /// Whoever asks for it.
    Off,
}

/// What a DAO is configured with, as far as weights follow from it. Numbers are read by `serde_json` alone, to the last
/// digit; from elsewhere they come by [`Ratio::from_f64`] and [`Span::from_s_f64`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ConfigJson", into = "ConfigJson")]
pub struct Config {
    /// Signed into every vote; never changes.
    pub id: DaoId,
    /// Who queues and executes.
    pub auto: Auto,
    /// The weight of a source on which nothing was decided.
    pub default_weight: Ratio,
    /// How far a weight goes at once: at least 0.001, so that no walk takes more than 1,000 steps.
    pub max_step: Ratio,
    /// How long it stands between steps.
    pub epoch: Span,
    /// How long after its execution a weight walks back to the default.
    pub renew: Span,
}

impl Config {
    /// The same, if its numbers are within their bounds.
    ///
    /// # Errors
    ///
    /// Which is not.
    pub fn checked(self) -> Result<Self, String> {
        if self.max_step.units() < Ratio::UNITS / 1_000 {
            return Err("max_step is 0.001 to 1".to_owned());
        }
        if self.epoch == Span::ZERO || self.renew == Span::ZERO {
            return Err("epoch_s and renew_s are more than 0".to_owned());
        }
        Ok(self)
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigJson {
    id: DaoId,
    auto: bool,
    default_weight: Ratio,
    max_step: Ratio,
    epoch_s: Span,
    renew_s: Span,
}

impl TryFrom<ConfigJson> for Config {
    type Error = String;

    fn try_from(json: ConfigJson) -> Result<Self, String> {
        let ConfigJson { id, auto, default_weight, max_step, epoch_s: epoch, renew_s: renew } =
            json;
        let auto = if auto { Auto::On } else { Auto::Off };
        Self { id, auto, default_weight, max_step, epoch, renew }.checked()
    }
}

impl From<Config> for ConfigJson {
    fn from(config: Config) -> Self {
        let Config { id, auto, default_weight, max_step, epoch, renew } = config;
        let auto = auto == Auto::On;
        Self { id, auto, default_weight, max_step, epoch_s: epoch, renew_s: renew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"delay_s":0,"extension_s":0.5,"grace_s":60,"options":[0.25],"period_s":10,"quorum":0.1,"source":"s","strategy":"member","timelock_s":1,"title":"t"}"#;

    #[test]
    fn a_proposal_is_exactly_its_members() {
        let spec: Spec = serde_json::from_str(GOOD).expect("a proposal");
        assert_eq!(serde_json_canonicalizer::to_string(&spec).expect("JSON"), GOOD);
        for (from, to) in [
            (r#""delay_s":0,"#, ""),
            (r#""delay_s":0"#, r#""delay_s":0,"delay_s":0"#),
            (r#""delay_s":0"#, r#""delay_s":0,"more":0"#),
            (r#""delay_s":0"#, r#""delay_s":-1"#),
            (r#""delay_s":0"#, r#""delay_s":"0""#),
            (r#""period_s":10"#, r#""period_s":0"#),
            ("[0.25]", "[]"),
            ("[0.25]", "[1.25]"),
            ("[0.25]", "0.25"),
            (r#""quorum":0.1"#, r#""quorum":1.1"#),
            ("member", "plutocracy"),
            (r#""member""#, r#""conviction""#),
            (r#""member""#, r#""conviction","alpha":0.9"#),
            (r#""member""#, r#""conviction","alpha":0.9,"step_s":0"#),
            (r#""member""#, r#""conviction","alpha":1,"step_s":1"#),
            (r#""member""#, r#""member","alpha":0.9,"step_s":1"#),
            (r#""member""#, r#""member","alpha":null"#),
            (r#""title":"t""#, r#""title":"""#),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert!(serde_json::from_str::<Spec>(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn options_are_bounded() {
        let with = |count: usize| {
            let options = vec!["0.5"; count].join(",");
            serde_json::from_str::<Spec>(&GOOD.replace("0.25", &options))
        };
        assert!(with(MAX_OPTIONS).is_ok() && with(MAX_OPTIONS + 1).is_err());
    }

    #[test]
    fn a_configuration_is_exactly_its_members() {
        let good = r#"{"auto":true,"default_weight":1,"epoch_s":60,"id":"d","max_step":0.001,"renew_s":1e6}"#;
        let config: Config = serde_json::from_str(good).expect("a configuration");
        assert_eq!(config.auto, Auto::On);
        for (from, to) in
            [("0.001", "0.0001"), ("60", "0"), ("1e6", "0"), (r#""d""#, r#""""#), ("true", "1")]
        {
            assert!(serde_json::from_str::<Config>(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
