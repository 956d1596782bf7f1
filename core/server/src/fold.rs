//! The fold of the ring into statistics: a thread that follows at leisure, readers that catch up first.
//!
//! The rule: whoever reads folds to the newest event first, so that a figure never lags behind an
//! acknowledged event. The thread only keeps that catch-up short, and the gate from filling the ring.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use shimmer_event::BEAUTY_KIND;
use shimmer_ring::{ConsumerHandle, ConsumerSpec, Gate, Reader, Ring, Start, WakeTarget};
use shimmer_view::{Histogram, Rolling, Stats, WeightRefused, Weights};

use crate::ServerError;

/// The thread sleeps until this many events wait for it, or until the pause is over.
const WAKE_EVENTS: u64 = 8192;
const PAUSE: Duration = Duration::from_millis(100);
/// Kinds whose id is remembered as beauty or not.
const MAX_KINDS: usize = 1024;

/// The statistics of the stream.
pub(crate) struct Fold {
    state: Mutex<State>,
    consumer: ConsumerHandle,
    capacity: u64,
    stop: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The figures at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The rolling window; `None` before the first beauty event.
    pub(crate) rolling: Option<Rolling>,
    /// Beauty events folded.
    pub(crate) events_total: u64,
    /// Distribution of their scores.
    pub(crate) distribution: Histogram,
    /// The weighted mean, once anyone weighs.
    pub(crate) weighted_avg: Option<f64>,
}

struct State {
    reader: Reader,
    cursor: u64,
    stats: Stats,
    weights: Weights,
    is_beauty: HashMap<u32, bool>,
}

impl Fold {
    /// Starts the thread `view` at the oldest kept event.
    pub(crate) fn start(ring: &Ring, window: usize) -> Result<Arc<Self>, ServerError> {
        let spec = ConsumerSpec {
            key: "view",
            durable: false,
            gate: Gate::Host,
            start: Start::Oldest,
            wake: WakeTarget::Local,
        };
        let consumer = ring.register(&spec).map_err(|error| ServerError::Ring(Box::new(error)))?;
        let state = State {
            reader: ring.reader(),
            cursor: consumer.cursor(),
            stats: Stats::new(window),
            weights: Weights::default(),
            is_beauty: HashMap::new(),
        };
        let fold = Arc::new(Self {
            state: Mutex::new(state),
            consumer,
            capacity: ring.capacity(),
            stop: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let follower = fold.clone();
        let thread = std::thread::Builder::new()
            .name("view".into())
            .spawn(move || follower.follow())
            .map_err(|source| ServerError::System { what: "a thread", source })?;
        *fold.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(fold)
    }

    /// The figures with every published event in them.
    pub(crate) fn newest(&self) -> Figures {
        let state = self.caught_up();
        Figures {
            rolling: state.stats.rolling(),
            events_total: state.stats.events_total(),
            distribution: state.stats.distribution().clone(),
            weighted_avg: state.weighted_avg(),
        }
    }

    /// Sets the weight of a source.
    pub(crate) fn weigh(&self, source: &str, weight: f64) -> Result<(), WeightRefused> {
        self.lock().weights.set(source, weight)
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        // Release: pairs with the Acquire in `follow`; the wake that follows cannot overtake it.
        self.stop.store(true, Ordering::Release);
        self.consumer.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the view thread panicked");
        }
    }

    fn follow(&self) {
        // A ring smaller than the threshold would be full before the thread woke.
        let threshold = WAKE_EVENTS.min(self.capacity / 4).max(1);
        // Acquire: pairs with the Release in `stop`.
        let stopped = || self.stop.load(Ordering::Acquire);
        while !stopped() {
            let cursor = self.caught_up().cursor;
            self.consumer.wait(cursor + threshold, PAUSE, &stopped);
        }
    }

    fn caught_up(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let published = state.reader.published();
        state.fold_to(published);
        if let Err(error) = self.consumer.advance(state.cursor) {
            tracing::error!(%error, "the view's cursor was refused");
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fold_to(&mut self, published: u64) {
        while self.cursor < published {
            self.cursor += 1;
            // Our gate keeps what we have not read; a lost record is the only thing that is not there.
            let Some(meta) = self.reader.meta(self.cursor) else { continue };
            if self.is_beauty(meta.kind) {
                self.stats.push(meta.value, meta.source);
            }
        }
    }

    fn is_beauty(&mut self, kind: u32) -> bool {
        if let Some(known) = self.is_beauty.get(&kind) {
            return *known;
        }
        if self.is_beauty.len() == MAX_KINDS {
            self.is_beauty.clear();
        }
        let mut name = Vec::new();
        let beauty = self.reader.name(kind, &mut name) && name == BEAUTY_KIND.as_bytes();
        self.is_beauty.insert(kind, beauty);
        beauty
    }

    fn weighted_avg(&self) -> Option<f64> {
        if self.weights.is_empty() {
            return None;
        }
        let mut name = Vec::new();
        self.stats.weighted_avg(|source| {
            name.clear();
            // A source that no kept event carries any more has no name; it counts like an unknown one.
            let known = self.reader.name(source, &mut name);
            self.weights.get(if known {
                std::str::from_utf8(&name).unwrap_or_default()
            } else {
                ""
            })
        })
    }
}
