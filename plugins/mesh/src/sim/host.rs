//! One simulated node.
//!
//! The rule: what a real node has on disk, its store and its author's next sequence, outlives it; all else does not.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use crate::envelope::{Author, Verified};
use crate::fanout::Fanout;
use crate::node::{Config, Node};
use crate::store::{MemoryStore, Store as _};

/// A frame on its way, shared by all who hold it.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its number, which stands for its id.
    pub(crate) id: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) envelopes: Vec<Verified>,
}

/// A connection, as one end sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) in_mesh: bool,
    /// Not grafted before.
    pub(crate) backoff_ms: u64,
    /// This end dialled.
    pub(crate) dialled: bool,
}

pub(crate) struct Host {
    pub(crate) alive: bool,
    /// Counts its lives, so that what was meant for one does not reach the next.
    pub(crate) life: u32,
    pub(crate) node: Node,
    pub(crate) store: MemoryStore,
    pub(crate) author: Author,
    pub(crate) links: BTreeMap<usize, Link>,
    pub(crate) seen: HashSet<u64>,
    /// Frames of the last heartbeats, the newest first.
    pub(crate) history: VecDeque<Vec<Rc<Frame>>>,
    /// What was asked for by IWANT, and until when an answer is awaited.
    pub(crate) wanted: HashMap<u64, u64>,
    pub(crate) fanout: Fanout,
    pub(crate) born_ms: u64,
    pub(crate) tick_at: u64,
    /// `seen - synced` and `synced` at the last beat.
    pub(crate) counted: (u64, u64),
}

impl Host {
    pub(crate) fn new(author: Author, round_ms: u64, seed: u64) -> Self {
        Self {
            alive: false,
            life: 0,
            node: Node::new(Config { round_ms, ..Config::default() }, seed),
            store: MemoryStore::default(),
            author,
            links: BTreeMap::new(),
            seen: HashSet::new(),
            history: VecDeque::new(),
            wanted: HashMap::new(),
            fanout: Fanout::default(),
            born_ms: 0,
            tick_at: u64::MAX,
            counted: (0, 0),
        }
    }

    /// The same node after a restart.
    pub(crate) fn restarted(self, round_ms: u64, seed: u64) -> Self {
        let mut host = Self::new(self.author, round_ms, seed);
        let Ok(logs) = self.store.logs();
        host.node.restore(logs);
        host.store = self.store;
        host.life = self.life;
        host.counted.0 = host.node.counters().seen;
        host
    }

    pub(crate) fn keep(&mut self, fresh: &[Verified], now_ms: u64) {
        let Ok(()) = self.store.put(fresh);
        self.node.stored(fresh.iter().map(|envelope| envelope.id), now_ms);
    }
}
