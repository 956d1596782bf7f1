//! The command line: commands, flags, and the help that teaches them.
//!
//! The rule: values that the configuration judges stay text here, so that a bad one is reported
//! the same way wherever it was given.

mod dao;
mod detect;
mod fractal;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use dao::{BallotArgs, ChoiceArg, DaoCommand, ProposeArgs, VoteArgs};
pub(crate) use detect::{DetectArgs, DetectTier};
pub(crate) use fractal::{BenchArgs, PictureFormat, RenderArgs};

const EXAMPLES: &str = "\
Examples:
  shimmer run --demo                      try it: makes a token and listens on 127.0.0.1:8080
  shimmer post events.ndjson              send events to it
  shimmer tail --kind beauty              watch them arrive
  shimmer replay temperatures.csv --speed 60 --kind temperature
  shimmer plugin new my-detector          begin a plugin

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.
Colours are off where NO_COLOR is set or the output is not a terminal.";

/// A data-oriented plugin host with live dashboards.
#[derive(Debug, Parser)]
#[command(name = "shimmer", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until SIGTERM or SIGINT; SIGHUP reads its configuration again.
    #[command(after_help = "\
Examples:
  shimmer run --demo                      a token is made in data/token
  DASHBOARD_TOKEN=... shimmer run         the token from the environment
  shimmer run --config shimmer.toml --port 9000")]
    Run(RunArgs),
    /// Check, show or write a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List, write, test and control plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Send events to a running node.
    #[command(after_help = "\
The input is NDJSON (one event a line), a JSON array, or JSON objects one after another.

Examples:
  shimmer post events.ndjson
  echo '{\"event_id\":\"a1\",\"timestamp\":\"2025-10-21T04:30:00Z\",\"beauty_score\":0.92}' | shimmer post
  my-sensor | shimmer post -              sends as lines arrive

Exit code 1 when an event was rejected; the good ones are stored all the same.")]
    Post(PostArgs),
    /// Send recorded events, or the rows of a CSV file, at the pace of their timestamps.
    #[command(after_help = "\
FILE is NDJSON of events, as `shimmer tail --json` writes it, or CSV with the columns `timestamp`
(RFC 3339 or YYYY-MM-DD HH:MM:SS) and `value`. Ids are made anew and times are shifted to now.

Examples:
  shimmer replay day.ndjson --speed 10
  shimmer replay temperatures.csv --speed 3600 --kind temperature --subject hall
  shimmer replay temperatures.csv --speed max --beauty      values become scores 0 to 1.5")]
    Replay(ReplayArgs),
    /// Show events as they arrive.
    #[command(after_help = "\
Examples:
  shimmer tail
  shimmer tail --kind beauty --source sensor-1
  shimmer tail --json --since 0 > day.ndjson

A broken connection is made again and resumes after the last event that was shown.")]
    Tail(TailArgs),
    /// Back-test the anomaly detectors on a recorded series.
    #[command(after_help = detect::HELP)]
    Detect(DetectArgs),
    /// Vote on how much each source counts, and prove what was decided.
    #[command(subcommand, after_help = dao::HELP)]
    Dao(DaoCommand),
    /// Draw a fractal or a flight through it, to any depth.
    #[command(after_help = "\
Examples:
  shimmer render                          the whole set, in characters
  shimmer render --output set.png --width 1920 --height 1080 --samples 3
  shimmer render --re=-0.743643887037151 --im 0.131825904205330 --zoom 1e12 --output deep.webp
  shimmer render --formula julia --c=-0.4,0.6 --output julia.png
  shimmer render --frames 600 --to-re=-0.743643887037151 --to-im 0.131825904205330 --to-zoom 1e12 \
      --width 1280 --height 720 --samples 2 --output flight.apng
  shimmer render --frames 3000 --path path.toml --output frames/%05d.png

A flight magnifies at a constant rate, and its goal glides to the middle of the picture and stays
there. --path names a TOML file of two stops or more, each [[stop]] with the strings re, im and zoom.
Numbered frames begin at 1. Frames that are there are kept, so that the same command goes on with a
run that was interrupted: remove them to draw another flight.

A pixel is 4 / (zoom x height) wide. `raw` writes one little-endian 32-bit float a pixel, rows from
top to bottom: the smooth escape count n + 1 - log2(log2 |z|), or -1 inside. Without a graphics
processor, or when it is lost, the processor draws, and a line on stderr says so if one was asked for.")]
    Render(Box<RenderArgs>),
    /// Measure the fractal renderers and the ring on this machine.
    #[command(after_help = "\
