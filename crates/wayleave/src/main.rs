//! The one binary: every role, every tool. `wayleave help` teaches.
#![expect(clippy::print_stdout, reason = "the command line's own surface")]

mod cli;
mod command;
mod fsck;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Fsck(args) => fsck::command(&args),
        Command::Wallet(asked) => command::wallet::command(&asked),
        Command::Privacy(args) => command::privacy::command(&args),
        Command::Verify(args) => command::verify::command(&args),
        Command::VerifyExport(args) => command::export::command(&args),
        Command::Replay(args) => command::replay::command(&args),
        Command::Policy(asked) => command::replay::policy(&asked),
        Command::Explain(args) => command::explain::command(&args),
        Command::Receipt(asked) => command::receipt::command(&asked),
    };
    done.unwrap_or_else(|error| command::failed(&error))
}
