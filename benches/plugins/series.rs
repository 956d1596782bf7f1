//! A plugin with as many series as a plugin may have, and routes that the host counts by itself. A request to
//! `/x/series/step` changes the value of every sample.

#![forbid(unsafe_code)]

use shimmer_sdk::{Batch, Counter, Error, Gauge, Host, NoConfig, Plugin, Request, Response, Route};

/// Metrics of each type, and samples of each metric: 4,096 samples together, the host's bound.
const METRICS: usize = 32;
const SAMPLES: usize = 64;

macro_rules! routes {
    ($($number:literal)*) => {
        &[Route::get("/x/series/step"), $(Route::get(concat!("/x/series/items-", $number))),*]
    };
}

struct Series {
    counters: Vec<Counter>,
    gauges: Vec<Gauge>,
    labels: Vec<(String, String)>,
    steps: u32,
}

impl Series {
    fn step(&mut self) {
        self.steps += 1;
        let steps = f64::from(self.steps);
        for (at, (source, route)) in self.labels.iter().enumerate() {
            for (counter, amount) in self.counters.iter().zip(1..) {
                counter.add(&[source, route], f64::from(amount) * steps);
            }
            for (gauge, scale) in self.gauges.iter().zip(1..) {
                gauge.set(&[source, route], (at as f64 + 1.0) * steps / f64::from(scale));
            }
        }
    }
}

impl Plugin for Series {
    const NAME: &'static str = "series";
    const DESCRIPTION: &'static str = "Bench: as many series as a plugin may have";
    const ROUTES: &'static [Route] = routes!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36
        37 38 39 40
    );
    type Config = NoConfig;

    fn create(_: NoConfig, host: Host) -> Result<Self, Error> {
        let labels = ["source", "route"];
        let counters = (0..METRICS).map(|at| {
            host.counter(&format!("requests_{at}_total"), "Requests that were counted.", &labels)
        });
        let gauges = (0..METRICS)
            .map(|at| host.gauge(&format!("level_{at}"), "Level that was seen last.", &labels));
        let labels =
            (0..SAMPLES).map(|at| (format!("sensor-{:04}", at / 8), format!("/items/{}", at % 8)));
        let mut series = Self {
            counters: counters.collect::<Result<_, _>>()?,
            gauges: gauges.collect::<Result<_, _>>()?,
            labels: labels.collect(),
            steps: 0,
        };
        series.step();
        Ok(series)
    }

    fn process(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        if request.path() == "/x/series/step" {
            self.step();
        }
        Ok(Response::text(self.steps.to_string()))
    }
}

shimmer_sdk::export_plugin!(Series);
