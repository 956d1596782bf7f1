//! Stands in for the plugin host until it is part of the build: a host that has no plugins.
//!
//! The names and fields are those of `shimmer-host`, so that joining the two changes imports only.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// Where a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(dead_code, reason = "only the real host brings plugins into these states")]
pub(crate) enum State {
    Starting,
    Running,
    Restarting,
    Crashed,
    Stopped,
    Disabled,
}

/// How long the calls of a plugin took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Durations {
    pub(crate) counts: [u64; 8],
    pub(crate) sum_ns: u64,
}

/// A plugin at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) state: State,
    pub(crate) pid: Option<u32>,
    pub(crate) isolation: crate::config::Isolation,
    pub(crate) delivery: crate::config::Delivery,
    pub(crate) uptime_seconds: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) cpu_seconds_total: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) event_count: u64,
    pub(crate) missed_count: u64,
    pub(crate) crash_count: u64,
    pub(crate) restart_count: u64,
    pub(crate) lag_events: u64,
    pub(crate) quarantined_count: u64,
    pub(crate) quarantined: Vec<u64>,
    pub(crate) last_error: Option<String>,
    pub(crate) durations: Durations,
}

/// One line of a plugin's log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) time_ns: i64,
    pub(crate) level: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) message: String,
}

/// A route of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct PluginRoute {
    pub(crate) plugin: String,
    pub(crate) index: u32,
    pub(crate) method: String,
    pub(crate) pattern: String,
    pub(crate) auth: RouteAuth,
    pub(crate) kind: RouteKind,
    pub(crate) topic: String,
    pub(crate) openapi_json: String,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only the real host has routes")]
pub(crate) enum RouteAuth {
    None,
    Token,
    Plugin,
}

/// What a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only the real host has routes")]
pub(crate) enum RouteKind {
    Http,
    Ws,
    Sse,
}

/// A request on a plugin's route.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpCall {
    pub(crate) route: u32,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) request_id: String,
}

/// A plugin's answer.
#[derive(Clone, Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only the real host has calls")]
pub(crate) enum CallError {
    Down(State),
    Deadline,
    Busy,
    Failed,
}

/// Why a plugin was not restarted and the like.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "only the real host has plugins")]
pub(crate) enum ControlError {
    Unknown,
    Refused(String),
}

/// One series of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct PluginSeries {
    pub(crate) plugin: String,
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) counter: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) samples: Vec<(Vec<String>, f64)>,
}

/// A host without plugins.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginHost;

#[allow(clippy::unused_self, reason = "the signatures are those of the real host")]
impl PluginHost {
    pub(crate) fn cards(&self) -> Vec<Card> {
        Vec::new()
    }

    pub(crate) fn card(&self, _: &str) -> Option<Card> {
        None
    }

    pub(crate) fn logs(&self, _: &str, _: usize) -> Option<Vec<LogLine>> {
        None
    }

    pub(crate) fn restart(&self, _: &str) -> Result<(), ControlError> {
        Err(ControlError::Unknown)
    }

    pub(crate) fn reload(&self, _: &str) -> Result<(), ControlError> {
        Err(ControlError::Unknown)
    }

    pub(crate) fn enable(&self, _: &str) -> Result<(), ControlError> {
        Err(ControlError::Unknown)
    }

    pub(crate) fn disable(&self, _: &str) -> Result<(), ControlError> {
        Err(ControlError::Unknown)
    }

    pub(crate) fn settled(&self) -> bool {
        true
    }

    pub(crate) fn routes(&self) -> Arc<[PluginRoute]> {
        Arc::new([])
    }

    pub(crate) fn call(
        &self,
        _: &str,
        _: HttpCall,
        _: Duration,
        reply: Box<dyn FnOnce(Result<HttpAnswer, CallError>) + Send>,
    ) {
        reply(Err(CallError::Down(State::Stopped)));
    }

    pub(crate) fn series(&self) -> Vec<PluginSeries> {
        Vec::new()
    }

    pub(crate) fn shutdown(&self, _: Duration) {}
}
