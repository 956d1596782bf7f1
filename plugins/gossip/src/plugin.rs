//! The plugin itself: what the host calls, and how its parts are put together.
//!
//! The rule: what this node shares follows from its state and its ring alone, so that an event that is read a second
//! time after a crash gets the place that it had.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shimmer_mesh::heatmap::Felt;
use shimmer_mesh::{Allow, Author, FrameId, Keys, Labels, Node, Origin, Store as _};
use shimmer_sdk::{Batch, Error, Host, Plugin, Request, Response, Route};

use crate::ask;
use crate::config::{Config, Settings};
use crate::disk::Disk;
use crate::epochs;
use crate::event;
use crate::gateway::{Gateway, Plan, Porter};
use crate::hub::{Hub, Own, Parts};
use crate::keys::Secret;
use crate::meters::Meters;
use crate::net::{Address, Limits, Net, NetConfig};
use crate::shown::Shown;

/// Everything is told under this name.
pub(crate) const TOPIC: &str = "shimmer-gossip-v1";
/// Packets and refusals of the gateway that wait for the hub.
const HEARD: usize = 1_024;
/// How long a save waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// Good addresses that are kept over a restart.
const MAX_KNOWN: usize = 64;
/// Dials in a row after whose failure an operator is told.
const FAILURES: u32 = 4;
/// Version of the saved state.
const VERSION: u8 = 1;
/// Events that are looked at after a restart, to show again what was shown.
const RECENT: usize = 20_000;

/// Least time between two lines about events that stay here.
const UNSHARED_LINE: Duration = Duration::from_secs(10);

/// The plugin.
pub(crate) struct Gossip {
    host: Host,
    settings: Settings,
    /// What this node is called.
    pub(crate) label: String,
    progress: Progress,
    pub(crate) running: Option<Running>,
    pub(crate) shown: Shown,
    meters: Meters,
    unshared: u64,
    /// When one of these may be told again.
    next_line: Instant,
    /// Configured addresses that were told to be out of reach.
    unreached: HashSet<String>,
}

/// What is there between `start` and `stop`.
pub(crate) struct Running {
    pub(crate) hub: Hub,
    pub(crate) net: Arc<Net>,
    pub(crate) disk: Disk,
    pub(crate) gateway_lost: Arc<dyn Fn() -> (usize, u64) + Send + Sync>,
}

/// How far this node has shared its ring.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    version: u8,
    /// When the count of sequences began, Unix milliseconds; 0 before the first start.
    epoch: u64,
    /// Sequence of the next event.
    next: u64,
    /// Addresses that answered.
    known: Vec<String>,
}

