//! What drawing cost, and what spared it.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use crate::fractal::{Drawn, Failure};

/// Bounds in seconds: the default picture takes a few milliseconds, a deep one a second.
const SECONDS: [f64; 12] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It was kept.
    Hit,
    /// Somebody was having it drawn.
    Shared,
    /// It was drawn.
    Miss,
    /// The client has it.
    NotModified,
}

/// The counters.
#[derive(Clone, Debug)]
pub(crate) struct RenderMetrics {
    seconds: HistogramVec,
    renders: IntCounterVec,
    lookups: IntCounterVec,
    rejected: IntCounterVec,
}

impl Lookup {
    const ALL: [Self; 4] = [Self::Hit, Self::Shared, Self::Miss, Self::NotModified];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Shared => "shared",
            Self::Miss => "miss",
            Self::NotModified => "not_modified",
        }
    }
}

impl RenderMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "shimmer_render_seconds",
                "Time from a view to the bytes of its file.",
            )
            .buckets(SECONDS.to_vec()),
            &["backend"],
        )?;
        let counters =
            |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let renders = counters(
            "shimmer_renders_total",
            "Pictures by who drew them and what came of it; given up or failed ones have no backend.",
            &["backend", "result"],
        )?;
        let lookups = counters(
            "shimmer_fractal_lookups_total",
            "Requests for pictures by where the picture came from.",
            &["result"],
        )?;
        let rejected = counters(
            "shimmer_fractal_rejected_total",
            "Requests for pictures answered 503, by reason.",
            &["reason"],
        )?;
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(seconds.clone()),
            Box::new(renders.clone()),
            Box::new(lookups.clone()),
            Box::new(rejected.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        for lookup in Lookup::ALL {
            lookups.with_label_values(&[lookup.name()]);
        }
        for reason in ["full", "late"] {
            rejected.with_label_values(&[reason]);
        }
        Ok(Self { seconds, renders, lookups, rejected })
    }

    /// Counts what came of a drawing.
    pub(crate) fn rendered(&self, drawn: &Result<Drawn, String>, is_cancelled: bool) {
        let (backend, result) = match drawn {
            Ok(drawn) => {
                let backend = drawn.backend.to_string();
                self.seconds.with_label_values(&[&backend]).observe(drawn.seconds);
                (backend, "ok")
            }
            Err(_) if is_cancelled => ("none".to_owned(), "cancelled"),
            Err(_) => ("none".to_owned(), "failed"),
        };
        self.renders.with_label_values(&[backend.as_str(), result]).inc();
    }

    /// Counts a request.
    pub(crate) fn looked_up(&self, lookup: Lookup) {
        self.lookups.with_label_values(&[lookup.name()]).inc();
    }

    /// Counts a request that was turned away.
    pub(crate) fn rejected(&self, failure: &Failure) {
        let reason = if *failure == Failure::Full { "full" } else { "late" };
        self.rejected.with_label_values(&[reason]).inc();
    }
}
