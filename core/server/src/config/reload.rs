//! What changes when a new configuration takes the place of the old one.
//!
//! The rule: a setting that cannot change while the program runs keeps its old value and is
//! named; everything else is taken over, and only plugins whose own table changed are touched.

use super::Config;
use super::settings::{Applies, SETTINGS};

/// The difference between two configurations, and what comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReloadPlan {
    /// What is in force afterwards: the new configuration with the kept settings put back.
    pub config: Config,
    /// Keys of the settings that changed and are taken over.
    pub applied: Vec<&'static str>,
    /// Keys of the settings that changed and need a restart; the old value is kept.
    pub kept: Vec<&'static str>,
    /// Plugins that were not configured before.
    pub added: Vec<String>,
    /// Plugins that are no longer configured.
    pub removed: Vec<String>,
    /// Plugins whose table changed.
    pub changed: Vec<String>,
}

impl ReloadPlan {
    /// Compares the configuration in force with a new one.
    #[must_use]
    pub fn new(old: &Config, new: &Config) -> Self {
        let mut config = new.clone();
        keep(old, &mut config);
        let changed_keys = |applies| {
            SETTINGS
                .iter()
                .filter(|setting| setting.applies == applies && differs(setting.key, old, new))
                .map(|setting| setting.key)
                .collect()
        };
        let names = |of: &Config, beside: &Config| -> Vec<String> {
            let known = beside.plugin_names();
            of.plugin_names().into_iter().filter(|name| !known.contains(name)).collect()
        };
        let changed = new.plugin.iter().filter(|table| {
            old.plugin_names().contains(&table.name)
                && old.plugin.iter().find(|other| other.name == table.name) != Some(table)
        });
        Self {
            applied: changed_keys(Applies::Live),
            kept: changed_keys(Applies::Restart),
            added: names(new, old),
            removed: names(old, new),
            changed: changed.map(|table| table.name.clone()).collect(),
            config,
        }
    }

    /// Whether nothing changed at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.kept.is_empty()
    }
}

