//! The tables and keys of rules, as they stand in TOML.
//!
//! The rule: what a value by itself can get wrong is found here; what values say together, in `check`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::sample::Severity;
use crate::time::Period;

pub(super) type Text = Spanned<String>;
pub(super) type LabelTable = BTreeMap<Text, Text>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesText {
    pub(super) external_url: Option<Text>,
    #[serde(default)]
    pub(super) labels: LabelTable,
    #[serde(default)]
    pub(super) noise_cap: NoiseCapText,
    #[serde(default)]
    pub(super) correlation: CorrelationText,
    #[serde(default)]
    pub(super) threshold: Vec<ThresholdText>,
    #[serde(default)]
    pub(super) anomaly: Vec<AnomalyText>,
    #[serde(default)]
    pub(super) no_data: Vec<NoDataText>,
    #[serde(default)]
    pub(super) receiver: Vec<ReceiverText>,
    #[serde(default)]
    pub(super) route: Vec<Spanned<RouteText>>,
    pub(super) inhibit: Option<Vec<Spanned<InhibitText>>>,
    pub(super) heartbeat: Option<HeartbeatText>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NoiseCapText {
    pub(super) alerts: Option<Spanned<usize>>,
    pub(super) per: Option<Spanned<Period>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrelationText {
    pub(super) window: Option<Period>,
}

/// A table of rules: the keys that all have, and its own. Flattening would lose the places of errors.
macro_rules! rule_table {
    ($name:ident { $($field:ident: $kind:ty,)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            pub(super) name: Text,
            pub(super) kind: Option<Text>,
            pub(super) subject: Option<Text>,
            pub(super) source: Option<Text>,
            #[serde(default, rename = "match")]
            pub(super) matchers: Vec<Text>,
            #[serde(rename = "for")]
            pub(super) pending_for: Option<Period>,
            pub(super) keep_firing_for: Option<Period>,
            pub(super) summary: Option<Text>,
            pub(super) runbook: Option<Text>,
            pub(super) actions: Option<Vec<Text>>,
            #[serde(default)]
            pub(super) labels: LabelTable,
            $(pub(super) $field: $kind,)*
        }

        impl $name {
            /// The keys that all rules have.
            pub(super) fn shared(&self) -> Shared<'_> {
                Shared {
                    name: &self.name,
                    series: [("kind", &self.kind), ("subject", &self.subject), ("source", &self.source)],
                    matchers: &self.matchers,
                    pending_for: self.pending_for,
                    keep_firing_for: self.keep_firing_for,
                    summary: self.summary.as_ref(),
                    runbook: self.runbook.as_ref(),
                    actions: self.actions.as_deref(),
                    labels: &self.labels,
                }
            }
        }
    };
}

rule_table! { ThresholdText {
    budget: Option<Spanned<BudgetText>>,
    info: Option<Spanned<LevelText>>,
    warning: Option<Spanned<LevelText>>,
    critical: Option<Spanned<LevelText>>,
    stale_after: Option<Period>,
}}
rule_table! { AnomalyText {
    min_severity: Option<Spanned<Severity>>,
    min_score: Option<Spanned<f64>>,
}}
rule_table! { NoDataText {
    after: Spanned<Period>,
    severity: Option<Severity>,
}}

pub(super) struct Shared<'a> {
    pub(super) name: &'a Text,
    pub(super) series: [(&'static str, &'a Option<Text>); 3],
    pub(super) matchers: &'a [Text],
    pub(super) pending_for: Option<Period>,
    pub(super) keep_firing_for: Option<Period>,
    pub(super) summary: Option<&'a Text>,
    pub(super) runbook: Option<&'a Text>,
    pub(super) actions: Option<&'a [Text]>,
    pub(super) labels: &'a LabelTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelText {
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

/// A number, or `"event"`.
pub(super) enum BudgetText {
    Number(f64),
    Event,
}

impl<'de> Deserialize<'de> for BudgetText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = BudgetText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or \"event\" where the event's data names the budget")
            }

            fn visit_f64<E>(self, number: f64) -> Result<BudgetText, E> {
                Ok(BudgetText::Number(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "a budget, not an id")]
            fn visit_i64<E>(self, number: i64) -> Result<BudgetText, E> {
                Ok(BudgetText::Number(number as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BudgetText, E> {
                match text {
                    "event" => Ok(BudgetText::Event),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiverText {
    pub(super) name: Text,
    pub(super) webhook: Option<Text>,
    pub(super) alertmanager: Option<Text>,
    pub(super) send_resolved: Option<bool>,
    pub(super) max_alerts: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteText {
    pub(super) receiver: Text,
    #[serde(default, rename = "match")]
    pub(super) matchers: Vec<Text>,
    pub(super) group_by: Option<Vec<Text>>,
    pub(super) group_wait: Option<Period>,
    pub(super) group_interval: Option<Spanned<Period>>,
    pub(super) repeat_interval: Option<Spanned<Period>>,
    #[serde(default, rename = "continue")]
    pub(super) goes_on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InhibitText {
    pub(super) source: Vec<Text>,
    pub(super) target: Vec<Text>,
    #[serde(default)]
    pub(super) equal: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatText {
    pub(super) name: Option<Text>,
    pub(super) receiver: Text,
    pub(super) interval: Option<Spanned<Period>>,
    #[serde(default)]
    pub(super) labels: LabelTable,
}
