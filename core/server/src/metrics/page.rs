//! `GET /metrics`: what was counted, and what is collected from the ring, the folds, the streams and the
//! plugins while the page is made.

use std::time::UNIX_EPOCH;

use http::StatusCode;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

use super::Family;
use super::process::Process;
use crate::app::App;
use crate::fractal::{Lane, StudioFigures};
use crate::http::{Answer, Problem, Refused};
use crate::plugins::{Card, DURATION_BOUNDS_NS, PluginSeries, State};
use crate::routes::Ask;
use crate::stream::StreamStats;

/// Answers.
pub(crate) fn render(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let app = ask.app;
    let cards = app.plugins.host().cards();
    let mut families = app.metrics.registry.gather();
    let made = beauty(app)
        .into_iter()
        .chain(ring(app))
        .chain(streams(&app.streams.stats()))
        .chain(fractals(app.studio.figures()))
        .chain(process(app))
        .chain(plugins(&cards))
        .chain(series(app.plugins.host().series()));
    families.extend(made.filter_map(Family::finish));
    if app.config().metrics.rosey_compat {
        families.extend(rosey(app, &cards).into_iter().filter_map(Family::finish));
    }
    families.sort_by(|a, b| a.name().cmp(b.name()));
    families.dedup_by(|b, a| a.name() == b.name());
    encode(&families)
}

fn encode(families: &[MetricFamily]) -> Result<Answer, Refused> {
    let mut body = Vec::with_capacity(16 << 10);
    TextEncoder::new().encode(families, &mut body).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written; see the log",
        )
    })?;
    Ok(Answer::ok("text/plain; version=0.0.4; charset=utf-8", body))
}

/// The names that source 01 fixes; gauges without a value yet say NaN, as an absent one breaks dashboards.
fn beauty(app: &App) -> Vec<Family> {
    let figures = app.fold.newest();
    let gauge = |name, help, value: Option<f64>| {
        Family::gauge(name, help).sample(&[], value.unwrap_or(f64::NAN))
    };
    let rolling = figures.rolling;
    let distribution = &figures.distribution;
    let mut families =
        vec![
            Family::counter("chaos_beauty_events_total", "Beauty events folded.")
                .sample(&[], figures.events_total as f64),
            gauge(
                "chaos_beauty_score_avg",
                "Mean score of the rolling window.",
                rolling.map(|r| r.avg),
            ),
            gauge(
                "chaos_beauty_score_min",
                "Smallest score of the rolling window.",
                rolling.map(|r| r.min),
            ),
            gauge(
                "chaos_beauty_score_max",
                "Largest score of the rolling window.",
                rolling.map(|r| r.max),
            ),
            Family::histogram("chaos_beauty_score_distribution", "Scores since the start.")
                .buckets(&[], distribution.cumulative(), distribution.count(), distribution.sum()),
        ];
    if let Some(weighted) = figures.weighted_avg {
        let help = "Mean of the sources' means in the rolling window by their weights.";
        families.push(gauge("chaos_beauty_score_weighted_avg", help, Some(weighted)));
    }
    families
}

fn ring(app: &App) -> Vec<Family> {
    let ring = &app.ring;
    let (published, oldest) = (ring.published(), ring.oldest());
    let gauge = |name, help, value: u64| Family::gauge(name, help).sample(&[], value as f64);
    vec![
        Family::counter(
            "shimmer_ring_events_total",
            "Sequence of the newest event: events stored over the node's life.",
        )
        .sample(&[], published as f64),
        gauge("shimmer_ring_oldest_seq", "Sequence of the oldest event still kept.", oldest),
        gauge("shimmer_ring_events", "Events kept.", (published + 1).saturating_sub(oldest)),
        gauge("shimmer_ring_capacity_events", "Events that the ring can keep.", ring.capacity()),
        gauge(
            "shimmer_ring_headroom_events",
            "Events that could be posted now before ingest would answer 503.",
            ring.headroom(),
        ),
    ]
}

