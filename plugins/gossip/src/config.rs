//! `[plugin.config]` of the plugin.
//!
//! The rule: what is wrong is told with its key and the remedy, all of it at once, before anything runs.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use libp2p::PeerId;
use serde::Deserialize;
use shimmer_mesh::Origin;
use shimmer_sdk::Error;

use crate::dial::GatewayAddress;
use crate::identity::peer_id_of;
use crate::net::{Address, MAX_CONFIGURED};

/// Where source 02 has the mesh listen.
const PORT: u16 = 8091;
/// Hops of a packet of the gateway, as in source 02.
const TTL: u64 = 10;
/// Most hops.
const MAX_TTL: u64 = 255;
/// Megabytes of events that are kept for other nodes.
const HISTORY_MB: u64 = 256;
/// Bounds of `history_mb`.
const HISTORY_BOUNDS: std::ops::RangeInclusive<u64> = 1..=65_536;
/// Most entries of `allow`.
const MAX_ALLOWED: usize = 4_096;
/// Bounds of `connections`; a plugin's process may have 256 files open.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 2..=128;

/// Kinds by which plugins speak with those of other nodes.
const SPOKEN: [&str; 3] = ["dao.log", "dao.vote", "dao.want"];

/// The keys as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    node_id: String,
    host: String,
    port: u16,
    peers: Vec<String>,
    psk_file: PathBuf,
    key_file: PathBuf,
    allow: Vec<String>,
    hybrid: bool,
    derived: bool,
    derived_kinds: Vec<String>,
    history_mb: u64,
    connections: usize,
    ttl: u64,
    json_port: u16,
    json_token: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_id: String::new(),
            host: "0.0.0.0".to_owned(),
            port: PORT,
            peers: Vec::new(),
            psk_file: PathBuf::new(),
            key_file: PathBuf::new(),
            allow: Vec::new(),
            hybrid: false,
            derived: false,
            derived_kinds: SPOKEN.map(str::to_owned).to_vec(),
            history_mb: HISTORY_MB,
            connections: 64,
            ttl: TTL,
            json_port: 0,
            json_token: String::new(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}

/// The same, checked.
pub(crate) struct Settings {
    /// Where the mesh listens; `None` only dials.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) peers: Vec<Address>,
    pub(crate) gateway_peers: Vec<GatewayAddress>,
    /// File of the mesh's key; without one the mesh is open.
    pub(crate) psk_file: Option<PathBuf>,
    /// File of the node's key; without one it is in the plugin's folder.
    pub(crate) key_file: Option<PathBuf>,
    /// The only nodes that are let in and believed.
    pub(crate) allow: Option<Vec<Origin>>,
    pub(crate) hybrid: bool,
    pub(crate) derived: bool,
    /// Kinds that are shared although a plugin derived them.
    pub(crate) derived_kinds: Vec<String>,
    pub(crate) history_bytes: u64,
    pub(crate) connections: usize,
    pub(crate) max_ttl: u64,
    /// Where the gateway listens.
    pub(crate) gateway: Option<SocketAddr>,
    pub(crate) json_token: Token,
}

/// What other gateways are shown.
#[derive(Clone, Default)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Settings {
    /// The peers that the network lets in.
    pub(crate) fn allowed_peers(&self) -> Option<HashSet<PeerId>> {
        let allow = self.allow.as_ref()?;
        Some(allow.iter().filter_map(peer_id_of).collect())
    }

    /// Whether an event of this kind that a plugin derived is shared.
    pub(crate) fn shares_derived(&self, kind: &str) -> bool {
        self.derived || self.derived_kinds.iter().any(|shared| shared == kind)
    }
}

impl Config {
    /// Checks what the types cannot. `node` is what the host calls this node.
    pub(crate) fn check(self, node: &str) -> Result<Settings, Error> {
        let mut wrong = Vec::new();
        if !self.node_id.is_empty() && self.node_id != node {
            wrong.push(
                "node_id: is not what this node is called; set `node` at the top of the file"
                    .to_owned(),
            );
        }
        let host = self.host.parse::<IpAddr>().map_err(|_| {
            wrong
                .push("host: must be an address of this machine, such as 0.0.0.0 or ::".to_owned());
        });
        if self.port != 0 && self.port == self.json_port {
            wrong.push("json_port: is the mesh's port; choose another".to_owned());
        }
        let (peers, gateway_peers) = self.read_peers(&mut wrong);
        if !gateway_peers.is_empty() && self.json_token.is_empty() {
            wrong.push("json_token: json+ws:// peers want a token of theirs; set it".to_owned());
        }
        let allow = self.read_allowed(&mut wrong);
        let bounded = |key: &str, good: bool, bounds: String| {
            (!good).then(|| format!("{key}: must be {bounds}"))
        };
        let (least_mb, most_mb) = HISTORY_BOUNDS.into_inner();
        let (least, most) = CONNECTIONS.into_inner();
        wrong.extend(bounded("ttl", (1..=MAX_TTL).contains(&self.ttl), format!("1 to {MAX_TTL}")));
        wrong.extend(bounded(
            "history_mb",
            HISTORY_BOUNDS.contains(&self.history_mb),
            format!("{least_mb} to {most_mb}"),
        ));
        wrong.extend(bounded(
            "connections",
            CONNECTIONS.contains(&self.connections),
            format!("{least} to {most}"),
        ));
        let (Ok(host), true) = (host, wrong.is_empty()) else {
            return Err(Error::Invalid(wrong.join("\n")));
        };
        let at = |port: u16| (port != 0).then(|| SocketAddr::new(host, port));
        let given = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        Ok(Settings {
            listen: at(self.port),
            gateway: at(self.json_port),
            peers,
            gateway_peers,
            psk_file: given(self.psk_file),
            key_file: given(self.key_file),
            allow: (!allow.is_empty()).then_some(allow),
            hybrid: self.hybrid,
            derived: self.derived,
            derived_kinds: self.derived_kinds,
            history_bytes: self.history_mb << 20,
            connections: self.connections,
            max_ttl: self.ttl,
            json_token: Token(self.json_token),
        })
    }

    fn read_peers(&self, wrong: &mut Vec<String>) -> (Vec<Address>, Vec<GatewayAddress>) {
        let (mut peers, mut gateways) = (Vec::new(), Vec::new());
        if self.peers.len() > MAX_CONFIGURED {
            wrong.push(format!("peers: at most {MAX_CONFIGURED} are used; list fewer"));
        }
        for entry in self.peers.iter().take(MAX_CONFIGURED) {
            if entry.starts_with("json+") {
                match entry.parse() {
                    Ok(address) => gateways.push(address),
                    Err(why) => wrong.push(format!("peers: {why}")),
                }
            } else {
                match entry.parse() {
                    Ok(address) => peers.push(address),
                    Err(why) => wrong.push(format!("peers: {why}")),
                }
            }
        }
        (peers, gateways)
    }

    fn read_allowed(&self, wrong: &mut Vec<String>) -> Vec<Origin> {
        if self.allow.len() > MAX_ALLOWED {
            wrong.push(format!("allow: must have at most {MAX_ALLOWED} keys"));
            return Vec::new();
        }
        let mut allowed = Vec::new();
        for entry in &self.allow {
            match crate::identity::read(entry) {
                Some(origin) => allowed.push(origin),
                None => wrong.push(format!(
                    "allow: {:?} is neither a peer id nor a key of 64 hex digits; both stand under /federated/health",
                    entry.chars().take(80).collect::<String>()
                )),
            }
        }
        allowed
    }
}
