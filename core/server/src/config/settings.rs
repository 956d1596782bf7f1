//! The table of all settings: key, variable, allowed values, and what a change asks for.
//!
//! The rule: a key that is not in this table does not exist. Reading the file, the environment
//! and the flags, showing values, planning a reload and writing the default file all follow it;
//! a test holds it equal to the fields of [`Config`](super::Config).

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Dotted path from the root of the file, or from the table it stands in.
    pub key: &'static str,
    /// Variable of the environment that sets it.
    pub env: Option<&'static str>,
    /// Values that are possible.
    pub kind: Kind,
    /// What a change while running asks for.
    pub applies: Applies,
    /// What it does, one or two sentences.
    pub about: &'static str,
}

/// What a change while running asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// It is taken over at the next reload.
    Live,
    /// It is kept until the program is started again.
    Restart,
}

/// Values that a setting can have.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within both bounds.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A power of two within both bounds.
    PowerOfTwo {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A text of a certain form.
    Text(Form),
    /// A list of texts of a certain form.
    List(Form),
    /// An array of tables with settings of their own.
    Tables(&'static [Setting]),
    /// A table that somebody else validates.
    Free,
}

/// Form of a text. Empty is allowed exactly where the form says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A node's name, or empty.
    NodeName,
    /// A path, or empty for none.
    OptionalPath,
    /// A path.
    Path,
    /// A token of visible ASCII characters, or empty for none. Never shown.
    Token,
    /// A token's name.
    TokenName,
    /// An IP address, or `localhost`.
    Address,
    /// `SCHEME://HOST[:PORT]`.
    Origin,
    /// A host name without port.
    HostName,
    /// `ADDRESS` or `ADDRESS/BITS`.
    Network,
    /// Levels of the log.
    LogFilter,
    /// A glob over sources.
    SourceGlob,
    /// A plugin's name, `[a-z0-9-]`.
    PluginName,
    /// A kind of event, `[a-z0-9._-]`.
    EventKind,
    /// `listen:PORT` or `connect:PORT`, `*` for any port.
    NetRule,
}

const MAX: i64 = u32::MAX as i64;

const fn live(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, env: None, kind, applies: Applies::Live, about }
}

const fn restart(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, env: None, kind, applies: Applies::Restart, about }
}

const fn env(name: &'static str, mut setting: Setting) -> Setting {
    setting.env = Some(name);
    setting
}

const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

