//! `/api/...`: plugins as source 04 shows them, their logs, and what an operator may do to them.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use shimmer_event::rfc3339;
use shimmer_view::{Aggregate, Aggregates};

use super::page::Ask;
use crate::app::App;
use crate::http::{Answer, Problem, Refused};
use crate::ingest::unix_ns;
use crate::plugins::{Card, ControlError, PluginHost, State};

const MIB: f64 = 1_048_576.0;
const DEFAULT_LOG_LINES: usize = 100;
const MAX_LOG_LINES: usize = 1000;

/// `GET /api/metrics`.
pub(crate) fn metrics(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let app = ask.app;
    let mut cards = app.plugins.host().cards();
    cards.sort_by(|a, b| a.name.cmp(&b.name));
    let plugins: Vec<Value> = cards.iter().map(summary).collect();
    Ok(Answer::value(&json!({
        "timestamp": now(),
        "plugins": plugins,
        "system": system(app, &cards),
        "score": score(app),
    })))
}

/// `GET /api/plugin/{name}`.
pub(crate) fn plugin(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let card = ask.app.plugins.host().card(ask.name).ok_or_else(|| unknown(ask.name))?;
    let history = ask.app.plugins.history(ask.name);
    let mut detail = summary(&card);
    let loaded = SystemTime::now() - Duration::from_secs_f64(card.uptime_seconds.max(0.0));
    detail["loaded_at"] = json!(rfc3339::format(unix_ns(loaded)));
    detail["current"] = json!({
        "cpu_percent": card.cpu_percent,
        "memory_mb": mebibytes(card.memory_bytes as f64),
        "uptime_seconds": card.uptime_seconds,
        "event_count": card.event_count,
        "crash_count": card.crash_count,
    });
    detail["aggregates_1h"] = history.aggregates().map_or(Value::Null, |hour| aggregates(&hour));
    detail["history"] = history
        .fine()
        .map(|sample| {
            json!({
                "timestamp": rfc3339::format(sample.at_ns),
                "cpu_percent": sample.cpu_percent,
                "memory_mb": mebibytes(sample.memory_bytes as f64),
                "event_count": sample.event_count,
            })
        })
        .collect();
    detail["history_1h"] = history
        .minutes()
        .iter()
        .map(|minute| {
            json!({
                "timestamp": rfc3339::format(minute.start_ns),
                "cpu_percent": minute.cpu_percent,
                "memory_mb": mebibytes(minute.memory_bytes),
                "event_count": minute.event_count,
            })
        })
        .collect();
    Ok(Answer::value(&detail))
}

/// `GET /api/plugin/{name}/logs`.
pub(crate) fn logs(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let limit = ask.query.parsed("limit", "a whole number of 1 or more")?;
    let limit = limit.unwrap_or(DEFAULT_LOG_LINES).clamp(1, MAX_LOG_LINES);
    let lines = ask.app.plugins.host().logs(ask.name, limit).ok_or_else(|| unknown(ask.name))?;
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "timestamp": rfc3339::format(line.time_ns),
                "level": line.level,
                "stream": line.stream,
                "message": line.message,
            })
        })
        .collect();
    Ok(Answer::value(&json!({ "name": ask.name, "lines": lines })))
}

/// `POST /api/plugin/{name}/restart`.
pub(crate) fn restart(ask: &Ask<'_>) -> Result<Answer, Refused> {
    control(ask, "restart", PluginHost::restart)
}

/// `POST /api/plugin/{name}/reload`.
pub(crate) fn reload(ask: &Ask<'_>) -> Result<Answer, Refused> {
    control(ask, "reload", PluginHost::reload)
}

/// `POST /api/plugin/{name}/enable`.
pub(crate) fn enable(ask: &Ask<'_>) -> Result<Answer, Refused> {
    control(ask, "enable", PluginHost::enable)
}

/// `POST /api/plugin/{name}/disable`.
pub(crate) fn disable(ask: &Ask<'_>) -> Result<Answer, Refused> {
    control(ask, "disable", PluginHost::disable)
}

