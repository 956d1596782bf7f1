//! The host's configuration: what a `[[plugin]]` table may say, parsed into closed types at the edge.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::sandbox::lacking;

/// Where a plugin's code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In its own sandboxed process: it may crash, hang or lie.
    #[default]
    Process,
    /// On a thread of the host: for code that is trusted as the host is.
    Thread,
}

/// What happens where the kernel lacks a part of the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// Plugins run behind the walls that there are.
    #[default]
    BestEffort,
    /// Nothing runs without all of them, and no plugin beside them.
    Required,
}

/// What happens when a plugin is slower than the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The ring keeps every event until the plugin has processed it.
    #[default]
    Gating,
    /// The ring goes on; what was overwritten counts as missed.
    Lossy,
}

/// What the sandbox opens for a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// `listen:PORT` and `connect:PORT`, the port `*` for any.
    pub net: Vec<String>,
    /// Files and folders it may read.
    pub read: Vec<PathBuf>,
    /// Files and folders it may write.
    pub write: Vec<PathBuf>,
    /// Sources other than its own name that its events may carry; a `*` at the end matches any rest.
    pub source: Vec<String>,
    /// Nodes whose events it may hand to this one; a `*` at the end matches any rest.
    pub origin: Vec<String>,
    /// Whether it may set the weights of sources.
    pub weights: bool,
    /// Whether it gets a folder of its own under the data folder, which outlives it.
    pub folder: bool,
}

/// What a plugin may use before the host ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Private resident memory in bytes.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Percent of one core over ten seconds; 0 = unlimited.
    pub cpu_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, threads: 64, cpu_percent: 0 }
    }
}

/// One `[[plugin]]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginConfig {
    /// `[a-z0-9-]{1,64}`; must equal the name in the library's descriptor.
    pub name: String,
    /// The library; empty = the bundled plugin of this name.
    pub path: PathBuf,
    /// Whether it runs; absent = true.
    pub enabled: Enabled,
    /// Where it runs.
    pub isolation: Isolation,
    /// What happens when it is slow.
    pub delivery: Delivery,
    /// Kinds it gets; empty = what its descriptor wants.
    pub kinds: Vec<String>,
    /// What the sandbox opens.
    pub permissions: Permissions,
    /// What it may use.
    pub limits: Limits,
    /// `[plugin.config]`, handed to the plugin, which validates it.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// A switch that is on unless turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Enabled(pub bool);

impl Default for Enabled {
    fn default() -> Self {
        Self(true)
    }
}

impl PluginConfig {
    /// Whether `name` can be a plugin's: `[a-z0-9-]{1,64}`.
    #[must_use]
    pub fn valid_name(name: &str) -> bool {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
}

impl Sandbox {
    /// Whether a plugin may run there: a thread of the host has no walls.
    #[must_use]
    pub fn admits(self, isolation: Isolation) -> bool {
        self == Self::BestEffort || isolation == Isolation::Process
    }

    /// Asks the kernel for its walls: those that it lacks, in words, which are to be told.
    ///
    /// # Errors
    /// It lacks some that are required.
    pub fn demand(self) -> Result<Vec<&'static str>, HostError> {
        self.weigh(lacking())
    }

