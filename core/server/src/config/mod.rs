//! The configuration: what can be set, where each value came from, and what a change asks for.
//!
//! The rule: a [`Config`] in hand is complete and possible. Everything doubtful is refused while
//! it is read, with the place it came from, so that no later code checks a setting again.

mod check;
mod load;
mod nearest;
mod origin;
mod plugin;
mod plugin_env;
mod problem;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod read;
mod reload;
mod secret;
mod sections;
mod settings;
mod show;
mod template;
mod tokens;
mod value;

#[cfg(test)]
mod tests;

pub use load::{Flag, Loaded, SEARCH, Sources};
pub use origin::{Origin, Origins};
pub use plugin::{
    Delivery, Isolation, PluginLimits, PluginPermissions, PluginTable, SHIPPED, Sandbox,
};
pub use problem::{Place, Problem, Problems, SourceText, Style};
pub use reload::ReloadPlan;
pub use secret::Secret;
pub use sections::{
    AuditSection, AuthSection, DedupSection, FractalSection, LimitsSection, LogFormat, LogSection,
    MetricsSection, PluginsSection, Renderer, RingSection, ServerSection, StatsSection, Storage,
    SyncMode, TokenTable,
};

pub use settings::{Applies, Form, Kind, SETTINGS, Setting};
pub use show::Row;
pub use template::default_file;
pub use tokens::{NamedToken, read_token};
pub(crate) use value::network;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::stream::StreamConfig;

/// Everything a node can be told, one section for each part of it.
///
/// Serialising never reveals a secret: see [`Secret`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the token, keys, ring, history and audit; a relative path starts at the
    /// working directory.
    pub data_dir: PathBuf,
    /// Name of this node, shown as every event's `origin`; empty for one made at the first start
    /// and kept in the data folder.
    pub node: String,
    /// The HTTP listener.
    pub server: ServerSection,
    /// Who may write.
    pub auth: AuthSection,
    /// Who changed what through the routes.
    pub audit: AuditSection,
    /// The event ring and its journal.
    pub ring: RingSection,
    /// Recognition of repeated events.
    pub dedup: DedupSection,
    /// What one request may ask for.
    pub limits: LimitsSection,
    /// Live streams.
    pub stream: StreamConfig,
    /// Pictures.
    pub fractal: FractalSection,
    /// Rolling statistics.
    pub stats: StatsSection,
    /// The `/metrics` page.
    pub metrics: MetricsSection,
    /// The program's own log.
    pub log: LogSection,
    /// What holds for all plugins.
    pub plugins: PluginsSection,
    /// One table for each plugin that is named in the file.
    pub plugin: Vec<PluginTable>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            node: String::new(),
            server: ServerSection::default(),
            auth: AuthSection::default(),
            audit: AuditSection::default(),
            ring: RingSection::default(),
            dedup: DedupSection::default(),
            limits: LimitsSection::default(),
            stream: StreamConfig::default(),
            fractal: FractalSection::default(),
            stats: StatsSection::default(),
            metrics: MetricsSection::default(),
            log: LogSection::default(),
            plugins: PluginsSection::default(),
            plugin: Vec::new(),
        }
    }
}
