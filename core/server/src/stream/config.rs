//! The `[stream]` section of the configuration. Rule: every value is a bound, and [`StreamConfig::check`] knows
//! which values are impossible.

use super::client::BacklogBound;
use serde::{Deserialize, Serialize};

/// Bounds and delays of the fan-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Threads that serve streams; 0 takes two, or one on a machine with one core.
    pub shards: usize,
    /// Longest time, in milliseconds, for which new events are gathered before they are sent; an idle shard sends
    /// at once.
    pub flush_ms: u64,
    /// Connected clients, WebSocket and SSE, plugin streams included. Further ones are turned away.
    pub max_clients: usize,
    /// Size asked of the kernel for each socket's send buffer, in bytes; 0 leaves it to the kernel.
    pub send_buffer_bytes: usize,
    /// Time between heartbeats, in seconds (1 to 60), for clients that name none.
    pub heartbeat_seconds: u64,
    /// Messages that wait for one slow reader of a plugin's stream before it loses the oldest.
    pub topic_backlog_messages: usize,
    /// Bytes that wait for one slow reader of a plugin's stream before it loses the oldest; the newest message is
    /// always kept.
    pub topic_backlog_bytes: usize,
    /// A client that takes not one byte for this many seconds while something waits for it is disconnected.
    pub stall_seconds: u64,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            flush_ms: 25,
            max_clients: 10_000,
            send_buffer_bytes: 256 * 1024,
            heartbeat_seconds: 10,
            topic_backlog_messages: 1024,
            topic_backlog_bytes: 8 * 1024 * 1024,
            stall_seconds: 300,
        }
    }
}

impl StreamConfig {
    /// Names the first impossible value as `(key, what is allowed)`.
    ///
    /// # Errors
    /// The key and a sentence fit to be shown as a hint.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let rules = [
            (self.shards <= 64, "shards", "0 (automatic) to 64"),
            (self.flush_ms <= 1000, "flush_ms", "0 to 1000"),
            ((1..=1_000_000).contains(&self.max_clients), "max_clients", "1 to 1000000"),
            (self.send_buffer_bytes <= 64 << 20, "send_buffer_bytes", "0 (kernel) to 67108864"),
            ((1..=60).contains(&self.heartbeat_seconds), "heartbeat_seconds", "1 to 60"),
            (
                (1..=65_536).contains(&self.topic_backlog_messages),
                "topic_backlog_messages",
                "1 to 65536",
            ),
            (self.topic_backlog_bytes <= 1 << 30, "topic_backlog_bytes", "0 to 1073741824"),
            ((1..=86_400).contains(&self.stall_seconds), "stall_seconds", "1 to 86400"),
        ];
        match rules.iter().find(|(holds, ..)| !holds) {
            Some((_, key, allowed)) => Err((key, allowed)),
            None => Ok(()),
        }
    }

    /// What one reader of a topic may have waiting.
    pub(super) fn backlog_bound(&self) -> BacklogBound {
        BacklogBound { messages: self.topic_backlog_messages, bytes: self.topic_backlog_bytes }
    }

    /// The number of shards that [`StreamConfig::shards`] stands for on this machine.
    pub(super) fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2)),
            wanted => wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_possible_and_each_bound_is_named() {
        assert_eq!(StreamConfig::default().check(), Ok(()));
        let refused = |change: fn(&mut StreamConfig)| {
            let mut config = StreamConfig::default();
            change(&mut config);
            config.check().unwrap_err().0
        };
        assert_eq!(refused(|c| c.shards = 65), "shards");
        assert_eq!(refused(|c| c.flush_ms = 1001), "flush_ms");
        assert_eq!(refused(|c| c.max_clients = 0), "max_clients");
        assert_eq!(refused(|c| c.heartbeat_seconds = 61), "heartbeat_seconds");
        assert_eq!(refused(|c| c.topic_backlog_messages = 0), "topic_backlog_messages");
        assert_eq!(refused(|c| c.stall_seconds = 0), "stall_seconds");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<StreamConfig>(r#"{"flush_ms":5}"#).is_ok());
        assert!(serde_json::from_str::<StreamConfig>(r#"{"flushms":5}"#).is_err());
    }
}
