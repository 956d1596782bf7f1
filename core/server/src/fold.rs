//! The fold of the ring into statistics: a thread that follows at leisure, readers that catch up first.
//!
//! The rule: whoever reads folds to the newest event first, so that a figure never lags behind an
//! acknowledged event. The thread only keeps that catch-up short, and the gate from filling the ring.

mod weighing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use shimmer_event::BEAUTY_KIND;
use shimmer_host::WEIGHT_KIND;
use shimmer_ring::{
    ConsumerHandle, ConsumerSpec, FLAG_LOST, Gate, Reader, Ring, Start, Values, WakeTarget,
};
use shimmer_view::{Histogram, Rolling, Stats};

pub(crate) use self::weighing::RULE_TOPIC;
use self::weighing::Weighing;
use crate::ServerError;

/// The thread sleeps until this many events wait for it, or until the pause is over.
const WAKE_EVENTS: u64 = 8192;
const PAUSE: Duration = Duration::from_millis(100);
/// Events copied at once.
const AT_ONCE: usize = 512;
/// Kinds whose meaning is remembered by id.
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
    weighing: Weighing,
    kinds: HashMap<u32, Kind>,
    /// The kind looked up last, which the next event mostly has too.
    last_kind: (u32, Kind),
    values: Values,
}

/// What a kind means to the fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Beauty,
    Weight,
    Other,
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
            weighing: Weighing::default(),
            kinds: HashMap::new(),
            last_kind: (0, Kind::Other),
            values: Values::default(),
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
            weighted_avg: state.weighing.average(),
        }
    }

    /// Names the plugins whose weights count from now on.
    pub(crate) fn trust(&self, plugins: Vec<String>) {
        self.lock().weighing.trust(plugins);
    }

    /// Takes the rule by which `plugin`, if it may weigh, wants weights to count.
    pub(crate) fn weigh_by(&self, plugin: &str, rule: &[u8]) {
        let mut state = self.caught_up();
        let State { weighing, reader, cursor, .. } = &mut *state;
        weighing.rule(reader, plugin, rule, *cursor + 1);
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

    /// Folds every published event, so that this gate lets the ring go on.
    pub(crate) fn catch_up(&self) {
        drop(self.caught_up());
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
        let mut values = std::mem::take(&mut self.values);
        while self.cursor < published {
            let taken = self.reader.values(self.cursor, AT_ONCE, &mut values);
            if taken == 0 {
                break;
            }
            for i in 0..taken {
                // Our gate keeps what we have not read; a lost record is the only thing that is not there.
                if values.flags[i] & FLAG_LOST != 0 {
                    continue;
                }
                let kind = values.kind[i];
                if self.last_kind.0 != kind {
                    self.last_kind = (kind, self.kind(kind));
                }
                match self.last_kind.1 {
                    Kind::Beauty => {
                        self.stats.push(values.value[i]);
                        self.weighing.beauty(&self.reader, &values, i);
                    }
                    Kind::Weight => self.weighing.weight(&self.reader, &values, i),
                    Kind::Other => {}
                }
            }
            self.cursor += taken as u64;
        }
        self.values = values;
    }

    fn kind(&mut self, id: u32) -> Kind {
        if let Some(known) = self.kinds.get(&id) {
            return *known;
        }
        if self.kinds.len() == MAX_KINDS {
            self.kinds.clear();
        }
        let kind = match self.name(id).as_str() {
            BEAUTY_KIND => Kind::Beauty,
            WEIGHT_KIND => Kind::Weight,
            _ => Kind::Other,
        };
        self.kinds.insert(id, kind);
        kind
    }

    fn name(&self, id: u32) -> String {
        let mut name = Vec::new();
        if !self.reader.name(id, &mut name) {
            return String::new();
        }
        String::from_utf8(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shimmer_abi::flags;
    use shimmer_ring::{Entry, Reserve, RingConfig, Storage, Submission};

    const DERIVED: u32 = flags::DERIVED;

    fn publish(ring: &Ring, kind: &str, subject: &str, source: &str, value: f64, flags: u32) {
        let id = ring.published().to_string();
        let entry = Entry {
            time_ns: 0,
            received_ns: 0,
            value,
            kind,
            subject,
            source,
            origin: "node",
            id: &id,
            flags,
            head: b"{\"seq\":",
            tail: b"}",
            data: 0..0,
            id_span: 0..0,
        };
        let submission = Submission { entries: &[entry], cursor: None, reserve: Reserve::Ingest };
        ring.producer().publish(&submission, &mut Vec::new()).unwrap();
    }

    fn ring(capacity: u64) -> Ring {
        let config = RingConfig { capacity, ..RingConfig::default() };
        Ring::open(&config, &Storage::Memory).unwrap().0
    }

    #[test]
    fn weights_count_only_from_plugins_that_may_weigh() {
        let ring = ring(64);
        let fold = Fold::start(&ring, 10).unwrap();
        fold.trust(vec!["dao".to_owned()]);
        publish(&ring, "beauty", "", "a", 1.0, flags::BEAUTY);
        publish(&ring, "beauty", "", "b", 0.0, flags::BEAUTY);
        publish(&ring, "weight", "a", "dao", 0.0, 0);
        publish(&ring, "weight", "a", "other", 0.0, DERIVED);
        assert_eq!(fold.newest().weighted_avg, None, "posted, or of a plugin that may not");
        publish(&ring, "weight", "b", "dao", 0.25, DERIVED);
        let figures = fold.newest();
        assert_eq!(figures.weighted_avg, Some(0.8));
        assert_eq!(figures.events_total, 2);
        fold.stop();
    }

    #[test]
    fn a_rule_counts_for_what_the_ring_keeps_and_only_from_plugins_that_may_weigh() {
        const MEDIAN: &str = r#"{"method":"median","trim":0.2,"share_cap":1,"window":2,"default_weight":0.5,"weights":{"a":0.5}}"#;
        let later = MEDIAN.replace(r#"{"a":0.5}"#, r#"{"a":0,"b":0.1}"#);
        let ring = ring(64);
        let fold = Fold::start(&ring, 10).unwrap();
        fold.trust(vec!["dao".to_owned()]);
        for (source, value) in [("a", 0.1), ("b", 0.2), ("c", 0.8), ("c", 1.3), ("c", 1.5)] {
            publish(&ring, "beauty", "", source, value, flags::BEAUTY);
        }
        publish(&ring, "weight", "a", "dao", 0.5, DERIVED);
        let plain = fold.newest().weighted_avg.unwrap();
        assert!((plain - (0.05 + 0.2 + 1.2) / 2.5).abs() < 1e-12, "{plain}");
        fold.weigh_by("other", MEDIAN.as_bytes());
        fold.weigh_by("dao", MEDIAN.replace("0.2", "0.7").as_bytes());
        fold.weigh_by("dao", b"{}");
        assert_eq!(fold.newest().weighted_avg, Some(plain), "not allowed, impossible, broken");
        fold.weigh_by("dao", MEDIAN.as_bytes());
        assert_eq!(fold.newest().weighted_avg, Some(0.2));
        publish(&ring, "weight", "a", "dao", 0.0, DERIVED);
        publish(&ring, "weight", "b", "dao", 0.1, DERIVED);
        assert_eq!(fold.newest().weighted_avg, Some(1.4), "the mean of the newest two of c");
        fold.weigh_by("dao", later.as_bytes());
        assert_eq!(fold.newest().weighted_avg, Some(1.4), "the same again changes nothing");
        fold.weigh_by("dao", later.replace(":2,", ":3,").as_bytes());
        assert_eq!(fold.newest().weighted_avg, Some(1.2), "and now of the newest three");
        publish(&ring, "beauty", "", "c", 0.5, flags::BEAUTY);
        assert_eq!(fold.newest().weighted_avg, Some(1.1), "with these weights");
        fold.weigh_by("dao", later.replace(r#"{"a":0,"b":0.1}"#, "{}").as_bytes());
        assert_eq!(
            fold.newest().weighted_avg,
            Some(0.2),
            "a weight that is not named holds no more"
        );
        fold.stop();
    }

    #[test]
    fn a_small_ring_never_fills_because_of_the_fold() {
        let ring = ring(8);
        let fold = Fold::start(&ring, 4).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        for i in 0..1_000 {
            let entry_value = f64::from(i % 2);
            // Full for a moment is what a gate is for; the thread must end it by itself.
            while ring.headroom() == 0 {
                assert!(std::time::Instant::now() < deadline, "the fold does not follow");
                std::thread::yield_now();
            }
            publish(&ring, "beauty", "", "a", entry_value, flags::BEAUTY);
        }
        let figures = fold.newest();
        assert_eq!(figures.events_total, 1_000);
        assert_eq!(figures.rolling.map(|r| (r.count, r.avg)), Some((4, 0.5)));
        fold.stop();
    }
}