    fn weigh(self, lacking: Vec<&'static str>) -> Result<Vec<&'static str>, HostError> {
        match self {
            Self::Required if !lacking.is_empty() => {
                Err(HostError::Sandbox { lacking: lacking.join("; ") })
            }
            _ => Ok(lacking),
        }
    }
}

impl PluginConfig {
    /// Whether it is one of those that come with the program.
    #[must_use]
    pub fn is_bundled(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

impl Permissions {
    /// Whether what a descriptor asks for, such as `net=listen:8091`, is granted.
    #[must_use]
    pub fn grants(&self, wanted: &str) -> bool {
        match wanted.split_once('=') {
            Some(("net", value)) => any(&self.net, value),
            Some(("source", value)) => any(&self.source, value),
            Some(("origin", value)) => any(&self.origin, value),
            Some(("read", value)) => {
                self.read.iter().any(|path| std::path::Path::new(value).starts_with(path))
            }
            Some(("write", value)) => {
                self.write.iter().any(|path| std::path::Path::new(value).starts_with(path))
            }
            None => wanted == "weights" && self.weights || wanted == "folder" && self.folder,
            Some(_) => false,
        }
    }
}

/// Whether one of the rules is `value`, or its beginning before a `*`.
pub(crate) fn any(rules: &[String], value: &str) -> bool {
    rules.iter().any(|rule| match rule.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => rule == value,
    })
}

/// What the host needs to know besides its plugins.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Folder for copies of libraries and for states: `DIR/plugins/NAME/`.
    pub data_dir: PathBuf,
    /// Folder of the bundled plugins' libraries.
    pub bundled_dir: PathBuf,
    /// Program that answers to `plugin-host`; `/proc/self/exe` in the shipped binary.
    pub executable: PathBuf,
    /// The node's id, the `origin` of derived events.
    pub node: String,
    /// Limits of events, derived ones included.
    pub limits: shimmer_event::Limits,
    /// A call, or events without progress, for longer than this ends the plugin.
    pub call_deadline: Duration,
    /// Time between two saves of a plugin's state.
    pub state_interval: Duration,
    /// How long a plugin may be over its share of the processor.
    pub cpu_patience: Duration,
    /// How long a reloaded plugin is on probation: a failure within rolls it back.
    pub probation: Duration,
}

impl HostConfig {
    /// The shipped values for a data directory and a node.
    #[must_use]
    pub fn new(data_dir: PathBuf, node: String) -> Self {
        Self {
            data_dir,
            bundled_dir: PathBuf::from("."),
            executable: PathBuf::from("/proc/self/exe"),
            node,
            limits: shimmer_event::Limits::default(),
            call_deadline: Duration::from_secs(10),
            state_interval: Duration::from_secs(5),
            cpu_patience: Duration::from_secs(10),
            probation: Duration::from_secs(5),
        }
    }

    /// Where a plugin's library is.
    #[must_use]
    pub fn library(&self, plugin: &PluginConfig) -> PathBuf {
        if plugin.is_bundled() {
            self.bundled_dir.join(format!("libshimmer_{}.so", plugin.name.replace('-', "_")))
        } else {
            plugin.path.clone()
        }
    }

    /// The folder that belongs to a plugin with the permission for it.
    #[must_use]
    pub fn folder(&self, plugin: &PluginConfig) -> PathBuf {
        self.data_dir.join("plugins").join(&plugin.name).join("own")
    }

    /// Why a plugin's library cannot be read, and what to do.
    pub(crate) fn cannot_read(&self, plugin: &PluginConfig, why: &std::io::Error) -> String {
        let path = self.library(plugin);
        let remedy = match plugin.is_bundled() {
            true => "install it there, set `plugins.dir`, or take it out of `plugins.bundled`",
            false => "correct the path of its table",
        };
        format!("cannot read {}: {why}; {remedy}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_and_missing_refuses_and_else_is_told() {
        assert_eq!(Sandbox::Required.weigh(vec![]).unwrap(), [""; 0]);
        assert_eq!(Sandbox::BestEffort.weigh(vec!["a", "b"]).unwrap(), ["a", "b"]);
        let refused = Sandbox::Required.weigh(vec!["a", "b"]).unwrap_err().to_string();
        assert!(refused.contains("a; b") && refused.contains("plugins.sandbox"), "{refused}");
    }

    #[test]
    fn a_thread_of_the_host_is_no_sandbox() {
        assert!(Sandbox::BestEffort.admits(Isolation::Thread));
        assert!(Sandbox::Required.admits(Isolation::Process));
        assert!(!Sandbox::Required.admits(Isolation::Thread));
    }
}
