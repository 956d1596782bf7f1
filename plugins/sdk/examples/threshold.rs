//! Raises an alert when a value crosses a limit, counts the alerts, and answers `/x/threshold/status`.
#![forbid(unsafe_code)]

use shimmer_sdk::{Batch, Counter, Error, Host, Plugin, Request, Response, Route};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    limit: f64,
}

pub(crate) struct Threshold {
    limit: f64,
    host: Host,
    alerts: Counter,
    last: f64,
}

impl Plugin for Threshold {
    const NAME: &'static str = "threshold";
    const DESCRIPTION: &'static str = "Alerts when a value crosses a limit";
    const ROUTES: &'static [Route] = &[Route::get("/x/threshold/status")];
    type Config = Config;

    fn create(config: Config, host: Host) -> Result<Self, Error> {
        let alerts = host.counter("alerts_total", "Alerts raised", &[])?;
        Ok(Self { limit: config.limit, host, alerts, last: f64::NEG_INFINITY })
    }

    fn process(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        for event in batch {
            if event.value() > self.limit && self.last <= self.limit {
                let text = format!("{} is above {}", event.value(), self.limit);
                self.host.alert(event.subject()).description(&text).cause(&event).emit()?;
                self.alerts.inc(&[]);
            }
            self.last = event.value();
        }
        Ok(())
    }

    fn handle(&mut self, _: &Request<'_>) -> Result<Response, Error> {
        Ok(Response::json(&serde_json::json!({ "limit": self.limit, "last": self.last })))
    }
}

shimmer_sdk::export_plugin!(Threshold);