fn streams(stats: &StreamStats) -> Vec<Family> {
    let counter = |name, help, value: u64| Family::counter(name, help).sample(&[], value as f64);
    vec![
        Family::gauge("shimmer_stream_clients", "Connected stream clients by transport.")
            .sample(&[("transport", "ws")], stats.clients_ws as f64)
            .sample(&[("transport", "sse")], stats.clients_sse as f64),
        Family::gauge("shimmer_stream_topic_clients", "Clients of plugin streams among them.")
            .sample(&[], stats.clients_topic as f64),
        Family::gauge("shimmer_stream_slow_clients", "Clients whose socket takes no more for now.")
            .sample(&[], stats.clients_slow as f64),
        counter(
            "shimmer_stream_connects_total",
            "Stream clients that ever connected.",
            stats.connects_total,
        ),
        counter(
            "shimmer_stream_refused_total",
            "Stream clients turned away at the bound.",
            stats.refused_total,
        ),
        counter(
            "shimmer_stream_messages_total",
            "Messages handed to sockets.",
            stats.messages_total,
        ),
        counter("shimmer_stream_sent_bytes_total", "Bytes handed to sockets.", stats.bytes_total),
        counter("shimmer_stream_gaps_total", "Gaps told to clients.", stats.gaps_total),
        counter(
            "shimmer_stream_lapped_events_total",
            "Events that slow clients did not get.",
            stats.lapped_events_total,
        ),
        counter(
            "shimmer_stream_topic_lost_total",
            "Topic messages that slow clients lost.",
            stats.topic_lost_total,
        ),
        counter(
            "shimmer_stream_stalled_total",
            "Clients disconnected for taking nothing.",
            stats.stalled_total,
        ),
        counter(
            "shimmer_stream_violations_total",
            "Clients disconnected for breaking the protocol.",
            stats.violations_total,
        ),
        counter("shimmer_stream_rounds_total", "Rounds that sent new events.", stats.rounds_total),
    ]
}

fn fractals(figures: StudioFigures) -> Vec<Family> {
    let gauge = |name, help, value: usize| Family::gauge(name, help).sample(&[], value as f64);
    let queue = Family::gauge("shimmer_fractal_queue", "Pictures that wait to be drawn, by lane.");
    let lanes = Lane::ALL.into_iter().zip(figures.queued);
    vec![
        lanes.fold(queue, |queue, (lane, length)| {
            queue.sample(&[("lane", lane.name())], length as f64)
        }),
        gauge("shimmer_fractal_cache_pictures", "Pictures that are kept.", figures.cache_entries),
        gauge("shimmer_fractal_cache_bytes", "Bytes of those.", figures.cache_bytes),
    ]
}

fn process(app: &App) -> Vec<Family> {
    let started = app.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut families = vec![
        Family::gauge("shimmer_build_info", "What is running; always 1.").sample(
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
                ("arch", std::env::consts::ARCH),
            ],
            1.0,
        ),
        Family::gauge("shimmer_process_start_time_seconds", "Unix time of the node's start.")
            .sample(&[], started),
    ];
    if let Some(process) = Process::read() {
        families.extend([
            Family::counter("shimmer_process_cpu_seconds_total", "Processor time used.")
                .sample(&[], process.cpu_seconds),
            Family::gauge("shimmer_process_resident_memory_bytes", "Resident memory.")
                .sample(&[], process.resident_bytes as f64),
            Family::gauge("shimmer_process_open_fds", "Open file descriptors.")
                .sample(&[], process.open_fds as f64),
            Family::gauge("shimmer_process_threads", "Threads.")
                .sample(&[], process.threads as f64),
        ]);
    }
    families
}

type Figure = fn(&Card) -> f64;

