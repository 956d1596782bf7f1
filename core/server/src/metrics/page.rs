//! `GET /metrics`: what was counted, and what is collected from the ring, the folds, the streams and the
//! plugins while the page is made.

use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

use http::StatusCode;

use super::family::{Family, Sheet};
use super::process::Process;
use crate::app::App;
use crate::fractal::{Lane, StudioFigures};
use crate::http::{Answer, Problem, Refused};
use crate::plugins::{Card, DURATION_BOUNDS_NS, State};
use crate::routes::Ask;
use crate::stream::StreamStats;

/// Answers.
pub(crate) fn render(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let app = ask.app;
    let mut text = app.metrics.text.lock().unwrap_or_else(PoisonError::into_inner);
    let body = text.render(|sheet| say(app, sheet)).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written; see the log",
        )
    })?;
    Ok(Answer::ok("text/plain; version=0.0.4; charset=utf-8", body))
}

/// Says everything. Of two families with one name the first counts.
fn say(app: &App, sheet: &mut Sheet) {
    let cards = app.plugins.host().cards();
    for family in app.metrics.registry.gather() {
        sheet.gathered(&family);
    }
    beauty(app, sheet);
    ring(app, sheet);
    streams(&app.streams.stats(), sheet);
    fractals(app.studio.figures(), sheet);
    process(app, sheet);
    audit(app, sheet);
    plugins(&cards, sheet);
    for plugin in app.plugins.host().series() {
        sheet.plugin(plugin);
    }
    if app.config().metrics.rosey_compat {
        rosey(app, &cards, sheet);
    }
}

/// The names that source 01 fixes; gauges without a value yet say NaN, as an absent one breaks dashboards.
fn beauty(app: &App, sheet: &mut Sheet) {
    let figures = app.fold.newest();
    let rolling = figures.rolling;
    let distribution = &figures.distribution;
    sheet
        .counter("chaos_beauty_events_total", "Beauty events folded.")
        .sample(&[], figures.events_total as f64);
    let mut gauge = |name, help, value: Option<f64>| {
        sheet.gauge(name, help).sample(&[], value.unwrap_or(f64::NAN));
    };
    gauge("chaos_beauty_score_avg", "Mean score of the rolling window.", rolling.map(|r| r.avg));
    gauge(
        "chaos_beauty_score_min",
        "Smallest score of the rolling window.",
        rolling.map(|r| r.min),
    );
    gauge("chaos_beauty_score_max", "Largest score of the rolling window.", rolling.map(|r| r.max));
    if let Some(weighted) = figures.weighted_avg {
        let help = "Mean of the sources' means in the rolling window by their weights.";
        gauge("chaos_beauty_score_weighted_avg", help, Some(weighted));
    }
    sheet.histogram("chaos_beauty_score_distribution", "Scores since the start.").buckets(
        &[],
        distribution.cumulative(),
        distribution.count(),
        distribution.sum(),
    );
}

fn ring(app: &App, sheet: &mut Sheet) {
    let ring = &app.ring;
    let (published, oldest) = (ring.published(), ring.oldest());
    sheet
        .counter(
            "shimmer_ring_events_total",
            "Sequence of the newest event: events stored over the node's life.",
        )
        .sample(&[], published as f64);
    let mut gauge = |name, help, value: u64| {
        sheet.gauge(name, help).sample(&[], value as f64);
    };
    gauge("shimmer_ring_oldest_seq", "Sequence of the oldest event still kept.", oldest);
    gauge("shimmer_ring_events", "Events kept.", (published + 1).saturating_sub(oldest));
    gauge("shimmer_ring_capacity_events", "Events that the ring can keep.", ring.capacity());
    gauge(
        "shimmer_ring_headroom_events",
        "Events that could be posted now before ingest would answer 503.",
        ring.headroom(),
    );
}

