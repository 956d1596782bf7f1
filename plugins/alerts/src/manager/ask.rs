//! What may be asked.
//!
//! The rule: asking changes nothing.

use std::collections::BTreeMap;

use super::Manager;
use crate::alert::{Alert, AlertState, id_of_name};
use crate::view::{AlertList, AlertView, CorrelationList, CorrelationView, Filter, SilenceList};

impl Manager {
    /// The alerts that pass the filter, the newest first; at most as many as are kept.
    pub fn alerts(&self, filter: &Filter) -> AlertList {
        let mut counts: BTreeMap<_, _> = AlertState::ALL.map(|state| (state, 0)).into();
        let (mut alerts, mut truncated) = (Vec::new(), false);
        for alert in self.alerts.iter().rev().filter(|alert| filter.fits_series(alert)) {
            let state = alert.state();
            *counts.entry(state).or_default() += 1;
            if filter.state.is_none_or(|wanted| wanted == state) {
                if filter.limit.is_some_and(|limit| alerts.len() >= limit) {
                    truncated = true;
                } else {
                    alerts.push(AlertView::of(alert));
                }
            }
        }
        AlertList { alerts, counts, truncated }
    }

    /// How many alerts there are in each state, all states.
    pub fn counts(&self) -> BTreeMap<AlertState, usize> {
        let mut counts: BTreeMap<_, _> = AlertState::ALL.map(|state| (state, 0)).into();
        self.alerts.iter().for_each(|alert| *counts.entry(alert.state()).or_default() += 1);
        counts
    }

    /// The alert of this id.
    pub fn alert_of(&self, id: &str) -> Option<AlertView> {
        self.named(id).map(AlertView::of)
    }

    /// The silences that mute or will, the oldest first.
    pub fn silences(&self) -> SilenceList {
        SilenceList { silences: self.silences.iter().cloned().collect(), truncated: false }
    }

    /// What began together, the newest first.
    pub fn correlations(&self) -> CorrelationList {
        CorrelationList {
            correlations: self.correlations.iter().map(CorrelationView::of).collect(),
        }
    }

    pub(super) fn named(&self, id: &str) -> Option<&Alert> {
        let (number, _) = id_of_name(id)?;
        self.alerts.get(number).filter(|alert| alert.name() == id)
    }
}
