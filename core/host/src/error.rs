//! The errors of the host, named by what the caller does next.

use crate::supervisor::State;

/// Why the host cannot start or take a configuration.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A `[[plugin]]` table is wrong.
    #[error("plugin {name:?}: {reason}")]
    Config {
        /// Name in the table.
        name: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// The kernel lacks walls that the configuration asks for: take a newer one, or ask for less.
    #[error(
        "plugins.sandbox is \"required\" and the kernel lacks: {lacking}; use a kernel that has it, or set \
         plugins.sandbox = \"best-effort\""
    )]
    Sandbox {
        /// What is missing, in words.
        lacking: String,
    },
    /// The system refused a thread, a file or memory.
    #[error("plugin {name:?}: {source}")]
    System {
        /// Name of the plugin it was for.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a plugin was not restarted, reloaded, enabled or disabled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No plugin of this name.
    #[error("no such plugin")]
    Unknown,
    /// It is disabled: enable it first.
    #[error("the plugin is disabled: enable it first")]
    Disabled,
    /// Another reload is under way: ask again in a moment.
    #[error("a reload is under way; ask again when the new library runs")]
    Busy,
    /// It was tried and did not work; what ran before runs again where that was possible.
    #[error("{0}")]
    Failed(String),
}

/// Why a request to a plugin has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No plugin of this name.
    #[error("no such plugin")]
    Unknown,
    /// It is not running.
    #[error("the plugin is {0:?}")]
    Down(State),
    /// Too many requests wait for it.
    #[error("too many requests wait for the plugin")]
    Busy,
    /// It did not answer in time.
    #[error("the plugin did not answer in time")]
    Deadline,
    /// It did what was asked, and that cannot be saved: ask again.
    #[error("what the plugin did cannot be saved")]
    Unsaved,
    /// It answered with a failure.
    #[error("the plugin failed: {0}")]
    Failed(String),
}