/// Every setting of the file, in the order in which the default file shows them.
pub static SETTINGS: &[Setting] = &[
    env(
        "DASHBOARD_DATA_DIR",
        restart(
            "data_dir",
            Kind::Text(Form::Path),
            "Folder of the token, keys, ring, history and audit. A node that is started again on \
             it is the same node.",
        ),
    ),
    env(
        "FEDERATED_NODE_ID",
        restart(
            "node",
            Kind::Text(Form::NodeName),
            "Name of this node, shown as the origin of its events. Empty: made at the first start \
             and kept in the data folder.",
        ),
    ),
    env(
        "DASHBOARD_HOST",
        restart(
            "server.host",
            Kind::Text(Form::Address),
            "Address to listen on. 0.0.0.0 is every IPv4 address of the machine, :: every address.",
        ),
    ),
    env(
        "DASHBOARD_PORT",
        restart("server.port", int(0, 65_535), "Port to listen on. 0 takes a free one."),
    ),
    live(
        "server.origins",
        Kind::List(Form::Origin),
        "Origins whose pages may connect, and read what is answered, besides the server's own, such \
         as \"https://example.org\".",
    ),
    live(
        "server.hosts",
        Kind::List(Form::HostName),
        "Names besides localhost under which a server on a loopback address may be asked.",
    ),
    live(
        "server.trusted_proxies",
        Kind::List(Form::Network),
        "Networks of proxies in front of the server, such as \"10.0.0.0/8\". The last address in \
         their X-Forwarded-For that is not one of them counts as the client's.",
    ),
    live(
        "server.tls_cert",
        Kind::Text(Form::OptionalPath),
        "Chain of certificates in PEM. With it and tls_key the server speaks TLS, and nothing else. \
         Both files are read again at each reload.",
    ),
    live(
        "server.tls_key",
        Kind::Text(Form::OptionalPath),
        "Private key of the first certificate, in PEM.",
    ),
    restart(
        "server.max_connections",
        int(1, 1_000_000),
        "Connections held at once, streams included.",
    ),
    restart(
        "server.header_timeout_ms",
        int(100, 3_600_000),
        "Longest wait for the head of a request, and for the next one on an idle connection.",
    ),
    restart(
        "server.body_timeout_ms",
        int(100, 3_600_000),
        "Longest wait for the body of a request.",
    ),
    restart(
        "server.send_timeout_ms",
        int(100, 3_600_000),
        "Longest time in which a client takes nothing of what it is answered. Streams have \
         stream.stall_seconds.",
    ),
    env(
        "DASHBOARD_TOKEN",
        live(
            "auth.token",
            Kind::Text(Form::Token),
            "Bearer token of the writing routes, named `default`. One is required: here, in \
             token_file or in the environment.",
        ),
    ),
    env(
        "DASHBOARD_TOKEN_FILE",
        live(
            "auth.token_file",
            Kind::Text(Form::OptionalPath),
            "File that holds the token; it is read again at each reload.",
        ),
    ),
    live(
        "auth.rotation_grace",
        int(0, 31_536_000),
        "Seconds for which a token that a reload replaced stays valid.",
    ),
    live("auth.tokens", Kind::Tables(TOKEN_SETTINGS), "Further tokens, one table for each."),
    live(
        "audit.max_bytes",
        int(0, 1 << 40),
        "Bytes of the audit log in the data folder, which says who changed what through the writing \
         routes; the oldest half goes first. 0: none.",
    ),
    env(
        "DASHBOARD_MAX_EVENTS",
        live("ring.max_events", int(1, 1 << 22), "Newest events that /snapshot answers from."),
    ),
    restart(
        "ring.capacity",
        Kind::PowerOfTwo { min: 2, max: 1 << 22 },
        "Events kept for plugins and for streams that resume; a power of two.",
    ),
    restart(
        "ring.text_bytes",
        int(64 << 10, (1 << 32) - 64),
        "Bytes kept for the text of those events; a multiple of 64.",
    ),
    restart("ring.event_bytes", int(1024, 1 << 20), "Longest stored form of one event in bytes."),
    restart(
        "ring.names",
        int(64, 1 << 22),
        "Distinct kinds, subjects, sources and origins that can be in use at once; events of \
         other nodes bring new ones only while half are free.",
    ),
    restart(
        "ring.storage",
        Kind::OneOf(&["file", "memory"]),
        "\"file\" keeps acknowledged events across the end of the process, \"memory\" forgets them.",
    ),
    restart(
        "ring.sync",
        Kind::OneOf(&["never", "second", "always"]),
        "When the journal is forced to the disk: what a loss of power may cost. The end of the \
         process costs nothing in any case.",
    ),
    restart(
        "dedup.window_events",
        int(0, 1 << 24),
        "Newest events whose ids are remembered, so that a repeated one is not stored twice. 0: \
         none.",
    ),
    live("limits.event_body_bytes", int(1024, 64 << 20), "Longest body of POST /event in bytes."),
    live("limits.batch_bytes", int(1024, 1 << 30), "Longest body of POST /events in bytes."),
    live("limits.batch_events", int(1, 1 << 20), "Most events of one POST /events."),
    live(
        "limits.waiting_bytes",
        int(1024, 1 << 40),
        "Bytes of bodies that are received or wait at once, those of 32 KiB and less not counted. \
         More are answered 503 until there is room.",
    ),
    live(
        "limits.events_per_second",
        int(0, MAX),
        "Events a second for each pair of token and address. 0: no limit.",
    ),
    restart(
        "stream.flush_ms",
        int(0, 1000),
        "Longest time that events are gathered before they are sent; an idle stream sends at once.",
    ),
    restart(
        "stream.shards",
        int(0, 64),
        "Threads that serve streams. 0: one for each core, two at most.",
    ),
    restart("stream.max_clients", int(1, 1_000_000), "Streams held at once."),
    live(
        "stream.heartbeat_seconds",
        int(1, 60),
        "Time between heartbeats for a stream that asks for none with ?heartbeat=.",
    ),
    restart(
        "stream.stall_seconds",
        int(1, 86_400),
        "A stream whose client takes not one byte for this long, while something waits for it, is \
         closed.",
    ),
    restart(
        "stream.send_buffer_bytes",
        int(0, 64 << 20),
        "Size of each stream's send buffer in the kernel. 0 leaves it to the kernel.",
    ),
    restart(
        "stream.topic_backlog_messages",
        int(1, 65_536),
        "Messages of a plugin's stream that wait for a slow client before it loses the oldest.",
    ),
    restart(
        "stream.topic_backlog_bytes",
        int(0, 1 << 30),
        "Bytes of them likewise; the newest message is always kept.",
    ),
    restart(
        "fractal.backend",
        Kind::OneOf(&["auto", "cpu", "gpu"]),
        "Which renderer draws. \"auto\" measures and takes the faster; \"gpu\" goes on with the \
         processor, and says so in the log, where there is no device.",
    ),
    restart(
        "fractal.threads",
        int(0, 1024),
        "Threads of the renderer for processors. 0: one less than there are cores, so that one is \
         left for events.",
    ),
    live(
        "fractal.queue",
        int(1, 65_536),
        "Pictures that wait to be drawn, shallow and deep ones each; beyond it /fractal answers 503.",
    ),
    live(
        "fractal.time_limit_ms",
        int(1, 3_600_000),
        "Longest wait for a picture, after which its drawing is given up and answered with 503.",
    ),
    live("fractal.max_pixels", int(1, 1 << 26), "Most pixels of one picture."),
    live(
        "fractal.max_steps",
        int(1, i64::MAX),
        "Most pixels times iterations of one picture. Shortcuts leave few of them to be taken.",
    ),
    live(
        "fractal.cache_bytes",
        int(0, 1 << 40),
        "Bytes of finished pictures that are kept for the next who asks. 0: none.",
    ),
    env(
        "DASHBOARD_ROLLING_WINDOW",
        restart(
            "stats.rolling_window",
            int(1, 1 << 20),
            "Newest beauty events that the rolling average covers.",
        ),
    ),
    live(
        "metrics.rosey_compat",
        Kind::Bool,
        "Show the plugin metrics under their older rosey_* names too.",
    ),
    env(
        "LOG_LEVEL",
        live(
            "log.level",
            Kind::Text(Form::LogFilter),
            "off, error, warn, info, debug or trace; or a list such as \"info,shimmer_ring=debug\".",
        ),
    ),
    restart(
        "log.format",
        Kind::OneOf(&["text", "json"]),
        "\"text\" for people, \"json\" for one object a line.",
    ),
    live(
        "log.ingest_per_second",
        int(0, 1_000_000),
        "Accepted events logged one by one each second; beyond it, one summary a second.",
    ),
    live(
        "plugins.bundled",
        Kind::List(Form::PluginName),
        "Bundled plugins that run without a table of their own; [] for none.",
    ),
    restart(
        "plugins.dir",
        Kind::Text(Form::OptionalPath),
        "Folder of the bundled plugins. Empty: the place of installation.",
    ),
    live(
        "plugins.watch",
        Kind::Bool,
        "Whether a plugin's library that changes is loaded anew, and this file when it changes, as if \
         a reload had been asked for.",
    ),
    live(
        "plugins.sandbox",
        Kind::OneOf(&["best-effort", "required"]),
        "\"best-effort\" runs plugins behind the walls that the kernel has, and says in the log which it \
         lacks; \"required\" refuses to run without all of them, or with a plugin on a thread.",
    ),
    live("plugin", Kind::Tables(PLUGIN_SETTINGS), "Plugins, one table for each."),
];

