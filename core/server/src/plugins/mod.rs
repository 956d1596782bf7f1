//! The plugins as the server sees them; the only module that knows the plugin host.

mod absent;
mod known;
mod route_table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::Method;
use shimmer_ring::Ring;
use shimmer_view::{Histories, History, Sample};

use crate::ServerError;
use crate::config::Config;
use crate::fold::Fold;
use crate::ingest::unix_ns;
use crate::stream::StreamHub;

pub(crate) use absent::{
    CallError, Card, ControlError, HttpAnswer, HttpCall, PluginHost, PluginRoute, PluginSeries,
    RouteAuth, RouteKind, State,
};
pub(crate) use known::owner;

use route_table::{Matched, RouteTable};

/// Upper bounds of the buckets of [`absent::Durations`] in seconds; the last bucket is open.
pub(crate) const DURATION_SECONDS: [f64; 7] = [0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0];

/// The host and what the server keeps beside it.
pub(crate) struct Plugins {
    host: PluginHost,
    table: Mutex<(Arc<[PluginRoute]>, Arc<RouteTable>)>,
    histories: Mutex<Histories>,
}

/// What a reload did to plugins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) restarted: Vec<String>,
    pub(crate) started: Vec<String>,
    pub(crate) stopped: Vec<String>,
}

/// What serves a path.
#[derive(Debug)]
pub(crate) enum Served {
    /// This route, with its decoded parameters.
    Route { route: PluginRoute, params: Vec<(String, String)> },
    /// These methods, but not the one asked for.
    Methods(Vec<Method>),
    /// No loaded plugin.
    Nobody,
}

impl Plugins {
    /// Starts the host with the plugins of `config`.
    pub(crate) fn start(
        _ring: &Arc<Ring>,
        _config: &Config,
        _node_id: &str,
        _streams: &Arc<StreamHub>,
        _fold: &Arc<Fold>,
    ) -> Result<Self, ServerError> {
        let host = PluginHost;
        Ok(Self {
            table: Mutex::new((host.routes(), Arc::default())),
            histories: Mutex::default(),
            host,
        })
    }

    /// The host itself, for cards, logs and control.
    pub(crate) fn host(&self) -> &PluginHost {
        &self.host
    }

    /// Takes the plugins of a new configuration; those whose section did not change go on.
    pub(crate) fn apply(&self, _config: &Config) -> Applied {
        Applied::default()
    }

    /// What serves `method path`.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Served {
        let (routes, table) = self.routes();
        match table.find(method, path) {
            Matched::Route { index, params } => match routes.get(index) {
                Some(route) => Served::Route { route: route.clone(), params },
                None => Served::Nobody,
            },
            Matched::Methods(methods) => Served::Methods(methods),
            Matched::Nothing => Served::Nobody,
        }
    }

    /// Looks at every plugin once for its history.
    pub(crate) fn sample(&self, now: SystemTime) {
        let cards = self.host.cards();
        let mut histories = self.lock();
        for card in &cards {
            let sample = Sample {
                at_ns: unix_ns(now),
                cpu_percent: card.cpu_percent,
                memory_bytes: card.memory_bytes,
                event_count: card.event_count,
            };
            histories.push(&card.name, sample);
        }
        histories.retain(|name| cards.iter().any(|card| card.name == name));
    }

    /// The history of a plugin; empty before the first look.
    pub(crate) fn history(&self, name: &str) -> History {
        self.lock().get(name).cloned().unwrap_or_default()
    }

    /// Stops all plugins.
    pub(crate) fn stop(&self, within: Duration) {
        self.host.shutdown(within);
    }

    fn routes(&self) -> (Arc<[PluginRoute]>, Arc<RouteTable>) {
        let newest = self.host.routes();
        let mut cached = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&cached.0, &newest) {
            let pairs = newest.iter().map(|route| (route.method.as_str(), route.pattern.as_str()));
            *cached = (newest.clone(), Arc::new(RouteTable::new(pairs)));
        }
        cached.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Histories> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topic of a plugin's stream as the fan-out knows it: no plugin can send to another's.
pub(crate) fn stream_topic(plugin: &str, topic: &str) -> String {
    format!("{plugin}/{topic}")
}
