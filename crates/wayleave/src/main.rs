//! The one binary: every role, every tool. `wayleave help` teaches.
#![expect(clippy::print_stdout, reason = "the command line's own surface")]

mod cli;
mod demo;
mod fsck;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Fsck(args) => fsck::command(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("wayleave: {error:#}");
        ExitCode::FAILURE
    })
}
