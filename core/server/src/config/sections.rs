//! The sections of the file as types, with their defaults.
//!
//! The rule: every default stands here and nowhere else; `config/shimmer.toml` is held equal to
//! it by a test.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Sandbox, Secret};

/// `[server]`: the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Origins (`https://example.org`) whose pages may connect besides the server's own.
    pub origins: Vec<String>,
    /// Names under which the server may be addressed while it listens on loopback, besides
    /// `localhost` and the loopback addresses.
    pub hosts: Vec<String>,
    /// Networks (`10.0.0.0/8`) of proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<String>,
    /// Chain of certificates in PEM; with it and the key the server speaks TLS.
    pub tls_cert: PathBuf,
    /// Its private key in PEM.
    pub tls_key: PathBuf,
    /// Connections held at once, streams included.
    pub max_connections: usize,
    /// Longest wait for the head of a request, and for the next one on an idle connection.
    pub header_timeout_ms: u64,
    /// Longest wait for the body of a request.
    pub body_timeout_ms: u64,
    /// Longest time in which a client takes nothing of its answer, in milliseconds.
    pub send_timeout_ms: u64,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            origins: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            max_connections: 16_384,
            header_timeout_ms: 30_000,
            body_timeout_ms: 30_000,
            send_timeout_ms: 30_000,
        }
    }
}

/// `[auth]`: who may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSection {
    /// Bearer token named `default`, which may use any source.
    pub token: Secret,
    /// File that holds that token; empty for none.
    pub token_file: PathBuf,
    /// How long a token that a reload replaced stays valid, in seconds.
    pub rotation_grace: u64,
    /// Further tokens.
    pub tokens: Vec<TokenTable>,
}

impl Default for AuthSection {
    fn default() -> Self {
        Self {
            token: Secret::default(),
            token_file: PathBuf::new(),
            rotation_grace: 300,
            tokens: Vec::new(),
        }
    }
}

/// `[[auth.tokens]]`: a named token. Exactly one of `token` and `token_file` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenTable {
    /// Name, also the default source of its events.
    pub name: String,
    /// The token itself.
    pub token: Secret,
    /// File that holds it; empty for none.
    pub token_file: PathBuf,
    /// Globs of the sources it may use; empty for any.
    pub sources: Vec<String>,
}

/// `[audit]`: who changed what through the routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// Bytes of both files together; 0 for none.
    pub max_bytes: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self { max_bytes: 16 << 20 }
    }
}

/// `[ring]`: the event ring and its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingSection {
    /// Newest events that `/snapshot` answers from.
    pub max_events: usize,
    /// Events kept for plugins and stream resume; a power of two.
    pub capacity: usize,
    /// Bytes kept for the text of those events.
    pub text_bytes: usize,
    /// Longest canonical JSON of one event in bytes.
    pub event_bytes: usize,
    /// Distinct kinds, subjects, sources and origins alive at once.
    pub names: usize,
    /// Whether events survive the process.
    pub storage: Storage,
    /// What a loss of power may cost.
    pub sync: SyncMode,
}

impl Default for RingSection {
    fn default() -> Self {
        Self {
            max_events: 500,
            capacity: 65_536,
            text_bytes: 24 << 20,
            event_bytes: 4096,
            names: 131_072,
            storage: Storage::File,
            sync: SyncMode::Second,
        }
    }
}

/// Where the ring keeps what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In a journal under the data folder: survives the end of the process.
    File,
    /// In memory only.
    Memory,
}

/// When the journal is forced to the disk. The end of the process costs nothing in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// When the kernel likes: a loss of power may cost half a minute.
    Never,
    /// Once a second.
    Second,
    /// Before each answer.
    Always,
}

/// `[dedup]`: recognition of repeated events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DedupSection {
    /// Newest events whose ids are remembered.
    pub window_events: usize,
}

impl Default for DedupSection {
    fn default() -> Self {
        Self { window_events: 262_144 }
    }
}

/// `[limits]`: what one request may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Longest body of `POST /event` in bytes.
    pub event_body_bytes: usize,
    /// Longest body of `POST /events` in bytes.
    pub batch_bytes: usize,
    /// Most events of one `POST /events`.
    pub batch_events: usize,
    /// Bytes of long bodies that are held at once.
    pub waiting_bytes: usize,
    /// Events a second for each pair of token and address; 0 for no limit.
    pub events_per_second: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            event_body_bytes: 64 << 10,
            batch_bytes: 8 << 20,
            batch_events: 10_000,
            waiting_bytes: 64 << 20,
            events_per_second: 0,
        }
    }
}

/// `[fractal]`: pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FractalSection {
    /// Which renderer draws.
    pub backend: Renderer,
    /// Threads of the renderer for processors; 0 for one less than the machine runs at once.
    pub threads: usize,
    /// Pictures of each lane that wait to be drawn.
    pub queue: usize,
    /// Longest time that a request waits for its picture.
    pub time_limit_ms: u64,
    /// Most pixels of a picture.
    pub max_pixels: u64,
    /// Most steps of a picture, pixels times iterations.
    pub max_steps: u64,
    /// Bytes of finished answers that are kept.
    pub cache_bytes: usize,
}

impl Default for FractalSection {
    fn default() -> Self {
        Self {
            backend: Renderer::Auto,
            threads: 0,
            queue: 32,
            time_limit_ms: 10_000,
            max_pixels: 1 << 22,
            max_steps: 100_000_000_000,
            cache_bytes: 64 << 20,
        }
    }
}

/// Which renderer draws pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renderer {
    /// The faster one for the picture at hand.
    Auto,
    /// The processor.
    Cpu,
    /// A graphics processor, a program that plays one included.
    Gpu,
}

impl From<Renderer> for shimmer_backend::Backend {
    fn from(renderer: Renderer) -> Self {
        match renderer {
            Renderer::Auto => Self::Auto,
            Renderer::Cpu => Self::Cpu,
            Renderer::Gpu => Self::Gpu,
        }
    }
}

/// `[stats]`: rolling statistics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatsSection {
    /// Newest beauty events that the averages cover.
    pub rolling_window: usize,
}

impl Default for StatsSection {
    fn default() -> Self {
        Self { rolling_window: 50 }
    }
}

/// `[metrics]`: the `/metrics` page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSection {
    /// Whether plugin metrics also appear under their older `rosey_*` names.
    pub rosey_compat: bool,
}

/// `[log]`: the program's own log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// Level, or comma-separated `target=level` directives.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
    /// Accepted events logged one by one each second; beyond it one summary a second.
    pub ingest_per_second: u32,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, ingest_per_second: 10 }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[plugins]`: what holds for all plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginsSection {
    /// Bundled plugins that run without a table of their own.
    pub bundled: Vec<String>,
    /// Folder of the bundled plugins' shared objects; empty for the place of installation.
    pub dir: PathBuf,
    /// Whether changed libraries, and a changed file of the configuration, are taken over.
    pub watch: bool,
    /// What happens where the kernel lacks a part of their sandbox.
    pub sandbox: Sandbox,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            bundled: vec!["anomaly".to_owned(), "dao".to_owned()],
            dir: PathBuf::new(),
            watch: false,
            sandbox: Sandbox::default(),
        }
    }
}
