//! The bounds of everything that is kept.
//!
//! The rule: whatever meets a bound is counted and said, never silently dropped.

/// How much an alert manager keeps. [`Limits::default`] is what ships; tests take less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series that are known at a time; the one that was silent for longest makes room.
    pub series: usize,
    /// Alerts that are pending or firing, besides the heartbeat; further ones are refused.
    pub live: usize,
    /// Resolved alerts that are remembered; the oldest goes, one that a receiver still waits for last.
    pub resolved: usize,
    /// Silences.
    pub silences: usize,
    /// Bytes that the regular expressions of all silences may take together.
    pub silence_bytes: usize,
    /// Groups of alerts with a notification of their own; further ones share one group for each route.
    pub groups: usize,
    /// Correlations that are remembered; the oldest goes.
    pub correlations: usize,
    /// Alerts that a correlation names.
    pub members: usize,
    /// Notifications that are out at the same time, for all receivers.
    pub in_flight: usize,
    /// Notifications that are out at the same time for one receiver; one while it fails.
    pub per_receiver: usize,
    /// Alerts in one notification; the rest is counted in `truncatedAlerts` and told with the next.
    pub per_notification: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 16_384,
            live: 8_192,
            resolved: 4_096,
            silences: 1_024,
            silence_bytes: 64 * 1024 * 1024,
            groups: 2_048,
            correlations: 256,
            members: 64,
            in_flight: 32,
            per_receiver: 4,
            per_notification: 256,
        }
    }
}

/// Longest description, comment, author and method, in bytes.
pub const MAX_TEXT: usize = 512;
/// Most recommended actions of a rule; each has at most [`MAX_ACTION`] bytes.
pub const MAX_ACTIONS: usize = 8;
/// Longest recommended action in bytes.
pub const MAX_ACTION: usize = 160;
/// Most rules of all kinds.
pub const MAX_RULES: usize = 256;
/// Most routes, receivers and inhibitions, each.
pub(crate) const MAX_ROUTES: usize = 64;
/// Longest address of a receiver or runbook in bytes.
pub(crate) const MAX_URL: usize = 1_024;
/// Most matchers of a rule, route, inhibition or silence.
pub(crate) const MAX_MATCHERS: usize = 16;
/// Largest text of rules in bytes.
pub const MAX_RULES_TEXT: usize = 1024 * 1024;
