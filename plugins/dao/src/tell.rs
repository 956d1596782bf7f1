//! Weights become events and the rule a message, by which the node's own figures know them.
//!
//! The rule: the host is told of what differs from what it was told before, a bounded part at a time, and everything
//! again after a start, because its own memory of events is bounded too.

use std::collections::HashMap;

use serde::Serialize;
use shimmer_governor::{Governor, Ratio, Source};
use shimmer_sdk::{Error, Host};
use shimmer_view::Rule;

use crate::config::MethodName;

/// Topic on which the host is told the rule.
const RULE_TOPIC: &str = "influence";
/// Weights told at once; the rest follows with the next tick.
const AT_ONCE: usize = 512;

/// What the host was told.
#[derive(Default)]
pub(crate) struct Told {
    rule: bool,
    /// Version of the weights that it knows in full.
    version: Option<u64>,
    weights: HashMap<Source, Ratio>,
}

#[derive(Serialize)]
struct RuleData {
    method: MethodName,
    trim: f64,
    share_cap: f64,
    window: usize,
    default_weight: f64,
}

impl Told {
    /// Tells the host what changed. What fails is told again next time.
    pub(crate) fn catch_up(
        &mut self,
        governor: &Governor,
        rule: &Rule,
        host: &Host,
    ) -> Result<(), Error> {
        if !self.rule {
            let rule = serde_json::to_string(&RuleData::from(rule));
            host.publish(RULE_TOPIC, "rule", &rule.map_err(|why| Error::Failed(why.to_string()))?)?;
            self.rule = true;
        }
        let set = governor.weights();
        let Some(config) = governor.configuration() else { return Ok(()) };
        if self.version == Some(set.version) {
            return Ok(());
        }
        let gone = self.weights.iter().filter(|(source, weight)| {
            **weight != config.default_weight && !set.weights.contains_key(*source)
        });
        let gone = gone.map(|(source, _)| (source.clone(), config.default_weight));
        let news =
            set.weights.iter().filter(|(source, weight)| self.weights.get(*source) != Some(weight));
        let news = news.map(|(source, weight)| (source.clone(), *weight));
        let changed: Vec<_> = gone.chain(news).take(AT_ONCE + 1).collect();
        for (source, weight) in changed.iter().take(AT_ONCE) {
            host.set_weight(source, weight.as_f64())?;
            self.weights.insert(source.clone(), *weight);
        }
        if changed.len() <= AT_ONCE {
            self.version = Some(set.version);
            self.weights.retain(|source, _| set.weights.contains_key(source));
        }
        Ok(())
    }
}

impl From<&Rule> for RuleData {
    fn from(rule: &Rule) -> Self {
        let Rule { method, trim, share_cap, window, default_weight } = *rule;
        Self { method: method.into(), trim, share_cap, window, default_weight }
    }
}