Examples:
  shimmer bench                           half a minute or more
  shimmer bench --quick                   smaller views, drawn less often
  shimmer bench --backend gpu             also on a program that plays a device; takes minutes
  shimmer bench --json > here.json")]
    Bench(BenchArgs),
    /// Have a running node read its configuration again.
    Reload(RemoteArgs),
    /// Ask a running node whether it is ready: exit 0 when it is, 1 when not.
    Health(RemoteArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "\
Examples:
  shimmer completions bash > /etc/bash_completion.d/shimmer
  shimmer completions fish > ~/.config/fish/completions/shimmer.fish")]
    Completions {
        /// Shell to write for.
        shell: clap_complete::Shell,
    },
    /// Run one plugin for the host that started this process.
    #[command(hide = true)]
    PluginHost,
}

/// Where the configuration comes from and what overrides it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// Configuration file [default: ./shimmer.toml, then /etc/shimmer/shimmer.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the token, ring and history [default: ./data]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<String>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// Port to listen on, 0 for a free one [default: 8080]
    #[arg(long, value_name = "PORT", allow_hyphen_values = true)]
    pub(crate) port: Option<String>,
    /// Level of the log, or target=level directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// How log lines are written: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Make a token in the data folder when none is set.
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration: exit 0 when it is good, 78 with every fault when not.
    #[command(after_help = "\
Every plugin that would run is asked too: it is loaded in a process of its own, behind the same
walls as in a node, and ended again before it starts. What it says of its [plugin.config] is told
line by line. A node that runs is not disturbed, and no file is written.

