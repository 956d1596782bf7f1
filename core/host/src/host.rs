//! The host as the server sees it: start, cards, routes, requests, reload, shutdown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shimmer_ring::Ring;

use crate::config::{HostConfig, PluginConfig};
use crate::log_tail::LogLine;
use crate::manifest::{Manifest, RouteSpec};
use crate::rehearsal::{self, Refused};
use crate::supervisor::{
    Card, Command, Context, Done, Inbox, Reply, Reported, Shared, State, Supervisor, unix_now_ns,
};
use crate::wire::{HttpAnswer, HttpCall, Series};
use crate::{CallError, ControlError, HostError};

/// Most plugins of a host.
const MAX_PLUGINS: usize = 32;
/// File beside the plugins' folders: their names, one a line, in the order of their emitter numbers. No plugin has a dot
/// in its name.
const EMITTERS_FILE: &str = "emitters.txt";
/// Its name before, which a plugin may have.
const OLDER_EMITTERS_FILE: &str = "emitters";
/// Largest number that fits the emitter bits.
const MAX_EMITTERS: usize = 0x7fff;

/// What the host tells the server.
pub trait HostEvents: Send + Sync {
    /// A plugin published `message` on `topic`; `event` names the SSE event, empty = none.
    fn topic(&self, plugin: &str, topic: &str, event: &str, message: &[u8]);
    /// The routes changed.
    fn routes_changed(&self);
    /// Whether the value of an `Authorization` header lets its bearer write without limits; nobody unless told.
    fn authorize(&self, authorization: &str) -> bool {
        let _ = authorization;
        false
    }
}

/// A route with the plugin that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRoute {
    /// Name of the plugin.
    pub plugin: String,
    /// Index for [`HttpCall::route`].
    pub index: u32,
    /// The route.
    pub spec: RouteSpec,
}

/// The series of a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSeries {
    /// Name of the plugin.
    pub plugin: String,
    /// The series; the same allocation for as long as none is added.
    pub series: Arc<[Series]>,
    /// One value for each sample of each series.
    pub values: Arc<[f64]>,
}

/// What a new configuration changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Plugins that run now and did not.
    pub started: Vec<String>,
    /// Plugins whose table changed.
    pub restarted: Vec<String>,
    /// Plugins that are gone.
    pub stopped: Vec<String>,
}

/// The plugin host. Cheap to clone; the last clone dropped does not stop it, [`PluginHost::shutdown`] does.
#[derive(Clone)]
pub struct PluginHost {
    context: Arc<Context>,
    slots: Arc<Mutex<BTreeMap<String, Slot>>>,
}

