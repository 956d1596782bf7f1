//! The plugin's handle on the host: cheap to clone, usable from any thread, harmless after the plugin's end.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use shimmer_abi::{LogLevel, MetricKind};

use crate::gate::Gate;
use crate::{AlertBuilder, Counter, Error, EventBuilder, Gauge, Relay, Relayed};

/// What a plugin may do to the world.
///
/// Inside [`crate::Plugin::process`] and [`crate::Plugin::tick`], on the plugin's own thread, effects join the
/// call's transaction. From `handle` and from other threads each stands alone and is durable when the call
/// returns. Once the instance is destroyed every call answers [`Error::Gone`].
#[derive(Clone)]
pub struct Host {
    gate: Arc<Gate>,
}

impl Host {
    pub(crate) const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Begins an event of this kind, `[a-z0-9._-]{1,64}`.
    pub fn event<'a>(&'a self, kind: &'a str) -> EventBuilder<'a> {
        EventBuilder::new(&self.gate, kind)
    }

    /// Begins an alert on this subject.
    pub fn alert<'a>(&'a self, subject: &'a str) -> AlertBuilder<'a> {
        AlertBuilder::new(&self.gate, subject)
    }

    /// Sets the weight of a source in the weighted average, 0..=1; needs the permission `weights`.
    ///
    /// # Errors
    /// `Denied` without the permission, `Invalid` outside the range.
    pub fn set_weight(&self, source: &str, weight: f64) -> Result<(), Error> {
        self.gate.set_weight(source, weight)
    }

    /// Sends a message to everyone connected to a stream of this plugin with this topic (1..=256 bytes). `event`
    /// names the event on Server-Sent Events; empty = none. A slow reader loses the oldest messages.
    ///
    /// # Errors
    /// `Limit` beyond 8 MiB, `Unsupported` on a host without streams.
    pub fn publish(&self, topic: &str, event: &str, message: &str) -> Result<(), Error> {
        self.gate.publish(topic, event, message)
    }

    /// The node's id: the origin of every event that it takes.
    ///
    /// # Errors
    /// `Unsupported` on a host that does not say it.
    pub fn node_id(&self) -> Result<String, Error> {
        self.gate.node(|node| node.id)
    }

    /// A folder of the plugin's own, which outlives it; there is one from [`crate::Plugin::start`] on. Needs the
    /// permission `folder`.
    ///
    /// # Errors
    /// `Denied` without the permission, `Unsupported` on a host without folders.
    pub fn folder(&self) -> Result<PathBuf, Error> {
        match self.gate.node(|node| node.folder)? {
            path if path.is_empty() => {
                Err(Error::Denied("a folder needs permissions.folder = true".to_owned()))
            }
            path => Ok(path.into()),
        }
    }

    /// Whether `authorization`, the value of such a header (`Bearer TOKEN`), lets its bearer write without limits on
    /// this node: for doors that the plugin opens itself. Routes are asked for by the host.
    ///
    /// # Errors
    /// `Busy` while the host stops, `Unsupported` on a host that does not tell.
    pub fn authorize(&self, authorization: &str) -> Result<bool, Error> {
        self.gate.authorize(authorization)
    }

    /// Hands over events of other nodes, at most 1,024 and 8 MiB, and answers for each what became of it. Those that
    /// are valid are durable when the call returns, in their order. It is no part of a transaction, and does not
    /// wait for room: call it from a thread of your own.
    ///
    /// # Errors
    /// `Busy` while they do not all fit into the ring and `Limit` when they never will: none is stored then. Of
    /// single events: `Invalid` for good, `Denied` for the origin, `Limit` while there is no room for a new name.
    pub fn relay(&self, events: &[Relay<'_>]) -> Result<Vec<Result<Relayed, Error>>, Error> {
        crate::relay::relay(&self.gate, events)
    }

    /// Declares a counter, shown as `shimmer_<plugin>_<name>`; `name` ends in `_total`. At most 4 label names.
    ///
    /// # Errors
    /// `Invalid` for a malformed name, `Limit` with too many metrics.
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<Counter, Error> {
        let id = self.gate.declare(MetricKind::COUNTER, name, help, labels)?;
        Ok(Counter::new(self.gate.clone(), id, name))
    }

    /// Declares a gauge; as [`Host::counter`].
    ///
    /// # Errors
    /// As [`Host::counter`].
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<Gauge, Error> {
        let id = self.gate.declare(MetricKind::GAUGE, name, help, labels)?;
        Ok(Gauge::new(self.gate.clone(), id, name))
    }

    /// Writes a line to the plugin's log, cut at 4 KiB.
    pub fn log(&self, level: LogLevel, message: &str) {
        self.gate.log(level, message);
    }

    /// Logs what only the author wants to know.
    pub fn debug(&self, message: &str) {
        self.log(LogLevel::DEBUG, message);
    }

    /// Logs what the operator should know.
    pub fn info(&self, message: &str) {
        self.log(LogLevel::INFO, message);
    }

    /// Logs what is odd.
    pub fn warn(&self, message: &str) {
        self.log(LogLevel::WARN, message);
    }

    /// Logs what failed.
    pub fn error(&self, message: &str) {
        self.log(LogLevel::ERROR, message);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Host").finish_non_exhaustive()
    }
}
