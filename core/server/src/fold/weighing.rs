//! Who counts how much: the weights and the rule that plugins publish, and the figure they make.
//!
//! The rule: a weight is an event. Anybody may post one of that kind, and any plugin emit one, so it counts only as the
//! work, on this node, of a plugin that may weigh. How weights count such a plugin says on a topic instead, whenever it
//! starts: a node whose members have decided nothing shows no event that nobody posted.

use std::collections::HashMap;

use serde::Deserialize;
use shimmer_abi::flags;
use shimmer_event::BEAUTY_KIND;
use shimmer_ring::{FLAG_LOST, Reader, Values};
use shimmer_view::{Influence, Rule};

use super::AT_ONCE;

/// Topic on which a plugin that may weigh says by which rule.
pub(crate) const RULE_TOPIC: &str = "influence";

/// What plugins made of the sources. Nothing is folded, and nothing spent, before one weighs.
#[derive(Default)]
pub(super) struct Weighing {
    trusted: Vec<String>,
    influence: Option<Influence>,
}

/// As a plugin writes it.
#[derive(Deserialize)]
struct Published {
    #[serde(flatten)]
    rule: Rule,
    /// All weights that hold: those of events that were told before, and are not here, hold no more.
    weights: HashMap<String, f64>,
}

impl Weighing {
    /// Names the plugins whose weights count from now on.
    pub(super) fn trust(&mut self, plugins: Vec<String>) {
        self.trusted = plugins;
    }

    /// The weighted average, once anyone weighs.
    pub(super) fn average(&self) -> Option<f64> {
        self.influence.as_ref().and_then(Influence::average)
    }

    /// Folds a beauty event.
    pub(super) fn beauty(&mut self, reader: &Reader, values: &Values, i: usize) {
        if let Some(influence) = &mut self.influence {
            influence.push(&name(reader, values.source[i]), values.value[i]);
        }
    }

    /// Folds a weight.
    pub(super) fn weight(&mut self, reader: &Reader, values: &Values, i: usize) {
        let Some(plugin) = self.trusted(reader, values, i) else { return };
        let (source, weight) = (name(reader, values.subject[i]), values.value[i]);
        let influence = self.influence.get_or_insert_with(|| {
            fold_kept(Influence::default(), reader, values.first + i as u64)
        });
        if let Err(error) = influence.set_weight(&source, weight) {
            tracing::warn!(plugin, source, weight, ?error, "a weight was not taken");
        }
    }

    /// Takes the rule that a plugin published, with all weights. A new one counts for the kept events before `seq` too.
    pub(super) fn rule(&mut self, reader: &Reader, plugin: &str, message: &[u8], seq: u64) {
        if !self.trusted.iter().any(|trusted| trusted == plugin) {
            return;
        }
        let Published { rule, weights } = match serde_json::from_slice(message) {
            Ok(published) => published,
            Err(error) => return tracing::warn!(plugin, %error, "a rule of weights was not taken"),
        };
        if self.influence.as_ref().is_none_or(|known| *known.rule() != rule) {
            match Influence::new(rule) {
                Ok(new) => self.influence = Some(fold_kept(new, reader, seq)),
                Err(error) => {
                    return tracing::warn!(
                        plugin,
                        ?rule,
                        ?error,
                        "a rule of weights was not taken"
                    );
                }
            }
        }
        if let Some(influence) = &mut self.influence {
            influence.set_weights(weights.iter().map(|(source, weight)| (&**source, *weight)));
        }
    }

    /// The plugin whose work event `i` is, if it may weigh.
    fn trusted(&self, reader: &Reader, values: &Values, i: usize) -> Option<String> {
        if values.flags[i] & flags::DERIVED == 0 {
            return None;
        }
        let plugin = name(reader, values.source[i]);
        self.trusted.contains(&plugin).then_some(plugin)
    }
}

/// `influence` with the kept beauty events before `seq`.
fn fold_kept(mut influence: Influence, reader: &Reader, seq: u64) -> Influence {
    let beauty = reader.name_id(BEAUTY_KIND);
    let mut values = Values::default();
    let mut cursor = reader.oldest().saturating_sub(1);
    while cursor + 1 < seq {
        let wanted = usize::try_from(seq - 1 - cursor).unwrap_or(AT_ONCE).min(AT_ONCE);
        let taken = reader.values(cursor, wanted, &mut values);
        if taken == 0 {
            break;
        }
        for i in (0..taken).filter(|i| values.flags[*i] & FLAG_LOST == 0) {
            if Some(values.kind[i]) == beauty {
                influence.push(&name(reader, values.source[i]), values.value[i]);
            }
        }
        cursor += taken as u64;
    }
    influence
}

fn name(reader: &Reader, id: u32) -> String {
    let mut name = Vec::new();
    if !reader.name(id, &mut name) {
        return String::new();
    }
    String::from_utf8(name).unwrap_or_default()
}
