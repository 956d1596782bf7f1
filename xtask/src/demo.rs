//! The recorded series that the demo replays.
//!
//! The rule: every series stands in `config/demo`, is replayed with fresh ids and times of now,
//! and comes at a pace that an eye can follow.

use std::process::Command;

/// One recorded series and how it is shown.
pub(crate) struct Series {
    /// File in `config/demo`, columns `timestamp,value`.
    pub(crate) file: &'static str,
    /// Kind of the events; `None` maps the values to beauty scores.
    pub(crate) kind: Option<&'static str>,
    /// Subject of the events.
    pub(crate) subject: &'static str,
    /// How many times faster than recorded.
    pub(crate) speed: u32,
}

/// What `cargo xtask up` replays. The speeds turn the recorded steps (5 or 30 minutes, an hour)
/// into 2 to 5 events a second.
pub(crate) const SERIES: &[Series] = &[
    Series { file: "nyc_taxi.csv", kind: None, subject: "nyc-taxi", speed: 9_000 },
    Series { file: "ec2_request_latency.csv", kind: Some("latency"), subject: "ec2", speed: 1_200 },
    Series {
        file: "ambient_temperature.csv",
        kind: Some("temperature"),
        subject: "office",
        speed: 7_200,
    },
    Series { file: "tweets_aapl.csv", kind: Some("tweets"), subject: "AAPL", speed: 900 },
];

impl Series {
    /// Adds the arguments of `shimmer` that replay this series against `url`, for ever.
    pub(crate) fn replay(&self, command: &mut Command, url: &str) {
        command.arg("replay").arg(format!("config/demo/{}", self.file));
        match self.kind {
            Some(kind) => command.args(["--kind", kind]),
            None => command.arg("--beauty"),
        };
        command.args(["--subject", self.subject, "--speed", &self.speed.to_string()]);
        command.args(["--source", "demo", "--loop", "--quiet", "--url", url]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_with_its_columns() {
        for series in SERIES {
            let path = crate::process::root().join("config/demo").join(series.file);
            let text = std::fs::read_to_string(&path).expect(series.file);
            assert!(text.starts_with("timestamp,value\n"), "{}", series.file);
            assert!(text.lines().count() > 1_000, "{} is too short to be lively", series.file);
        }
    }

    #[test]
    fn one_series_is_beauty() {
        assert_eq!(SERIES.iter().filter(|s| s.kind.is_none()).count(), 1);
    }
}