struct Slot {
    config: PluginConfig,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl PluginHost {
    /// Starts a supervisor for each plugin and returns without waiting for any of them.
    ///
    /// # Errors
    /// A table is wrong, or the system refuses; nothing runs then.
    pub fn start(
        ring: Arc<Ring>,
        config: HostConfig,
        plugins: Vec<PluginConfig>,
        events: Arc<dyn HostEvents>,
    ) -> Result<Self, HostError> {
        check(&plugins)?;
        let context = Arc::new(Context {
            ring,
            config,
            events,
            routes: Routes::default(),
            epoch: format!("{:x}", unix_now_ns()),
        });
        let host = Self { context, slots: Arc::default() };
        for plugin in plugins {
            if let Err(error) = host.add(plugin) {
                host.shutdown(Duration::from_secs(2));
                return Err(error);
            }
        }
        Ok(host)
    }

    /// Takes a new list of plugins: starts the new, ends the missing, restarts those whose table changed, and leaves
    /// the rest alone.
    ///
    /// # Errors
    /// A table is wrong: nothing is changed.
    pub fn apply(&self, plugins: Vec<PluginConfig>) -> Result<ReloadReport, HostError> {
        check(&plugins)?;
        let mut report = ReloadReport::default();
        let gone: Vec<_> = {
            let slots = self.slots();
            slots.keys().filter(|name| !plugins.iter().any(|p| p.name == **name)).cloned().collect()
        };
        for name in gone {
            self.remove(&name);
            report.stopped.push(name);
        }
        for plugin in plugins {
            let mut slots = self.slots();
            match slots.get_mut(&plugin.name) {
                Some(slot) if slot.config == plugin => {}
                Some(slot) if slot.config.delivery == plugin.delivery => {
                    report.restarted.push(plugin.name.clone());
                    slot.config = plugin.clone();
                    slot.inbox.push(Command::Configure(Box::new(plugin)));
                }
                known => {
                    // The kind of gate is fixed when a consumer is registered.
                    let replaced = known.is_some();
                    drop(slots);
                    let name = plugin.name.clone();
                    if replaced {
                        self.remove(&name);
                    }
                    self.add(plugin)?;
                    if replaced { &mut report.restarted } else { &mut report.started }.push(name);
                }
            }
        }
        Ok(report)
    }

    /// Asks those of `plugins` that [`PluginHost::apply`] would start or restart whether they take their
    /// configuration; see [`rehearse`](crate::rehearse).
    ///
    /// # Errors
    /// As [`PluginHost::apply`], or the system refuses.
    pub fn rehearse(&self, plugins: &[PluginConfig]) -> Result<Vec<Refused>, HostError> {
        check(plugins)?;
        let (kept, asked): (Vec<_>, Vec<_>) = {
            let slots = self.slots();
            let same = |plugin: &&PluginConfig| {
                slots.get(&plugin.name).is_some_and(|slot| slot.config == **plugin)
            };
            plugins.iter().partition(same)
        };
        let routes = self.context.routes.of(&kept);
        rehearsal::play(&self.context.config, &asked, &routes)
    }

    fn add(&self, plugin: PluginConfig) -> Result<(), HostError> {
        let name = plugin.name.clone();
        let system = |source| HostError::System { name: name.clone(), source };
        let emitter = self.emitter(&name).map_err(system)?;
        let inbox = Arc::new(Inbox::new().map_err(system)?);
        let shared = Arc::new(Shared::new());
        let supervisor = Supervisor::new(
            Arc::clone(&self.context),
            plugin.clone(),
            emitter,
            Arc::clone(&shared),
            Arc::clone(&inbox),
        )
        .map_err(system)?;
        let thread = std::thread::Builder::new()
            .name(format!("plug-{name}"))
            .spawn(move || supervisor.run())
            .map_err(system)?;
        let slot = Slot { config: plugin, shared, inbox, thread: Some(thread) };
        self.slots().insert(name.clone(), slot);
        Ok(())
    }

    fn remove(&self, name: &str) {
        let slot = self.slots().remove(name);
        if let Some(mut slot) = slot {
            slot.inbox.push(Command::Shutdown);
            if let Some(thread) = slot.thread.take() {
                // A supervisor that panicked has nothing left to stop.
                drop(thread.join());
            }
        }
    }

    /// The number of a plugin in the emitter bits of `flags`; the same over restarts of the host, so that a plugin
    /// never takes its own older events for another's.
    fn emitter(&self, name: &str) -> std::io::Result<u16> {
        let dir = self.context.config.data_dir.join("plugins");
        std::fs::create_dir_all(&dir)?;
        let (path, older) = (dir.join(EMITTERS_FILE), dir.join(OLDER_EMITTERS_FILE));
        if !path.exists() && older.is_file() {
            std::fs::rename(older, &path)?;
        }
        let mut names: Vec<String> = match std::fs::read_to_string(&path) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(why) => return Err(why),
        };
        let index = names.iter().position(|known| known == name);
        let index = match index {
            Some(index) => index,
            None if names.len() >= MAX_EMITTERS => {
                return Err(std::io::Error::other(format!("{} is full", path.display())));
            }
            None => {
                names.push(name.to_owned());
                let part = dir.join("emitters.part");
                std::fs::write(&part, names.join("\n") + "\n")?;
                std::fs::File::open(&part)?.sync_all()?;
                std::fs::rename(part, &path)?;
                names.len() - 1
            }
        };
        Ok((index + 1) as u16)
    }

    /// All plugins, by name.
    #[must_use]
    pub fn cards(&self) -> Vec<Card> {
        self.slots().values().map(Slot::card).collect()
    }

    /// One plugin.
    #[must_use]
    pub fn card(&self, name: &str) -> Option<Card> {
        self.slots().get(name).map(Slot::card)
    }

    /// Where the library of each plugin is, by name.
    #[must_use]
    pub fn libraries(&self) -> Vec<(String, PathBuf)> {
        let library = |slot: &Slot| self.context.config.library(&slot.config);
        self.slots().iter().map(|(name, slot)| (name.clone(), library(slot))).collect()
    }

    /// The newest lines of a plugin's log, oldest first.
    #[must_use]
    pub fn logs(&self, name: &str, limit: usize) -> Option<Vec<LogLine>> {
        let shared = self.shared(name)?;
        let logs = shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        Some(logs.newest(limit))
    }

