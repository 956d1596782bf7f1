//! The arguments of `shimmer detect`.
//!
//! The rule: what the detectors can be told is one choice of tier; everything else they learn.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

pub(super) const HELP: &str = "\
FILE is CSV with the columns `timestamp` (RFC 3339 or YYYY-MM-DD HH:MM:SS, taken as UTC) and `value`;
`-` reads standard input. The answer is CSV with two columns more, one row for each row:

  timestamp,value,anomaly_score,severity
  2014-04-11 00:00:00,88.2,0.9312,critical

A score is 0 to 1. Above 0.7 it is an alarm: `warning`, and `critical` above 0.9; the rest is `info`.
A row's score depends on the rows before it alone, so that a back-test shows what a live series would
have shown. One alarm is given for an episode; the rows after it stay below 0.7.

What raises an alarm: spikes and dips, levels that shift, series that move much more or less than
before, a season that breaks, a value that freezes, a gap of twenty intervals or more, a counter whose
rate jumps, and what the ensemble finds unlike all before it. What does not: slow drift, counters that
reset, single lost rows, bursts that keep coming back.

--plot draws the series with the band where each value was expected, its alarms, and the score below with
the lines of 0.7 and 0.9, as SVG for browsers and documents. Of a long series each column of pixels keeps
its first, last, lowest and highest value, so that no spike is lost; point at a mark to read the alarm.

Examples:
  shimmer detect requests.csv > scored.csv
  shimmer detect requests.csv | grep -v ,info        the alarms alone
  shimmer detect requests.csv --json                 how many, when, and by which method
  shimmer detect requests.csv --json --plot requests.svg --unit requests/s
  my-sensor | shimmer detect - --tier cheap

Exit code 1 when the file is missing or a row is bad, which is named as FILE:LINE.";

#[derive(Args, Debug)]
pub(crate) struct DetectArgs {
    /// Series to score, `-` for standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Detectors to run: `full` as for chosen series, `cheap` as for every series.
    #[arg(long, value_enum, default_value_t = DetectTier::Full)]
    pub(crate) tier: DetectTier,
    /// Print a summary as JSON instead of the rows.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also draw the series and its scores into this file, which ends in .svg.
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
    /// Unit of the values, written beside the axis of the plot.
    #[arg(long, value_name = "TEXT", requires = "plot")]
    pub(crate) unit: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum DetectTier {
    Full,
    Cheap,
}