impl Plugin for Gossip {
    const NAME: &'static str = "gossip";
    const DESCRIPTION: &'static str = "Federates nodes: signed events over a gossip mesh";
    const PERMISSIONS: &'static [&'static str] = &["origin=*", "folder"];
    const TICK: Duration = Duration::from_secs(1);
    const ROUTES: &'static [Route] = ask::ROUTES;
    const STATEFUL: bool = true;
    type Config = Config;

    fn create(config: Config, host: Host) -> Result<Self, Error> {
        let label = host.node_id()?;
        let settings = config.check(&label)?;
        for (key, file) in [("psk_file", &settings.psk_file), ("key_file", &settings.key_file)] {
            if let Some(file) = file {
                Secret::load(file).map_err(|why| Error::config(key, &why.to_string()))?;
            }
        }
        Ok(Self {
            meters: Meters::declare(&host)?,
            host,
            settings,
            label,
            progress: Progress::default(),
            running: None,
            shown: Shown::default(),
            unshared: 0,
            next_line: Instant::now(),
            unreached: HashSet::new(),
        })
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.progress.next == 0 {
            self.progress = Progress { version: VERSION, epoch: 0, next: 1, known: Vec::new() };
        }
        self.running = Some(self.run()?);
        Ok(())
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        for event in batch {
            if event.origin() != self.label {
                continue;
            }
            if event.is_derived() {
                self.shown.lock().weighed.hear(&event);
                if !self.settings.shares_derived(event.kind()) {
                    continue;
                }
            }
            let shared = match event::shared(event.text()) {
                Ok(shared) => shared,
                Err(why) => {
                    self.stays(&event.event_id(), why);
                    continue;
                }
            };
            let own = Own { seq: self.progress.next, event: shared };
            let hub = self.running.as_ref().map(|running| &running.hub);
            if !hub.is_some_and(|hub| hub.share(own)) {
                return Err(Error::Failed("the mesh has stopped by itself".to_owned()));
            }
            self.progress.next += 1;
        }
        Ok(())
    }

    fn tick(&mut self, _now_ns: i64) -> Result<(), Error> {
        if let Some(running) = &self.running {
            if !running.hub.is_running() {
                // The host starts it anew, with everything that was saved.
                return Err(Error::Failed("the mesh has ended by itself".to_owned()));
            }
            self.meters.tell(&self.shown.lock(), running);
            for at in running.net.addresses() {
                let name = at.address.to_string();
                if at.connected {
                    self.unreached.remove(&name);
                } else if at.failures >= FAILURES && self.unreached.insert(name) {
                    let (at, why) = (&at.address, at.why.unwrap_or_default());
                    self.host.warn(&format!("the peer {at} is not reached: {why}; trying again"));
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.running = None;
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        self.answer(request)
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        let mut progress = self.progress.clone();
        if let Some(running) = &self.running {
            // Who comes back with this state is not given the events behind it again.
            if !running.hub.flush(PATIENCE) {
                return Err(Error::Failed("the store does not take what was shared".to_owned()));
            }
            progress.epoch = running.hub.epoch();
            let good = running.net.known_good();
            progress.known = good.iter().take(MAX_KNOWN).map(ToString::to_string).collect();
        }
        let shown = self.shown.lock();
        postcard::to_allocvec(&(progress, &shown.weighed))
            .map_err(|why| Error::Failed(why.to_string()))
    }

    fn restore(&mut self, blob: &[u8], _cursor: u64) -> Result<(), Error> {
        let (progress, weighed): (Progress, _) =
            postcard::take_from_bytes(blob).map_err(|why| Error::Unsupported(why.to_string()))?;
        if progress.version != VERSION || progress.epoch == 0 || progress.next == 0 {
            return Err(Error::Unsupported("the saved state is of another version".to_owned()));
        }
        self.progress = progress;
        // What is missing is told again when the members decide next; the count of sequences must not suffer for it.
        self.shown.lock().weighed = postcard::from_bytes(weighed).unwrap_or_default();
        Ok(())
    }
}

impl Gossip {
    /// An own event stays here. That is counted, and told now and then.
    fn stays(&mut self, id: &str, why: &str) {
        self.unshared += 1;
        self.shown.lock().unshared = self.unshared;
        if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + UNSHARED_LINE;
            self.host.warn(&format!("event {id:?} stays on this node: {why}"));
        }
    }

    /// Opens keys, store and sockets, and starts the threads.
    fn run(&mut self) -> Result<Running, Error> {
        let folder = self.host.folder()?;
        let key_file = self.settings.key_file.clone().unwrap_or_else(|| folder.join("node.key"));
        let failed = |why: &dyn std::fmt::Display| Error::Failed(why.to_string());
        let identity = Secret::load_or_create(&key_file).map_err(|why| failed(&why))?;
        let shared = self.settings.psk_file.as_deref().map(Secret::load).transpose();
        let shared = shared.map_err(|why| failed(&why))?;
        let (disk, aside) = Disk::open(&folder.join("store.redb")).map_err(|why| failed(&why))?;
        if let Some(aside) = aside {
            let aside = aside.display();
            self.host.warn(&format!("the store is damaged: moved to {aside}, and begun anew"));
        }
        let (net, events) =
            Net::start(self.net_config(&identity, shared)).map_err(|why| failed(&why))?;
        let net = Arc::new(net);
        let (heard, heard_end) = crossbeam_channel::bounded(HEARD);
        let gateway = self.gateway(heard)?.map(Arc::new);
        // A way that nobody sends on is closed, and a closed one always has something to say.
        let heard_end = gateway.as_ref().map_or_else(crossbeam_channel::never, |_| heard_end);
        let of_gateway = gateway.clone();
        let keys = keys_of(&identity, self.settings.hybrid);
        let origin = keys().origin();
        let node = self.node(&disk, origin)?;
        self.begin_epoch(&node, origin);
        let author =
            Author::new(keys(), self.progress.epoch, self.progress.next, self.settings.max_ttl)
                .map_err(|why| {
                    Error::Failed(format!("no events can be signed: {}", why.as_str()))
                })?;
        let unsigned = disk.unsigned().map_err(|why| failed(&why))?;
        self.tell_start(&net, gateway.as_deref());
        let hub = Hub::start(Parts {
            host: self.host.clone(),
            net: Arc::clone(&net),
            events,
            gateway,
            heard: heard_end,
            node,
            author,
            disk: disk.clone(),
            history_bytes: self.settings.history_bytes,
            max_ttl: self.settings.max_ttl,
            keys: Box::new(keys),
            label: self.label.clone(),
            unsigned,
            shown: self.shown.clone(),
        })?;
        let gateway_lost = Arc::new(move || {
            of_gateway.as_ref().map_or((0, 0), |gateway| (gateway.connections(), gateway.lost()))
        });
        Ok(Running { hub, net, disk, gateway_lost })
    }

    /// Goes on in the epoch that there is, or begins a new one and says so.
    fn begin_epoch(&mut self, node: &Node, own: Origin) {
        let known = epochs::of(node, own);
        let epoch = epochs::of_ring(self.progress.epoch, &known, epochs::now_ms());
        let had = std::mem::replace(&mut self.progress.epoch, epoch);
        if had != epoch && !known.is_empty() {
            self.host.warn(
                "the state is older than what this node has signed: its events are counted anew",
            );
        }
    }

    fn net_config(&self, identity: &Secret, shared: Option<Secret>) -> NetConfig {
        let known = self.progress.known.iter().filter_map(|at| at.parse::<Address>().ok());
        let connections = self.settings.connections;
        NetConfig {
            identity: identity.clone(),
            label: self.label.clone(),
            listen: self.settings.listen,
            peers: self.settings.peers.clone(),
            known: known.collect(),
            shared,
            allow: self.settings.allowed_peers(),
            topic: TOPIC.to_owned(),
            message_id: Arc::new(|frame| match FrameId::of(frame) {
                // Place and content in 32 bytes.
                Ok(id) => Sha256::digest(id.to_bytes()).to_vec(),
                Err(_) => Sha256::digest(frame).to_vec(),
            }),
            limits: Limits {
                connections,
                inbound: (connections * 3 / 4).max(1),
                ..Limits::default()
            },
        }
    }

    fn gateway(
        &self,
        heard: crossbeam_channel::Sender<crate::gateway::Heard>,
    ) -> Result<Option<Gateway>, Error> {
        let settings = &self.settings;
        if settings.gateway.is_none() && settings.gateway_peers.is_empty() {
            return Ok(None);
        }
        let (authority, teller) = (self.host.clone(), self.host.clone());
        let plan = Plan {
            listen: settings.gateway,
            peers: settings.gateway_peers.clone(),
            token: settings.json_token.clone(),
            porter: Porter {
                authorize: Box::new(move |value| authority.authorize(value).ok()),
                warn: Box::new(move |line| teller.warn(line)),
            },
        };
        Gateway::start(plan, heard).map(Some).map_err(Error::Failed)
    }

    /// What is known from before.
    fn node(&self, disk: &Disk, own: Origin) -> Result<Node, Error> {
        let allow = match &self.settings.allow {
            None => Allow::All,
            Some(origins) => {
                let only: BTreeMap<_, _> = origins.iter().map(|origin| (*origin, None)).collect();
                Allow::Only(only)
            }
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|why| Error::Failed(why.to_string()))?;
        let config = shimmer_mesh::Config { allow, ..shimmer_mesh::Config::default() };
        let mut node = Node::new(config, u64::from_le_bytes(seed));
        let failed = |why: crate::disk::DiskError| Error::Failed(why.to_string());
        node.restore(disk.logs().map_err(failed)?);
        let mut labels = Labels::default();
        labels.own(own, &self.label);
        for (origin, name) in disk.labels().map_err(failed)? {
            labels.restore(origin, &name);
        }
        let mut shown = self.shown.lock();
        let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ms = now_ms.as_millis() as i64;
        for envelope in disk.recent(RECENT).map_err(failed)? {
            let name = labels.see(&envelope);
            let facts = envelope.facts();
            if let (Some(beauty), Some(time_ms)) = (facts.beauty, facts.time_ms) {
                shown.feel(beauty);
                let source = facts.source.as_deref().unwrap_or_default();
                let felt = Felt { node: &name, source, time_ms, value: beauty };
                shown.heatmap.add(&felt, now_ms);
            }
        }
        shown.labels = labels;
        Ok(node)
    }

    /// What an operator wants to see once; neither keys nor ids.
    fn tell_start(&self, net: &Net, gateway: Option<&Gateway>) {
        let listens = net
            .listens_at()
            .map_or_else(|| "dials only".to_owned(), |at| format!("listens on {at}"));
        let door = match (&self.settings.psk_file, &self.settings.allow) {
            (Some(_), Some(_)) => "with a shared key and a list of nodes",
            (Some(_), None) => "with a shared key",
            (None, Some(_)) => "with a list of nodes",
            (None, None) => "open to everyone",
        };
        let (peers, known) = (self.settings.peers.len(), self.progress.known.len());
        self.host.info(&format!(
            "the mesh {listens}, {door}; {peers} peers are configured, {known} known from before"
        ));
        let is_local = self.settings.listen.is_none_or(|at| at.ip().is_loopback());
        if self.settings.psk_file.is_none() && self.settings.allow.is_none() && !is_local {
            self.host.warn(
                "whoever reaches the mesh's port can take part; set psk_file or allow to close it",
            );
        }
        if let Some(at) = gateway.and_then(Gateway::listens_at) {
            self.host.info(&format!("the JSON gateway listens on {at}"));
        }
    }
}

/// Makes the keys again whenever somebody signs with a count of its own.
fn keys_of(identity: &Secret, hybrid: bool) -> impl Fn() -> Keys + Send + use<> {
    let identity = identity.clone();
    move || {
        if !hybrid {
            return Keys::ed25519(identity.bytes());
        }
        // One file, two keys: neither tells anything about the other.
        let mut hasher = Sha256::new();
        hasher.update(b"shimmer-gossip-ml-dsa-44\n");
        hasher.update(identity.bytes());
        Keys::hybrid(identity.bytes(), &hasher.finalize().into())
    }
}
