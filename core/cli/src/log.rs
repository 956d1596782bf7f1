//! The program's own log: text or JSON lines on stderr.
//!
//! The rule: it is set up once, before anything is logged; afterwards only its level changes.

use anyhow::Context;
use shimmer_server::config::{LogFormat, LogSection};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use std::io::IsTerminal;

/// Changes the level of the log while the program runs.
#[derive(Clone, Debug)]
pub(crate) struct Level(Handle<EnvFilter, Registry>);

/// Begins to log as the section says.
pub(crate) fn begin(section: &LogSection) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(section)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    match section.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let colours = std::io::stderr().is_terminal() && !plain;
            registry.with(lines.with_ansi(colours)).try_init()
        }
    }
    .context("the log was set up before")?;
    Ok(Level(handle))
}

/// Lets renderers say on stderr what became of a device, and with `devices` which one they took.
pub(crate) fn plain(devices: bool) {
    let level = if devices { LevelFilter::INFO } else { LevelFilter::WARN };
    let ours = Targets::new().with_target("shimmer_backend", level);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = lines.without_time().with_target(false).with_filter(ours);
    // Whoever has set up a log already hears it there.
    drop(tracing_subscriber::registry().with(lines).try_init());
}

impl Level {
    /// Takes over the level of a new configuration.
    pub(crate) fn set(&self, section: &LogSection) -> anyhow::Result<()> {
        self.0.reload(filter(section)?).context("the log is gone")
    }
}

fn filter(section: &LogSection) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&section.level).with_context(|| format!("log.level = {}", section.level))
}
