//! `shimmer detect`: rows in, rows out, and what is said of a bad one.

use std::path::Path;

use serde_json::Value;

use crate::server::{Home, Said};

fn detect(args: &[&str], input: &str) -> Said {
    Home::without_token("").feed(&[&["detect"], args].concat(), input)
}

fn series(values: impl IntoIterator<Item = f64>) -> String {
    let rows = values.into_iter().enumerate();
    let row = |(k, v): (usize, f64)| {
        format!("2025-10-{:02} {:02}:{:02}:00,{v}\n", 1 + k / 1440, k / 60 % 24, k % 60)
    };
    format!("timestamp,value\n{}", rows.map(row).collect::<String>())
}

fn cells(said: &Said) -> Vec<Vec<String>> {
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    said.out.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn every_row_gets_a_score_and_its_severity() {
    let rows = cells(&detect(&["-"], &series([10.0, 12.0, 11.0, 50.0, 10.0])));
    assert_eq!(rows[0], ["timestamp", "value", "anomaly_score", "severity"]);
    assert_eq!(rows[1][..2], ["2025-10-01 00:00:00", "10"]);
    assert_eq!(rows.len(), 6);
    for row in &rows[1..] {
        let score: f64 = row[2].parse().unwrap();
        let severity = if score > 0.9 {
            "critical"
        } else if score > 0.7 {
            "warning"
        } else {
            "info"
        };
        assert_eq!(row[3], severity, "{row:?}");
    }
    assert!(rows[4][2].parse::<f64>().unwrap() > 0.8, "{:?}", rows[4]);
}

#[test]
fn a_prefix_of_the_file_prints_a_prefix_of_the_answer() {
    let values: Vec<f64> = (0..900).map(|k| f64::from(k * 7919 % 101)).collect();
    for tier in ["full", "cheap"] {
        let whole = detect(&["-", "--tier", tier], &series(values.iter().copied()));
        for rows in [0, 1, 200, 777] {
            let part = detect(&["-", "--tier", tier], &series(values[..rows].iter().copied()));
            assert!(whole.out.starts_with(&part.out), "{tier}, {rows} rows");
            assert_eq!(part.out.lines().count(), rows + 1);
        }
    }
}

#[test]
fn the_summary_lists_the_alarms_of_a_recorded_series() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let file = root.join("config/demo/nyc_taxi.csv");
    let said = detect(&[file.to_str().unwrap(), "--json"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    let alarms = summary["alarms"].as_array().unwrap();
    let counted = summary["warning"].as_u64().unwrap() + summary["critical"].as_u64().unwrap();
    assert_eq!(alarms.len() as u64, counted);
    assert_eq!(summary["reduced_sensitivity"], false);
    assert!((1..=20).contains(&alarms.len()), "{summary:#}");
    assert!(alarms.iter().all(|alarm| alarm["method"].is_string() && alarm["line"].is_u64()));
}

#[test]
fn the_plot_is_a_file_of_its_own_and_shows_the_alarms() {
    let home = Home::without_token("");
    let mut values: Vec<f64> = (0..600).map(|k| f64::from(k * 7919 % 13)).collect();
    values[500] = 400.0;
    let at = home.path().join("a");
    std::fs::create_dir(&at).unwrap();
    let file = home.path().join("b<script>.csv");
    std::fs::write(&file, series(values)).unwrap();
    let plain = home.feed(&["detect", "b<script>.csv"], "");
    let args = ["detect", "b<script>.csv", "--plot", "a/p.svg", "--unit", "<b>&"];
    let said = home.feed(&args, "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert_eq!(said.out, plain.out, "the rows are the same");
    let svg = std::fs::read_to_string(at.join("p.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains(">2025-10-01 08:20:00: value 400, score "), "{svg}");
    assert!(svg.contains("value (&lt;b&gt;&amp;)") && !svg.contains("<script"), "{svg}");
    // Nothing else is left beside it, and nothing at all when a row is bad or the name is no drawing's.
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 1);
    std::fs::remove_file(at.join("p.svg")).unwrap();
    let said = home.feed(&["detect", "-", "--plot", "a/p.svg"], "timestamp,value\nx,1\n");
    assert_eq!(said.code, Some(1), "{said:?}");
    let said = home.feed(&["detect", "-", "--plot", "a/p.png"], "timestamp,value\n");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("ends in .svg"), "{said:?}");
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 0);
    let said = home.feed(&["detect", "-", "--plot", "missing/p.svg"], "timestamp,value\n");
    assert!(said.code == Some(1) && said.err.contains("missing/p.svg"), "{said:?}");
}

#[test]
fn a_bad_row_is_named_and_the_good_ones_before_it_are_printed() {
    let home = Home::without_token("");
    std::fs::write(home.path().join("s.csv"), series([1.0, 2.0]) + "2025-10-01 00:02:00,nan\n")
        .unwrap();
    let said = home.feed(&["detect", "s.csv"], "");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("s.csv:4: `nan` is not finite; leave out"), "{said:?}");
    assert_eq!(said.out.lines().count(), 3, "{said:?}");
    let said = home.feed(&["detect", "missing.csv"], "");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("missing.csv"), "{said:?}");
    let said = home.feed(&["detect", "-"], "time,value\n");
    assert!(said.err.contains("-:1: the column `timestamp` is missing"), "{said:?}");
}
