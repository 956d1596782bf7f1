//! Variables of the environment that belong to bundled plugins.
//!
//! The rule: a variable is judged whether or not its plugin runs, and reaches the plugin's own
//! table as if the file had said it, only stronger.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value;

use super::origin::{Origin, Origins};
use super::problem::{Place, Problem};
use super::{Config, PluginTable};

/// A variable of a plugin.
struct Variable {
    name: &'static str,
    plugin: &'static str,
    /// Its key in the plugin's own table.
    key: &'static str,
    take: fn(&str) -> Result<Value, &'static str>,
}

const VARIABLES: [Variable; 6] = [
    Variable { name: "FEDERATED_NODE_ID", plugin: "gossip", key: "node_id", take: text },
    Variable { name: "FEDERATED_PORT", plugin: "gossip", key: "port", take: port },
    Variable { name: "FEDERATED_JSON_PORT", plugin: "gossip", key: "json_port", take: port },
    Variable { name: "FEDERATED_PEERS", plugin: "gossip", key: "peers", take: peers },
    Variable { name: "DATABASE_URL", plugin: "history", key: "database_url", take: database },
    Variable { name: "NATS_URL", plugin: "bridge", key: "nats_url", take: nats },
];

/// Variable that adds the gossip plugin to those that run.
const ENABLE: &str = "FEDERATED_ENABLE";

/// What the environment says to plugins.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    federated: bool,
    values: Vec<(&'static str, &'static str, &'static str, Value)>,
}

/// Reads the variables of plugins.
pub(super) fn read(env: &BTreeMap<String, OsString>) -> (Overlay, Vec<Problem>) {
    let mut overlay = Overlay::default();
    let mut problems = Vec::new();
    let get = |name: &'static str, problems: &mut Vec<Problem>| {
        let value = env.get(name).filter(|value| !value.is_empty())?;
        let text = value.to_str();
        if text.is_none() {
            problems.push(Problem::new(Place::Env(name), "the value is not UTF-8"));
        }
        text.map(str::trim)
    };
    match get(ENABLE, &mut problems) {
        Some("1" | "true") => overlay.federated = true,
        None | Some("0" | "false") => {}
        Some(_) => problems
            .push(Problem::new(Place::Env(ENABLE), "it is neither on nor off").hint("use 1 or 0")),
    }
    for Variable { name, plugin, key, take } in VARIABLES {
        let Some(text) = get(name, &mut problems) else { continue };
        match take(text) {
            Ok(value) => overlay.values.push((name, plugin, key, value)),
            Err(allowed) => problems.push(
                Problem::new(Place::Env(name), "the value is not possible")
                    .hint(format!("allowed: {allowed}")),
            ),
        }
    }
    (overlay, problems)
}

impl Overlay {
    /// Puts the variables over the tables of the plugins that run.
    pub(super) fn apply(
        self,
        config: &mut Config,
        origins: &mut Origins,
        shipped: &[&str],
    ) -> Option<Problem> {
        let has_table = config.plugin.iter().any(|plugin| plugin.name == "gossip");
        let mut problem = None;
        if self.federated && !has_table && !config.plugins.bundled.iter().any(|n| n == "gossip") {
            if shipped.contains(&"gossip") {
                config.plugins.bundled.push("gossip".to_owned());
                origins.insert("plugins.bundled".to_owned(), Origin::Env(ENABLE));
            } else {
                problem = Some(
                    Problem::new(
                        Place::Env(ENABLE),
                        "the plugin `gossip` is not part of this build",
                    )
                    .hint("name its shared object in a [[plugin]] table, or unset the variable"),
                );
            }
        }
        for (name, plugin, key, value) in self.values {
            let at = config.plugin.iter().position(|table| table.name == plugin).or_else(|| {
                config.plugins.bundled.iter().any(|bundled| bundled == plugin).then(|| {
                    let table = PluginTable { name: plugin.to_owned(), ..PluginTable::default() };
                    config.plugin.push(table);
                    config.plugin.len() - 1
                })
            });
            if let Some(at) = at {
                config.plugin[at].config.insert(key.to_owned(), value);
                origins.insert(format!("plugin[{at}].config.{key}"), Origin::Env(name));
            }
        }
        problem
    }
}

fn text(text: &str) -> Result<Value, &'static str> {
    match text.chars().count() <= 128 && !text.chars().any(char::is_control) {
        true => Ok(Value::String(text.to_owned())),
        false => Err("up to 128 characters, none of them a control character"),
    }
}

fn port(text: &str) -> Result<Value, &'static str> {
    let port = text.parse::<u16>().map_err(|_| "a whole number from 0 to 65535")?;
    Ok(Value::from(port))
}

fn peers(text: &str) -> Result<Value, &'static str> {
    let list = text.split(',').map(str::trim).filter(|peer| !peer.is_empty());
    list.map(|peer| match peer.contains("://") || peer.starts_with('/') {
        true => Ok(Value::String(peer.to_owned())),
        false => Err("addresses such as ws://peer1:8091, separated by commas"),
    })
    .collect::<Result<Vec<_>, _>>()
    .map(Value::Array)
}

fn database(text: &str) -> Result<Value, &'static str> {
    match ["sqlite:", "postgres://", "postgresql://"].iter().any(|s| text.starts_with(s)) {
        true => Ok(Value::String(text.to_owned())),
        false => Err("sqlite:PATH or postgres://..."),
    }
}

fn nats(text: &str) -> Result<Value, &'static str> {
    match ["nats://", "tls://", "ws://", "wss://"].iter().any(|s| text.starts_with(s)) {
        true => Ok(Value::String(text.to_owned())),
        false => Err("an address such as nats://localhost:4222"),
    }
}
