//! A `[[plugin]]` table: the host's own type, under the names that the file's readers use.
//!
//! The rule: what a table may say is the host's to decide; only the plugins that this build
//! ships are listed here.

pub use shimmer_host::{
    Delivery, Isolation, Limits as PluginLimits, Permissions as PluginPermissions,
    PluginConfig as PluginTable, Sandbox,
};

/// Bundled plugins that this build ships.
pub const SHIPPED: &[&str] = &["anomaly", "dao", "gossip"];