fn plugins(cards: &[Card]) -> Vec<Family> {
    let gauges: [(&str, &str, Figure); 5] = [
        ("cpu_percent", "Processor use, 100 = one core.", |c| c.cpu_percent),
        ("resident_memory_bytes", "Private resident memory.", |c| c.memory_bytes as f64),
        ("uptime_seconds", "Seconds since the running instance started.", |c| c.uptime_seconds),
        ("lag_events", "Events published and not processed.", |c| c.lag_events as f64),
        ("up", "Whether it runs.", |c| f64::from(u8::from(c.state == State::Running))),
    ];
    let counters: [(&str, &str, Figure); 6] = [
        ("cpu_seconds_total", "Processor time used.", |c| c.cpu_seconds_total),
        ("events_total", "Events processed.", |c| c.event_count as f64),
        ("missed_events_total", "Events it never saw.", |c| c.missed_count as f64),
        ("crashes_total", "Deaths.", |c| c.crash_count as f64),
        ("restarts_total", "Starts after the first.", |c| c.restart_count as f64),
        ("quarantined_events_total", "Events left out because they kill it.", |c| {
            c.quarantined_count as f64
        }),
    ];
    let name = |name: &str| format!("shimmer_plugin_{name}");
    let gauges = gauges.into_iter().map(|(n, help, figure)| (Family::gauge(name(n), help), figure));
    let counters =
        counters.into_iter().map(|(n, help, figure)| (Family::counter(name(n), help), figure));
    let fill = |(family, figure): (Family, Figure)| {
        cards
            .iter()
            .fold(family, |family, card| family.sample(&[("plugin", &card.name)], figure(card)))
    };
    let mut families: Vec<Family> = gauges.chain(counters).map(fill).collect();
    families.push(
        cards.iter().fold(
            Family::histogram(name("batch_duration_seconds"), "Time of its calls."),
            durations,
        ),
    );
    families
}

fn durations(family: Family, card: &Card) -> Family {
    let mut below = 0;
    let cumulative: Vec<(f64, u64)> = DURATION_BOUNDS_NS
        .iter()
        .zip(card.durations.counts)
        .map(|(bound, count)| {
            below += count;
            (*bound as f64 / 1e9, below)
        })
        .collect();
    let count = card.durations.counts.iter().sum();
    let sum = card.durations.sum_ns as f64 / 1e9;
    family.buckets(&[("plugin", &card.name)], cumulative, count, sum)
}

/// What plugins declared themselves, as `shimmer_<plugin>_<name>`.
fn series(series: Vec<PluginSeries>) -> Vec<Family> {
    let family = |PluginSeries { plugin, series }: PluginSeries| {
        let name = format!("shimmer_{}_{}", plugin.replace('-', "_"), series.name);
        let empty = if series.counter {
            Family::counter(name, series.help)
        } else {
            Family::gauge(name, series.help)
        };
        let names = || series.labels.iter().map(String::as_str);
        series.samples.iter().fold(empty, |family, (values, value)| {
            let labels: Vec<(&str, &str)> =
                names().zip(values.iter().map(String::as_str)).collect();
            family.sample(&labels, *value)
        })
    };
    series.into_iter().map(family).collect()
}

/// The exact names of source 04, for dashboards that were made for it.
fn rosey(app: &App, cards: &[Card]) -> Vec<Family> {
    let figures: [(Family, Figure); 5] = [
        (Family::gauge("rosey_plugin_cpu_percent", "Plugin CPU usage percent"), |c| c.cpu_percent),
        (Family::gauge("rosey_plugin_memory_mb", "Plugin memory usage MB"), |c| {
            c.memory_bytes as f64 / 1_048_576.0
        }),
        (Family::gauge("rosey_plugin_uptime_seconds", "Plugin uptime seconds"), |c| {
            c.uptime_seconds
        }),
        (Family::counter("rosey_plugin_events_total", "Plugin events processed"), |c| {
            c.event_count as f64
        }),
        (Family::counter("rosey_plugin_crashes_total", "Plugin crash count"), |c| {
            c.crash_count as f64
        }),
    ];
    let mut families: Vec<Family> = figures
        .into_iter()
        .map(|(family, figure)| {
            cards
                .iter()
                .fold(family, |family, card| family.sample(&[("plugin", &card.name)], figure(card)))
        })
        .collect();
    let uptime = app.started.elapsed().as_secs_f64();
    let running = crate::routes::running(cards);
    families.extend([
        Family::gauge("rosey_bot_uptime_seconds", "Bot uptime seconds").sample(&[], uptime),
        Family::gauge("rosey_total_plugins", "Total plugins loaded")
            .sample(&[], cards.len() as f64),
        Family::gauge("rosey_plugins_running", "Plugins currently running")
            .sample(&[], running as f64),
    ]);
    families
}
