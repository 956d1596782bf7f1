//! A `[[plugin]]` table.
//!
//! The rule: the table holds what the host decides about a plugin; what the plugin itself
//! understands stays unread in `config`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One plugin, as the file names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginTable {
    /// Name, `[a-z0-9-]`, unique among the tables.
    pub name: String,
    /// The shared object; empty for a bundled plugin of this name.
    pub path: PathBuf,
    /// Whether it is started.
    pub enabled: bool,
    /// Where its code runs.
    pub isolation: Isolation,
    /// What happens when it is slower than the events come.
    pub delivery: Delivery,
    /// Kinds it is shown; empty for those that it asks for itself.
    pub kinds: Vec<String>,
    /// What it may reach outside its own memory.
    pub permissions: PluginPermissions,
    /// What it may use up.
    pub limits: PluginLimits,
    /// Its own settings, handed to it as JSON; the plugin validates them.
    pub config: toml::Table,
}

impl Default for PluginTable {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: PathBuf::new(),
            enabled: true,
            isolation: Isolation::Process,
            delivery: Delivery::Gating,
            kinds: Vec::new(),
            permissions: PluginPermissions::default(),
            limits: PluginLimits::default(),
            config: toml::Table::new(),
        }
    }
}

impl PluginTable {
    /// Whether the table refines a bundled plugin rather than naming a file.
    #[must_use]
    pub fn is_bundled(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

/// Where a plugin's code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a sandboxed process of its own: a crash costs nobody else anything.
    Process,
    /// On a thread of the host: for code as trusted as the host itself.
    Thread,
}

/// What happens when a plugin is slower than the events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The ring waits for it: it sees every event.
    Gating,
    /// It is overtaken: it misses events, and the misses are counted.
    Lossy,
}

/// What a plugin may reach outside its own memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginPermissions {
    /// `listen:PORT`, `connect:HOST:PORT`, `connect:*`.
    pub net: Vec<String>,
    /// Paths it may read.
    pub read: Vec<PathBuf>,
    /// Paths it may write.
    pub write: Vec<PathBuf>,
}

/// What a plugin may use up. Zero means that nothing bounds it but the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Processor time as a share of one core, in percent.
    pub cpu_percent: u32,
}
