//! A node from start to stop: what is opened in which order, and closed in the other.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sd_notify::NotifyState;
use shimmer_ring::{Ring, RingConfig, Storage, SyncMode};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ServerError;
use crate::app::{App, Parts};
use crate::auth::Auth;
use crate::config::{self, Config, ReloadPlan, ServerSection, Sources};
use crate::data_dir::{DataDir, random_u32};
use crate::fold::Fold;
use crate::fractal::Studio;
use crate::ingest::Stage;
use crate::listener::{Listener, Tls, stopped};
use crate::metrics::Metrics;
use crate::plugins::{self, Plugins};
use crate::routes;
use crate::stream::StreamHub;
use crate::watch::files;

/// Everything has ended by then, whoever still holds a connection.
const STOP_WITHIN: Duration = Duration::from_millis(4500);
/// Requests in flight get this long before the streams' and plugins' time begins.
const REQUESTS_WITHIN: Duration = Duration::from_millis(1500);
const STREAMS_WITHIN: Duration = Duration::from_millis(1000);
const PLUGINS_WITHIN: Duration = Duration::from_millis(1500);
/// Time between two looks at the plugins for their history.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Starts nodes.
#[derive(Debug)]
pub struct Server;

/// A running node. Dropping it stops the node as [`Running::shutdown`] does.
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    runtime: Option<Runtime>,
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Keys of the settings that changed and are in force.
    pub applied: Vec<String>,
    /// Keys of the settings that changed in the file but wait for a restart.
    pub needs_restart: Vec<String>,
    /// Plugins that were started.
    pub started: Vec<String>,
    /// Plugins that were restarted because their section changed.
    pub restarted: Vec<String>,
    /// Plugins that were stopped.
    pub stopped: Vec<String>,
}

/// Where a reload reads from, and who hears of it when it was accepted.
pub struct Reloads {
    sources: Sources,
    accepted: Box<dyn Fn(&Config) + Send + Sync>,
}

/// One reload at a time.
#[derive(Debug)]
pub(crate) struct Reloader {
    reloads: Option<Reloads>,
    one: std::sync::Mutex<()>,
}

impl Reloads {
    /// Reads `sources`; `accepted` gets each configuration that a reload has put in force, however it was
    /// asked for, before that reload is answered.
    pub fn new(sources: Sources, accepted: impl Fn(&Config) + Send + Sync + 'static) -> Self {
        Self { sources, accepted: Box::new(accepted) }
    }
}

impl Reloader {
    /// The file that is read again, if there is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.reloads.as_ref()?.sources.find_file()
    }
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloads").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a node with `config`. Without `reloads` there is nothing to reload.
    ///
    /// The listener is bound before this returns, and answers. Log output is the caller's to set up.
    ///
    /// # Errors
    /// See [`ServerError`]; nothing stays open then.
    pub fn start(config: Config, reloads: Option<Reloads>) -> Result<Running, ServerError> {
        plugins::demand_walls(&config)?;
        let auth = Arc::new(Auth::new(&config.auth)?);
        let tls = Tls::new(&config.server)?;
        let data_dir = DataDir::open(&config.data_dir)?;
        let node_id = data_dir.node_id(&config.node)?;
        let listener = Listener::bind(&config.server)?;
        raise_descriptor_limit(&config.server);
        let ring = Arc::new(open_ring(&config, &data_dir)?);
        let fold = Fold::start(&ring, config.stats.rolling_window)?;
        let streams = StreamHub::start(&ring, &config.stream).map_err(|error| {
            ServerError::System { what: "the streams", source: std::io::Error::other(error) }
        })?;
        let streams = Arc::new(streams);
        let metrics = Metrics::new().map_err(|error| ServerError::System {
            what: "the metrics",
            source: std::io::Error::other(error),
        })?;
        let studio = Studio::open(&config.fractal, &metrics.render)?;
        let plugins = Plugins::start(&ring, &config, &node_id, &streams, &fold, &auth)?;
        let address = listener.address();
        let app = Arc::new(App::new(Parts {
            config,
            node_id,
            ring,
            fold,
            streams,
            studio,
            plugins,
            auth,
            tls,
            metrics,
            run: random_u32()?,
            reloader: Reloader { reloads, one: std::sync::Mutex::default() },
            data_dir,
        }));
        Running::serve(app, listener, address)
    }
}

