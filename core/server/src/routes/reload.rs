//! `POST /api/reload`: read the configuration again; a bad one changes nothing and says why.

use http::StatusCode;
use serde_json::json;

use super::page::Ask;
use crate::ServerError;
use crate::config;
use crate::http::{Answer, Problem, Refused};
use crate::running;

/// Answers.
pub(crate) fn reload(ask: &Ask<'_>) -> Result<Answer, Refused> {
    ask.app.auth.operator(ask.headers)?;
    match running::reload(ask.app) {
        Ok(report) => Ok(Answer::value(&json!({
            "status": "ok",
            "applied": report.applied,
            "needs_restart": report.needs_restart,
            "plugins": {
                "started": report.started,
                "restarted": report.restarted,
                "stopped": report.stopped,
            },
        }))),
        Err(error) => {
            let status = if error.is_configuration() {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            let problems: Vec<String> = match &error {
                ServerError::Configuration(problems) => {
                    problems.0.iter().map(config::Problem::sentence).collect()
                }
                _ => Vec::new(),
            };
            Err(Problem::new(status, format!("nothing was changed: {error}"))
                .member("problems", problems))
        }
    }
}
