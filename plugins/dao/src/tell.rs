//! Weights become events, for everybody, and together with their rule a message, by which the node's figures count.
//!
//! The rule: the host is told of what differs from what it was told before, a bounded part at a time, and everything
//! again after a start, because its own memory of events is bounded too.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use shimmer_governor::{Governor, Ratio, Source};
use shimmer_sdk::{Error, Host};
use shimmer_view::Rule;

/// Topic on which the host is told the rule.
const RULE_TOPIC: &str = "influence";
/// Kind of the events by which other plugins learn the rule.
const RULE_KIND: &str = "dao.rule";
/// Weights told at once; the rest follows with the next tick.
const AT_ONCE: usize = 512;

/// What the host was told.
#[derive(Default)]
pub(crate) struct Told {
    /// Version of the weights in the last message.
    message: Option<u64>,
    /// Version of the weights that were all told as events.
    events: Option<u64>,
    weights: HashMap<Source, Ratio>,
}

/// The rule with all weights: what the host knew before does not count any more.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    rule: &'a Rule,
    weights: &'a BTreeMap<Source, Ratio>,
}

impl Told {
    /// Tells the host what changed. What fails is told again next time.
    pub(crate) fn catch_up(
        &mut self,
        governor: &Governor,
        rule: &Rule,
        host: &Host,
    ) -> Result<(), Error> {
        let Some(config) = governor.configuration() else { return Ok(()) };
        let set = governor.weights();
        if self.message != Some(set.version) {
            let message = Message { rule, weights: &set.weights };
            let text =
                serde_json::to_string(&message).map_err(|why| Error::Failed(why.to_string()))?;
            host.publish(RULE_TOPIC, "rule", &text)?;
            if set.version > 0 {
                // Nobody sees an event before the members have decided something.
                host.event(RULE_KIND).data(rule).emit()?;
            }
            self.message = Some(set.version);
        }
        if self.events == Some(set.version) {
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
            self.events = Some(set.version);
            self.weights.retain(|source, _| set.weights.contains_key(source));
        }
        Ok(())
    }
}
