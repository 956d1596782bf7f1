//! Drawings of series of all kinds.

use shimmer_detect::{Method, Range};

use super::*;

const SECOND: i64 = 1_000_000_000;

fn row(second: i64, value: f64, score: f64) -> Scored {
    Scored {
        time_ns: second * SECOND,
        value,
        score,
        severity: Severity::of(score),
        method: Method::Spike,
        expected: Some(Range { low: -1.0, high: 1.0 }),
    }
}

fn drawn(rows: impl IntoIterator<Item = Scored>) -> String {
    let mut plot = Plot::new();
    rows.into_iter().for_each(|row| plot.take(&row));
    let words = Words { title: "a".into(), subtitle: "b".into(), unit: "ms".into() };
    plot.to_svg(&words)
}

/// Places of the paths of a class, in pixels, one list for each figure.
fn figures(svg: &str, class: &str) -> Vec<Vec<(f64, f64)>> {
    let open = format!("<path class=\"{class}\" transform=\"scale(.1)\" d=\"");
    let data = svg.split_once(&open).expect("a path of this class").1.split_once('"').unwrap().0;
    let numbers = |text: &str| -> Vec<f64> {
        let spaced = text.replace('-', " -");
        spaced.split_whitespace().map(|n| n.parse::<f64>().expect("a number")).collect()
    };
    let figure = |text: &str| {
        let text = text.trim_end_matches('z').replace("h0", "");
        let (begin, steps) = text.split_once('l').unwrap_or((&text, ""));
        let begin = numbers(begin);
        // Whole tenths add up without an error.
        let mut at = (begin[0], begin[1]);
        let mut places = vec![(at.0 / 10.0, at.1 / 10.0)];
        for step in numbers(steps).chunks(2) {
            at = (at.0 + step[0], at.1 + step[1]);
            places.push((at.0 / 10.0, at.1 / 10.0));
        }
        places
    };
    data.split('M').skip(1).map(figure).collect()
}

#[test]
fn no_spike_of_half_a_million_rows_is_lost_and_the_file_stays_small() {
    let spikes = [77_777, 250_000, 499_999];
    let svg = drawn((0..500_000).map(|k| {
        let spike = spikes.contains(&k);
        row(k, if spike { 100.0 } else { (k as f64).sin() }, if spike { 0.95 } else { 0.1 })
    }));
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let line = &figures(&svg, "v")[0];
    let top = line.iter().map(|place| place.1).fold(f64::INFINITY, f64::min);
    let peaks: Vec<f64> = line.iter().filter(|place| place.1 == top).map(|place| place.0).collect();
    let wanted = spikes.map(|k| LEFT + k as f64 / 499_999.0 * (RIGHT - LEFT));
    assert_eq!(peaks.len(), 3);
    assert!(peaks.iter().zip(wanted).all(|(at, wanted)| (at - wanted).abs() < 0.2), "{peaks:?}");
    assert_eq!(svg.matches("class=\"ak\" d=\"M").count(), 3 + 1, "alarms and the legend");
    assert!(
        line.iter()
            .all(|(x, y)| (LEFT..=RIGHT).contains(x) && (VALUES.top..=VALUES.bottom).contains(y))
    );
}

#[test]
fn scores_keep_their_peaks_and_alarms_their_shapes_and_words() {
    let svg = drawn((0..5_000).map(|k| {
        let score = match k {
            1_000 => 0.8,
            3_000 => 0.96,
            _ => 0.2,
        };
        row(k, 0.0, score)
    }));
    let line = &figures(&svg, "c")[0];
    let peak =
        |score: f64| line.iter().filter(|place| (place.1 - SCORES.y(score)).abs() < 0.06).count();
    assert_eq!((peak(0.8), peak(0.96)), (1, 1));
    assert!(svg.contains(">1970-01-01 00:16:40: value 0, score 0.80, warning, spike<"), "{svg}");
    assert!(svg.contains(">1970-01-01 00:50:00: value 0, score 0.96, critical, spike<"));
    assert_eq!(svg.matches("class=\"aw\" d=\"M").count(), 1 + 1);
    assert_eq!(svg.matches("class=\"lk\"").count(), 2, "through both panels");
}

#[test]
fn a_gap_breaks_the_line_and_a_row_alone_is_a_dot() {
    let times = (0..500).chain([1_500]).chain(2_500..3_000);
    let svg = drawn(times.map(|k| row(k, (k % 5) as f64, 0.0)));
    let line = figures(&svg, "v");
    assert_eq!(line.len(), 3, "{line:?}");
    assert_eq!(line[1].len(), 1);
    assert!(svg.contains("h0M"), "the dot");
    assert_eq!(figures(&svg, "c").len(), 3);
    // Rows that are merely rare are no gaps.
    assert_eq!(figures(&drawn((0..9).map(|k| row(k * 86_400, k as f64, 0.0))), "v").len(), 1);
}

#[test]
fn the_band_is_where_a_value_was_expected() {
    let svg = drawn((0..300).map(|k| Scored {
        expected: (k >= 100).then_some(Range { low: -2.0, high: 2.0 }),
        ..row(k, if k % 2 == 0 { 1.0 } else { -1.0 }, 0.0)
    }));
    let band = &figures(&svg, "b")[0];
    let from = band.iter().map(|place| place.0).fold(f64::INFINITY, f64::min);
    assert!((from - (LEFT + 100.0 / 299.0 * (RIGHT - LEFT))).abs() < 0.1, "{from}");
    let line = &figures(&svg, "v")[0];
    let middle = (VALUES.top + VALUES.bottom) / 2.0;
    assert!((band[0].1 - middle).abs() > (line[0].1 - middle).abs());
}

#[test]
fn every_series_has_a_sound_drawing() {
    let one = [row(0, 5.0, 0.0)];
    let flat = (0..100).map(|k| row(k, 7.0, 0.0));
    let wide = [i64::MIN, -1, 0, 1, i64::MAX].map(|time_ns| Scored {
        time_ns,
        expected: Some(Range { low: -f64::MAX, high: f64::MAX }),
        ..row(0, if time_ns < 0 { -f64::MAX } else { f64::MAX }, 1.0)
    });
    let back = (0..100).map(|k| row(100 - k, k as f64, 0.8));
    for svg in [drawn([]), drawn(one), drawn(flat), drawn(wide), drawn(back)] {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"), "{svg}");
        for (open, close) in [("<g ", "</g>"), ("<text", "</text>"), ("<title>", "</title>")] {
            assert_eq!(svg.matches(open).count(), svg.matches(close).count(), "{open}: {svg}");
        }
    }
    assert!(drawn([]).contains("no rows"));
    let few = drawn((0..3).map(|k| row(k, 5.0, 0.0)));
    assert_eq!(figures(&few, "v d").len(), 3, "a dot each");
    assert!(drawn([row(61, 5.0, 0.0)]).contains(">00:01:01</text>"), "its time is told");
    assert!(few.contains("class=\"e\">00:00:02</text>"), "the last label stays inside");
}

#[test]
fn no_word_becomes_mark_up() {
    let mut plot = Plot::new();
    plot.take(&row(0, 1.0, 0.95));
    let hostile = "</title><script>alert(1)</script>\"'&\u{0}";
    let [title, subtitle, unit] = [hostile, hostile, hostile].map(str::to_owned);
    let svg = plot.to_svg(&Words { title, subtitle, unit });
    assert!(!svg.contains("<script") && !svg.contains('\u{0}'), "{svg}");
    assert_eq!(svg.matches("&lt;script&gt;").count(), 4);
}
