//! What the one binary does, as a library: so that a test can call whatever the binary calls.
//!
//! Start at [`main`]; the story is in [`demo`].
#![expect(clippy::print_stdout, reason = "the command line's own surface")]
#![expect(clippy::disallowed_methods, reason = "rank 6: the demo says how long things took")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rank 6: whatever is not the expected answer ends the story with its words"
)]

pub mod backup;
pub mod cli;
pub mod command;
pub mod demo;
pub mod drill;
pub mod fsck;
mod ha;
pub mod load;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, LoadCommand};

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run::run(&args),
        Command::Ha(asked) => ha::command(&asked),
        Command::Drill(asked) => drill::command(&asked),
        Command::Fsck(args) => fsck::command(&args),
        Command::Load(LoadCommand::Payments(args)) => {
            load::bench::run(&args).map(|()| ExitCode::SUCCESS)
        }
        Command::Load(LoadCommand::Soak(args)) => {
            load::soak::run(&args).map(|()| ExitCode::SUCCESS)
        }
        Command::Backup(args) => backup::command(&args),
        Command::Restore(args) => backup::restore_command(&args),
        Command::Wallet(asked) => command::wallet::command(&asked),
        Command::Bank(asked) => command::bank::command(&asked),
        Command::Duty(asked) => command::duty::command(&asked),
        Command::Privacy(args) => command::privacy::command(&args),
        Command::Verify(args) => command::verify::command(&args),
        Command::VerifyExport(args) => command::export::command(&args),
        Command::Replay(args) => command::replay::command(&args),
        Command::Policy(asked) => command::policy::command(&asked),
        Command::Edge(asked) => command::edges::command(&asked),
        Command::Referral(asked) => command::referral::command(&asked),
        Command::Explain(args) => command::explain::command(&args),
        Command::Receipt(asked) => command::receipt::command(&asked),
        Command::Lists(asked) => command::lists::command(&asked),
        Command::Mirrors(args) => command::books::mirrors(&args),
        Command::Lease(asked) => command::lease::command(&asked),
        Command::Ledger(asked) => command::ledger::command(&asked),
        Command::Operator(asked) => command::operator::command(&asked),
        Command::Reconcile(args) => command::operator::reconcile(&args),
        Command::Day(asked) => command::operator::day(&asked),
        Command::Participant(asked) => command::participant::participant(&asked),
    };
    done.unwrap_or_else(|error| command::failed(&error))
}