fn streams(stats: &StreamStats, sheet: &mut Sheet) {
    sheet
        .gauge("shimmer_stream_clients", "Connected stream clients by transport.")
        .sample(&[("transport", "ws")], stats.clients_ws as f64)
        .sample(&[("transport", "sse")], stats.clients_sse as f64);
    sheet
        .gauge("shimmer_stream_topic_clients", "Clients of plugin streams among them.")
        .sample(&[], stats.clients_topic as f64);
    sheet
        .gauge("shimmer_stream_slow_clients", "Clients whose socket takes no more for now.")
        .sample(&[], stats.clients_slow as f64);
    let mut counter = |name, help, value: u64| {
        sheet.counter(name, help).sample(&[], value as f64);
    };
    counter(
        "shimmer_stream_connects_total",
        "Stream clients that ever connected.",
        stats.connects_total,
    );
    counter(
        "shimmer_stream_refused_total",
        "Stream clients turned away at the bound.",
        stats.refused_total,
    );
    counter("shimmer_stream_messages_total", "Messages handed to sockets.", stats.messages_total);
    counter("shimmer_stream_sent_bytes_total", "Bytes handed to sockets.", stats.bytes_total);
    counter("shimmer_stream_gaps_total", "Gaps told to clients.", stats.gaps_total);
    counter(
        "shimmer_stream_lapped_events_total",
        "Events that slow clients did not get.",
        stats.lapped_events_total,
    );
    counter(
        "shimmer_stream_topic_lost_total",
        "Topic messages that slow clients lost.",
        stats.topic_lost_total,
    );
    counter(
        "shimmer_stream_stalled_total",
        "Clients disconnected for taking nothing.",
        stats.stalled_total,
    );
    counter(
        "shimmer_stream_violations_total",
        "Clients disconnected for breaking the protocol.",
        stats.violations_total,
    );
    counter("shimmer_stream_rounds_total", "Rounds that sent new events.", stats.rounds_total);
}

fn fractals(figures: StudioFigures, sheet: &mut Sheet) {
    let queue = sheet.gauge("shimmer_fractal_queue", "Pictures that wait to be drawn, by lane.");
    Lane::ALL
        .into_iter()
        .zip(figures.queued)
        .fold(queue, |queue, (lane, length)| queue.sample(&[("lane", lane.name())], length as f64));
    sheet
        .gauge("shimmer_fractal_cache_pictures", "Pictures that are kept.")
        .sample(&[], figures.cache_entries as f64);
    sheet
        .gauge("shimmer_fractal_cache_bytes", "Bytes of those.")
        .sample(&[], figures.cache_bytes as f64);
}

fn process(app: &App, sheet: &mut Sheet) {
    let started = app.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    sheet.gauge("shimmer_build_info", "What is running; always 1.").sample(
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("profile", profile),
            ("arch", std::env::consts::ARCH),
        ],
        1.0,
    );
    sheet
        .gauge("shimmer_process_start_time_seconds", "Unix time of the node's start.")
        .sample(&[], started);
    let Some(process) = Process::read() else { return };
    sheet
        .counter("shimmer_process_cpu_seconds_total", "Processor time used.")
        .sample(&[], process.cpu_seconds);
    let mut gauge = |name, help, value: u64| {
        sheet.gauge(name, help).sample(&[], value as f64);
    };
    gauge("shimmer_process_resident_memory_bytes", "Resident memory.", process.resident_bytes);
    gauge("shimmer_process_open_fds", "Open file descriptors.", process.open_fds as u64);
    gauge("shimmer_process_threads", "Threads.", process.threads);
}

fn audit(app: &App, sheet: &mut Sheet) {
    let audit = app.audit.state();
    sheet
        .gauge("shimmer_audit_waiting_entries", "Lines that wait for a file that takes them.")
        .sample(&[], audit.waiting as f64);
    sheet
        .counter("shimmer_audit_lost_entries_total", "Lines for which there was no room to wait.")
        .sample(&[], audit.lost as f64);
    let help = "Lines about callers without a token beyond what those may fill.";
    sheet.counter("shimmer_audit_omitted_entries_total", help).sample(&[], audit.omitted as f64);
}

type Figure = fn(&Card) -> f64;

