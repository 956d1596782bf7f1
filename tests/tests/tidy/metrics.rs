//! What the ready-made rules and the dashboard ask of `/metrics`.
//!
//! The rule: every metric that they name is one that the program exports, and Prometheus takes the rules.

use std::collections::BTreeSet;
use std::process::Command;

use crate::tree::{TextFile, files, root};
use crate::{Violation, hold};

/// What they are called in the files that ship.
const SHIPPED: &[&str] = &["config/prometheus-rules.yml", "config/grafana-dashboard.json"];
/// What begins the name of a metric of ours.
const PREFIXES: &[&str] = &["shimmer_", "chaos_"];
/// What a histogram adds to its name.
const OF_HISTOGRAMS: &[&str] = &["_bucket", "_sum", "_count"];

/// The words of a text that are spelled like metrics of ours, each with its line.
fn metrics(text: &str) -> Vec<(usize, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            let words = line.split(move |c| !is_name(c));
            words.filter(|w| PREFIXES.iter().any(|p| w.starts_with(p))).map(move |w| (at + 1, w))
        })
        .collect()
}

/// The names that stand as whole literals in the sources; the host puts a plugin's name before those of a plugin.
fn exported(sources: &[TextFile]) -> BTreeSet<String> {
    let is_bare =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let mut names = BTreeSet::new();
    for file in sources.iter().filter(|file| file.path.contains("/src/")) {
        let plugin = file.path.strip_prefix("plugins/").and_then(|path| path.split('/').next());
        for text in file.text.split('"') {
            if metrics(text) == [(1, text)] {
                names.insert(text.to_owned());
            } else if let Some(plugin) = plugin.filter(|_| is_bare(text)) {
                names.insert(format!("shimmer_{plugin}_{text}"));
            }
        }
    }
    names
}

fn unknown(file: &TextFile, known: &BTreeSet<String>) -> Vec<Violation> {
    let is_known = |name: &str| {
        let bare = OF_HISTOGRAMS.iter().find_map(|end| name.strip_suffix(end));
        known.contains(name) || bare.is_some_and(|bare| known.contains(bare))
    };
    let unknown = metrics(&file.text).into_iter().filter(|(_, name)| !is_known(name));
    unknown
        .map(|(line, name)| Violation::at(&file.path, line, format!("nothing exports `{name}`")))
        .collect()
}

fn promtool(arguments: &[&str]) {
    let found = Command::new("promtool").args(arguments).current_dir(root()).output();
    let output = found.expect("promtool is missing: apt-get install prometheus");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{text}{errors}");
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let (sources, shipped) = (files(&["rs"]), files(&["yml", "json"]));
    let known = exported(&sources);
    let shipped: Vec<_> = shipped.iter().filter(|f| SHIPPED.contains(&&*f.path)).collect();
    assert_eq!(shipped.len(), SHIPPED.len(), "they are where they were");
    assert!(shipped.iter().all(|file| metrics(&file.text).len() > 20), "their metrics are seen");
    let violations: Vec<_> = shipped.into_iter().flat_map(|file| unknown(file, &known)).collect();
    hold(&violations);
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    promtool(&["check", "rules", "config/prometheus-rules.yml"]);
    promtool(&["test", "rules", "tests/tests/tidy/prometheus-rules-test.yml"]);
}

mod samples {
    use super::*;

    #[test]
    fn a_metric_that_nobody_exports_is_found() {
        let source = TextFile {
            path: "core/a/src/b.rs".to_owned(),
            text: "gauge(\"shimmer_a\", \"A shimmer_c.\"); x(\"shimmer_b_seconds\")".to_owned(),
        };
        let plugin = TextFile {
            path: "plugins/p/src/b.rs".to_owned(),
            text: "gauge(\"of_plugin\")".to_owned(),
        };
        let sources = [source, plugin];
        let known = exported(&sources);
        let found = |text: &str| {
            let file = TextFile { path: "a.yml".to_owned(), text: text.to_owned() };
            unknown(&file, &known).len()
        };
        assert_eq!(found("rate(shimmer_a[5m]) > 1\nshimmer_b_seconds_bucket{a=\"b\"}"), 0);
        assert_eq!(found("shimmer_p_of_plugin"), 0);
        assert_eq!(found("shimmer_a\nshimmer_c or shimmer_ab\nshimmer_of_plugin"), 3);
    }
}
