//! Why a server does not start or reload, in words for the person who started it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Problems;

/// What kept a server from starting or from taking a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Bad configuration: nobody could write.
    #[error("no token is set: give DASHBOARD_TOKEN, auth.token or auth.token_file")]
    NoToken,
    /// Bad configuration; after a reload the old one stays in force.
    #[error(transparent)]
    Configuration(Problems),
    /// Choose another data folder, or make it writable.
    #[error("cannot use the data directory {path}: {source}")]
    DataDir {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Stop the other node first.
    #[error(
        "the data directory {0} is in use by another node; stop it, or choose another with --data-dir"
    )]
    Locked(PathBuf),
    /// Choose another address.
    #[error(
        "cannot listen on {address}: {source}; choose another with --host and --port, or stop what holds it"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The ring could not be opened or created.
    #[error("cannot open the ring: {}", chain(.0.as_ref()))]
    Ring(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The plugin host could not start.
    #[error("cannot start the plugin host: {}", chain(.0.as_ref()))]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gave no thread, runtime or random bytes.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl ServerError {
    /// Whether the configuration is to blame, which a command answers with its own exit code.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::NoToken | Self::Configuration(_))
    }
}

fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