fn control(
    ask: &Ask<'_>,
    action: &'static str,
    act: fn(&PluginHost, &str) -> Result<(), ControlError>,
) -> Result<Answer, Refused> {
    let caller = ask.app.auth.operator(ask.headers)?;
    let host = ask.app.plugins.host();
    let outcome = act(host, ask.name);
    tracing::info!(
        plugin = ask.name,
        action,
        token = &*caller.name,
        ok = outcome.is_ok(),
        request_id = ask.context.id.as_str(),
        "plugin control"
    );
    match outcome {
        Ok(()) => {
            let state = host.card(ask.name).map(|card| card.state);
            Ok(Answer::value(&json!({
                "status": "ok", "plugin": ask.name, "action": action, "state": state,
            })))
        }
        Err(ControlError::Unknown) => Err(unknown(ask.name)),
        Err(error @ ControlError::Disabled) => {
            Err(Problem::new(StatusCode::CONFLICT, error.to_string()))
        }
        Err(error @ ControlError::Busy) => {
            Err(Problem::new(StatusCode::CONFLICT, error.to_string()).retry_after(1))
        }
        Err(ControlError::Failed(why)) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why).member("plugin", ask.name))
        }
    }
}

/// The problem of a plugin that is not there, with the member that source 04 has.
pub(crate) fn unknown(name: &str) -> Refused {
    let text = format!("Plugin {name} not found");
    Problem::new(StatusCode::NOT_FOUND, text.clone()).member("error", text)
}

/// A plugin as a list shows it.
fn summary(card: &Card) -> Value {
    json!({
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "pid": card.pid,
        "state": card.state,
        "isolation": card.isolation,
        "delivery": card.delivery,
        "permissions": card.permissions,
        "uptime_seconds": card.uptime_seconds,
        "cpu_percent": card.cpu_percent,
        "cpu_seconds_total": card.cpu_seconds_total,
        "memory_mb": mebibytes(card.memory_bytes as f64),
        "event_count": card.event_count,
        "missed_count": card.missed_count,
        "crash_count": card.crash_count,
        "restart_count": card.restart_count,
        "lag_events": card.lag_events,
        "quarantined_count": card.quarantined_count,
        "quarantined": card.quarantined,
        "last_error": card.last_error,
    })
}

fn system(app: &App, cards: &[Card]) -> Value {
    let memory: u64 = cards.iter().map(|card| card.memory_bytes).sum();
    json!({
        "uptime_seconds": app.started.elapsed().as_secs_f64(),
        "total_plugins": cards.len(),
        "plugins_running": running(cards),
        "total_events": app.ring.published(),
        "total_memory_mb": mebibytes(memory as f64),
    })
}

/// How many plugins run.
pub(crate) fn running(cards: &[Card]) -> usize {
    cards.iter().filter(|card| card.state == State::Running).count()
}

/// The rolling statistics of beauty, so that a page need not read them out of the metrics' text.
fn score(app: &App) -> Value {
    let figures = app.fold.newest();
    let rolling = figures.rolling;
    json!({
        "window": app.config().stats.rolling_window,
        "events_total": figures.events_total,
        "count": rolling.map_or(0, |rolling| rolling.count),
        "avg": rolling.map(|rolling| rolling.avg),
        "min": rolling.map(|rolling| rolling.min),
        "max": rolling.map(|rolling| rolling.max),
        "weighted_avg": figures.weighted_avg,
    })
}

fn aggregates(hour: &Aggregates) -> Value {
    let of = |a: &Aggregate, unit: f64| json!({ "avg": a.avg / unit, "min": a.min / unit, "max": a.max / unit });
    json!({
        "cpu_percent": of(&hour.cpu_percent, 1.0),
        "memory_mb": of(&hour.memory_bytes, MIB),
        "samples": hour.samples,
    })
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / MIB
}

fn now() -> String {
    rfc3339::format(unix_ns(SystemTime::now()))
}

/// 405 with the methods that a plugin serves.
pub(crate) fn only(methods: &[http::Method]) -> Refused {
    let allow: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
    let allow = HeaderValue::from_str(&allow.join(", "));
    Problem::method_not_allowed(allow.unwrap_or(HeaderValue::from_static("GET")))
}
