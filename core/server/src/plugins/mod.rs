//! The plugins as the server sees them; the only module that knows the plugin host.

mod known;
mod route_table;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::Method;
use shimmer_event::Limits;
use shimmer_host::{HostConfig, HostError, HostEvents, Permissions, Refused};
use shimmer_ring::Ring;
use shimmer_view::{Histories, History, Sample};

use crate::ServerError;
use crate::auth::Auth;
use crate::config::{Config, Loaded, Place, PluginTable, Problem, Problems};
use crate::fold::{Fold, RULE_TOPIC};
use crate::ingest::unix_ns;
use crate::stream::StreamHub;

pub(crate) use known::owner;
pub(crate) use shimmer_host::{
    CallError, Card, ControlError, HttpAnswer, HttpCall, PluginHost, PluginRoute, PluginSeries,
    ReloadReport, RouteAuth, RouteKind, RouteSpec, Series, State,
};
pub(crate) use shimmer_ring::DURATION_BOUNDS_NS;

use route_table::{Matched, RouteTable};

/// The host and what the server keeps beside it.
pub(crate) struct Plugins {
    host: PluginHost,
    table: Mutex<(Arc<[PluginRoute]>, Arc<RouteTable>)>,
    histories: Mutex<Histories>,
    fold: Arc<Fold>,
}

/// Hands the plugins' messages to the streams, and answers what they may ask.
struct Events {
    streams: Arc<StreamHub>,
    auth: Arc<Auth>,
    fold: Arc<Fold>,
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
    /// Starts the host with the plugins of `config`; returns without waiting for any of them.
    ///
    /// `data_dir` is the node's, `node_id` the origin of what plugins emit.
    pub(crate) fn start(
        ring: &Arc<Ring>,
        config: &Config,
        node_id: &str,
        streams: &Arc<StreamHub>,
        fold: &Arc<Fold>,
        auth: &Arc<Auth>,
    ) -> Result<Self, ServerError> {
        let settings = settings(config, node_id);
        fold.trust(weighing(config));
        let (streams, auth, seen) = (streams.clone(), auth.clone(), fold.clone());
        let events = Arc::new(Events { streams, auth, fold: seen });
        let host = PluginHost::start(ring.clone(), settings, tables(config), events)
            .map_err(|error| ServerError::Host(Box::new(error)))?;
        Ok(Self {
            table: Mutex::new((Arc::new([]), Arc::default())),
            histories: Mutex::default(),
            fold: fold.clone(),
            host,
        })
    }

    /// The host itself, for cards, logs and control.
    pub(crate) fn host(&self) -> &PluginHost {
        &self.host
    }

    /// Asks the plugins that `config` adds or changes whether they take it; `loaded` knows the places.
    pub(crate) fn rehearse(&self, config: &Config, loaded: &Loaded) -> Result<(), ServerError> {
        demand_walls(config)?;
        heard(self.host.rehearse(&tables(config)), loaded)
    }

    /// Takes the plugins of a new configuration; those whose section did not change go on.
    pub(crate) fn apply(&self, config: &Config) -> Result<ReloadReport, ServerError> {
        let report =
            self.host.apply(tables(config)).map_err(|error| ServerError::Host(Box::new(error)))?;
        self.fold.trust(weighing(config));
        Ok(report)
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
            let pairs = newest
                .iter()
                .map(|route| (route.spec.method.as_str(), route.spec.pattern.as_str()));
            *cached = (newest.clone(), Arc::new(RouteTable::new(pairs)));
        }
        cached.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Histories> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks every plugin that would run whether it takes its configuration, each in a process of its own that is ended
/// again; their names. Beside a running node it disturbs nothing.
///
/// # Errors
/// Every plugin that does not, with its own words, or the system refuses.
pub fn rehearse(loaded: &Loaded) -> Result<Vec<String>, ServerError> {
    let tables = tables(&loaded.config);
    let settings = settings(&loaded.config, &loaded.config.node);
    heard(shimmer_host::rehearse(&settings, &tables), loaded)?;
    Ok(tables.into_iter().filter(|table| table.enabled.0).map(|table| table.name).collect())
}

/// Asks the kernel for the walls around plugins, and says which it lacks.
///
/// # Errors
/// It lacks some, and the configuration asks for all.
pub(crate) fn demand_walls(config: &Config) -> Result<(), ServerError> {
    let sandbox = config.plugins.sandbox;
    let lacking = sandbox.demand().map_err(|error| ServerError::Host(Box::new(error)))?;
    if !lacking.is_empty() {
        let lacking = lacking.join("; ");
        tracing::warn!(lacking, "the kernel lacks a part of the sandbox around plugins");
    }
    Ok(())
}

/// What came of a rehearsal, as problems of the configuration.
fn heard(answer: Result<Vec<Refused>, HostError>, loaded: &Loaded) -> Result<(), ServerError> {
    let refused = answer.map_err(|error| ServerError::Host(Box::new(error)))?;
    if refused.is_empty() {
        return Ok(());
    }
    let problem = |Refused { name, words }: Refused| {
        let place = loaded.plugins.get(&name).cloned().unwrap_or(Place::Defaults);
        Problem::new(place, format!("the plugin `{name}` cannot run as it is configured"))
            .words(words)
    };
    Err(ServerError::Configuration(Problems(refused.into_iter().map(problem).collect())))
}

impl HostEvents for Events {
    fn topic(&self, plugin: &str, topic: &str, event: &str, message: &[u8]) {
        if topic == RULE_TOPIC {
            self.fold.weigh_by(plugin, message);
        }
        // The host has checked the message; what is refused all the same is the plugin's loss alone.
        if let Err(error) = self.streams.publish(&stream_topic(plugin, topic), event, message) {
            tracing::warn!(plugin, topic, %error, "a plugin's message was not sent");
        }
    }