/// Settings of one `[[auth.tokens]]` table.
static TOKEN_SETTINGS: &[Setting] = &[
    live("name", Kind::Text(Form::TokenName), "Name of the token, and the default source."),
    live("token", Kind::Text(Form::Token), "The token itself."),
    live("token_file", Kind::Text(Form::OptionalPath), "File that holds it."),
    live("sources", Kind::List(Form::SourceGlob), "Globs of the sources it may use."),
];

/// Settings of one `[[plugin]]` table.
static PLUGIN_SETTINGS: &[Setting] = &[
    live("name", Kind::Text(Form::PluginName), "Name of the plugin."),
    live("path", Kind::Text(Form::OptionalPath), "Its shared object; none for a bundled one."),
    live("enabled", Kind::Bool, "Whether it is started."),
    live("isolation", Kind::OneOf(&["process", "thread"]), "Where its code runs."),
    live("delivery", Kind::OneOf(&["gating", "lossy"]), "Whether the ring waits for it."),
    live("kinds", Kind::List(Form::EventKind), "Kinds of events it is shown."),
    live("permissions.net", Kind::List(Form::NetRule), "Network it may use."),
    live("permissions.read", Kind::List(Form::Path), "Paths it may read."),
    live("permissions.write", Kind::List(Form::Path), "Paths it may write."),
    live("permissions.source", Kind::List(Form::SourceGlob), "Sources its events may carry."),
    live(
        "permissions.origin",
        Kind::List(Form::SourceGlob),
        "Nodes whose events it may hand over.",
    ),
    live("permissions.weights", Kind::Bool, "Whether it may set the weights of sources."),
    live("permissions.folder", Kind::Bool, "Whether it gets a folder of its own."),
    live("limits.memory_bytes", int(1 << 20, i64::MAX), "Private resident memory in bytes."),
    live("limits.threads", int(1, 100_000), "Threads."),
    live("limits.cpu_percent", int(0, 100_000), "Percent of one core; 0 for no limit."),
    live("config", Kind::Free, "What the plugin itself validates."),
];

/// The setting with this key.
#[must_use]
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

impl Setting {
    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Text(Form::Token))
    }
}
