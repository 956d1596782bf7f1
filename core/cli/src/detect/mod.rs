//! `shimmer detect`: the anomaly detectors on a recorded series.
//!
//! The rule: a row out for each row in, at once; what is printed of a row never depends on a later
//! one, and the severity is that of the score as printed. A drawing is made when all rows were good.

mod plot;
mod rows;
mod summary;

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use shimmer_detect::{Detector, Severity, Tier, Verdict};

use crate::args::{DetectArgs, DetectTier};
use crate::failure::{Failure, Outcome};
use crate::render::output;
use plot::{Plot, Scored, Words};
use rows::{Rows, SeriesRow};
use summary::Summary;

/// Rows between two looks at the progress.
const SHOW_EVERY: u64 = 4096;

/// Runs `shimmer detect`.
pub(crate) fn detect(args: &DetectArgs) -> Outcome {
    let plot = plot_path(args)?;
    let name = args.file.display().to_string();
    let (input, bytes): (Box<dyn Read>, u64) = if name == "-" {
        (Box::new(std::io::stdin().lock()), 0)
    } else {
        let file = File::open(&args.file).with_context(|| format!("cannot open {name}"))?;
        let bytes = file.metadata().map_or(0, |data| data.len());
        (Box::new(file), bytes)
    };
    let bar = progress(bytes, args.json);
    let input = BufReader::with_capacity(1 << 16, bar.wrap_read(input));
    let tier = match args.tier {
        DetectTier::Full => Tier::Full,
        DetectTier::Cheap => Tier::Cheap,
    };
    let mut found = Found { summary: Summary::new(tier), plot: plot.map(|_| Plot::new()) };
    let ended = score(Rows::new(input, name), args, &mut found, &bar);
    bar.finish_and_clear();
    ended?;
    if let (Some(path), Some(plot)) = (plot, &found.plot) {
        let svg = plot.to_svg(&words(args, &found.summary));
        output::write(path, |out| out.write_all(svg.as_bytes()))?;
    }
    if args.json {
        writeln!(std::io::stdout().lock(), "{:#}", found.summary.to_json())?;
    }
    Ok(())
}

/// What is made of the rows besides a row each.
struct Found {
    summary: Summary,
    plot: Option<Plot>,
}

impl Found {
    fn take(&mut self, row: &SeriesRow, verdict: &Verdict, score: f64, severity: Severity) {
        self.summary.take(row, verdict, score, severity);
        if let Some(plot) = &mut self.plot {
            plot.take(&Scored {
                time_ns: row.time_ns,
                value: row.value,
                score,
                severity,
                method: verdict.method,
                expected: verdict.expected,
            });
        }
    }
}

/// Where the drawing goes, if one is wanted; known before any work.
fn plot_path(args: &DetectArgs) -> Result<Option<&Path>, Failure> {
    let Some(path) = args.plot.as_deref() else { return Ok(None) };
    if path.extension().is_some_and(|name| name.eq_ignore_ascii_case("svg")) {
        return Ok(Some(path));
    }
    let shown = path.display();
    Err(Failure::Usage(format!("a plot is SVG: give --plot a name that ends in .svg, not {shown}")))
}

/// The words around the drawing.
fn words(args: &DetectArgs, summary: &Summary) -> Words {
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let title = if name == "-" { "standard input".to_owned() } else { name.into_owned() };
    let tier = match summary.tier() {
        Tier::Full => "full",
        Tier::Cheap => "cheap",
    };
    let subtitle = format!(
        "{} rows, {} warning, {} critical, {tier} tier",
        summary.rows(),
        summary.warnings(),
        summary.criticals()
    );
    Words { title, subtitle, unit: args.unit.clone().unwrap_or_default() }
}

fn score(
    rows: Rows<impl std::io::BufRead>,
    args: &DetectArgs,
    found: &mut Found,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut detector = Detector::new(found.summary.tier());
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut header = !args.json;
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        };
        let verdict = detector
            .push(row.time_ns, row.value)
            .map_err(|refused| anyhow!("{}: {refused}", row.place))?;
        // Four digits are printed, and what is printed is what counts.
        let score = (verdict.score * 1e4).round() / 1e4;
        let severity = Severity::of(score);
        found.take(&row, &verdict, score, severity);
        if std::mem::take(&mut header) {
            writeln!(out, "timestamp,value,anomaly_score,severity")?;
        }
        if !args.json {
            writeln!(out, "{},{},{score:.4},{}", row.timestamp, row.text, severity.as_str())?;
        }
        let summary = &found.summary;
        if summary.rows().is_multiple_of(SHOW_EVERY) {
            bar.set_message(format!("{} rows, {} alarms", summary.rows(), summary.alarms()));
        }
    }
    if header {
        writeln!(out, "timestamp,value,anomaly_score,severity")?;
    }
    Ok(out.flush()?)
}

/// A bar on stderr; none where nobody looks or the rows themselves show how far it is.
fn progress(bytes: u64, json: bool) -> ProgressBar {
    if std::io::stdout().is_terminal() && !json {
        return ProgressBar::hidden();
    }
    let (bar, template) = if bytes > 0 {
        (ProgressBar::new(bytes), "{bar:40} {percent:>3} %  {eta} left  {msg}")
    } else {
        (ProgressBar::new_spinner(), "{spinner} {elapsed}  {msg}")
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
