//! The project's own commands, reached as `cargo xtask`.
//!
//! The rule: this crate compiles in seconds on a bare machine, because it is the first thing that
//! a newcomer builds; what it needs beyond the standard library are signals, nothing else.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod demo;
mod deny;
mod faults;
mod mesh;
mod models;
mod process;
mod suite;
mod tools;
mod up;
mod web;

use std::process::ExitCode;

use args::{Command, Parsed};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args::parse(&arguments) {
        Ok(Parsed::Help(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Parsed::Run(Command::Up(options))) => up::run(&options),
        Ok(Parsed::Run(Command::Mesh(options))) => mesh::run(&options),
        Ok(Parsed::Run(Command::Test(options))) => suite::run(&options),
        Ok(Parsed::Run(Command::Faults(options))) => faults::run(&options),
        Ok(Parsed::Run(Command::Bench(name))) => bench::run(&name),
        Err(message) => {
            eprintln!("{message}\n\nSee `cargo xtask --help`.");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nerror: {message}");
            ExitCode::FAILURE
        }
    }
}
