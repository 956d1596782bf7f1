//! The arguments of `shimmer dao`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::RemoteArgs;

pub(crate) const HELP: &str = "\
A member makes a key, tells the operator its public half, and votes:
  shimmer dao keygen ada.key              prints the public key; ada.key stays secret
  shimmer dao member PUBLIC_KEY --name Ada --stake 100        the operator, with the token
  shimmer dao propose --title 'Trust the north less' --source north --option 0.25
  shimmer dao vote PROPOSAL for --key ada.key

Anybody checks it afterwards, with nothing but the log:
  curl -H 'Accept: application/x-ndjson' http://127.0.0.1:8080/dao/audit > audit.ndjson
  shimmer dao verify audit.ndjson --head HASH";

#[derive(Debug, Subcommand)]
pub(crate) enum DaoCommand {
    /// Make a key: the secret into FILE, mode 0600, the public key to the standard output.
    Keygen {
        /// File to write; it must not exist.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Add or change a member.
    Member {
        /// Public key, 64 hex digits.
        key: String,
        /// Name.
        #[arg(long, default_value = "")]
        name: String,
        /// Stake, a whole number.
        #[arg(long)]
        stake: u64,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Propose a weight for a source, or several to choose from.
    Propose(ProposeArgs),
    /// Vote on a proposal.
    #[command(after_help = "\
Examples:
  shimmer dao vote p4-56b85ccd for --key ada.key
  shimmer dao vote p5-0a1b2c3d --split 0=2,2=1 --key ada.key      two thirds, one third
  shimmer dao vote p4-56b85ccd --signed vote.json                 signed elsewhere")]
    Vote(VoteArgs),
    /// Sign a vote and print it, for `vote --signed` or whoever has the token.
    Sign {
        /// Id of the proposal.
        proposal: String,
        /// Id of the DAO; the first line of its log says it.
        #[arg(long)]
        dao: String,
        #[command(flatten)]
        ballot: BallotArgs,
    },
    /// Show the weights that hold.
    Weights {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Prove a log: every hash and signature, and every power, state and weight derived again.
    #[command(after_help = "\
Exit code 1 with the first bad line's number. A log that was cut at the end of a line is a good,
shorter log: only --head, known from elsewhere, tells.")]
    Verify {
        /// File of the log, - for the standard input.
        #[arg(value_hint = ValueHint::FilePath)]
        log: PathBuf,
        /// Hash of the last entry.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ProposeArgs {
    /// What it is about.
    #[arg(long)]
    pub(crate) title: String,
    /// Source whose weight is to change.
    #[arg(long)]
    pub(crate) source: String,
    /// Weight, 0 to 1; one is a yes/no question, several are a choice.
    #[arg(long = "option", value_name = "WEIGHT", required = true)]
    pub(crate) options: Vec<f64>,
    /// What a vote weighs.
    #[arg(long, value_enum, default_value_t = StrategyArg::Member)]
    pub(crate) strategy: StrategyArg,
    /// Seconds until the vote begins.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(crate) delay_s: f64,
    /// Seconds for which it is open.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400.0)]
    pub(crate) period_s: f64,
    /// Part of all power that must take part, 0 to 1.
    #[arg(long, default_value_t = 0.2)]
    pub(crate) quorum: f64,
    /// Seconds between success and execution.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600.0)]
    pub(crate) timelock_s: f64,
    /// Seconds that remain at least once the quorum is reached.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(crate) extension_s: f64,
    /// Seconds after the timelock within which it may be executed.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400.0)]
    pub(crate) grace_s: f64,
    /// Part of the conviction that is left after a step.
    #[arg(long, required_if_eq("strategy", "conviction"))]
    pub(crate) alpha: Option<f64>,
    /// Seconds of a step of conviction.
    #[arg(long, value_name = "SECONDS", required_if_eq("strategy", "conviction"))]
    pub(crate) step_s: Option<f64>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StrategyArg {
    /// Every member counts the same.
    Member,
    /// By stake.
    Stake,
    /// By the root of the stake.
    Quadratic,
    /// By stake, with a conviction that grows while the vote stands.
    Conviction,
}

#[derive(Args, Debug)]
pub(crate) struct VoteArgs {
    /// Id of the proposal.
    pub(crate) proposal: String,
    #[command(flatten)]
    pub(crate) ballot: BallotArgs,
    /// Vote that was signed before, - for the standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["choice", "split", "key", "nonce"])]
    pub(crate) signed: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BallotArgs {
    /// What to vote for.
    #[arg(value_enum)]
    pub(crate) choice: Option<ChoiceArg>,
    /// Options by index, from 0, and the share of each.
    #[arg(long, value_name = "INDEX=SHARE,..", conflicts_with = "choice")]
    pub(crate) split: Option<String>,
    /// File of the secret key.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// Any whole number below 2^53 [default: the time]
    #[arg(long)]
    pub(crate) nonce: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ChoiceArg {
    /// Yes.
    For,
    /// No.
    Against,
    /// Neither, but it counts to the quorum.
    Abstain,
}
