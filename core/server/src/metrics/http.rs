//! What HTTP did: requests by route and status, their time, and open connections.
//!
//! The rule: a label never comes from a client. Paths become one of a fixed list of routes, or the
//! pattern that a plugin declared.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Bounds in seconds: a fast answer takes tens of microseconds, a bad one a second.
const SECONDS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

/// Paths that are routes of the core. Parameters are written as in the API description.
const ROUTES: [&str; 14] = [
    "/",
    "/event",
    "/events",
    "/health",
    "/ready",
    "/snapshot",
    "/fractal",
    "/metrics",
    "/stream",
    "/stream/sse",
    "/openapi.json",
    "/api/metrics",
    "/api/reload",
    "/docs/",
];

/// A request's route as a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteLabel(Cow<'static, str>);

/// The counters.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    event_ok: IntCounter,
    event_seconds: Histogram,
    open: IntGauge,
    refused: IntCounter,
}

/// An open connection, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(IntGauge);

impl RouteLabel {
    /// The label of a path of the core; `other` for what the core does not know.
    pub(crate) fn of_path(path: &str) -> Self {
        if let Some(route) = ROUTES.iter().find(|route| **route == path) {
            return Self(Cow::Borrowed(route));
        }
        let label = match path.strip_prefix("/api/plugin/").map(|rest| rest.split_once('/')) {
            Some(None) => "/api/plugin/{name}",
            Some(Some((_, "logs"))) => "/api/plugin/{name}/logs",
            Some(Some((_, "restart" | "reload" | "enable" | "disable"))) => {
                "/api/plugin/{name}/{action}"
            }
            _ if path.starts_with("/fractal/tiles/") => "/fractal/tiles/{z}/{x}/{y}.png",
            _ if path.starts_with("/docs") => "/docs/",
            _ => "other",
        };
        Self(Cow::Borrowed(label))
    }

    /// The label of a plugin's route: its pattern.
    pub(crate) fn of_pattern(pattern: &str) -> Self {
        Self(Cow::Owned(pattern.to_owned()))
    }
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("shimmer_http_requests_total", "Requests answered by route and status."),
            &["route", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "shimmer_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
            )
            .buckets(SECONDS.to_vec()),
            &["route"],
        )?;
        let open = IntGauge::new(
            "shimmer_http_connections",
            "Connections open now, streams that left HTTP excluded.",
        )?;
        let refused = IntCounter::new(
            "shimmer_http_connections_refused_total",
            "Connections turned away because server.max_connections were open.",
        )?;
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(requests.clone()),
            Box::new(seconds.clone()),
            Box::new(open.clone()),
            Box::new(refused.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(Self {
            event_ok: requests.with_label_values(&["/event", "200"]),
            event_seconds: seconds.with_label_values(&["/event"]),
            requests,
            seconds,
            open,
            refused,
        })
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: &RouteLabel, status: StatusCode, took: Duration) {
        let took = took.as_secs_f64();
        if route.0 == "/event" && status == StatusCode::OK {
            // The one hot pair is looked up once and for all.
            self.event_ok.inc();
            self.event_seconds.observe(took);
            return;
        }
        self.requests.with_label_values(&[&*route.0, status.as_str()]).inc();
        self.seconds.with_label_values(&[&*route.0]).observe(took);
    }

    /// Counts a connection as open.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// Counts a connection that was turned away.
    pub(crate) fn connection_refused(&self) {
        self.refused.inc();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_never_hold_what_a_client_made_up() {
        let label = |path| RouteLabel::of_path(path).0.into_owned();
        assert_eq!(label("/event"), "/event");
        assert_eq!(label("/api/plugin/evil"), "/api/plugin/{name}");
        assert_eq!(label("/api/plugin/evil/logs"), "/api/plugin/{name}/logs");
        assert_eq!(label("/api/plugin/evil/restart"), "/api/plugin/{name}/{action}");
        for made_up in ["/api/plugin/evil/x", "/x/evil", "/EVENT", "//", "/event/"] {
            assert_eq!(label(made_up), "other", "{made_up}");
        }
        assert_eq!(label("/fractal/tiles/evil/1/2.png"), "/fractal/tiles/{z}/{x}/{y}.png");
        assert_eq!(label("/docs/swagger-ui.css"), "/docs/");
    }
}