fn plugins(cards: &[Card], sheet: &mut Sheet) {
    let gauges: [(&str, &str, Figure); 6] = [
        ("shimmer_plugin_cpu_percent", "Processor use, 100 = one core.", |c| c.cpu_percent),
        ("shimmer_plugin_resident_memory_bytes", "Private resident memory.", |c| {
            c.memory_bytes as f64
        }),
        ("shimmer_plugin_uptime_seconds", "Seconds since the running instance started.", |c| {
            c.uptime_seconds
        }),
        ("shimmer_plugin_lag_events", "Events published and not processed.", |c| {
            c.lag_events as f64
        }),
        ("shimmer_plugin_up", "Whether it runs.", |c| {
            f64::from(u8::from(c.state == State::Running))
        }),
        ("shimmer_plugin_state_unsaved", "Whether its state could not be saved last.", |c| {
            f64::from(u8::from(!c.is_state_saved))
        }),
    ];
    let counters: [(&str, &str, Figure); 6] = [
        ("shimmer_plugin_cpu_seconds_total", "Processor time used.", |c| c.cpu_seconds_total),
        ("shimmer_plugin_events_total", "Events processed.", |c| c.event_count as f64),
        ("shimmer_plugin_missed_events_total", "Events it never saw.", |c| c.missed_count as f64),
        ("shimmer_plugin_crashes_total", "Deaths.", |c| c.crash_count as f64),
        ("shimmer_plugin_restarts_total", "Starts after the first.", |c| c.restart_count as f64),
        ("shimmer_plugin_quarantined_events_total", "Events left out because they kill it.", |c| {
            c.quarantined_count as f64
        }),
    ];
    for (name, help, figure) in gauges {
        by_plugin(sheet.gauge(name, help), cards, figure);
    }
    for (name, help, figure) in counters {
        by_plugin(sheet.counter(name, help), cards, figure);
    }
    let durations_family =
        sheet.histogram("shimmer_plugin_batch_duration_seconds", "Time of its calls.");
    cards.iter().fold(durations_family, durations);
}

fn by_plugin(family: Family<'_>, cards: &[Card], figure: Figure) {
    cards
        .iter()
        .fold(family, |family, card| family.sample(&[("plugin", &card.name)], figure(card)));
}

fn durations<'a>(family: Family<'a>, card: &Card) -> Family<'a> {
    let cumulative =
        DURATION_BOUNDS_NS.iter().zip(card.durations.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((*bound as f64 / 1e9, *below))
        });
    let count = card.durations.counts.iter().sum();
    let sum = card.durations.sum_ns as f64 / 1e9;
    family.buckets(&[("plugin", &card.name)], cumulative, count, sum)
}

/// The exact names of source 04, for dashboards that were made for it.
fn rosey(app: &App, cards: &[Card], sheet: &mut Sheet) {
    let gauges: [(&str, &str, Figure); 3] = [
        ("rosey_plugin_cpu_percent", "Plugin CPU usage percent", |c| c.cpu_percent),
        ("rosey_plugin_memory_mb", "Plugin memory usage MB", |c| {
            c.memory_bytes as f64 / 1_048_576.0
        }),
        ("rosey_plugin_uptime_seconds", "Plugin uptime seconds", |c| c.uptime_seconds),
    ];
    let counters: [(&str, &str, Figure); 2] = [
        ("rosey_plugin_events_total", "Plugin events processed", |c| c.event_count as f64),
        ("rosey_plugin_crashes_total", "Plugin crash count", |c| c.crash_count as f64),
    ];
    for (name, help, figure) in gauges {
        by_plugin(sheet.gauge(name, help), cards, figure);
    }
    for (name, help, figure) in counters {
        by_plugin(sheet.counter(name, help), cards, figure);
    }
    let mut gauge = |name, help, value: f64| {
        sheet.gauge(name, help).sample(&[], value);
    };
    let running = crate::routes::running(cards);
    gauge("rosey_bot_uptime_seconds", "Bot uptime seconds", app.started.elapsed().as_secs_f64());
    gauge("rosey_total_plugins", "Total plugins loaded", cards.len() as f64);
    gauge("rosey_plugins_running", "Plugins currently running", running as f64);
}