impl Running {
    fn serve(app: Arc<App>, listener: Listener, address: SocketAddr) -> Result<Self, ServerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("http")
            .max_blocking_threads(Stage::threads(app.config().ring.sync))
            .enable_all()
            .build()
            .map_err(|source| ServerError::System { what: "the runtime", source })?;
        let (stop, stopped) = watch::channel(false);
        let service = routes::service(&app);
        let serving = runtime.spawn(listener.serve(app.clone(), service, stopped.clone()));
        runtime.spawn(every_second(app.clone(), stopped.clone()));
        runtime.spawn(samples(app.clone(), stopped.clone()));
        runtime.spawn(files(app.clone(), stopped));
        let running = Self { app, address, stop, serving: Some(serving), runtime: Some(runtime) };
        let node_id = running.node_id();
        tracing::info!(%address, node_id, "listening on {}", running.url());
        notify(NotifyState::Ready);
        Ok(running)
    }

    /// The same as an address that clients take.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.app.tls.acceptor().is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address of the HTTP listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node's name, the `origin` of its events.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.app.node_id
    }

    /// The node's data folder.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        self.app.data_dir.path()
    }

    /// Reads the configuration again and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it; the old one stays in force then.
    pub fn reload(&self) -> Result<ReloadReport, ServerError> {
        reload(&self.app)
    }

    /// The same for a thread of its own: plugins are asked, and one may take its time while the node is to stop.
    pub fn reloading(&self) -> impl Fn() + Send + 'static {
        let app = self.app.clone();
        // What came of it is in the log.
        move || drop(reload(&app))
    }

    /// Stops: `/ready` turns 503, requests in flight finish, streams get a close frame, plugins end. Returns
    /// within five seconds.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let begun = Instant::now();
        notify(NotifyState::Stopping);
        tracing::info!("stopping");
        self.app.drain();
        // Streams first: their clients are told while the last requests finish.
        let streams = self.app.streams.clone();
        let told = std::thread::Builder::new()
            .name("stop-streams".into())
            .spawn(move || streams.shutdown(STREAMS_WITHIN));
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            let served =
                runtime.block_on(async { tokio::time::timeout(REQUESTS_WITHIN, serving).await });
            if served.is_err() {
                tracing::warn!("requests were cut off after {REQUESTS_WITHIN:?}");
            }
        }
        if let Ok(told) = told
            && told.join().is_err()
        {
            tracing::error!("the streams did not end in order");
        }
        self.app.studio.stop();
        self.app.plugins.stop(PLUGINS_WITHIN);
        self.app.fold.stop();
        self.app.audit.settle(self.app.config().audit.max_bytes);
        self.app.ring.checkpoint_cursors();
        if let Err(error) = self.app.ring.sync() {
            tracing::error!(%error, "the journal was not synchronised");
        }
        runtime.shutdown_timeout(STOP_WITHIN.saturating_sub(begun.elapsed()));
        tracing::info!(took_ms = begun.elapsed().as_millis() as u64, "stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads the sources of `app` again and puts them in force.
pub(crate) fn reload(app: &App) -> Result<ReloadReport, ServerError> {
    let Some(reloads) = &app.reloader.reloads else {
        return Ok(ReloadReport::default());
    };
    let _one = app.reloader.one.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    notify_reloading();
    let report = reload_from(app, reloads);
    notify(NotifyState::Ready);
    app.metrics.reloaded(report.is_ok());
    match &report {
        Ok(report) => tracing::info!(
            applied = report.applied.join(" "),
            needs_restart = report.needs_restart.join(" "),
            "configuration reloaded"
        ),
        Err(error) => {
            let error = match error {
                ServerError::Configuration(problems) => problems.line(),
                other => other.to_string(),
            };
            tracing::error!(error, "configuration not reloaded, the old one stays in force");
        }
    }
    report
}

fn reload_from(app: &App, reloads: &Reloads) -> Result<ReloadReport, ServerError> {
    let loaded = reloads.sources.load().map_err(ServerError::Configuration)?;
    let plan = ReloadPlan::new(&app.config(), &loaded.config);
    // Files of tokens are read even when no setting changed: that is how they are rotated.
    let auth = app.auth.prepare(&plan.config.auth, Instant::now())?;
    // Files of certificates, too: they are renewed in their place.
    let tls = Tls::prepare(&plan.config.server)?;
    // Those that change are asked before anything is touched: one that refuses leaves all as it was.
    app.plugins.rehearse(&plan.config, &loaded)?;
    // The last step that can fail. Before it nothing is changed, after it everything is.
    let plugins = app.plugins.apply(&plan.config)?;
    app.auth.put(auth);
    app.tls.put(tls);
    app.set_config(plan.config);
    (reloads.accepted)(&app.config());
    let keys = |keys: Vec<&'static str>| keys.into_iter().map(str::to_owned).collect();
    Ok(ReloadReport {
        applied: keys(plan.applied),
        needs_restart: keys(plan.kept),
        started: plugins.started,
        restarted: plugins.restarted,
        stopped: plugins.stopped,
    })
}

fn open_ring(config: &Config, data_dir: &DataDir) -> Result<Ring, ServerError> {
    let sizes = RingConfig {
        capacity: config.ring.capacity as u64,
        text_bytes: config.ring.text_bytes as u64,
        names: config.ring.names as u64,
        dedup_window: config.dedup.window_events as u64,
        ..RingConfig::default()
    };
    let storage = match config.ring.storage {
        config::Storage::Memory => Storage::Memory,
        config::Storage::File => Storage::Journal {
            dir: data_dir.path().to_owned(),
            sync: match config.ring.sync {
                config::SyncMode::Never => SyncMode::Never,
                config::SyncMode::Second => SyncMode::Second,
                config::SyncMode::Always => SyncMode::Always,
            },
            log_bytes: None,
        },
    };
    let (ring, recovery) =
        Ring::open(&sizes, &storage).map_err(|error| ServerError::Ring(Box::new(error)))?;
    if let Some((path, why)) = &recovery.set_aside {
        tracing::warn!(path = %path.display(), why, "a damaged journal was moved aside");
    }
    if recovery.lost_events > 0 {
        tracing::warn!(events = recovery.lost_events, "events with damaged records were lost");
    }
    if recovery.last > 0 {
        tracing::info!(
            events = recovery.events,
            last_seq = recovery.last,
            cut_bytes = recovery.cut_bytes,
            "the ring was recovered"
        );
    }
    Ok(ring)
}

/// What is done once a second: the summary of ingest, and the journal's way to the disk.
async fn every_second(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stop) => return,
        }
        if let Some(events) = app.ingest_log.end_second() {
            tracing::info!(events, "further events");
        }
        let app = app.clone();
        let synced = tokio::task::spawn_blocking(move || {
            app.audit.settle(app.config().audit.max_bytes);
            app.ring.checkpoint_cursors();
            app.ring.sync()
        });
        if let Ok(Err(error)) = synced.await {
            tracing::error!(%error, "the journal was not synchronised");
        }
    }
}

