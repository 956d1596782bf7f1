//! `shimmer detect`: the anomaly detectors on a recorded series.
//!
//! The rule: a row out for each row in, at once; what is printed of a row never depends on a later
//! one, and the severity is that of the score as printed.

mod rows;
mod summary;

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Read, Write};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use shimmer_detect::{Detector, Severity, Tier};

use crate::args::{DetectArgs, DetectTier};
use crate::failure::{Failure, Outcome};
use rows::Rows;
use summary::Summary;

/// Rows between two looks at the progress.
const SHOW_EVERY: u64 = 4096;

/// Runs `shimmer detect`.
pub(crate) fn detect(args: &DetectArgs) -> Outcome {
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
    let mut summary = Summary::new(tier);
    let ended = score(Rows::new(input, name), args, &mut summary, &bar);
    bar.finish_and_clear();
    ended?;
    if args.json {
        println!("{:#}", summary.to_json());
    }
    Ok(())
}

fn score(
    rows: Rows<impl std::io::BufRead>,
    args: &DetectArgs,
    summary: &mut Summary,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut detector = Detector::new(summary.tier());
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
        summary.take(&row, &verdict, score, severity);
        if std::mem::take(&mut header) {
            writeln!(out, "timestamp,value,anomaly_score,severity")?;
        }
        if !args.json {
            writeln!(out, "{},{},{score:.4},{}", row.timestamp, row.text, severity.as_str())?;
        }
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
