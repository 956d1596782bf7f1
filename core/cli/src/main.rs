//! The `shimmer` command.
//!
//! The rule: one function for each command; each ends with 0, or with a [`Failure`] that says
//! why and maps to 1, 2 or 78.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod client;
mod config;
mod dao;
mod detect;
mod failure;
mod feed;
mod log;
mod plugin;
mod post;
mod render;
mod replay;
mod run;
mod send;
mod signals;
mod tail;
mod terminal;
mod trust;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    // Before anything else: the sandbox has to be closed while there is one thread only.
    if std::env::args_os().nth(1).is_some_and(|word| word == "plugin-host") {
        return plugin_host();
    }
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Config(command) => config::dispatch(command),
        Command::Plugin(command) => plugin::dispatch(command),
        Command::Post(args) => post::post(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Tail(args) => tail::tail(&args),
        Command::Dao(command) => dao::dispatch(command),
        Command::Detect(args) => detect::detect(&args),
        Command::Render(args) => render::render(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Reload(remote) => reload(&remote),
        Command::Health(remote) => health(&remote),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "shimmer", &mut script);
            Ok(std::io::stdout().write_all(&script)?)
        }
        Command::PluginHost => Err(Failure::Usage("`plugin-host` stands alone".to_owned())),
    }
}

fn reload(remote: &args::RemoteArgs) -> Outcome {
    let answer = Client::with_token(remote)?.post("/api/reload")?.ok()?;
    Ok(writeln!(std::io::stdout(), "{}", terminal::safe(&answer.text()))?)
}

fn health(remote: &args::RemoteArgs) -> Outcome {
    let answer = Client::open(remote)?.get("/ready")?.ok()?;
    Ok(writeln!(std::io::stdout(), "{}", terminal::safe(&answer.text()))?)
}

fn plugin_host() -> ExitCode {
    shimmer_host::plugin_host_main()
}
