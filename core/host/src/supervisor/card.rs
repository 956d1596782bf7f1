//! What is known of a plugin at a moment: the card that dashboards, metrics and the API show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use shimmer_ring::{ConsumerHandle, ControlPage};

use crate::config::{Delivery, Isolation, Permissions, PluginConfig};
use crate::log_tail::LogTail;
use crate::manifest::Manifest;
use crate::process::Usage;
use crate::wire::Series;

/// Where a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Loading for the first time, or after enable.
    Starting,
    /// Processing.
    Running,
    /// Between a death and the next start.
    Restarting,
    /// The breaker tripped: it stays down until somebody restarts it.
    Crashed,
    /// The host is stopping, or it ended by itself.
    Stopped,
    /// Turned off.
    Disabled,
}

/// How long the calls of a plugin took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Durations {
    /// Calls by bucket, not cumulated; upper bounds are [`shimmer_ring::DURATION_BOUNDS_NS`], the last is open.
    pub counts: [u64; 8],
    /// Nanoseconds of all.
    pub sum_ns: u64,
}

/// A plugin at a moment.
#[derive(Clone, Debug)]
pub struct Card {
    /// Name.
    pub name: String,
    /// Version from its descriptor; empty before the first load.
    pub version: String,
    /// Description from its descriptor.
    pub description: String,
    /// Where it is in its life.
    pub state: State,
    /// Process id; the host's own for a thread; `None` while it does not run.
    pub pid: Option<u32>,
    /// Where it runs.
    pub isolation: Isolation,
    /// What happens when it is slow.
    pub delivery: Delivery,
    /// What it may reach; a thread of the host may reach what the host does.
    pub permissions: Permissions,
    /// Seconds since the running instance started, 0 while none runs.
    pub uptime_seconds: f64,
    /// Percent of one core over the last second.
    pub cpu_percent: f64,
    /// CPU seconds over its life in this host.
    pub cpu_seconds_total: f64,
    /// Private resident memory in bytes; 0 for a thread.
    pub memory_bytes: u64,
    /// Events delivered over its life in this host, replays not counted.
    pub event_count: u64,
    /// Events it never saw.
    pub missed_count: u64,
    /// Deaths over its life in this host.
    pub crash_count: u64,
    /// Starts after the first.
    pub restart_count: u64,
    /// Events published and not processed.
    pub lag_events: u64,
    /// Events left out because they kill it.
    pub quarantined_count: u64,
    /// The newest of them.
    pub quarantined: Vec<u64>,
    /// Why it died or was refused, last.
    pub last_error: Option<String>,
    /// Whether its state could be saved when that was tried last.
    pub is_state_saved: bool,
    /// How long its calls took.
    pub durations: Durations,
}

/// What the supervisor and the host share of one plugin.
pub(crate) struct Shared {
    pub(crate) facts: Mutex<Facts>,
    pub(crate) logs: Mutex<LogTail>,
    reported: Mutex<Reported>,
    /// Where its figures are read from, at the moment somebody asks.
    pub(crate) live: Mutex<Live>,
}

/// The plugin's own series as it told them last.
#[derive(Clone, Default)]
pub(crate) struct Reported {
    /// The same allocation for as long as none is added.
    pub(crate) series: Arc<[Series]>,
    /// One for each sample of each series.
    pub(crate) values: Arc<[f64]>,
}

/// The sources of a plugin's counters.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) consumer: Option<Arc<ConsumerHandle>>,
    pub(crate) control: Option<Arc<ControlPage>>,
    /// Cursor and count of the newest transaction of the running instance.
    pub(crate) committed: (u64, u64),
    /// Of instances that ended.
    pub(crate) past_events: u64,
    pub(crate) past_missed: u64,
}

impl Live {
    /// Events that the running instance was given: the newer of what it wrote beside its cursor and what its last
    /// transaction said, so that a death between the two counts right.
    fn running_events(&self) -> u64 {
        let Some(control) = &self.control else { return 0 };
        let cursor = control.cursor();
        let written = control.events_at(cursor).unwrap_or(0);
        let (committed_cursor, committed) = self.committed;
        let said = if committed_cursor >= cursor { committed.max(written) } else { written };
        // A liar says anything: there were never more than this.
        said.min(self.consumer.as_ref().map_or(0, |consumer| consumer.cursor()))
    }

    /// Events that the running instance says it missed: no more than there were.
    fn running_missed(&self) -> u64 {
        let there = self.consumer.as_ref().map_or(0, |consumer| consumer.cursor());
        self.control.as_ref().map_or(0, |control| control.missed().min(there))
    }

    /// Lag, events and missed events now. The lag is read first: who sees it at 0 sees the events of its end.
    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        let lag = self.consumer.as_ref().map_or(0, |consumer| consumer.lag());
        let missed = self.consumer.as_ref().map_or(0, |consumer| consumer.missed());
        let lag = if self.control.is_some() { lag } else { 0 };
        (
            lag,
            self.past_events.saturating_add(self.running_events()),
            self.past_missed.saturating_add(self.running_missed()).saturating_add(missed),
        )
    }

    /// The instance ended: its figures join those of the ones before.
    pub(crate) fn settle(&mut self) {
        self.past_events = self.past_events.saturating_add(self.running_events());
        self.past_missed = self.past_missed.saturating_add(self.running_missed());
        self.control = None;
        self.committed = (0, 0);
    }
}