    fn routes_changed(&self) {
        // The table is made again when the host's list is another one; see `Plugins::routes`.
    }

    fn authorize(&self, authorization: &str) -> bool {
        self.auth.operator_by(Some(authorization.as_bytes())).is_ok()
    }
}

/// The topic of a plugin's stream as the fan-out knows it: no plugin can send to another's.
pub(crate) fn stream_topic(plugin: &str, topic: &str) -> String {
    format!("{plugin}/{topic}")
}

/// The tables of all plugins that run: those of the file, then the bundled ones without a table.
fn tables(config: &Config) -> Vec<PluginTable> {
    let mut tables = config.plugin.clone();
    for name in &config.plugins.bundled {
        if !tables.iter().any(|table| table.name == *name) {
            tables.push(PluginTable { name: name.clone(), ..PluginTable::default() });
        }
    }
    tables.into_iter().map(granted).collect()
}

/// What a bundled plugin may reach where its table says nothing of it: what it cannot do without, on the ports that
/// its configuration names.
fn granted(mut table: PluginTable) -> PluginTable {
    if !table.is_bundled() || table.permissions != Permissions::default() {
        return table;
    }
    match table.name.as_str() {
        "dao" => {
            table.permissions.weights = true;
            table.permissions.folder = true;
            grant_files(&mut table, &["key_file"]);
        }
        "gossip" => grant_mesh(&mut table),
        _ => {}
    }
    table
}

fn grant_mesh(table: &mut PluginTable) {
    let port = |key: &str| table.config.get(key).and_then(serde_json::Value::as_u64);
    let listen = [Some(port("port").unwrap_or(8091)), port("json_port")];
    let listen = listen.into_iter().flatten().filter(|port| *port != 0);
    table.permissions.net = listen.map(|port| format!("listen:{port}")).collect();
    table.permissions.net.push("connect:*".to_owned());
    grant_files(table, &["key_file", "psk_file"]);
    table.permissions.origin = vec!["*".to_owned()];
    table.permissions.folder = true;
}

/// Lets a plugin read the files that these keys of its configuration name.
fn grant_files(table: &mut PluginTable, keys: &[&str]) {
    for key in keys {
        let file = table.config.get(*key).and_then(serde_json::Value::as_str);
        let file = file.filter(|file| !file.is_empty());
        table.permissions.read.extend(file.map(PathBuf::from));
    }
}

/// What the host is told besides its plugins.
fn settings(config: &Config, node_id: &str) -> HostConfig {
    let mut settings = HostConfig::new(config.data_dir.clone(), node_id.to_owned());
    settings.limits = limits(config);
    settings.bundled_dir = bundled_dir(config);
    settings
}

/// Plugins that may weigh sources.
fn weighing(config: &Config) -> Vec<String> {
    let may = |table: &PluginTable| table.permissions.weights.then(|| table.name.clone());
    tables(config).iter().filter_map(may).collect()
}

/// Limits of events, posted and derived.
pub(crate) fn limits(config: &Config) -> Limits {
    Limits {
        event_bytes: config.ring.event_bytes,
        event_body_bytes: config.limits.event_body_bytes,
        batch_bytes: config.limits.batch_bytes,
        batch_events: config.limits.batch_events,
    }
}

/// Where the bundled plugins lie: as configured, else beside the program.
fn bundled_dir(config: &Config) -> PathBuf {
    if !config.plugins.dir.as_os_str().is_empty() {
        return config.plugins.dir.clone();
    }
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().map(PathBuf::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn a_bundled_plugin_without_a_table_is_asked_too() {
        let mut sources = Sources { shipped: &["variants"], ..Sources::nowhere() };
        sources.flag("--a", "plugins.bundled", Some("variants".to_owned()));
        sources.flag("--b", "plugins.dir", Some("/nowhere".to_owned()));
        let loaded = sources.load().expect("possible");
        let Err(ServerError::Configuration(Problems(problems))) = rehearse(&loaded) else {
            panic!("its library is not there");
        };
        assert_eq!(problems[0].place, Place::Flag("--a".to_owned()));
        let words = problems[0].words.join("\n");
        assert!(words.starts_with("cannot read /nowhere/libshimmer_variants.so"), "{words}");
    }
}
