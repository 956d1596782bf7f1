//! `/health` says that the process lives, `/ready` that it should be asked.

use http::StatusCode;
use serde_json::json;

use super::page::Ask;
use crate::http::{Answer, Problem, Refused};

/// `GET /health`.
pub(crate) fn health(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let app = ask.app;
    Ok(Answer::value(&json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "node_id": app.node_id,
        "uptime_seconds": app.started.elapsed().as_secs_f64(),
        "events": app.ring.published(),
    })))
}

/// `GET /ready`: 503 until the plugins have settled, and while the node is stopping.
pub(crate) fn ready(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let app = ask.app;
    let cards = app.plugins.host().cards();
    let unsaved: Vec<&str> =
        cards.iter().filter(|card| !card.is_state_saved).map(|card| &*card.name).collect();
    let plugins: serde_json::Map<String, serde_json::Value> =
        cards.iter().map(|card| (card.name.clone(), json!(card.state))).collect();
    let reason = if app.is_draining() {
        "the node is stopping"
    } else if !app.plugins.host().settled() {
        "plugins are starting"
    } else {
        let mut told = json!({ "status": "ready", "plugins": plugins });
        // What does not keep the node from working, but somebody should look at.
        let audit = app.audit.state();
        if audit.waiting > 0 {
            told["degraded"]["audit"] = json!({ "waiting": audit.waiting, "lost": audit.lost });
        }
        if !unsaved.is_empty() {
            told["degraded"]["unsaved_state"] = json!(unsaved);
        }
        return Ok(Answer::value(&told));
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        .retry_after(1)
        .member("plugins", plugins))
}
