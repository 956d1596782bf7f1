//! `/metrics`: counters that are kept as things happen, and figures that are collected when asked for.

mod family;
mod http;
mod ingest;
mod page;
mod process;
mod render;
mod text;

pub(crate) use http::{HttpMetrics, RouteLabel};
pub(crate) use ingest::IngestMetrics;
pub(crate) use page::render;
pub(crate) use render::{Lookup, RenderMetrics};

use std::sync::Mutex;

use prometheus::{IntCounterVec, Opts, Registry};
use text::Text;

/// Everything that is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) http: HttpMetrics,
    pub(crate) ingest: IngestMetrics,
    pub(crate) render: RenderMetrics,
    reloads: IntCounterVec,
    /// The page as the last scrape saw it.
    text: Mutex<Text>,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// A name that is wrong or taken, which is a fault of the program.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reloads = IntCounterVec::new(
            Opts::new("shimmer_config_reloads_total", "Reloads of the configuration by result."),
            &["result"],
        )?;
        registry.register(Box::new(reloads.clone()))?;
        for result in ["ok", "error"] {
            reloads.with_label_values(&[result]);
        }
        Ok(Self {
            http: HttpMetrics::new(&registry)?,
            ingest: IngestMetrics::new(&registry)?,
            render: RenderMetrics::new(&registry)?,
            registry,
            reloads,
            text: Mutex::default(),
        })
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, ok: bool) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
    }
}