impl Config {
    /// Names of all plugins that are configured: those with a table, then the bundled ones
    /// without.
    #[must_use]
    pub fn plugin_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.plugin.iter().map(|table| table.name.clone()).collect();
        for name in &self.plugins.bundled {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// Puts the settings that need a restart back to their old values.
fn keep(old: &Config, new: &mut Config) {
    new.data_dir.clone_from(&old.data_dir);
    new.node.clone_from(&old.node);
    new.server = super::ServerSection {
        origins: std::mem::take(&mut new.server.origins),
        hosts: std::mem::take(&mut new.server.hosts),
        trusted_proxies: std::mem::take(&mut new.server.trusted_proxies),
        tls_cert: std::mem::take(&mut new.server.tls_cert),
        tls_key: std::mem::take(&mut new.server.tls_key),
        ..old.server.clone()
    };
    new.ring = super::RingSection { max_events: new.ring.max_events, ..old.ring.clone() };
    // The window of /snapshot cannot outgrow the ring that stays.
    new.ring.max_events = new.ring.max_events.min(new.ring.capacity);
    new.dedup = old.dedup.clone();
    let heartbeat_seconds = new.stream.heartbeat_seconds;
    new.stream = crate::stream::StreamConfig { heartbeat_seconds, ..old.stream.clone() };
    new.fractal.backend = old.fractal.backend;
    new.fractal.threads = old.fractal.threads;
    new.stats = old.stats.clone();
    new.log.format = old.log.format;
    new.plugins.dir.clone_from(&old.plugins.dir);
}

/// Whether a setting has two values. Secrets are compared as they are, not as they are shown.
fn differs(key: &str, old: &Config, new: &Config) -> bool {
    match key {
        "auth.token" => old.auth.token != new.auth.token,
        "auth.tokens" => old.auth.tokens != new.auth.tokens,
        "plugin" => old.plugin != new.plugin,
        _ => super::show::value(old, key) != super::show::value(new, key),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Form, Kind};
    use super::super::{PluginTable, Secret, Sources};
    use super::*;
    use std::path::PathBuf;

    /// A configuration in which only `key` has another value than by default.
    fn with(key: &str, kind: &Kind) -> Config {
        let now = super::super::show::value(&Config::default(), key);
        let text = match kind {
            Kind::Bool => "true".to_owned(),
            // Any other number would have to be a multiple of 64 as well.
            _ if key == "ring.text_bytes" => (32 << 20).to_string(),
            Kind::Integer { min, .. } => {
                let now = now.and_then(|v| v.as_integer()).unwrap();
                (if now > *min { now - 1 } else { now + 1 }).to_string()
            }
            Kind::PowerOfTwo { .. } => "131072".to_owned(),
            Kind::OneOf(words) => words[words.len() - 1].to_owned(),
            Kind::Text(Form::Address) => "0.0.0.0".to_owned(),
            Kind::Text(Form::LogFilter) => "warn".to_owned(),
            Kind::Text(_) => "other".to_owned(),
            Kind::List(Form::Network) => "10.0.0.0/8".to_owned(),
            Kind::List(Form::Origin) => "https://example.org".to_owned(),
            Kind::List(_) => "other".to_owned(),
            Kind::Tables(_) | Kind::Free => return Config::default(),
        };
        let mut sources = Sources { shipped: &["anomaly", "dao", "other"], ..Sources::nowhere() };
        let key = super::super::settings::find(key).unwrap().key;
        sources.flag("--x", key, Some(text));
        // One of the two is nothing without the other.
        let other = match key {
            "server.tls_cert" => Some("server.tls_key"),
            "server.tls_key" => Some("server.tls_cert"),
            _ => None,
        };
        if let Some(other) = other {
            sources.flag("--y", other, Some("same".to_owned()));
        }
        let mut config = sources.load().unwrap().config;
        match other {
            Some("server.tls_key") => config.server.tls_key = PathBuf::new(),
            Some(_) => config.server.tls_cert = PathBuf::new(),
            None => {}
        }
        config
    }

    #[test]
    fn every_setting_is_kept_or_taken_as_the_table_says() {
        let old = Config::default();
        for setting in SETTINGS {
            let new = with(setting.key, &setting.kind);
            if matches!(setting.kind, Kind::Tables(_)) {
                continue;
            }
            assert_ne!(old, new, "{}", setting.key);
            let plan = ReloadPlan::new(&old, &new);
            match setting.applies {
                Applies::Live => {
                    assert_eq!(plan.config, new, "{}", setting.key);
                    assert_eq!(plan.applied, [setting.key]);
                    assert!(plan.kept.is_empty());
                }
                Applies::Restart => {
                    assert_eq!(plan.config, old, "{}", setting.key);
                    assert_eq!(plan.kept, [setting.key]);
                    assert!(plan.applied.is_empty());
                }
            }
        }
        assert!(ReloadPlan::new(&old, &old).is_empty());
    }

    #[test]
    fn plugins_are_told_apart_by_their_tables() {
        let table = |name: &str, path: &str| PluginTable {
            name: name.into(),
            path: path.into(),
            ..PluginTable::default()
        };
        let old = Config {
            plugin: vec![table("a", "a.so"), table("b", "b.so"), table("c", "c.so")],
            ..Config::default()
        };
        let new = Config {
            plugin: vec![table("a", "a.so"), table("c", "c2.so"), table("d", "d.so")],
            ..Config::default()
        };
        let plan = ReloadPlan::new(&old, &new);
        assert_eq!(
            (plan.added, plan.removed, plan.changed),
            (vec!["d".to_owned()], vec!["b".to_owned()], vec!["c".to_owned()])
        );
        assert_eq!(plan.applied, ["plugin"]);
    }

    #[test]
    fn a_changed_secret_is_noticed() {
        let with = |token: &str| {
            let mut config = Config::default();
            config.auth.token = Secret::new(token);
            config
        };
        assert_eq!(ReloadPlan::new(&with("a"), &with("b")).applied, ["auth.token"]);
        assert!(ReloadPlan::new(&with("a"), &with("a")).is_empty());
    }
}