Example:
  shimmer config check --config /etc/shimmer/shimmer.toml && systemctl reload shimmer")]
    Check(ConfigArgs),
    /// Print the value of every setting; secrets are shown as ***.
    Show(ShowArgs),
    /// Print the default file, every setting commented out.
    #[command(after_help = "Example:\n  shimmer config default > shimmer.toml")]
    Default,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Also print where each value came from.
    #[arg(long)]
    pub(crate) origin: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins of a running node.
    List(ListArgs),
    /// Write the sources of a new plugin; they build offline and outside of any workspace.
    New {
        /// Name of the plugin: a-z, 0-9 and -.
        name: String,
        /// Folder to write [default: ./NAME]
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Build a plugin, and again after each change, and reload it in a running node.
    #[command(after_help = "\
Without --serve the running node needs a [[plugin]] table whose path is the built library.

Examples:
  shimmer plugin dev --serve              a node of its own, in this folder
  shimmer plugin dev ./my-detector --url http://127.0.0.1:9000")]
    Dev(DevArgs),
    /// Run the conformance suite against a shared object.
    #[command(after_help = "\
Exit code 1 when a promise is broken.

Example:
  shimmer plugin test target/release/libmy_detector.so --config '{\"limit\": 30}'")]
    Test(TestArgs),
    /// Load a plugin's library anew; no event is lost.
    Reload(NamedArgs),
    /// End a plugin and start it again.
    Restart(NamedArgs),
    /// Start a plugin that was disabled or has crashed for good.
    Enable(NamedArgs),
    /// Stop a plugin.
    Disable(NamedArgs),
    /// Print the newest lines of a plugin's log.
    Logs {
        #[command(flatten)]
        named: NamedArgs,
        /// Lines to print.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The node that a command talks to.
#[derive(Args, Clone, Debug)]
pub(crate) struct RemoteArgs {
    /// Address of the node.
    #[arg(long, env = "SHIMMER_URL", default_value = "http://127.0.0.1:8080", global = false)]
    pub(crate) url: String,
    /// Certificates in PEM that are believed when the address begins with https, instead of those
    /// of the usual authorities.
    #[arg(long, env = "SHIMMER_CA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
    /// Folder of a local node, whose `token` is used when DASHBOARD_TOKEN and
    /// DASHBOARD_TOKEN_FILE are not set.
    #[arg(long, env = "DASHBOARD_DATA_DIR", value_name = "DIR", default_value = "./data")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct NamedArgs {
    /// Name of the plugin.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// The shared object.
    #[arg(value_name = "FILE.so", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Configuration for the plugin, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) config: String,
    /// Let it use the network: listen:PORT or connect:PORT, * for any port.
    #[arg(long, value_name = "RULE")]
    pub(crate) net: Vec<String>,
    /// Let it read this path.
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// Let it write this path.
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// Let its events carry this source besides its own name.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Vec<String>,
    /// Let it hand over events of this node; NAME* for all whose names begin so.
    #[arg(long, value_name = "NODE")]
    pub(crate) origin: Vec<String>,
    /// Let it set the weights of sources.
    #[arg(long)]
    pub(crate) weights: bool,
    /// Give it a folder of its own.
    #[arg(long)]
    pub(crate) folder: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Folder of the plugin's Cargo.toml.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Name of the plugin [default: the package's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Start a node for this plugin alone, on the port of --url, with the plugin's shimmer.toml
    /// where there is one.
    #[arg(long)]
    pub(crate) serve: bool,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// How a sending command treats the node.
#[derive(Args, Clone, Debug)]
pub(crate) struct SendArgs {
    /// Most events of one request.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) batch: u16,
    /// Times that a request is tried again while the node is busy or away.
    #[arg(long, default_value_t = 10)]
    pub(crate) retries: u32,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PostArgs {
    /// File of events, - for the standard input.
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// File of events or rows.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// How much faster than recorded: a number above 0, or `max`.
    #[arg(long, default_value = "1", value_parser = Speed::parse)]
    pub(crate) speed: Speed,
    /// Kind of the events [default: as recorded; `value` for CSV]
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Subject of the events [default: as recorded; the file's name for CSV]
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Source of the events [default: as recorded; the token's name for CSV]
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Send beauty events; values from LOW to HIGH become scores from 0 to 1.5 [default: the
    /// file's least and greatest value]
    #[arg(
        long,
        value_name = "LOW..HIGH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto",
        value_parser = Scale::parse,
        conflicts_with = "kind"
    )]
    pub(crate) beauty: Option<Scale>,
    /// Begin again at the end of the file.
    #[arg(long = "loop")]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

/// How much faster than recorded a replay runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    /// By this factor.
    Factor(f64),
    /// As fast as the node takes it.
    Max,
}

impl Speed {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.trim_end_matches('x').parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Self::Factor(factor)),
            _ => Err("give a number above 0, or `max`".to_owned()),
        }
    }
}

/// The values that become the scores 0 and 1.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// The least and the greatest value of the file.
    Auto,
    /// These two.
    Range(f64, f64),
}

impl Scale {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let range = text.split_once("..").and_then(|(low, high)| {
            Some((low.trim().parse::<f64>().ok()?, high.trim().parse::<f64>().ok()?))
        });
        match range {
            Some((low, high)) if low.is_finite() && high.is_finite() && low < high => {
                Ok(Self::Range(low, high))
            }
            _ => Err("give LOW..HIGH, as in --beauty=10..35".to_owned()),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// Only events of this kind.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only events about this subject.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Only events of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Begin after this sequence number; 0 begins with the oldest event kept.
    #[arg(long, value_name = "SEQ")]
    pub(crate) since: Option<u64>,
    /// End after this many events.
    #[arg(long, short = 'n')]
    pub(crate) count: Option<u64>,
    /// Print events as they are, one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn speeds_and_scales_are_read() {
        assert_eq!(Speed::parse("2.5"), Ok(Speed::Factor(2.5)));
        assert_eq!(Speed::parse("60x"), Ok(Speed::Factor(60.0)));
        assert_eq!(Speed::parse("max"), Ok(Speed::Max));
        for bad in ["0", "-1", "nan", "inf", "", "fast"] {
            assert!(Speed::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Scale::parse("-10..35.5"), Ok(Scale::Range(-10.0, 35.5)));
        for bad in ["5..5", "9..1", "x..1", "1", "nan..2"] {
            assert!(Scale::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn beauty_takes_its_range_only_behind_an_equals_sign() {
        let replay = |args: &[&str]| {
            let all = [&["shimmer", "replay"], args].concat();
            match Cli::try_parse_from(all).unwrap().command {
                Command::Replay(args) => args.beauty,
                _ => None,
            }
        };
        assert_eq!(replay(&["--beauty", "f.csv"]), Some(Scale::Auto));
        assert_eq!(replay(&["--beauty=0..2", "f.csv"]), Some(Scale::Range(0.0, 2.0)));
        assert_eq!(replay(&["f.csv"]), None);
    }
}