/// The parts of a card that change together.
pub(crate) struct Facts {
    pub(crate) state: State,
    pub(crate) pid: Option<u32>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) started: Option<Instant>,
    pub(crate) usage: Usage,
    /// CPU of instances that ended.
    pub(crate) past_cpu_seconds: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) crashes: u64,
    pub(crate) restarts: u64,
    pub(crate) quarantined_count: u64,
    pub(crate) quarantined: Vec<u64>,
    pub(crate) last_error: Option<String>,
    pub(crate) is_state_saved: bool,
    pub(crate) durations: Durations,
    pub(crate) past_durations: Durations,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            facts: Mutex::new(Facts {
                state: State::Starting,
                pid: None,
                manifest: None,
                started: None,
                usage: Usage::default(),
                past_cpu_seconds: 0.0,
                cpu_percent: 0.0,
                crashes: 0,
                restarts: 0,
                quarantined_count: 0,
                quarantined: Vec::new(),
                last_error: None,
                is_state_saved: true,
                durations: Durations::default(),
                past_durations: Durations::default(),
            }),
            logs: Mutex::new(LogTail::new(Instant::now())),
            reported: Mutex::default(),
            live: Mutex::default(),
        }
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reported(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        self.facts().state
    }

    /// The card.
    pub(crate) fn card(&self, config: &PluginConfig) -> Card {
        // Looked at together: figures between two instances are not those of a running one.
        let facts = self.facts();
        let (lag_events, event_count, missed_count) = self.live().figures();
        let manifest = facts.manifest.as_ref();
        Card {
            name: config.name.clone(),
            version: manifest.map(|m| m.version.clone()).unwrap_or_default(),
            description: manifest.map(|m| m.description.clone()).unwrap_or_default(),
            state: facts.state,
            pid: facts.pid,
            isolation: config.isolation,
            delivery: config.delivery,
            permissions: config.permissions.clone(),
            uptime_seconds: facts.started.map_or(0.0, |at| at.elapsed().as_secs_f64()),
            cpu_percent: facts.cpu_percent,
            cpu_seconds_total: facts.past_cpu_seconds + facts.usage.cpu_seconds,
            memory_bytes: facts.usage.memory_bytes,
            event_count,
            missed_count,
            crash_count: facts.crashes,
            restart_count: facts.restarts,
            lag_events,
            quarantined_count: facts.quarantined_count,
            quarantined: facts.quarantined.clone(),
            last_error: facts.last_error.clone(),
            is_state_saved: facts.is_state_saved,
            durations: facts.past_durations.plus(&facts.durations),
        }
    }
}

impl Durations {
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|i| self.counts[i].wrapping_add(other.counts[i])),
            sum_ns: self.sum_ns.wrapping_add(other.sum_ns),
        }
    }
}

/// Who waits for the answer to a request.
pub(crate) type Reply = Box<dyn FnOnce(Result<crate::wire::HttpAnswer, crate::CallError>) + Send>;

/// Requests that were sent and not answered.
#[derive(Default)]
pub(crate) struct OpenCalls {
    next_id: u64,
    open: HashMap<u64, OpenCall>,
}

struct OpenCall {
    deadline: Instant,
    /// Whether it may change something.
    writes: bool,
    reply: Reply,
}

/// Most open requests of one plugin.
pub(crate) const MAX_OPEN_CALLS: usize = 512;

impl OpenCalls {
    /// Notes a request; `Err` gives the reply back when too many are open.
    pub(crate) fn open(
        &mut self,
        deadline: Instant,
        writes: bool,
        reply: Reply,
    ) -> Result<u64, Reply> {
        if self.open.len() >= MAX_OPEN_CALLS {
            return Err(reply);
        }
        self.next_id += 1;
        self.open.insert(self.next_id, OpenCall { deadline, writes, reply });
        Ok(self.next_id)
    }

    /// Takes the reply of a request.
    pub(crate) fn close(&mut self, id: u64) -> Option<Reply> {
        self.open.remove(&id).map(|call| call.reply)
    }

    /// Whether a request may change something.
    pub(crate) fn writes(&self, id: u64) -> bool {
        self.open.get(&id).is_some_and(|call| call.writes)
    }

    /// Takes the replies whose deadline has passed.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Reply> {
        let ids: Vec<_> =
            self.open.iter().filter(|(_, call)| call.deadline <= now).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.close(id)).collect()
    }

    /// Takes all replies.
    pub(crate) fn drain(&mut self) -> Vec<Reply> {
        self.open.drain().map(|(_, call)| call.reply).collect()
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.open.values().map(|call| call.deadline).min()
    }
}
