//! How much each source counts, as the plugin `dao` of this node tells it by its events.
//!
//! The rule: only what a plugin of this node derived is believed, and there is no weighted figure before its rule is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shimmer_mesh::heatmap::Bucket;
use shimmer_sdk::Event;
use shimmer_view::{Influence, MAX_WEIGHTS, Rule};

/// The plugin that decides.
const WEIGHER: &str = "dao";
/// Kind of its events that hold the rule.
const RULE_KIND: &str = "dao.rule";
/// Kind of events that set the weight of their subject.
const WEIGHT_KIND: &str = "weight";

/// What was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weighed {
    rule: Option<Rule>,
    weights: BTreeMap<String, f64>,
}

impl Weighed {
    /// Takes what a derived event of this node tells.
    pub(crate) fn hear(&mut self, event: &Event<'_>) {
        if event.source() != WEIGHER {
            return;
        }
        match event.kind() {
            RULE_KIND => self.rule = event.parse_data().ok().or(self.rule),
            WEIGHT_KIND
                if self.weights.len() < MAX_WEIGHTS
                    || self.weights.contains_key(event.subject()) =>
            {
                self.weights.insert(event.subject().to_owned(), event.value());
            }
            _ => {}
        }
    }

    /// The weights and their rule, once there is one.
    pub(crate) fn influence(&self) -> Option<Influence> {
        let mut influence = Influence::new(self.rule?).ok()?;
        influence.set_weights(self.weights.iter().map(|(source, weight)| (&**source, *weight)));
        Some(influence)
    }
}

/// The weighted mean of a minute: first of each source, then over the sources.
pub(crate) fn average(influence: &Influence, bucket: &Bucket) -> Option<f64> {
    influence.average_of(bucket.sources.iter().map(|(source, share)| (&**source, share.avg())))
}
