//! What a library says of itself, copied out of its memory and checked: nothing of it is trusted unread.

use serde::{Deserialize, Serialize};

use crate::PluginConfig;
use crate::wire::at_most;

/// Most routes of a plugin.
pub(crate) const MAX_ROUTES: usize = 64;
/// Most kinds or permissions in a descriptor.
pub(crate) const MAX_LIST: usize = 64;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteAuth {
    /// Anyone.
    None,
    /// Whoever holds a bearer token of the host.
    Token,
    /// The plugin decides.
    Plugin,
}

/// What a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteKind {
    /// Request and answer.
    Http,
    /// A WebSocket fed by a topic.
    Ws,
    /// Server-Sent Events fed by a topic.
    Sse,
}

/// A route that a plugin answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// Upper-case method.
    pub method: String,
    /// Path with `{name}` segments.
    pub pattern: String,
    /// Who may call it.
    pub auth: RouteAuth,
    /// What it is.
    pub kind: RouteKind,
    /// Topic of a stream, with the pattern's parameters in braces.
    pub topic: String,
    /// OpenAPI operation object as JSON text; empty = none given.
    pub openapi_json: String,
}

/// The descriptor of a library and the routes of its plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Kinds it wants; empty = every kind.
    #[serde(deserialize_with = "at_most::<MAX_LIST, _, _>")]
    pub kinds: Vec<String>,
    /// Permissions it needs.
    #[serde(deserialize_with = "at_most::<MAX_LIST, _, _>")]
    pub permissions: Vec<String>,
    /// Milliseconds between ticks; 0 = never.
    pub tick_interval_ms: u32,
    /// Its routes.
    #[serde(deserialize_with = "at_most::<MAX_ROUTES, _, _>")]
    pub routes: Vec<RouteSpec>,
    /// Whether it saves state.
    pub has_state: bool,
}

impl Manifest {
    /// Checks what the contract demands; the error names the member and the remedy.
    ///
    /// # Errors
    /// One sentence for people.
    pub fn check(&self) -> Result<(), String> {
        if !PluginConfig::valid_name(&self.name) {
            return Err(format!(
                "descriptor: name {:?} must be 1 to 64 of a-z, 0-9 and -",
                self.name
            ));
        }
        if self.version.is_empty() || self.version.len() > 64 {
            return Err("descriptor: version must have 1 to 64 bytes, such as 1.0.0".into());
        }
        if self.description.len() > 1024 {
            return Err("descriptor: description must have at most 1024 bytes".into());
        }
        if self.tick_interval_ms != 0 && self.tick_interval_ms < 10 {
            return Err("descriptor: tick_interval_ms must be 0 (never) or at least 10".into());
        }
        for kind in &self.kinds {
            check_kind(kind)?;
        }
        for (index, route) in self.routes.iter().enumerate() {
            route.check(&self.name).map_err(|why| format!("route {index}: {why}"))?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Whether the table of `plugin` names this library and grants what it needs.
    ///
    /// # Errors
    /// One sentence with the remedy.
    pub(crate) fn suits(&self, plugin: &PluginConfig) -> Result<(), String> {
        if self.name != plugin.name {
            return Err(format!(
                "the library says its name is {:?}, the configuration {:?}: make them equal",
                self.name, plugin.name
            ));
        }
        match self.permissions.iter().find(|wanted| !plugin.permissions.grants(wanted)) {
            None => Ok(()),
            Some(wanted) => Err(format!(
                "it needs the permission {wanted:?}: grant it in `permissions` of [[plugin]] {:?}, or remove the plugin",
                plugin.name
            )),
        }
    }
}

impl RouteSpec {
    fn check(&self, plugin: &str) -> Result<(), String> {
        if !matches!(self.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
            return Err(format!(
                "method {:?} must be GET, POST, PUT, PATCH or DELETE",
                self.method
            ));
        }
        if self.kind != RouteKind::Http && self.method != "GET" {
            return Err("a ws or sse route must have the method GET".into());
        }
        if self.kind != RouteKind::Http && self.topic.is_empty() {
            return Err("a ws or sse route must name its topic".into());
        }
        if !self.pattern.starts_with('/') || self.pattern.len() > 256 {
            return Err(format!(
                "pattern {:?} must start with / and have at most 256 bytes",
                self.pattern
            ));
        }
        for segment in self.pattern.split('/').skip(1) {
            check_segment(segment)?;
        }
        if !self.openapi_json.is_empty()
            && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(
                &self.openapi_json,
            )
            .is_err()
        {
            return Err(format!("{plugin}: openapi_json must be a JSON object"));
        }
        Ok(())
    }
}

fn check_kind(kind: &str) -> Result<(), String> {
    let good = (1..=64).contains(&kind.len())
        && kind.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        });
    if good {
        Ok(())
    } else {
        Err(format!("descriptor: kind {kind:?} must match [a-z0-9._-]{{1,64}}"))
    }
}

fn check_segment(segment: &str) -> Result<(), String> {
    let name = match segment.strip_prefix('{') {
        Some(rest) => {
            rest.strip_suffix('}').ok_or_else(|| format!("segment {segment:?} lacks }}"))?
        }
        None => segment,
    };
    let good = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~'));
    if good {
        Ok(())
    } else {
        Err(format!("segment {segment:?} must be letters, digits and . _ - ~"))
    }
}