async fn samples(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => app.plugins.sample(SystemTime::now()),
            () = stopped(&mut stop) => return,
        }
    }
}

/// Ten thousand streams need as many descriptors; the usual soft limit is a thousand.
fn raise_descriptor_limit(section: &ServerSection) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let mut current = limit.current;
    if limit.current != limit.maximum {
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => {
                current = limit.maximum;
                tracing::info!(from = limit.current, to = current, "descriptor limit raised");
            }
            Err(error) => tracing::warn!(%error, "the limit of descriptors stays as it is"),
        }
    }
    // Behind TLS a connection has a pair of sockets besides its own.
    let each = if section.tls_cert.as_os_str().is_empty() { 1 } else { 3 };
    let wanted = section.max_connections as u64 * each;
    if current.is_some_and(|current| current < wanted) {
        tracing::warn!(
            limit = current,
            wanted,
            "fewer descriptors than server.max_connections: raise the hard limit (ulimit -Hn)"
        );
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

fn notify_reloading() {
    // systemd wants the time of the reload's beginning with it (sd_notify(3), RELOADING=1).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => {
            if let Err(error) = sd_notify::notify(&[NotifyState::Reloading, now]) {
                tracing::debug!(%error, "the service manager was not told");
            }
        }
        Err(error) => tracing::debug!(%error, "no monotonic time for the service manager"),
    }
}