    /// Whether no plugin is still on its way to its first run.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.slots().values().all(|slot| slot.shared.state() != State::Starting)
    }

    /// The routes of all plugins that were loaded.
    #[must_use]
    pub fn routes(&self) -> Arc<[PluginRoute]> {
        self.context.routes.all()
    }

    /// The series of all plugins, by name of the plugin.
    #[must_use]
    pub fn series(&self) -> Vec<PluginSeries> {
        let of = |(name, slot): (&String, &Slot)| {
            let Reported { series, values } = slot.shared.reported().clone();
            PluginSeries { plugin: name.clone(), series, values }
        };
        self.slots().iter().map(of).collect()
    }

    /// Hands a request to a plugin. `reply` is called once, from another thread or this one: with the answer, or with
    /// the reason why there is none, at the latest shortly after `deadline`.
    pub fn call(
        &self,
        plugin: &str,
        call: HttpCall,
        deadline: Duration,
        reply: impl FnOnce(Result<HttpAnswer, CallError>) + Send + 'static,
    ) {
        let Some(inbox) = self.inbox(plugin) else { return reply(Err(CallError::Unknown)) };
        let reply: Reply = Box::new(reply);
        inbox.push(Command::Call {
            call: Box::new(call),
            deadline: Instant::now() + deadline,
            reply,
        });
    }

    /// Stops a plugin and starts it again; forgets its deaths. Returns when the stop was ordered.
    ///
    /// # Errors
    /// No plugin of this name.
    pub fn restart(&self, name: &str) -> Result<(), ControlError> {
        self.order(name, Command::Restart)
    }

    /// Loads the plugin's library anew and hands its state over; what fails within the probation is rolled back.
    /// Returns when the new library runs, or failed to.
    ///
    /// # Errors
    /// No such plugin, it is disabled, another reload is under way, or the new library failed.
    pub fn reload(&self, name: &str) -> Result<(), ControlError> {
        self.order(name, Command::Reload)
    }

    /// Starts a plugin that is disabled, stopped or crashed.
    ///
    /// # Errors
    /// No plugin of this name.
    pub fn enable(&self, name: &str) -> Result<(), ControlError> {
        self.order(name, Command::Enable)
    }

    /// Stops a plugin until it is enabled again; what it does not see meanwhile may be missed.
    ///
    /// # Errors
    /// No plugin of this name.
    pub fn disable(&self, name: &str) -> Result<(), ControlError> {
        self.order(name, Command::Disable)
    }

    /// Stops all plugins, those that do not stop in time with force, and waits for their ends.
    pub fn shutdown(&self, grace: Duration) {
        let until = Instant::now() + grace;
        let threads: Vec<_> = {
            let mut slots = self.slots();
            for slot in slots.values() {
                slot.inbox.push(Command::Shutdown);
            }
            slots.values_mut().filter_map(|slot| slot.thread.take()).collect()
        };
        for thread in threads {
            // A supervisor ends within its own grace; past ours the process ends, and its children with it.
            while !thread.is_finished() && Instant::now() < until {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        self.context.ring.checkpoint_cursors();
    }

    fn order(&self, name: &str, command: impl FnOnce(Done) -> Command) -> Result<(), ControlError> {
        let inbox = self.inbox(name).ok_or(ControlError::Unknown)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| drop(sender.send(result)));
        inbox.push(command(done));
        receiver.recv().unwrap_or_else(|_| Err(ControlError::Failed("the host is stopping".into())))
    }

    fn inbox(&self, name: &str) -> Option<Arc<Inbox>> {
        self.slots().get(name).map(|slot| Arc::clone(&slot.inbox))
    }

    fn shared(&self, name: &str) -> Option<Arc<Shared>> {
        self.slots().get(name).map(|slot| Arc::clone(&slot.shared))
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn card(&self) -> Card {
        self.shared.card(&self.config)
    }
}

/// The routes of all plugins; one pattern belongs to one plugin.
#[derive(Default)]
pub(crate) struct Routes {
    all: Mutex<Arc<[PluginRoute]>>,
}

impl Routes {
    /// Gives a plugin its routes, in place of those it had, or refuses all.
    pub(crate) fn claim(&self, config: &PluginConfig, manifest: &Manifest) -> Result<(), String> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut routes: Vec<_> = all.iter().filter(|r| r.plugin != config.name).cloned().collect();
        let own = format!("/x/{}/", config.name);
        for (index, spec) in (0u32..).zip(&manifest.routes) {
            if !config.is_bundled() && !spec.pattern.starts_with(&own) {
                return Err(format!("route {}: its routes must live under {own}", spec.pattern));
            }
            let shape = shape(&spec.pattern);
            let taken = routes
                .iter()
                .find(|r| r.spec.method == spec.method && self::shape(&r.spec.pattern) == shape);
            if let Some(other) = taken {
                return Err(format!(
                    "route {} {} is taken by plugin {:?}",
                    spec.method, spec.pattern, other.plugin
                ));
            }
            routes.push(PluginRoute { plugin: config.name.clone(), index, spec: spec.clone() });
        }
        *all = routes.into();
        Ok(())
    }

    /// The routes of these plugins alone.
    fn of(&self, plugins: &[&PluginConfig]) -> Self {
        let kept = |route: &&PluginRoute| plugins.iter().any(|plugin| plugin.name == route.plugin);
        let routes: Arc<[_]> = self.all().iter().filter(kept).cloned().collect();
        Self { all: Mutex::new(routes) }
    }

    /// Forgets the routes of a plugin that is gone.
    pub(crate) fn remove(&self, plugin: &str) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.iter().filter(|route| route.plugin != plugin).cloned().collect();
    }

    fn all(&self) -> Arc<[PluginRoute]> {
        Arc::clone(&self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A pattern without the names of its parameters: two that differ only there match the same paths.
fn shape(pattern: &str) -> Vec<&str> {
    pattern
        .split('/')
        .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
        .collect()
}

/// Whether these tables can stand beside each other.
pub(crate) fn check(plugins: &[PluginConfig]) -> Result<(), HostError> {
    let fail =
        |name: &str, reason: String| Err(HostError::Config { name: name.to_owned(), reason });
    if plugins.len() > MAX_PLUGINS {
        return fail("", format!("at most {MAX_PLUGINS} plugins"));
    }
    for (index, plugin) in plugins.iter().enumerate() {
        if !PluginConfig::valid_name(&plugin.name) {
            return fail(&plugin.name, "name must be 1 to 64 of a-z, 0-9 and -".into());
        }
        if plugins[..index].iter().any(|other| other.name == plugin.name) {
            return fail(&plugin.name, "two tables have this name".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{RouteAuth, RouteKind};

    fn manifest(patterns: &[&str]) -> Manifest {
        let route = |pattern: &&str| RouteSpec {
            method: "GET".into(),
            pattern: (*pattern).into(),
            auth: RouteAuth::None,
            kind: RouteKind::Http,
            topic: String::new(),
            openapi_json: String::new(),
        };
        Manifest {
            name: "p".into(),
            version: "1".into(),
            description: String::new(),
            kinds: vec![],
            permissions: vec![],
            tick_interval_ms: 0,
            routes: patterns.iter().map(route).collect(),
            has_state: false,
        }
    }

    fn plugin(name: &str, path: &str) -> PluginConfig {
        PluginConfig { name: name.into(), path: path.into(), ..PluginConfig::default() }
    }

    #[test]
    fn a_route_belongs_to_one_plugin_and_third_parties_have_a_place() {
        let routes = Routes::default();
        routes.claim(&plugin("a", ""), &manifest(&["/api/things/{id}"])).unwrap();
        let taken = routes.claim(&plugin("b", ""), &manifest(&["/api/x", "/api/things/{other}"]));
        assert!(taken.unwrap_err().contains("taken by plugin \"a\""));
        assert_eq!(routes.all().len(), 1, "a refused claim leaves nothing behind");
        let outside = routes.claim(&plugin("c", "/c.so"), &manifest(&["/api/mine"]));
        assert!(outside.unwrap_err().contains("/x/c/"));
        routes.claim(&plugin("c", "/c.so"), &manifest(&["/x/c/mine"])).unwrap();
        routes.claim(&plugin("a", ""), &manifest(&["/api/other"])).unwrap();
        assert_eq!(routes.all().len(), 2, "a claim replaces the plugin's former routes");
        routes.remove("a");
        assert_eq!(routes.all().len(), 1);
    }

    #[test]
    fn tables_are_checked_before_anything_starts() {
        assert!(check(&[plugin("ok-1", ""), plugin("ok-2", "")]).is_ok());
        assert!(check(&[plugin("Bad", "")]).is_err());
        assert!(check(&[plugin("a", ""), plugin("a", "")]).is_err());
        let many: Vec<_> = (0..=MAX_PLUGINS).map(|i| plugin(&format!("p{i}"), "")).collect();
        assert!(check(&many).is_err());
    }
}
