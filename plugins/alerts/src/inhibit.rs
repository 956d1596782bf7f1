//! Inhibition: which firing alerts mute which others.
//!
//! The rule: the answers are those of Alertmanager. A source mutes while it fires, muted itself or not; an alert
//! that is both source and target of a rule is not muted by others that are both.

use std::collections::{BTreeSet, HashMap};

use crate::labels::{Fingerprint, Labels};
use crate::matcher::all_match;
use crate::rules::Inhibition;

/// Firing alerts by rule and by the values of the labels that must be equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<HashMap<Vec<String>, Meeting>>,
}

/// Alerts of one rule that agree in the labels that must be equal.
#[derive(Clone, Debug, Default)]
struct Meeting {
    sources: BTreeSet<Fingerprint>,
    targets: BTreeSet<Fingerprint>,
}

impl Meeting {
    fn mutes(&self, target: Fingerprint) -> bool {
        let two_sided = |source: &Fingerprint| self.targets.contains(source);
        match self.sources.contains(&target) {
            true => self.sources.iter().any(|source| !two_sided(source)),
            false => !self.sources.is_empty(),
        }
    }
}

impl Inhibitor {
    /// Takes in an alert that fires now; answers whose muting may have changed, itself included.
    pub(crate) fn add(
        &mut self,
        rules: &[Inhibition],
        fingerprint: Fingerprint,
        labels: &Labels,
    ) -> BTreeSet<Fingerprint> {
        self.rules.resize_with(rules.len(), HashMap::new);
        let mut touched = BTreeSet::from([fingerprint]);
        for (rule, meetings) in rules.iter().zip(&mut self.rules) {
            let (source, target) = sides(rule, labels);
            if !source && !target {
                continue;
            }
            let meeting = meetings.entry(key(rule, labels)).or_default();
            if target {
                meeting.targets.insert(fingerprint);
            }
            if source {
                meeting.sources.insert(fingerprint);
                touched.extend(&meeting.targets);
            }
        }
        touched
    }

    /// Takes out an alert that fires no more; answers whose muting may have changed.
    pub(crate) fn remove(
        &mut self,
        rules: &[Inhibition],
        fingerprint: Fingerprint,
        labels: &Labels,
    ) -> BTreeSet<Fingerprint> {
        let mut touched = BTreeSet::new();
        for (rule, meetings) in rules.iter().zip(&mut self.rules) {
            let key = key(rule, labels);
            let Some(meeting) = meetings.get_mut(&key) else { continue };
            meeting.targets.remove(&fingerprint);
            if meeting.sources.remove(&fingerprint) {
                touched.extend(&meeting.targets);
            }
            if meeting.sources.is_empty() && meeting.targets.is_empty() {
                meetings.remove(&key);
            }
        }
        touched
    }

    /// Whether a worse alert mutes this one.
    pub(crate) fn mutes(
        &self,
        rules: &[Inhibition],
        fingerprint: Fingerprint,
        labels: &Labels,
    ) -> bool {
        rules.iter().zip(&self.rules).any(|(rule, meetings)| {
            sides(rule, labels).1
                && meetings.get(&key(rule, labels)).is_some_and(|m| m.mutes(fingerprint))
        })
    }
}

fn sides(rule: &Inhibition, labels: &Labels) -> (bool, bool) {
    (all_match(&rule.source, labels), all_match(&rule.target, labels))
}

fn key(rule: &Inhibition, labels: &Labels) -> Vec<String> {
    rule.equal.iter().map(|name| labels.get(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    fn rules(source: &str, target: &str, equal: &str) -> Vec<Inhibition> {
        let text =
            format!("[[inhibit]]\nsource = [{source}]\ntarget = [{target}]\nequal = [{equal}]\n");
        Rules::parse(&text).expect("sound rules").inhibitions
    }

    fn labels(pairs: &[(&str, &str)]) -> (Labels, Fingerprint) {
        let labels: Labels = pairs.iter().copied().collect();
        let fingerprint = labels.fingerprint();
        (labels, fingerprint)
    }

    #[test]
    fn a_source_mutes_equal_targets_and_gives_them_back() {
        let rules = rules("'s=c'", "'s=w'", "'on'");
        let mut inhibitor = Inhibitor::default();
        let (worse, worse_id) = labels(&[("s", "c"), ("on", "db")]);
        let (milder, milder_id) = labels(&[("s", "w"), ("on", "db")]);
        let (other, other_id) = labels(&[("s", "w"), ("on", "web")]);
        for (labels, id) in [(&milder, milder_id), (&other, other_id)] {
            assert_eq!(inhibitor.add(&rules, id, labels), BTreeSet::from([id]));
        }
        assert_eq!(inhibitor.add(&rules, worse_id, &worse), BTreeSet::from([worse_id, milder_id]));
        assert!(inhibitor.mutes(&rules, milder_id, &milder));
        assert!(!inhibitor.mutes(&rules, other_id, &other));
        assert!(!inhibitor.mutes(&rules, worse_id, &worse));
        assert_eq!(inhibitor.remove(&rules, worse_id, &worse), BTreeSet::from([milder_id]));
        assert!(!inhibitor.mutes(&rules, milder_id, &milder));
        inhibitor.remove(&rules, milder_id, &milder);
        inhibitor.remove(&rules, other_id, &other);
        assert!(inhibitor.rules.iter().all(HashMap::is_empty), "nothing is left behind");
    }

    #[test]
    fn who_is_both_source_and_target_is_muted_by_pure_sources_alone() {
        let rules = rules("'s=~\"c|b\"'", "'s=~\"w|b\"'", "");
        let mut inhibitor = Inhibitor::default();
        let (both, both_id) = labels(&[("s", "b"), ("n", "1")]);
        let (twin, twin_id) = labels(&[("s", "b"), ("n", "2")]);
        let (pure, pure_id) = labels(&[("s", "c")]);
        inhibitor.add(&rules, both_id, &both);
        assert!(!inhibitor.mutes(&rules, both_id, &both), "none mutes itself");
        inhibitor.add(&rules, twin_id, &twin);
        assert!(
            !inhibitor.mutes(&rules, both_id, &both),
            "two that are both do not mute each other"
        );
        inhibitor.add(&rules, pure_id, &pure);
        assert!(inhibitor.mutes(&rules, both_id, &both));
    }

    #[test]
    fn a_label_that_is_missing_equals_one_that_is_missing() {
        let rules = rules("'s=c'", "'s=w'", "'on'");
        let mut inhibitor = Inhibitor::default();
        let (worse, worse_id) = labels(&[("s", "c")]);
        let (milder, milder_id) = labels(&[("s", "w")]);
        inhibitor.add(&rules, worse_id, &worse);
        inhibitor.add(&rules, milder_id, &milder);
        assert!(inhibitor.mutes(&rules, milder_id, &milder));
    }
}
