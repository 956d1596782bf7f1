//! What every request may reach: one value, made at the start, shared by all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use shimmer_ring::{Producer, Ring};

use crate::audit::Audit;
use crate::auth::Auth;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::fold::Fold;
use crate::fractal::Studio;
use crate::http::RequestIds;
use crate::ingest::{Bodies, Buffers, IngestLog, Intake, Stage};
use crate::limiter::Limiter;
use crate::listener::Tls;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::running::Reloader;
use crate::stream::StreamHub;

/// The node's parts.
pub(crate) struct App {
    config: RwLock<Arc<Config>>,
    pub(crate) node_id: String,
    pub(crate) ring: Arc<Ring>,
    pub(crate) producer: Producer,
    pub(crate) fold: Arc<Fold>,
    pub(crate) streams: Arc<StreamHub>,
    pub(crate) studio: Studio,
    pub(crate) plugins: Plugins,
    pub(crate) auth: Arc<Auth>,
    pub(crate) tls: Tls,
    pub(crate) audit: Audit,
    pub(crate) limiter: Limiter,
    pub(crate) metrics: Metrics,
    pub(crate) ingest_log: IngestLog,
    pub(crate) intake: Intake,
    pub(crate) bodies: Bodies,
    pub(crate) stage: Stage,
    pub(crate) buffers: Buffers,
    pub(crate) request_ids: RequestIds,
    pub(crate) reloader: Reloader,
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
    /// Set when the node begins to stop.
    draining: AtomicBool,
    /// Held for its lock.
    pub(crate) data_dir: DataDir,
}

/// The parts that have to exist before the rest can be put together.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) node_id: String,
    pub(crate) ring: Arc<Ring>,
    pub(crate) fold: Arc<Fold>,
    pub(crate) streams: Arc<StreamHub>,
    pub(crate) studio: Studio,
    pub(crate) plugins: Plugins,
    pub(crate) auth: Arc<Auth>,
    pub(crate) tls: Tls,
    pub(crate) metrics: Metrics,
    pub(crate) run: u32,
    pub(crate) reloader: Reloader,
    pub(crate) data_dir: DataDir,
}

impl App {
    /// Puts a node together.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            stage: Stage::new(parts.config.ring.sync),
            intake: Intake::default(),
            bodies: Bodies::default(),
            buffers: Buffers::default(),
            config: RwLock::new(Arc::new(parts.config)),
            node_id: parts.node_id,
            producer: parts.ring.producer(),
            ring: parts.ring,
            fold: parts.fold,
            streams: parts.streams,
            studio: parts.studio,
            plugins: parts.plugins,
            auth: parts.auth,
            tls: parts.tls,
            audit: Audit::new(parts.data_dir.path()),
            limiter: Limiter::default(),
            metrics: parts.metrics,
            ingest_log: IngestLog::default(),
            request_ids: RequestIds::new(parts.run),
            reloader: parts.reloader,
            started: Instant::now(),
            started_at: SystemTime::now(),
            draining: AtomicBool::new(false),
            data_dir: parts.data_dir,
        }
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another configuration in force.
    pub(crate) fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Turns /ready to 503.
    pub(crate) fn drain(&self) {
        // Relaxed: a flag that stands alone; a request that misses it by a moment is as if it came earlier.
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the node is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
