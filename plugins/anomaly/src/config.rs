//! `[plugin.config]` of the plugin.
//!
//! The rule: what is wrong is told with its key and the remedy, before anything runs.

use std::path::PathBuf;

use serde::Deserialize;
use shimmer_alerts::Matcher;
use shimmer_detect::{Limits, Tier};
use shimmer_sdk::Error;

/// Most entries of `full`.
const MAX_FULL: usize = 64;
/// Most series: what the alert manager keeps.
const MAX_SERIES: usize = 16_384;
/// Least and most memory for detectors in MB.
const MEMORY_MB: std::ops::RangeInclusive<usize> = 1..=4_096;

/// The keys as they stand in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// File of the rules; without one the shipped ones hold.
    rules: Option<PathBuf>,
    tier: Tier,
    full: Vec<String>,
    series: usize,
    memory_mb: usize,
}

impl Default for Config {
    fn default() -> Self {
        let Limits { series, bytes } = Limits::default();
        Self {
            rules: None,
            tier: Tier::Cheap,
            full: Vec::new(),
            series,
            memory_mb: bytes / 1_000_000,
        }
    }
}

/// The same, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) rules: Option<PathBuf>,
    pub(crate) tiers: Tiers,
    pub(crate) limits: Limits,
}

/// Which series get which detectors.
#[derive(Debug)]
pub(crate) struct Tiers {
    usual: Tier,
    full: Vec<Matcher>,
}

impl Config {
    /// Checks what the types cannot.
    pub(crate) fn check(self) -> Result<Settings, Error> {
        if let Some(path) = self.rules.as_ref().filter(|path| !path.is_absolute()) {
            let why = format!("`{}` is relative; write the path from `/` on", path.display());
            return Err(Error::config("rules", &why));
        }
        if !(1..=MAX_SERIES).contains(&self.series) {
            return Err(Error::config("series", &format!("must be 1 to {MAX_SERIES}")));
        }
        if !MEMORY_MB.contains(&self.memory_mb) {
            let (least, most) = MEMORY_MB.into_inner();
            return Err(Error::config("memory_mb", &format!("must be {least} to {most}")));
        }
        if self.full.len() > MAX_FULL {
            return Err(Error::config("full", &format!("must have at most {MAX_FULL} matchers")));
        }
        let full = self.full.iter().map(|text| matcher(text)).collect::<Result<_, _>>()?;
        Ok(Settings {
            rules: self.rules,
            tiers: Tiers { usual: self.tier, full },
            limits: Limits { series: self.series, bytes: self.memory_mb * 1_000_000 },
        })
    }
}

fn matcher(text: &str) -> Result<Matcher, Error> {
    let matcher: Matcher = text.parse().map_err(|why: String| Error::config("full", &why))?;
    if ["kind", "subject", "source"].contains(&matcher.name()) {
        return Ok(matcher);
    }
    let why = format!("`{}` is no part of a series; match kind, subject or source", matcher.name());
    Err(Error::config("full", &why))
}

impl Tiers {
    /// The tier of a series.
    pub(crate) fn of(&self, kind: &str, subject: &str, source: &str) -> Tier {
        let full = self.full.iter().any(|matcher| {
            matcher.passes(match matcher.name() {
                "kind" => kind,
                "subject" => subject,
                _ => source,
            })
        });
        if full { Tier::Full } else { self.usual }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn settings(json: serde_json::Value) -> Result<Settings, Error> {
        serde_json::from_value::<Config>(json).unwrap().check()
    }

    #[test]
    fn a_series_is_full_when_one_matcher_passes() {
        let full = serde_json::json!({ "full": ["kind=cost", "source=~\"db-.*\""] });
        let tiers = settings(full).unwrap().tiers;
        assert_eq!(tiers.of("cost", "", ""), Tier::Full);
        assert_eq!(tiers.of("load", "", "db-1"), Tier::Full);
        assert_eq!(tiers.of("load", "cost", "web"), Tier::Cheap);
        let usual = settings(serde_json::json!({ "tier": "full" })).unwrap().tiers;
        assert_eq!(usual.of("load", "", ""), Tier::Full);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, told) in [
            (serde_json::json!({ "rules": "a.toml" }), "rules: `a.toml` is relative"),
            (serde_json::json!({ "series": 0 }), "series: must be 1 to 16384"),
            (serde_json::json!({ "memory_mb": 5000 }), "memory_mb: must be 1 to 4096"),
            (serde_json::json!({ "full": ["cost"] }), "full: `cost` is no matcher"),
            (serde_json::json!({ "full": ["severity=info"] }), "full: `severity` is no part"),
            (serde_json::json!({ "full": vec!["kind=a"; 65] }), "full: must have at most 64"),
        ] {
            let why = settings(config).unwrap_err().to_string();
            assert!(why.starts_with(told), "{why}");
        }
    }
}
